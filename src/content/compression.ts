/**
 * The step between cutting and sealing: a chunk is compressed when that pays. Most of what people keep is
 * compressed already (photos, films, archives), so a guess on a small sample spares those the work.
 *
 * @module
 */

import { type Bytes, PLAIN_BYTES_MAX, VaultError } from "../base/mod.ts";
import { frameContentLength, nativeZstd, wasmZstd, type Zstd } from "./zstd.ts";

/** Shorter inputs are left alone: a frame's headers eat what could be won. */
export const COMPRESS_BYTES_MIN = 64;

/** A result is kept if it saves at least one byte in this many: 3 %. */
const COMPRESS_SAVING_DIVISOR = 33;

/** Bytes that {@link looksIncompressible} looks at. */
const SAMPLE_BYTES = 4096;
/** They are taken in runs of this many, so that no record length of the data can hide from the stride. */
const SAMPLE_RUN_BYTES = 16;
/** Below this many bytes a sample says too little, and compressing costs no more than looking. */
const SAMPLE_BYTES_MIN = 1024;
/** How often each value is in a sample; used again, as there is one for every small file. */
const counts = new Uint32Array(256);
/** n·log₂ n of every count that there can be. */
const WEIGHTS = Float64Array.from({ length: SAMPLE_BYTES + 1 }, (_, n) => n * Math.log2(n));
/** Data of more bits per byte than this is not tried. Random data comes out at 8.0, ±0.05. */
const ENTROPY_BITS_MAX = 7.9;

let zstd: Zstd | null = nativeZstd();
let loading: Promise<Zstd> | undefined;

/**
 * Makes {@link compress} and {@link decompress} ready for use; needed once. Immediate where the runtime has
 * zstd, else it loads a WebAssembly one.
 *
 * @param implementation to be used in place of the machine's best
 */
export async function prepareCompression(implementation?: Zstd): Promise<void> {
  zstd = implementation ?? zstd ?? await (loading ??= wasmZstd());
}

function prepared(): Zstd {
  if (zstd !== null) return zstd;
  throw new VaultError("failed", "Cannot compress or decompress: zstd has not been prepared");
}

/** The zstd frame of the bytes, at level 3, or `null` if it does not pay. */
export function compress(bytes: Uint8Array): Bytes | null {
  if (bytes.length < COMPRESS_BYTES_MIN || looksIncompressible(bytes)) return null;
  const frame = prepared().compress(bytes);
  const pays = frame.length <= bytes.length - bytes.length / COMPRESS_SAVING_DIVISOR;
  // A future zstd may write another form than the one we read; then raw is always right.
  return pays && frameContentLength(frame) === bytes.length ? frame : null;
}

/**
 * The bytes that {@link compress} was given.
 *
 * @param payload one frame and nothing else, shorter than what it holds
 * @param length how many bytes it must give
 * @throws VaultError `damaged` if it is anything else; before more than `length` bytes are allocated
 */
export function decompress(payload: Uint8Array, length: number): Bytes {
  const refuse = (state: string, cause?: unknown) =>
    new VaultError("damaged", `Cannot decompress ${payload.length} bytes: ${state}`, { cause });

  if (length > PLAIN_BYTES_MAX) throw refuse(`${length} bytes are over the limit`);
  if (payload.length >= length) throw refuse(`not smaller than the ${length} bytes expected`);
  const stated = frameContentLength(payload);
  if (stated === null) throw refuse("not one whole zstd frame");
  if (stated !== length) throw refuse(`the frame says ${stated}, not ${length} bytes`);

  const implementation = prepared();
  let bytes: Bytes;
  try {
    bytes = implementation.decompress(payload, length);
  } catch (error) {
    throw refuse("malformed zstd frame", error);
  }
  if (bytes.length !== length) throw refuse(`${bytes.length} bytes came out, not ${length}`);
  return bytes;
}

/**
 * Guesses whether compressing is a waste of time: the order-0 entropy of a sample spread over the bytes, with
 * the Miller–Madow correction for its being small, is near 8 bits. Misses long repeats of random data.
 *
 * Source of the correction: G. A. Miller, "Note on the bias of information estimates", 1955.
 */
export function looksIncompressible(bytes: Uint8Array): boolean {
  if (bytes.length < SAMPLE_BYTES_MIN) return false;
  counts.fill(0);
  const runs = Math.floor(Math.min(bytes.length, SAMPLE_BYTES) / SAMPLE_RUN_BYTES);
  for (let run = 0; run < runs; run++) {
    const at = Math.floor(run * (bytes.length - SAMPLE_RUN_BYTES) / (runs - 1));
    for (let i = at; i < at + SAMPLE_RUN_BYTES; i++) counts[bytes[i]!]!++;
  }

  const sampled = runs * SAMPLE_RUN_BYTES;
  let weighted = 0;
  let values = 0;
  for (let value = 0; value < counts.length; value++) {
    const count = counts[value]!;
    if (count === 0) continue;
    weighted += WEIGHTS[count]!;
    values++;
  }
  const entropyBits = Math.log2(sampled) - weighted / sampled;
  const correctionBits = (values - 1) / (2 * sampled * Math.LN2);
  return entropyBits + correctionBits > ENTROPY_BITS_MAX;
}
