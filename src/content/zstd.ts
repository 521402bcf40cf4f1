/**
 * The zstd underneath {@link compress} and {@link decompress}: which implementation this runtime has, and the
 * one form of frame that we write and read. Both implementations write that form, so that what one machine
 * stored another one reads.
 *
 * Source of the frame's layout: RFC 8878, "Zstandard Compression and the 'application/zstd' Media Type".
 *
 * @module
 */

import * as zlib from "node:zlib";
import { type Bytes, freeBytes, ownWhole } from "../base/mod.ts";

/** Compression level: the library's own default, the best trade on a path that also hashes and encrypts. */
const LEVEL = 3;

/** From so many bytes on a piece has a buffer of its own, which is given back as soon as it is done with. */
const FREED_BYTES_MIN = 128 * 1024;

/** An implementation of zstd. Its results are fresh arrays. */
export interface Zstd {
  /** One frame of all the bytes that states their length. */
  compress(bytes: Uint8Array): Bytes;
  /**
   * What a frame holds.
   *
   * @param length the length that the frame states: allocates that much and no more
   * @throws an error of the implementation's own if the frame is malformed or holds more
   */
  decompress(frame: Uint8Array, length: number): Bytes;
}

/** The runtime's own zstd, or `null` where node:zlib has none. */
export function nativeZstd(): Zstd | null {
  if (typeof zlib.zstdCompressSync !== "function") return null;
  const params = { [zlib.constants.ZSTD_c_compressionLevel]: LEVEL };
  return {
    compress(bytes) {
      const options = {
        params,
        // Only a pledged size makes the streaming encoder write the length into the frame's header. Deno and
        // Node.js take it; their types don't know it yet.
        pledgedSrcSize: bytes.length,
        // All output in one piece: after a frame of several, Deno 2.9 appends a second, empty frame.
        chunkSize: compressBound(bytes.length),
      };
      const piece = own(zlib.zstdCompressSync(bytes, options));
      const frame = piece.slice(); // the piece is mostly empty
      // Small ones may lie in the pool that all Buffers share.
      if (bytes.length >= FREED_BYTES_MIN) freeBytes(ownWhole(piece));
      return frame;
    },
    decompress(frame, length) {
      // One output piece saves joining 16 KiB pieces; one that is full would get another one of its size behind it.
      const chunkSize = Math.max(length + 1, zlib.constants.Z_MIN_CHUNK);
      const bytes = own(zlib.zstdDecompressSync(frame, { maxOutputLength: length, chunkSize }));
      return length >= FREED_BYTES_MIN ? ownWhole(bytes) : bytes;
    },
  };
}

/** The same in WebAssembly, for runtimes without their own. Loads and compiles 250 KB. */
export async function wasmZstd(): Promise<Zstd> {
  const wasm = await import("@bokuweb/zstd-wasm");
  await wasm.init();
  return {
    compress: (bytes) => own(wasm.compress(bytes, LEVEL)),
    decompress: (frame, length) => own(wasm.decompress(frame, { defaultHeapSize: length })),
  };
}

/** The most that a frame of `length` bytes can have: ZSTD_COMPRESSBOUND of the reference implementation's zstd.h. */
function compressBound(length: number): number {
  const margin = length < 128 * 1024 ? (128 * 1024 - length) >>> 11 : 0;
  return length + (length >>> 8) + margin;
}

function own(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_BYTES = 3;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/**
 * The length that a frame says it decodes to, or `null` unless the bytes are one whole frame of the form we
 * write: a single segment (so that the decoder's window is that length and not whatever a header asks for), no
 * dictionary, no checksum, all of its blocks there and nothing after the last. Reads the headers only.
 *
 * The implementations are not asked to find this out: one takes a cut-off frame for an empty one, both accept
 * what follows a frame.
 */
export function frameContentLength(frame: Uint8Array): number | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 6 || view.getUint32(0, true) !== MAGIC) return null;

  const descriptor = view.getUint8(4);
  if ((descriptor & 0x3f) !== 0x20) return null; // single segment; reserved, checksum and dictionary bits zero
  const widthBits = descriptor >>> 6;
  let offset = 5 + (1 << widthBits);
  if (offset > frame.length) return null;
  let length: number;
  if (widthBits === 0) length = view.getUint8(5);
  else if (widthBits === 1) length = view.getUint16(5, true) + 256;
  else if (widthBits === 2) length = view.getUint32(5, true);
  else return null; // eight bytes: over 4 GiB

  for (let last = false; !last;) {
    if (offset + BLOCK_HEADER_BYTES > frame.length) return null;
    const header = view.getUint16(offset, true) | view.getUint8(offset + 2) << 16;
    last = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    if (type === BLOCK_RESERVED) return null;
    offset += BLOCK_HEADER_BYTES + (type === BLOCK_RLE ? 1 : header >>> 3);
  }
  return offset === frame.length ? length : null;
}
