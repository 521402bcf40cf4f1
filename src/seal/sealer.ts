/**
 * Sealing and opening (docs/format.md, section 2): between the content, which is plaintext, and the store, which
 * never sees any. One {@link Sealer} serves one domain with its own two keys, so that what is sealed in one can't
 * be opened in another.
 *
 * Key and nonce are a function of the header, and the header holds a keyed hash of the very bytes that are
 * encrypted. So no pair ever covers two payloads, and the same payload always gives the same sealed object.
 *
 * @module
 */

import {
  type Address,
  BESIDE_BYTES_MIN,
  type Bytes,
  equalCodes,
  freeBytes,
  HASH_BYTES,
  Hmac,
  ownWhole,
  PLAIN_BYTES_MAX,
  sha256,
  sha256Beside,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import {
  decryptGcm,
  decryptGcmSync,
  encryptBehindSync,
  encryptGcm,
  type GcmContext,
  isSyncBetter,
  TAG_BYTES,
} from "./aes_gcm.ts";
import {
  type Codec,
  CODEC_PADDED,
  CODEC_RAW,
  CODEC_ZSTD,
  encodeSealedHeader,
  parseSealedHeader,
  type SealedHeader,
} from "./header.ts";
import { pad, type Padded, unpad } from "./padding.ts";

/** What is sealed. */
export type Domain = "chunk" | "manifest" | "body";

/** For messages. */
const DOMAIN_NAMES: Readonly<Record<Domain, string>> = {
  chunk: "chunk",
  manifest: "manifest",
  body: "record bodies",
};

/** A sealed object in two pieces, so that it can be written without being joined. */
export interface Sealed {
  /** SHA-256 of header ‖ body. */
  address: Address;
  header: Bytes;
  /** Ciphertext ‖ tag. */
  body: Bytes;
  /** Bytes of both pieces. */
  length: number;
}

/** What {@link Sealer.seal} takes. */
export interface SealInput {
  /**
   * The id of the plaintext, as {@link Sealer.id} gave it for these very bytes. That no key and nonce are used
   * twice rests on it.
   */
  id: Bytes;
  /** Bytes of plaintext. */
  length: number;
  /** The plaintext with `CODEC_RAW`, its smaller zstd frame with `CODEC_ZSTD`. Must not change meanwhile. */
  payload: Bytes;
  codec: Codec;
}

/** What a reference says of an object. */
export interface Expected {
  id: Bytes;
  /** Bytes of plaintext. */
  length: number;
}

/**
 * The plaintext of a zstd frame. Must not make more than `length` bytes; throws, or returns another length, if
 * the frame is not good.
 */
export type Decompress = (payload: Bytes, length: number) => Bytes;

/** Seals and opens the objects of one domain. */
export class Sealer {
  readonly #domain: Domain;
  readonly #idHmac: Hmac;
  readonly #sealHmac: Hmac;
  /** Whether what is sealed is padded, so that its length tells little. What is opened may be so or not. */
  isPadding = false;

  /** @param keys the domain's two secrets, 32 bytes each */
  constructor(domain: Domain, keys: { idKey: Bytes; sealKey: Bytes }) {
    this.#domain = domain;
    this.#idHmac = new Hmac("sha256", keys.idKey);
    this.#sealHmac = new Hmac("sha512", keys.sealKey);
  }

  /** The id of a plaintext, 32 bytes. */
  id(plaintext: Bytes): Bytes {
    return this.#idHmac.digest(plaintext);
  }

  /** As {@link Sealer.id}, of a large plaintext on another thread if one is free. It must not change meanwhile. */
  idBeside(plaintext: Bytes): Promise<Bytes> {
    return this.#idHmac.digestBeside(plaintext);
  }

  /**
   * Seals a payload.
   *
   * @throws VaultError `failed` if the lengths break the format's rules
   */
  async seal(input: SealInput): Promise<Sealed> {
    const { header, payload } = this.#prepare(input);
    const context = this.#contextOf(header);
    if (isSyncBetter(payload.length)) return sealedAtOnce(context, payload);
    const body = await encryptGcm(context, payload);
    return sealedOf(header, body, await sha256Beside(header, body));
  }

  /** As {@link Sealer.seal}, uncompressed, at once and on this thread: for small objects. */
  sealSync(plaintext: Bytes): Sealed {
    const { header, payload } = this.#prepare({
      id: this.id(plaintext),
      length: plaintext.length,
      payload: plaintext,
      codec: CODEC_RAW,
    });
    return sealedAtOnce(this.#contextOf(header), payload);
  }

  /**
   * The plaintext of a sealed object, whether or not its address has been checked: what has the right tag was sealed by
   * whoever has this vault's key, header and all.
   *
   * @param expected what the reference names; `null` where nothing names it (the bodies of a signed segment)
   * @throws VaultError `damaged`, naming the address and what is not right
   */
  async open(
    sealed: Bytes,
    expected: Expected | null,
    decompress: Decompress,
  ): Promise<Bytes> {
    const { header, context, body } = this.#takeApart(sealed);
    const payload = isSyncBetter(body.length)
      ? decryptGcmSync(context, body)
      : await decryptGcm(context, body);
    const plaintext = this.#plaintextOf(sealed, { header, payload, decompress });
    const id = await this.idBeside(plaintext);
    this.#checkId(sealed, { header, id, length: plaintext.length, expected });
    return plaintext;
  }

  /** As {@link Sealer.open}, at once and on this thread: for small objects. */
  openSync(sealed: Bytes, expected: Expected | null, decompress: Decompress): Bytes {
    const { header, context, body } = this.#takeApart(sealed);
    const payload = decryptGcmSync(context, body);
    const plaintext = this.#plaintextOf(sealed, { header, payload, decompress });
    this.#checkId(sealed, { header, id: this.id(plaintext), length: plaintext.length, expected });
    return plaintext;
  }

  /** The header of what is to be sealed, its lengths checked, and what goes into the cipher. */
  #prepare({ id, length, payload, codec }: SealInput): { header: Bytes; payload: Bytes } {
    const refuse = (state: string) =>
      new VaultError(
        "failed",
        `Cannot seal ${DOMAIN_NAMES[this.#domain]} ${shortHex(id)}: ${state}`,
      );
    if (id.length !== HASH_BYTES) throw refuse(`the id has ${id.length} bytes`);
    if (length > PLAIN_BYTES_MAX) {
      throw refuse(`${length} bytes are over the limit of ${PLAIN_BYTES_MAX}`);
    }
    if (!fits(codec, { payload: payload.length, plain: length })) {
      throw refuse(`a payload of ${payload.length} bytes does not go with ${length} bytes`);
    }
    if (this.isPadding) {
      const padded = pad({ codec, length, payload });
      const check = this.#checkOf(CODEC_PADDED, padded);
      const header = { codec: CODEC_PADDED, length: padded.length, id, check } as const;
      return { header: encodeSealedHeader(header), payload: padded };
    }
    const check = codec === CODEC_ZSTD ? this.#checkOf(codec, payload) : undefined;
    return { header: encodeSealedHeader({ codec, length, id, check }), payload };
  }

  /** Keyed hash of a payload. The byte in front keeps it apart from the ids; a padded one has it already. */
  #checkOf(codec: typeof CODEC_ZSTD | typeof CODEC_PADDED, payload: Bytes): Bytes {
    return codec === CODEC_ZSTD
      ? this.#idHmac.digest(Uint8Array.of(0x01), payload)
      : this.#idHmac.digest(payload);
  }

  #contextOf(header: Bytes): GcmContext {
    const okm = this.#sealHmac.digest(header);
    return { key: okm.subarray(0, 32), nonce: okm.subarray(32, 44), additionalData: header };
  }

  /** The parts of a sealed object, its lengths checked; nothing is proved yet. */
  #takeApart(sealed: Bytes): { header: SealedHeader; context: GcmContext; body: Bytes } {
    let header;
    try {
      header = parseSealedHeader(sealed);
    } catch (error) {
      throw this.#damaged(sealed, "its header is not right", error);
    }
    const body = sealed.subarray(header.headerLength);
    const { codec, length } = header;
    const payload = body.length - TAG_BYTES;
    const isRight = codec === CODEC_PADDED
      ? payload === length
      : fits(codec, { payload, plain: length });
    if (!isRight) throw this.#damaged(sealed, "its length is not right");
    return { header, context: this.#contextOf(sealed.subarray(0, header.headerLength)), body };
  }

  /** The plaintext of a decrypted payload (`null`: the tag was not right), its check and length checked. */
  #plaintextOf(
    sealed: Bytes,
    { header, payload, decompress }: {
      header: SealedHeader;
      payload: Bytes | null;
      decompress: Decompress;
    },
  ): Bytes {
    if (payload === null) throw this.#damaged(sealed, "tag mismatch");
    const { codec, length, check } = header;
    if (codec === CODEC_RAW) return payload;
    if (check === undefined || !equalCodes(this.#checkOf(codec, payload), check)) {
      throw this.#damaged(sealed, "the check is not that of its payload");
    }
    if (codec === CODEC_ZSTD) {
      const plaintext = this.#decompressed(sealed, { length, payload, decompress });
      if (payload.length >= BESIDE_BYTES_MIN) freeBytes(payload);
      return plaintext;
    }
    const inside = this.#unpadded(sealed, payload);
    return inside.codec === CODEC_RAW
      ? inside.payload
      : this.#decompressed(sealed, { ...inside, decompress });
  }

  /** What a padded payload holds, its lengths checked. */
  #unpadded(sealed: Bytes, payload: Bytes): Padded {
    let inside;
    try {
      inside = unpad(payload);
    } catch (error) {
      throw this.#damaged(sealed, "its padding is not right", error);
    }
    const { codec, length: plain } = inside;
    if (plain > PLAIN_BYTES_MAX || !fits(codec, { payload: inside.payload.length, plain })) {
      throw this.#damaged(sealed, "its padding is not right");
    }
    return inside;
  }

  /** The plaintext of a zstd frame, its length checked. */
  #decompressed(
    sealed: Bytes,
    { length, payload, decompress }: { length: number; payload: Bytes; decompress: Decompress },
  ): Bytes {
    let plaintext;
    try {
      plaintext = decompress(payload, length);
    } catch (error) {
      throw this.#damaged(sealed, "it does not decompress", error);
    }
    if (plaintext.length !== length) {
      throw this.#damaged(sealed, `it decompresses to ${plaintext.length} bytes`);
    }
    return plaintext;
  }

  #checkId(
    sealed: Bytes,
    { header, id, length, expected }: {
      header: SealedHeader;
      id: Bytes;
      length: number;
      expected: Expected | null;
    },
  ): void {
    if (!equalCodes(id, header.id)) throw this.#damaged(sealed, "the id is not that of its bytes");
    if (expected === null) return;
    if (!equalCodes(id, expected.id) || length !== expected.length) {
      throw this.#damaged(sealed, "it is not the one its reference names");
    }
  }

  #damaged(sealed: Bytes, state: string, cause?: unknown): VaultError {
    const name = `${DOMAIN_NAMES[this.#domain]} ${shortHex(sha256(sealed))}`;
    return new VaultError("damaged", `Cannot open ${name}: ${state}`, { cause });
  }
}

/** Whether a payload of that length can stand for that many bytes of plaintext. */
function fits(codec: Codec, length: { payload: number; plain: number }): boolean {
  return codec === CODEC_RAW
    ? length.payload === length.plain
    : length.payload >= 0 && length.payload < length.plain;
}

/** The header is the additional data. */
function sealedAtOnce(context: GcmContext, payload: Bytes): Sealed {
  const whole = encryptBehindSync(context, payload);
  const { length } = context.additionalData;
  const body = ownWhole(whole.subarray(length));
  return sealedOf(whole.subarray(0, length), body, sha256(whole));
}

function sealedOf(header: Bytes, body: Bytes, address: Address): Sealed {
  return { address, header, body, length: header.length + body.length };
}
