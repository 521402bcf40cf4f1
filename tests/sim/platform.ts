/**
 * The ground that a simulation stands on: WebCrypto's work is done at once instead of by other threads, which end in any
 * order, and whoever asks for the real time or for real chance is caught.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto";
import { prepareCompression } from "../../src/content/mod.ts";
import { isSyncBetter } from "../../src/seal/aes_gcm.ts";

/** What was asked of the real machine while a simulation ran. */
export class RealityLeak extends Error {
  override readonly name = "RealityLeak";
}

interface FakeKey {
  readonly raw: Uint8Array;
  readonly hash: string;
}

type GcmParameters = { iv: Uint8Array; additionalData: Uint8Array };

/** The calls of WebCrypto that the vault makes, with the same results. */
const subtle = {
  digest: (_name: string, data: Uint8Array) =>
    Promise.resolve(bufferOf(createHash("sha256").update(data).digest())),
  importKey: (_format: string, raw: Uint8Array, algorithm: string | { hash: string }) =>
    Promise.resolve(
      { raw, hash: typeof algorithm === "string" ? "" : algorithm.hash } satisfies FakeKey,
    ),
  sign: (_name: string, { raw, hash }: FakeKey, data: Uint8Array) => {
    const name = hash === "SHA-512" ? "sha512" : "sha256";
    return Promise.resolve(bufferOf(createHmac(name, raw).update(data).digest()));
  },
  encrypt: ({ iv, additionalData }: GcmParameters, { raw }: FakeKey, data: Uint8Array) => {
    const cipher = createCipheriv("aes-256-gcm", raw, iv);
    cipher.setAAD(additionalData);
    const pieces = [cipher.update(data), cipher.final(), cipher.getAuthTag()];
    return Promise.resolve(bufferOf(Buffer.concat(pieces)));
  },
  // deno-lint-ignore require-await -- what is thrown is a rejection
  decrypt: async ({ iv, additionalData }: GcmParameters, { raw }: FakeKey, data: Uint8Array) => {
    const decipher = createDecipheriv("aes-256-gcm", raw, iv);
    decipher.setAAD(additionalData);
    decipher.setAuthTag(data.subarray(data.length - 16));
    const plain = decipher.update(data.subarray(0, data.length - 16));
    try {
      return bufferOf(Buffer.concat([plain, decipher.final()]));
    } catch {
      throw new DOMException("the tag is wrong", "OperationError");
    }
  },
};

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

let standing = 0;
let restore = () => {};
const leaks: string[] = [];

/** Lays the ground, until {@link leavePlatform}. Calls may be nested. */
export async function enterPlatform(): Promise<void> {
  await prepareCompression();
  if (standing++ > 0) return;
  // The vault tries once how quick its ciphers are: here the time stands still, so that it always comes to the same.
  const goOn = replace(performance, "now", () => 0);
  isSyncBetter(1);
  goOn();
  leaks.length = 0;
  const undo = [
    replace(crypto, "subtle", subtle),
    replace(crypto, "getRandomValues", tripwire("crypto.getRandomValues")),
    replace(Math, "random", tripwire("Math.random")),
    replace(performance, "now", tripwire("performance.now")),
    replace(globalThis, "setTimeout", tripwire("setTimeout")),
    replace(globalThis, "setInterval", tripwire("setInterval")),
    replace(
      globalThis,
      "Worker",
      class {
        constructor() {
          tripwire("new Worker")();
        }
      },
    ),
    replace(AbortSignal, "timeout", tripwire("AbortSignal.timeout")),
    replace(Date, "now", tripwire("Date.now")),
  ];
  restore = () => undo.reverse().forEach((each) => each());
}

/** Gives the real machine back. @returns what was asked of it meanwhile, in words */
export function leavePlatform(): string[] {
  if (--standing === 0) restore();
  return [...leaks];
}

function tripwire(name: string): () => never {
  return () => {
    const error = new RealityLeak(`${name} was called: time and chance come from the seed`);
    leaks.push(`${error.message}\n${error.stack ?? ""}`);
    throw error;
  };
}

function replace(object: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  return () => {
    if (own !== undefined) Object.defineProperty(object, name, own);
    else delete (object as Record<string, unknown>)[name];
  };
}
