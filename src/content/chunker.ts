/**
 * The first step of a put: where a file is cut into chunks. A cut is chosen by the bytes around it, so that
 * an insertion moves the cuts with the content and only the chunks that it touches are new.
 *
 * The algorithm is FastCDC: a gear hash, no cut below a minimum, and a stricter condition before the wanted
 * size than after it, which gathers the sizes around it. Source: Xia et al., "FastCDC: a Fast and Efficient
 * Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016. Ours differs in two points: the
 * gear table is derived from a key, so that chunk sizes do not fingerprint known files; and where the paper
 * pads its masks with zero bits, we take the highest bits (see {@link Chunker.cut}).
 *
 * @module
 */

import { hkdfSync } from "node:crypto";
import {
  type Bytes,
  CHUNK_BYTES_AVG,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  encodeUtf8,
} from "../base/mod.ts";

/** Length of the seed of the gear table. */
const GEAR_SEED_BYTES = 32;

/** Entries of the gear table: one for each value of a byte. */
const GEAR_ENTRIES = 256;

/** Bytes that the 32-bit gear hash remembers: each new byte shifts it by one bit. */
const WINDOW_BYTES = 32;

/** How far the two conditions lie from the average, as a power of two (the paper's normalisation level 2). */
const NORMALISATION_BITS = 2;

/** Bounds of the chunks in bytes. */
export interface ChunkSizes {
  /** No chunk is shorter, except the last of a file. At least 32. */
  min: number;
  /** What the mean comes out at on random data. A power of two, at most 2^29. */
  avg: number;
  /** No chunk is longer. */
  max: number;
}

const DEFAULT_SIZES: ChunkSizes = {
  min: CHUNK_BYTES_MIN,
  avg: CHUNK_BYTES_AVG,
  max: CHUNK_BYTES_MAX,
};

/**
 * The gear table of a seed: 256 numbers of 32 bits, the big-endian words of 1024 bytes that HKDF-SHA-256
 * (RFC 5869) makes of it, with an empty salt and "govault gear 1" as info.
 *
 * @param seed {@link GEAR_SEED_BYTES} secret bytes
 */
export function gearTable(seed: Bytes): Uint32Array {
  if (seed.length !== GEAR_SEED_BYTES) {
    throw new RangeError(`Cannot derive gear table: seed has ${seed.length} bytes`);
  }
  const info = encodeUtf8("govault gear 1");
  const words = new DataView(hkdfSync("sha256", seed, new Uint8Array(0), info, 4 * GEAR_ENTRIES));
  return Uint32Array.from({ length: GEAR_ENTRIES }, (_, i) => words.getUint32(4 * i));
}

/** Cuts bytes into chunks. Holds no state between cuts: one chunker serves any number of files. */
export class Chunker {
  /** The gear table as signed integers, so that the hot loop stays in 32-bit arithmetic. */
  readonly #gear: Int32Array;
  readonly #min: number;
  readonly #max: number;
  /** Chunk length up to which the strict condition holds. */
  readonly #normal: number;
  readonly #strictMask: number;
  readonly #looseMask: number;

  /**
   * @param gearSeed {@link GEAR_SEED_BYTES} secret bytes that choose the cuts
   * @param sizes bounds of the chunks
   */
  constructor(gearSeed: Bytes, sizes: ChunkSizes = DEFAULT_SIZES) {
    const { min, avg, max } = sizes;
    const bits = Math.log2(avg);
    if (!Number.isInteger(bits) || bits > 29) {
      throw new RangeError(`Cannot chunk: average ${avg} is not a power of two up to 2^29`);
    }
    if (!(min >= WINDOW_BYTES && min < avg && avg < max && max <= 2 ** 30)) {
      throw new RangeError(`Cannot chunk: sizes ${min}, ${avg}, ${max} are out of order`);
    }
    this.#gear = new Int32Array(gearTable(gearSeed));
    this.#min = min;
    this.#max = max;
    // Between min and here a cut is 4 times rarer than 1 in avg, after it 4 times as likely. At three quarters
    // of the way the mean comes out at avg (0.99 × avg for min = avg / 4).
    this.#normal = min + Math.floor((avg - min) * 3 / 4);
    this.#strictMask = highBits(bits + NORMALISATION_BITS);
    this.#looseMask = highBits(bits - NORMALISATION_BITS);
  }

