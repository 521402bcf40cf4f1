/**
 * What the message table is built of: a codec per message part, and the few shapes that messages share. A decoded value
 * is made of views of the bytes it was decoded from.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  compareBytes,
  encodeUtf8,
  HASH_BYTES,
  REASON_BYTES_MAX,
  VaultError,
} from "../base/mod.ts";
import type { LogHead } from "./messages.ts";

/** Bytes in pieces, so that an object's need not be copied behind what goes before them. */
export type Encoded = readonly Uint8Array[];

/** One side of a message: what is asked, what is answered, or what is said. */
export interface Codec<T> {
  /** More bytes than this are never one of these; refused before they are taken in. */
  readonly bytesMax: number;
  /** @throws VaultError `failed` if a limit of the protocol does not allow the value */
  encode(value: T): Encoded;
  /** @throws VaultError `damaged` for anything that `encode` would not have written */
  decode(reader: ByteReader): T;
}

/** Bytes of a head: node(32) ‖ u64 last ‖ digest(32). */
export const HEAD_BYTES = HASH_BYTES + 8 + HASH_BYTES;

/** Decodes all of `bytes`. @throws VaultError `damaged` */
export function decodeAll<T>(codec: Codec<T>, bytes: Uint8Array, what: string): T {
  const reader = new ByteReader(bytes, what);
  if (bytes.length > codec.bytesMax) {
    throw reader.fail(`${bytes.length} bytes, the limit is ${codec.bytesMax}`);
  }
  const value = codec.decode(reader);
  reader.end();
  return value;
}

/** Encodes, and holds what comes out against the codec's limit. */
export function encodeAll<T>(
  codec: Pick<Codec<T>, "bytesMax" | "encode">,
  value: T,
  what: string,
): { pieces: Encoded; length: number } {
  const pieces = codec.encode(value);
  let length = 0;
  for (const piece of pieces) length += piece.length;
  if (length > codec.bytesMax) {
    throw cannotSend(what, `${length} bytes, the limit is ${codec.bytesMax}`);
  }
  return { pieces, length };
}

/** An error of ours: what was to be sent breaks a rule of the protocol. */
export function cannotSend(what: string, state: string): VaultError {
  return new VaultError("failed", `Cannot send ${what}: ${state}`);
}

/** Writes a count that must not exceed `max`. */
export function writeCount(
  writer: ByteWriter,
  count: number,
  max: number,
  what: string,
): ByteWriter {
  if (count > max) throw cannotSend(what, `there are ${count}, the limit is ${max}`);
  return writer.u16(count);
}

/** Writes an address, id or digest. */
export function writeHash(writer: ByteWriter, hash: Uint8Array, what: string): ByteWriter {
  if (hash.length !== HASH_BYTES) {
    throw cannotSend(what, `${hash.length} bytes instead of ${HASH_BYTES}`);
  }
  return writer.raw(hash);
}

/** Reads an address, id or digest. */
export function readHash(reader: ByteReader): Bytes {
  return reader.raw(HASH_BYTES);
}

/** Writes true as 1, false as 0. */
export function writeFlag(writer: ByteWriter, flag: boolean): ByteWriter {
  return writer.u8(flag ? 1 : 0);
}

/** Reads a byte that is 0 or 1. */
export function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw reader.fail(`a flag is ${value}`);
  return value === 1;
}

/** Bytes of a list of hashes. */
export function hashesBytes(count: number): number {
  return 2 + count * HASH_BYTES;
}

/** `u16 count ‖ count × hash(32)`; `ascending`: each larger than the one before. */
export function writeHashes(
  writer: ByteWriter,
  hashes: readonly Uint8Array[],
  options: { max: number; what: string; ascending?: boolean },
): ByteWriter {
  const { max, what, ascending = false } = options;
  writeCount(writer, hashes.length, max, what);
  hashes.forEach((hash, i) => {
    if (ascending && i > 0 && compareBytes(hashes[i - 1]!, hash) >= 0) {
      throw cannotSend(what, "they are out of order");
    }
    writeHash(writer, hash, what);
  });
  return writer;
}

/** The other end of {@link writeHashes}. */
export function readHashes(
  reader: ByteReader,
  options: { max: number; ascending?: boolean },
): Bytes[] {
  const count = reader.count(reader.u16(), options.max, HASH_BYTES);
  const hashes: Bytes[] = [];
  for (let i = 0; i < count; i++) {
    const hash = readHash(reader);
    if (options.ascending && i > 0 && compareBytes(hashes[i - 1]!, hash) >= 0) {
      throw reader.fail("hashes out of order");
    }
    hashes.push(hash);
  }
  return hashes;
}

