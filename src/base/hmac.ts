/**
 * HMAC (RFC 2104) with one key: ids, checks, tags and the keys of sealed objects all come from it.
 *
 * Built on `createHash`, not on `createHmac`: on some Denos the latter prints a deprecation warning to the user's
 * terminal, and a key's two hash states need to be computed only once.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { leaveCopy } from "./allocator.ts";
import { BESIDE_BYTES_MIN, besideOrHere } from "./beside.ts";
import type { Bytes } from "./bytes.ts";

/** Block length of each hash, in bytes. */
const BLOCK_BYTES = { sha256: 64, sha512: 128 } as const;

/** HMAC with one hash and one key. */
export class Hmac {
  readonly #algorithm: "sha256" | "sha512";
  readonly #key: Bytes;
  #cryptoKey: Promise<CryptoKey> | null = null;
  readonly #inner: Hash;
  readonly #outer: Hash;

  /** @param key any length; ours have 32 bytes */
  constructor(algorithm: "sha256" | "sha512", key: Bytes) {
    this.#algorithm = algorithm;
    this.#key = key;
    const block = new Uint8Array(BLOCK_BYTES[algorithm]);
    block.set(key.length > block.length ? createHash(algorithm).update(key).digest() : key);
    this.#inner = createHash(algorithm).update(block.map((byte) => byte ^ 0x36));
    this.#outer = createHash(algorithm).update(block.map((byte) => byte ^ 0x5c));
  }

  /** The code of the pieces one after the other: 32 bytes with SHA-256, 64 with SHA-512. */
  digest(...pieces: readonly Uint8Array[]): Bytes {
    const inner = this.#inner.copy();
    for (const piece of pieces) inner.update(piece);
    return new Uint8Array(this.#outer.copy().update(inner.digest()).digest());
  }

  /** As `digest`, for a large piece on another thread if one is free. It must not change until this has settled. */
  async digestBeside(piece: Bytes): Promise<Bytes> {
    if (piece.length < BESIDE_BYTES_MIN) return this.digest(piece);
    return await besideOrHere(async () => {
      const key = await (this.#cryptoKey ??= this.#import());
      const code = await crypto.subtle.sign("HMAC", key, piece);
      leaveCopy(piece.length);
      return new Uint8Array(code);
    }, () => this.digest(piece));
  }

  #import(): Promise<CryptoKey> {
    const hash = this.#algorithm === "sha256" ? "SHA-256" : "SHA-512";
    return crypto.subtle.importKey("raw", this.#key, { name: "HMAC", hash }, false, ["sign"]);
  }
}

/** Whether two codes are the same, in a time that does not tell where they differ. */
export function equalCodes(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
