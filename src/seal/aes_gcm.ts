/**
 * AES-256-GCM, twice: by WebCrypto, which works on another thread, and synchronously, for what is so small that
 * the trip there costs more than the cipher. Both give the same bytes.
 *
 * @module
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { beside, BESIDE_BYTES_MIN, type Bytes, concatBytes, leaveCopy } from "../base/mod.ts";

/** Length of the tag at the end of a ciphertext. */
export const TAG_BYTES = 16;

/** A key that is good for one message, with what goes beside the message. */
export interface GcmContext {
  /** 32 bytes. */
  key: Bytes;
  /** 12 bytes. */
  nonce: Bytes;
  /** Authenticated, not encrypted. */
  additionalData: Bytes;
}

function subtleParameters({ nonce, additionalData }: GcmContext): AesGcmParams {
  return { name: "AES-GCM", iv: nonce, additionalData, tagLength: TAG_BYTES * 8 };
}

/** Large pieces in their turn, small ones at once: there are many of those, and each is done soon. */
async function ofSize(length: number, work: () => Promise<ArrayBuffer>): Promise<Bytes> {
  const made = await (length < BESIDE_BYTES_MIN ? work() : beside(work));
  leaveCopy(length);
  return new Uint8Array(made);
}

/** Ciphertext ‖ tag. The data must not change until this has settled. */
export async function encryptGcm(context: GcmContext, data: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", context.key, "AES-GCM", false, ["encrypt"]);
  const work = () => crypto.subtle.encrypt(subtleParameters(context), key, data);
  return await ofSize(data.length, work);
}

/** The data of ciphertext ‖ tag, or `null` if the tag is not right. */
export async function decryptGcm(context: GcmContext, sealed: Bytes): Promise<Bytes | null> {
  if (sealed.length < TAG_BYTES) return null;
  const key = await crypto.subtle.importKey("raw", context.key, "AES-GCM", false, ["decrypt"]);
  try {
    const work = () => crypto.subtle.decrypt(subtleParameters(context), key, sealed);
    return await ofSize(sealed.length, work);
  } catch (error) {
    if (error instanceof DOMException && error.name === "OperationError") return null;
    throw error;
  }
}

/** As {@link encryptGcm}, at once and on this thread. */
export function encryptGcmSync(context: GcmContext, data: Bytes): Bytes {
  return encryptBehindSync(context, data).subarray(context.additionalData.length);
}

/** Additional data ‖ ciphertext ‖ tag, at once and on this thread. */
export function encryptBehindSync(
  { key, nonce, additionalData }: GcmContext,
  data: Bytes,
): Bytes {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(additionalData);
  const out = new Uint8Array(additionalData.length + data.length + TAG_BYTES);
  out.set(additionalData);
  out.set(cipher.update(data), additionalData.length); // GCM keeps nothing back for `final`
  cipher.final();
  out.set(cipher.getAuthTag(), additionalData.length + data.length);
  return out;
}

/** As {@link decryptGcm}, at once and on this thread. */
export function decryptGcmSync(context: GcmContext, sealed: Bytes): Bytes | null {
  if (sealed.length < TAG_BYTES) return null;
  const decipher = createDecipheriv("aes-256-gcm", context.key, context.nonce);
  decipher.setAAD(context.additionalData);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const data = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    return concatBytes([data, decipher.final()]);
  } catch {
    return null; // `final` fails for no other reason than the tag
  }
}

/** What {@link isSyncBetter} tries. */
const TRIAL = { bytes: 48 * 1024, times: 4, msMax: 0.3 } as const;

/** However slow: so few bytes are done before another thread has woken up. */
const SYNC_BYTES = 2 * 1024;

let isFast: boolean | undefined;

/**
 * Whether so many bytes are better ciphered synchronously than sent to WebCrypto's threads, a trip that costs some 70 µs of
 * processor time. Deno 2.4 ciphers 400 MB/s so, Deno 2.9 100: so it is tried, once.
 */
export function isSyncBetter(length: number): boolean {
  isFast ??= fastestTrial() <= TRIAL.msMax;
  return length < (isFast ? BESIDE_BYTES_MIN : SYNC_BYTES);
}

function fastestTrial(): number {
  const data = new Uint8Array(TRIAL.bytes);
  const context = {
    key: data.slice(0, 32),
    nonce: data.slice(0, 12),
    additionalData: data.slice(0, 38),
  };
  let fastest = Infinity;
  for (let i = 0; i < TRIAL.times; i++) {
    const begun = performance.now();
    encryptGcmSync(context, data);
    fastest = Math.min(fastest, performance.now() - begun);
  }
  return fastest;
}
