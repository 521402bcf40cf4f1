/**
 * Ed25519 (RFC 8032): what vaults and nodes sign with. Synchronous: a signature takes some 20 µs, less than a
 * trip to WebCrypto and back.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { fromHex } from "./address.ts";
import { type Bytes, concatBytes } from "./bytes.ts";
import { VaultError } from "./errors.ts";

/** Length of a seed, the private half. */
export const ED25519_SEED_BYTES = 32;
/** Length of a public key. */
export const ED25519_PUBLIC_KEY_BYTES = 32;
/** Length of a signature. */
export const ED25519_SIGNATURE_BYTES = 64;

/** What stands before a seed in PKCS #8, DER (RFC 8410, section 7). */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");
/** What stands before a public key in SubjectPublicKeyInfo, DER (RFC 8410, section 4). */
const SPKI_PREFIX = fromHex("302a300506032b6570032100");

/**
 * The private key of a seed in PKCS #8, DER.
 *
 * @throws VaultError `damaged` if the seed has another length
 */
export function ed25519Pkcs8(seed: Bytes): Bytes {
  if (seed.length !== ED25519_SEED_BYTES) {
    throw new VaultError(
      "damaged",
      `Cannot make a signing key: the seed has ${seed.length} bytes, ${ED25519_SEED_BYTES} expected`,
    );
  }
  return concatBytes([PKCS8_PREFIX, seed]);
}

/** A public key of 32 bytes in SubjectPublicKeyInfo, DER. */
export function ed25519Spki(publicKey: Bytes): Bytes {
  return concatBytes([SPKI_PREFIX, publicKey]);
}

function privateKeyOf(seed: Bytes): KeyObject {
  const key = Buffer.from(ed25519Pkcs8(seed));
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function rawPublicKeyOf(privateKey: KeyObject): Bytes {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length));
}

/**
 * The 32-byte public key of a 32-byte seed.
 *
 * @throws VaultError `damaged` if the seed has another length
 */
export function ed25519PublicKey(seed: Bytes): Bytes {
  return rawPublicKeyOf(privateKeyOf(seed));
}

/** Signs with one seed. */
export class Ed25519Signer {
  readonly #key: KeyObject;
  /** The public key, 32 bytes. */
  readonly publicKey: Bytes;

  /**
   * @param seed 32 bytes
   * @throws VaultError `damaged` if the seed has another length
   */
  constructor(seed: Bytes) {
    this.#key = privateKeyOf(seed);
    this.publicKey = rawPublicKeyOf(this.#key);
  }

  /** The signature, 64 bytes; the same message always gets the same one. */
  sign(message: Bytes): Bytes {
    return new Uint8Array(signBytes(null, message, this.#key));
  }
}

/** What {@link ed25519Verify} looks at. */
export interface Ed25519Claim {
  publicKey: Bytes;
  signature: Bytes;
  message: Bytes;
}

/** Whether the signature is right. Malformed keys and signatures are wrong; this never throws. */
export function ed25519Verify({ publicKey, signature, message }: Ed25519Claim): boolean {
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES) return false;
  if (signature.length !== ED25519_SIGNATURE_BYTES) return false;
  try {
    const key = Buffer.from(ed25519Spki(publicKey));
    return verifyBytes(
      null,
      message,
      createPublicKey({ key, format: "der", type: "spki" }),
      signature,
    );
  } catch {
    return false; // 32 bytes that are no point of the curve
  }
}