/** `node(32) ‖ u64 last ‖ digest(32)`. */
export function writeHead(writer: ByteWriter, { node, last, digest }: LogHead): ByteWriter {
  writeHash(writer, node, "a head's node").u64(last);
  return writeHash(writer, digest, "a head's digest");
}

/** The other end of {@link writeHead}. */
export function readHead(reader: ByteReader): LogHead {
  return { node: readHash(reader), last: reader.u64(), digest: readHash(reader) };
}

/** `u16 count ‖ count × head`, ascending by node. */
export function writeHeads(
  writer: ByteWriter,
  heads: readonly LogHead[],
  max: number,
): ByteWriter {
  writeCount(writer, heads.length, max, "heads");
  heads.forEach((head, i) => {
    if (i > 0 && compareBytes(heads[i - 1]!.node, head.node) >= 0) {
      throw cannotSend("heads", "they are out of order");
    }
    writeHead(writer, head);
  });
  return writer;
}

/** The other end of {@link writeHeads}. */
export function readHeads(reader: ByteReader, max: number): LogHead[] {
  const count = reader.count(reader.u16(), max, HEAD_BYTES);
  const heads: LogHead[] = [];
  for (let i = 0; i < count; i++) {
    const head = readHead(reader);
    if (i > 0 && compareBytes(heads[i - 1]!.node, head.node) >= 0) {
      throw reader.fail("heads out of order");
    }
    heads.push(head);
  }
  return heads;
}

/** `u16 count ‖ count bits`, the first in the lowest bit of the first byte; bits to spare are 0. */
export function writeBits(writer: ByteWriter, bits: readonly boolean[], max: number): ByteWriter {
  writeCount(writer, bits.length, max, "answers");
  const packed = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) packed[i >> 3]! |= 1 << (i & 7);
  });
  return writer.raw(packed);
}

/** The other end of {@link writeBits}. */
export function readBits(reader: ByteReader, max: number): boolean[] {
  const count = reader.count(reader.u16(), max, 1 / 8);
  const packed = reader.raw(Math.ceil(count / 8));
  if ((count & 7) !== 0 && packed[packed.length - 1]! >> (count & 7) !== 0) {
    throw reader.fail("a bit to spare is set");
  }
  return Array.from({ length: count }, (_, i) => (packed[i >> 3]! >> (i & 7) & 1) === 1);
}

/** Byte strings shorter than this are copied together, longer ones stay where they are. */
const SMALL_BLOB_BYTES = 16 * 1024;

/** `u16 count ‖ count × u32 length ‖ the bytes one after the other`; none is empty. */
export function encodeBlobs(
  blobs: readonly Uint8Array[],
  options: { max: number; bytesEachMax: number; what: string },
): Encoded {
  const { max, bytesEachMax, what } = options;
  let writer = writeCount(new ByteWriter(2 + 4 * blobs.length), blobs.length, max, what);
  for (const { length } of blobs) {
    if (length < 1 || length > bytesEachMax) {
      throw cannotSend(what, `one has ${length} bytes, the limit is ${bytesEachMax}`);
    }
    writer.u32(length);
  }
  const pieces: Uint8Array[] = [];
  for (const blob of blobs) {
    if (blob.length < SMALL_BLOB_BYTES) {
      writer.raw(blob);
    } else {
      pieces.push(writer.finish(), blob);
      writer = new ByteWriter();
    }
  }
  return [...pieces, writer.finish()];
}

/** The other end of {@link encodeBlobs}. */
export function readBlobs(
  reader: ByteReader,
  options: { max: number; bytesEachMax: number },
): Bytes[] {
  const count = reader.count(reader.u16(), options.max, 4);
  const lengths: number[] = [];
  for (let i = 0; i < count; i++) {
    const length = reader.u32();
    if (length < 1 || length > options.bytesEachMax) throw reader.fail(`a length is ${length}`);
    lengths.push(length);
  }
  return lengths.map((length) => reader.raw(length));
}

// deno-lint-ignore no-control-regex -- what a terminal would act upon has no place in a reason
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** A reason as it may travel: without control characters, and cut to `REASON_BYTES_MAX` bytes of UTF-8. */
export function cutReason(text: string): string {
  const clean = text.replace(CONTROLS, " ").toWellFormed();
  const bytes = encodeUtf8(clean);
  if (bytes.length <= REASON_BYTES_MAX) return clean;
  let end = REASON_BYTES_MAX - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end)) + "…";
}

/** Reads a reason. */
export function readReason(reader: ByteReader): string {
  const text = reader.text16();
  if (text.search(CONTROLS) >= 0) throw reader.fail("a reason holds control characters");
  if (encodeUtf8(text).length > REASON_BYTES_MAX) throw reader.fail("a reason is too long");
  return text;
}
