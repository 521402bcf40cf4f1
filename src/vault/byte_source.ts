/**
 * Where the bytes of a put come from: memory, a stream or a file, all read the same way, into a buffer of ours.
 *
 * @module
 */

import { asVaultError, type Bytes } from "../base/mod.ts";

/** Bytes to be read in order. */
export interface ByteSource {
  /** Reads up to `into.length` (≥ 1) bytes; 0 only at the end. */
  read(into: Bytes): Promise<number>;
  /** Lets go of what is underneath. */
  close(): Promise<void>;
}

/** What a program may hand over to be stored. */
export type PutSource = Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** A source over bytes in memory or over anything that yields pieces of bytes. */
export function sourceOf(source: PutSource): ByteSource {
  if (source instanceof Uint8Array) return sourceOfPieces([source][Symbol.iterator]());
  return sourceOfPieces(source[Symbol.asyncIterator]());
}

function sourceOfPieces(pieces: Iterator<Uint8Array> | AsyncIterator<Uint8Array>): ByteSource {
  let piece = new Uint8Array(0) as Uint8Array;
  let offset = 0;
  return {
    async read(into) {
      while (offset === piece.length) {
        const next = await pieces.next();
        if (next.done) return 0;
        piece = next.value;
        offset = 0;
      }
      const part = piece.subarray(offset, offset + into.length);
      into.set(part);
      offset += part.length;
      return part.length;
    },
    async close() {
      await pieces.return?.();
    },
  };
}

/** Files up to this size are read at once: a trip to another thread takes longer than the read. */
const SYNC_READ_BYTES_MAX = 256 * 1024;

/**
 * A source over an open file, which it closes. One of 0 bytes may be a pipe or a device: waiting for those at once would
 * hold up everything else, the user's Ctrl-C too.
 */
export function sourceOfFile(file: Deno.FsFile, path: string, size: number): ByteSource {
  const atOnce = size > 0 && size <= SYNC_READ_BYTES_MAX;
  return {
    async read(into) {
      try {
        const read = atOnce ? file.readSync(into) : await file.read(into);
        return read ?? 0;
      } catch (error) {
        throw asVaultError(error, `Cannot read ${path}`);
      }
    },
    close() {
      file.close();
      return Promise.resolve();
    },
  };
}
