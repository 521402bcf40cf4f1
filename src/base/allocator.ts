/**
 * A word with the allocator: large buffers are reused, and given back when they are done with instead of when the garbage
 * collector comes by.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";

/** Just under 32 MiB, glibc's DEFAULT_MMAP_THRESHOLD_MAX on 64-bit machines: larger blocks teach it nothing. */
const LESSON_BYTES = 32 * 1024 * 1024 - 64 * 1024;

let taught = false;

/**
 * Lets the process reuse the memory of large buffers. By default glibc maps each block of 128 KiB and more from the
 * kernel and gives it back when it is freed, and WebCrypto makes such a block for every chunk: faulting the pages in anew
 * takes longer than the cipher. But once a mapped block is freed, glibc serves all blocks up to that size from its
 * heap (mallopt(3), "dynamic mmap threshold"). So one large block is made here, never touched, and freed at once.
 * Measured with AES-GCM on 512 KiB pieces, four at once: from 560 to 950 MB/s. Elsewhere it does nothing.
 */
export function reuseLargeBuffers(): void {
  if (taught) return;
  taught = true;
  new ArrayBuffer(LESSON_BYTES).transfer(0);
}

/** Buffers that belong as a whole to whoever has the one view of them that matters. */
const wholes = new WeakSet<ArrayBuffer>();

/** Says that nobody uses the rest of the buffer that these bytes lie in, so that it goes with them. Gives them back. */
export function ownWhole(bytes: Bytes): Bytes {
  wholes.add(bytes.buffer);
  return bytes;
}

/** Buffers shorter than this are not worth keeping, longer ones too large to be kept. */
const SPARE_BYTES_MIN = 128 * 1024;
const SPARE_BYTES_MAX = 4 * 1024 * 1024;
/** So many are kept at most. */
const SPARE_BUFFERS_MAX = 8;

/** Buffers that somebody was done with: a new one would have to be filled with zeros first. */
const spare: ArrayBuffer[] = [];

/** A kept buffer of at least so many bytes, of anyone's old bytes; `null` if there is none. It is the caller's. */
export function spareBuffer(bytes: number): ArrayBuffer | null {
  if (bytes < SPARE_BYTES_MIN) return null;
  const at = spare.findIndex((buffer) => buffer.byteLength >= bytes);
  return at < 0 ? null : spare.splice(at, 1)[0]!;
}

/** Bytes to be written over: in a kept buffer if there is one, of which they {@link ownWhole own} the rest. */
export function takeBytes(length: number): Bytes {
  const buffer = spareBuffer(length);
  return buffer === null ? new Uint8Array(length) : ownWhole(new Uint8Array(buffer, 0, length));
}

/**
 * Frees bytes that fill their buffer, or {@link ownWhole own} it, at once, or keeps the buffer for others. Nobody may use
 * them after, and nobody can: either way all views of the buffer lose it. Any view of a larger buffer is left alone.
 */
export function freeBytes(bytes: Bytes): void {
  const { buffer } = bytes;
  if (bytes.byteLength === buffer.byteLength || wholes.has(buffer)) free(buffer);
}

/** Frees bytes that {@link ownWhole own} their buffer; others may belong to someone else. */
export function freeOwned(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && wholes.has(buffer)) free(buffer);
}

/** Buffers that somebody else looks at, how many do, and whether they are to be freed when these are done. */
const lent = new WeakMap<ArrayBuffer, { borrowers: number; isFreed: boolean }>();

/**
 * Keeps bytes from being freed by their owner, until what this gives is called: then they are, if the owner has wished so
 * meanwhile. Good for bytes that their owner frees by {@link freeBytes}, not for those it hands on.
 */
export function lendBytes({ buffer }: Bytes): () => void {
  const loan = lent.get(buffer) ?? { borrowers: 0, isFreed: false };
  loan.borrowers++;
  lent.set(buffer, loan);
  return () => {
    if (--loan.borrowers > 0) return;
    lent.delete(buffer);
    if (loan.isFreed) free(buffer);
  };
}

function free(buffer: ArrayBuffer): void {
  const loan = lent.get(buffer);
  if (loan !== undefined) {
    loan.isFreed = true;
    return;
  }
  const { byteLength } = buffer;
  const isOfUse = byteLength >= SPARE_BYTES_MIN && byteLength <= SPARE_BYTES_MAX;
  if (isOfUse && spare.length < SPARE_BUFFERS_MAX) spare.push(buffer.transfer());
  else buffer.transfer(0);
}

/** So much may be left to the collector before it is sent for. */
const LEFT_BYTES_MAX = 4 * 1024 * 1024;

let leftBytes = 0;

/**
 * Says that the runtime may have copied so many bytes, as WebCrypto does with what it is given, and left the copy to the
 * garbage collector. That one doesn't feel their weight until it is 64 MiB in each thread. Where it can be sent for, which
 * takes the flag `--expose-gc` that the compiled program has, it collects what is young after a few MiB each: a put and a get of
 * 512 MiB hold 75 and 90 MiB less so on Deno 2.4, and take no longer, as the same memory is used again.
 */
export function leaveCopy(bytes: number): void {
  leftBytes += bytes;
  if (leftBytes < LEFT_BYTES_MAX) return;
  leftBytes = 0;
  const { gc } = globalThis as { gc?: (options: { type: "minor" }) => void };
  gc?.({ type: "minor" });
}

/** What was made for so many small files may be left to the collector before it is sent for. */
const LEFT_FILES_MAX = 2048;

let leftFiles = 0;

/**
 * Says that a thread is done with so many small files of a put. What was made for each of them, some kilobytes in dozens of
 * objects, has waited for the others of its batch and so counts as old, which the collector looks at only when the heap has
 * become several times as large. Where it can be sent for, as in {@link leaveCopy}, it comes after some thousands: 10,000 files
 * hold 40 MiB less so. At a get it would take more time than it is worth.
 */
export function leaveFiles(count: number): void {
  leftFiles += count;
  if (leftFiles < LEFT_FILES_MAX) return;
  leftFiles = 0;
  const { gc } = globalThis as { gc?: (options: { type: "major" }) => void };
  gc?.({ type: "major" });
}