  /**
   * Length of the chunk that begins at `bytes[start]`. It depends on that chunk's own bytes and on nothing else.
   *
   * A chunk may end after a byte if the highest bits of the gear hash over the last 32 bytes are zero. The
   * highest, because the hash only ever shifts to the left: its bit k is a function of the last k + 1 bytes, so
   * that the high bits see the whole window and the low ones next to nothing.
   *
   * @param end one past the last byte to look at: either `end - start` is at least the maximum, or the file ends
   *   there and what holds no cut is its last chunk
   */
  cut(bytes: Uint8Array, start: number, end: number): number {
    const longest = start + Math.min(this.#max, end - start);
    const normal = Math.min(start + this.#normal, longest);
    const shortest = start + this.#min;
    if (shortest >= longest) return longest - start;

    const gear = this.#gear;
    const strict = scan(gear, bytes, shortest, normal, this.#strictMask);
    if (strict !== NO_CUT) return strict - start;
    const loose = scan(gear, bytes, normal, longest, this.#looseMask);
    return (loose === NO_CUT ? longest : loose) - start;
  }
}

const NO_CUT = -1;

/** A mask of the `count` highest of 32 bits, 1 to 31. */
function highBits(count: number): number {
  return -1 << (32 - count);
}

/**
 * The first position p in (from, to] where the hash of the 32 bytes before p is zero under the mask, or
 * {@link NO_CUT}. Whole words go the fast way. The parts are functions of their own because the compiler makes
 * a loop noticeably slower when others stand in the same function (by 30 % as measured).
 */
function scan(
  gear: Int32Array,
  bytes: Uint8Array,
  from: number,
  to: number,
  mask: number,
): number {
  const { byteOffset } = bytes;
  const wordsFrom = Math.min(from + (-(byteOffset + from) & 3), to);
  const first = scanOnes(gear, bytes, from, wordsFrom, mask, hashBefore(gear, bytes, from));
  if (first !== NO_CUT) return first;
  const wordsTo = wordsFrom + ((to - wordsFrom) & ~3);
  if (wordsTo > wordsFrom) {
    const words = new Int32Array(bytes.buffer, byteOffset + wordsFrom, (wordsTo - wordsFrom) / 4);
    const found = scanWords(gear, words, mask, hashBefore(gear, bytes, wordsFrom));
    if (found !== NO_CUT) return wordsFrom + found;
  }
  return scanOnes(gear, bytes, wordsTo, to, mask, hashBefore(gear, bytes, wordsTo));
}

/** The gear hash of the 32 bytes before a position: all that it can depend on. */
function hashBefore(gear: Int32Array, bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = at - WINDOW_BYTES; i < at; i++) hash = ((hash << 1) + gear[bytes[i]!]!) | 0;
  return hash;
}

/**
 * The hot loop of a put: four bytes in one load, so that they share the cost of the loop and of its bounds check, in
 * signed 32-bit integers, which the compiler keeps in registers. The first byte is the lowest: every machine that Deno
 * runs on is little-endian.
 */
function scanWords(gear: Int32Array, words: Int32Array, mask: number, hash: number): number {
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    hash = ((hash << 1) + gear[word & 0xff]!) | 0;
    if ((hash & mask) === 0) return 4 * i + 1;
    hash = ((hash << 1) + gear[(word >>> 8) & 0xff]!) | 0;
    if ((hash & mask) === 0) return 4 * i + 2;
    hash = ((hash << 1) + gear[(word >>> 16) & 0xff]!) | 0;
    if ((hash & mask) === 0) return 4 * i + 3;
    hash = ((hash << 1) + gear[word >>> 24]!) | 0;
    if ((hash & mask) === 0) return 4 * i + 4;
  }
  return NO_CUT;
}

function scanOnes(
  gear: Int32Array,
  bytes: Uint8Array,
  from: number,
  to: number,
  mask: number,
  hash: number,
): number {
  for (let i = from; i < to; i++) {
    hash = ((hash << 1) + gear[bytes[i]!]!) | 0;
    if ((hash & mask) === 0) return i + 1;
  }
  return NO_CUT;
}
