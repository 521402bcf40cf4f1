/**
 * The header of a sealed object (docs/format.md, section 2): what stands before the ciphertext, in the clear.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  HASH_BYTES,
  PADDED_BYTES_MIN,
  PLAIN_BYTES_MAX,
} from "../base/mod.ts";
import { TAG_BYTES } from "./aes_gcm.ts";

/** The payload is the plaintext. */
export const CODEC_RAW = 0;
/** The payload is a zstd frame of the plaintext, and smaller than it. */
export const CODEC_ZSTD = 1;
/** How a payload stands for the plaintext. */
export type Codec = typeof CODEC_RAW | typeof CODEC_ZSTD;
/** The payload is one of the others with its codec, the plaintext's length, and padding. */
export const CODEC_PADDED = 2;

const FORMAT = 1;
/** Bytes up to and with the id. */
export const LABEL_BYTES = 1 + 1 + 4 + HASH_BYTES;
/** Bytes of a padded object beside its payload: header, check, the cipher's tag. */
export const PADDED_OVERHEAD_BYTES = LABEL_BYTES + HASH_BYTES + TAG_BYTES;
/** Most bytes of a padded payload: the largest plaintext, and less than 1/16 of it for the rest. */
const PADDED_PAYLOAD_BYTES_MAX = PLAIN_BYTES_MAX + PLAIN_BYTES_MAX / 16;

/** What a header says. */
export interface SealedHeader {
  codec: Codec | typeof CODEC_PADDED;
  /** Bytes of plaintext, at most {@link PLAIN_BYTES_MAX}; with {@link CODEC_PADDED} bytes of the payload. */
  length: number;
  /** HMAC of the plaintext, 32 bytes. */
  id: Bytes;
  /** HMAC over the payload, 32 bytes; `undefined` with {@link CODEC_RAW}, where the id is that already. */
  check: Bytes | undefined;
}

/** The bytes of a header: 38, or 70 with a check. */
export function encodeSealedHeader({ codec, length, id, check }: SealedHeader): Bytes {
  const writer = new ByteWriter(LABEL_BYTES + HASH_BYTES);
  writer.u8(FORMAT).u8(codec).u32(length).raw(id);
  return (check === undefined ? writer : writer.raw(check)).finish();
}

/**
 * The header at the beginning of a sealed object, and its length in bytes; the ciphertext may follow.
 *
 * @throws VaultError `damaged`
 */
export function parseSealedHeader(bytes: Bytes): SealedHeader & { headerLength: number } {
  const reader = new ByteReader(bytes, "sealed object");
  const format = reader.u8();
  if (format !== FORMAT) throw reader.fail(`unknown format ${format}`);
  const codec = reader.u8();
  if (!isCodec(codec)) throw reader.fail(`unknown codec ${codec}`);
  const length = reader.u32();
  const [min, max] = codec === CODEC_PADDED
    ? [PADDED_BYTES_MIN - PADDED_OVERHEAD_BYTES, PADDED_PAYLOAD_BYTES_MAX]
    : [0, PLAIN_BYTES_MAX];
  if (length < min || length > max) {
    throw reader.fail(`length ${length} is not between ${min} and ${max}`);
  }
  const id = reader.raw(HASH_BYTES);
  const check = codec === CODEC_RAW ? undefined : reader.raw(HASH_BYTES);
  return { codec, length, id, check, headerLength: reader.offset };
}

/**
 * The id that a sealed object claims, out of its first {@link LABEL_BYTES} bytes: enough to index a pack by.
 * `null` if the bytes begin no sealed object. Nothing is proved by it; opening does that.
 */
export function labelOfSealed(prefix: Bytes): Bytes | null {
  if (prefix.length < LABEL_BYTES || prefix[0] !== FORMAT) return null;
  if (!isCodec(prefix[1]!)) return null;
  return prefix.slice(LABEL_BYTES - HASH_BYTES, LABEL_BYTES);
}

function isCodec(byte: number): byte is SealedHeader["codec"] {
  return byte === CODEC_RAW || byte === CODEC_ZSTD || byte === CODEC_PADDED;
}
