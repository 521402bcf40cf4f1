/**
 * What a thread does with runs of chunks of large files that are fetched: reads each chunk from its pack, checks and opens it,
 * and writes it at its place in the file.
 *
 * As in {@link "./small_work.ts"}, whatever is not as expected is left to the one who asked, who says what is wrong.
 *
 * @module
 */

import { type Bytes, freeBytes } from "../base/mod.ts";
import { decompress, type ReferenceFields } from "../content/mod.ts";
import type { Sealer } from "../seal/mod.ts";

/** Chunks of a run in work at once: while the cipher has some, this thread reads, hashes or writes another. */
const LANES = 3;

/** A chunk in a pack, and where in the file its bytes go. */
export interface RunChunk {
  pack: string;
  offset: number;
  reference: ReferenceFields;
  to: number;
}

/** A sealed chunk that is at hand, and where in which file its bytes go. The file is there already. */
export interface FoundChunk {
  path: string;
  sealed: Bytes;
  reference: ReferenceFields;
  to: number;
}

/** Chunks of a file that is there already, with nothing at their places. */
export interface ChunkRun {
  path: string;
  chunks: RunChunk[];
}

/** Does one run after the other; the next begins when the last chunk of the one before has been begun. */
export class RunWriter {
  readonly #sealer: Sealer;
  #turn: Promise<void> = Promise.resolve();

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  /** Writes chunks to their places; says of each whether it could be done. Never fails as a whole. */
  async write(run: ChunkRun): Promise<boolean[]> {
    const mine = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await mine;
    const written = run.chunks.map(() => false);
    const files = new Map<string, Deno.FsFile>();
    try {
      const to = opened(files, run.path, { write: true });
      let next = 0;
      const lane = async () => {
        const room = new Uint8Array(longest(run.chunks) + 1);
        for (let i = next++; i < run.chunks.length; i = next++) {
          written[i] = await this.#writeChunk(run.chunks[i]!, { files, room, to });
        }
        resolve();
        freeBytes(room);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
    } catch {
      // `written` says what was not done
    } finally {
      resolve();
      for (const file of files.values()) file.close();
    }
    return written;
  }

  /** Writes a chunk to its place; says whether that could be done. Never fails, and leaves the sealed bytes as they are. */
  async place({ path, sealed, reference, to }: FoundChunk): Promise<boolean> {
    try {
      const plain = await this.#sealer.open(sealed, reference, decompress);
      using file = Deno.openSync(path, { write: true });
      writeAt(file, to, plain);
      freeBytes(plain);
      return true;
    } catch {
      return false;
    }
  }

  async #writeChunk(
    { pack, offset, reference, to }: RunChunk,
    { files, room, to: file }: { files: Map<string, Deno.FsFile>; room: Bytes; to: Deno.FsFile },
  ): Promise<boolean> {
    try {
      const sealed = room.subarray(0, reference.sealedLength);
      if (!readAt(opened(files, pack, { read: true }), offset, sealed)) return false;
      // Tag and id prove the same bytes as the address.
      const plain = await this.#sealer.open(sealed, reference, decompress);
      writeAt(file, to, plain);
      freeBytes(plain);
      return true;
    } catch {
      return false;
    }
  }
}

function longest(chunks: readonly RunChunk[]): number {
  return chunks.reduce((most, { reference }) => Math.max(most, reference.sealedLength), 0);
}

function opened(
  files: Map<string, Deno.FsFile>,
  path: string,
  options: Deno.OpenOptions,
): Deno.FsFile {
  let file = files.get(path);
  if (file === undefined) files.set(path, file = Deno.openSync(path, options));
  return file;
}

/** Fills `into` from a place in a file; false if that ends before. */
function readAt(file: Deno.FsFile, offset: number, into: Bytes): boolean {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let filled = 0; filled < into.length;) {
    const read = file.readSync(into.subarray(filled));
    if (read === null) return false;
    filled += read;
  }
  return true;
}

/** Writes all bytes at a place in a file. */
export function writeAt(file: Deno.FsFile, offset: number, bytes: Bytes): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}
