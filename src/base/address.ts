/**
 * Addresses and ids: 32-byte SHA-256 values, how they are written and how a prefix typed by a user is read.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { freeBytes, leaveCopy } from "./allocator.ts";
import { BESIDE_BYTES_MIN, besideOrHere } from "./beside.ts";
import { type Bytes, compareBytes, concatBytes } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { hasSockets } from "./sockets_turn.ts";

/** Length of an address or an id. */
export const HASH_BYTES = 32;

/** SHA-256 of a stored object's exact bytes: any peer can check it without any secret. */
export type Address = Bytes & { readonly __brand?: "Address" };

/** A record's id, and so the id of the version it makes: 32 bytes. */
export type RecordId = Bytes;

/** A node's id: SHA-256 of its Ed25519 public key. */
export type NodeId = Bytes;

/**
 * SHA-256 of the pieces one after the other. Synchronous: for up to some 100 KiB, where a round trip to
 * WebCrypto costs more than the hash.
 */
export function sha256(...pieces: readonly Uint8Array[]): Bytes {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return new Uint8Array(hash.digest());
}

/**
 * As {@link sha256}, for large pieces on another thread if one is free. They must not change until it has settled. Handing
 * them over copies them, which takes this thread nearly as long as hashing them: a node that sends has no other thread to spare.
 */
export async function sha256Beside(...pieces: readonly Uint8Array[]): Promise<Bytes> {
  if (hasSockets() || pieces.every((piece) => piece.length < BESIDE_BYTES_MIN)) {
    return sha256(...pieces);
  }
  return await besideOrHere(async () => {
    const [first, ...others] = pieces as Bytes[];
    const joined = others.length === 0 ? first! : concatBytes(pieces);
    const hash = await crypto.subtle.digest("SHA-256", joined);
    leaveCopy(joined.length);
    if (joined !== first) freeBytes(joined);
    return new Uint8Array(hash);
  }, () => sha256(...pieces));
}

const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, i) => i.toString(16).padStart(2, "0"),
);

/** Lowercase hex, by the runtime where it can do that. */
export function toHex(bytes: Uint8Array & { toHex?: () => string }): string {
  if (bytes.toHex !== undefined) return bytes.toHex();
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!];
  return text;
}

/** Bytes of lowercase or uppercase hex; anything else is a `usage` error. */
export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new VaultError("usage", `Cannot read "${text}": it is not hexadecimal`);
  }
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** The first 12 hex digits, for people. */
export function shortHex(bytes: Uint8Array): string {
  return toHex(bytes.subarray(0, 6));
}

/** Hex digits of an id as a user may shorten them; `null` if the text can't be one. */
export function parseIdPrefix(text: string): string | null {
  return /^[0-9a-fA-F]{4,64}$/.test(text) ? text.toLowerCase() : null;
}

/** For sorting ids. */
export const compareIds: (a: Uint8Array, b: Uint8Array) => number = compareBytes;
