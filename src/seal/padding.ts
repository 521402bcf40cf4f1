/**
 * Padding (docs/format.md, section 2): what a sealed object of a vault that pads holds in place of the bare payload, so that
 * its length tells little and its header nothing. Lengths are those of Padmé: as few significant bits as leave at most 1/16
 * of zeros.
 *
 * Source: K. Nikitin, L. Barman, W. Lueks, M. Underwood, J.-P. Hubaux, B. Ford, "Reducing Metadata Leakage from Encrypted
 * Files and Communication with PURBs", 2019, section 4.
 *
 * @module
 */

import { ByteReader, type Bytes, ByteWriter, PADDED_BYTES_MIN } from "../base/mod.ts";
import { type Codec, CODEC_RAW, CODEC_ZSTD, PADDED_OVERHEAD_BYTES } from "./header.ts";

/** First byte of every padded payload: keeps its keyed hash apart from the check of a zstd frame. */
const MARK = 0x02;
const PREFIX_BYTES = 1 + 1 + 4 + 4;

/** What a padded payload holds. */
export interface Padded {
  codec: Codec;
  /** Bytes of plaintext. */
  length: number;
  /** The plaintext, or its zstd frame. */
  payload: Bytes;
}

/** The length, in bytes, that a sealed object of `length` bytes is brought to: at most 1/16 more from 1 KiB on. */
export function paddedLength(length: number): number {
  if (length <= PADDED_BYTES_MIN) return PADDED_BYTES_MIN;
  const exponent = log2(length);
  const step = 2 ** (exponent - (log2(exponent) + 1));
  return Math.ceil(length / step) * step;
}

/** Of a positive number of at most 32 bits, rounded down. */
function log2(value: number): number {
  return 31 - Math.clz32(value);
}

/** Length of the padded payload of one of `inside` bytes, such that the sealed object's is an allowed one. */
function payloadLength(inside: number): number {
  return paddedLength(PADDED_OVERHEAD_BYTES + PREFIX_BYTES + inside) - PADDED_OVERHEAD_BYTES;
}

/** Puts a payload, with its codec and length, in front of zeros. */
export function pad({ codec, length, payload }: Padded): Bytes {
  const prefix = new ByteWriter(PREFIX_BYTES).u8(MARK).u8(codec).u32(length).u32(payload.length)
    .finish();
  const padded = new Uint8Array(payloadLength(payload.length));
  padded.set(prefix);
  padded.set(payload, prefix.length);
  return padded;
}

/**
 * What {@link pad} was given; its payload is a view.
 *
 * @throws VaultError `damaged` unless `pad` would give these very bytes again
 */
export function unpad(padded: Bytes): Padded {
  const reader = new ByteReader(padded, "padded payload");
  if (reader.u8() !== MARK) throw reader.fail("it is none");
  const codec = reader.u8();
  if (codec !== CODEC_RAW && codec !== CODEC_ZSTD) throw reader.fail(`unknown codec ${codec}`);
  const length = reader.u32();
  const inside = reader.u32();
  const payload = reader.raw(inside);
  if (padded.length !== payloadLength(inside)) throw reader.fail("its length is not allowed");
  for (let i = reader.offset; i < padded.length; i++) {
    if (padded[i] !== 0) throw reader.fail("its padding is not zeros");
  }
  return { codec, length, payload };
}
