/** The primitives against published vectors: whatever platform runs this, it computes what everyone else does. */

import { assertEquals } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlist";
import { hkdfSync, scrypt } from "node:crypto";
import { promisify } from "node:util";
import {
  BESIDE_BYTES_MIN,
  concatBytes,
  encodeUtf8,
  equalCodes,
  fromHex,
  Hmac,
  sha256,
  sha256Beside,
  toHex,
} from "../../src/base/mod.ts";
import { decryptGcm, decryptGcmSync, encryptGcm, encryptGcmSync } from "../../src/seal/aes_gcm.ts";
import aes from "../vectors/published/aes-256-gcm.json" with { type: "json" };
import hkdf from "../vectors/published/hkdf-sha-256.json" with { type: "json" };
import hmac from "../vectors/published/hmac.json" with { type: "json" };
import scrypts from "../vectors/published/scrypt.json" with { type: "json" };
import sha from "../vectors/published/sha-256.json" with { type: "json" };

Deno.test("sha256, sha256Beside: agree with FIPS 180 and NIST", async () => {
  for (const { source, message, times, hash } of sha.vectors) {
    const whole = encodeUtf8(new TextDecoder("latin1").decode(fromHex(message)).repeat(times));
    const bytes = times > 1 ? whole : fromHex(message);
    assertEquals(toHex(sha256(bytes)), hash, source);
    assertEquals(toHex(await sha256Beside(bytes)), hash, source);
    assertEquals(toHex(sha256(bytes.subarray(0, 1), bytes.subarray(1))), hash, source);
  }
});

Deno.test("Hmac.digestBeside: agrees with Hmac.digest where it works on another thread", async () => {
  for (const { key, source } of hmac.vectors) {
    const data = new Uint8Array(BESIDE_BYTES_MIN + 1).fill(7);
    for (const algorithm of ["sha256", "sha512"] as const) {
      const code = new Hmac(algorithm, fromHex(key));
      assertEquals(await code.digestBeside(data), code.digest(data), source);
    }
  }
});

Deno.test("recovery phrases: their words are BIP-39's", () => {
  // SHA-256 of the list as it is published, english.txt: each word with a line feed behind it.
  assertEquals(
    toHex(sha256(encodeUtf8(wordlist.map((word) => `${word}\n`).join("")))),
    "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda",
  );
});

Deno.test("Hmac: agrees with RFC 4231, however the data is cut", () => {
  for (const vector of hmac.vectors) {
    const key = fromHex(vector.key);
    const data = fromHex(vector.data);
    for (const algorithm of ["sha256", "sha512"] as const) {
      const hmac = new Hmac(algorithm, key);
      assertEquals(toHex(hmac.digest(data)), vector[algorithm], vector.source);
      const pieces = [data.subarray(0, 3), data.subarray(3, 3), data.subarray(3)];
      assertEquals(toHex(hmac.digest(...pieces)), vector[algorithm], vector.source);
    }
  }
});

Deno.test("equalCodes: tells codes apart, by a bit and by length", () => {
  const code = new Uint8Array(32).fill(7);
  assertEquals(equalCodes(code, code.slice()), true);
  for (let i = 0; i < code.length; i++) {
    assertEquals(equalCodes(code, code.map((byte, at) => at === i ? byte ^ 1 : byte)), false);
  }
  assertEquals(equalCodes(code, code.subarray(1)), false);
});

Deno.test("AES-256-GCM: both ways agree with McGrew and Viega, and with NIST", async () => {
  for (const vector of aes.vectors) {
    const context = {
      key: fromHex(vector.key),
      nonce: fromHex(vector.nonce),
      additionalData: fromHex(vector.additionalData),
    };
    const plaintext = fromHex(vector.plaintext);
    const sealed = concatBytes([fromHex(vector.ciphertext), fromHex(vector.tag)]);
    assertEquals(encryptGcmSync(context, plaintext), sealed, vector.source);
    assertEquals(await encryptGcm(context, plaintext), sealed, vector.source);
    assertEquals(decryptGcmSync(context, sealed), plaintext, vector.source);
    assertEquals(await decryptGcm(context, sealed), plaintext, vector.source);
  }
});

Deno.test("AES-256-GCM: a wrong tag and no tag give null", async () => {
  const context = {
    key: new Uint8Array(32),
    nonce: new Uint8Array(12),
    additionalData: new Uint8Array(3),
  };
  const sealed = encryptGcmSync(context, Uint8Array.of(1, 2, 3));
  sealed[sealed.length - 1]! ^= 1;
  for (const bytes of [sealed, sealed.subarray(0, 15), new Uint8Array(0)]) {
    assertEquals(decryptGcmSync(context, bytes), null);
    assertEquals(await decryptGcm(context, bytes), null);
  }
});

Deno.test("HKDF-SHA-256: agrees with RFC 5869", () => {
  for (const vector of hkdf.vectors) {
    const length = vector.okm.length / 2;
    const okm = hkdfSync(
      "sha256",
      fromHex(vector.ikm),
      fromHex(vector.salt),
      fromHex(vector.info),
      length,
    );
    assertEquals(toHex(new Uint8Array(okm)), vector.okm, vector.source);
  }
});

Deno.test("scrypt: agrees with RFC 7914", async () => {
  for (const { source, password, salt, n, r, p, key } of scrypts.vectors) {
    const options = { N: n, r, p };
    const derive = promisify(
      (done: (error: Error | null, key: Uint8Array) => void) =>
        scrypt(encodeUtf8(password), encodeUtf8(salt), key.length / 2, options, done),
    );
    assertEquals(toHex(await derive()), key, source);
  }
});
