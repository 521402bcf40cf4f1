/**
 * The header of a sealed object (docs/format.md, section 2): what stands before the ciphertext, in the clear.
 *
 * @module
 */

import { ByteReader, type Bytes, ByteWriter, HASH_BYTES, PLAIN_BYTES_MAX } from "../base/mod.ts";

/** The payload is the plaintext. */
export const CODEC_RAW = 0;
/** The payload is a zstd frame of the plaintext, and smaller than it. */
export const CODEC_ZSTD = 1;
/** How the payload stands for the plaintext. */
export type Codec = typeof CODEC_RAW | typeof CODEC_ZSTD;

const FORMAT = 1;
/** Bytes up to and with the id. */
export const LABEL_BYTES = 1 + 1 + 4 + HASH_BYTES;

/** What a header says. */
export interface SealedHeader {
  codec: Codec;
  /** Bytes of plaintext, at most {@link PLAIN_BYTES_MAX}. */
  plainLength: number;
  /** HMAC of the plaintext, 32 bytes. */
  id: Bytes;
  /** HMAC of the payload, 32 bytes; `undefined` with {@link CODEC_RAW}, where the id is that already. */
  check: Bytes | undefined;
}

/** The bytes of a header: 38, or 70 with a check. */
export function encodeSealedHeader({ codec, plainLength, id, check }: SealedHeader): Bytes {
  const writer = new ByteWriter(LABEL_BYTES + HASH_BYTES);
  writer.u8(FORMAT).u8(codec).u32(plainLength).raw(id);
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
  if (codec !== CODEC_RAW && codec !== CODEC_ZSTD) throw reader.fail(`unknown codec ${codec}`);
  const plainLength = reader.u32();
  if (plainLength > PLAIN_BYTES_MAX) {
    throw reader.fail(`length ${plainLength} is over the limit of ${PLAIN_BYTES_MAX}`);
  }
  const id = reader.raw(HASH_BYTES);
  const check = codec === CODEC_ZSTD ? reader.raw(HASH_BYTES) : undefined;
  return { codec, plainLength, id, check, headerLength: reader.offset };
}

/**
 * The id that a sealed object claims, out of its first {@link LABEL_BYTES} bytes: enough to index a pack by.
 * `null` if the bytes begin no sealed object. Nothing is proved by it; opening does that.
 */
export function labelOfSealed(prefix: Bytes): Bytes | null {
  if (prefix.length < LABEL_BYTES || prefix[0] !== FORMAT) return null;
  if (prefix[1] !== CODEC_RAW && prefix[1] !== CODEC_ZSTD) return null;
  return prefix.slice(LABEL_BYTES - HASH_BYTES, LABEL_BYTES);
}
