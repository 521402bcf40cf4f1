/** The primitives against published vectors: whatever platform runs this, it computes what everyone else does. */

import { assertEquals } from "@std/assert";
import { hkdfSync, scryptSync } from "node:crypto";
import { concatBytes, encodeUtf8, fromHex, toHex } from "../../src/base/mod.ts";
import { decryptGcm, decryptGcmSync, encryptGcm, encryptGcmSync } from "../../src/seal/aes_gcm.ts";
import { equalCodes, Hmac } from "../../src/base/hmac.ts";
import keys from "../vectors/keys.json" with { type: "json" };
import seal from "../vectors/seal.json" with { type: "json" };

Deno.test("Hmac: agrees with RFC 4231, however the data is cut", () => {
  for (const vector of seal.published.hmac) {
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

Deno.test("AES-256-GCM: both ways agree with McGrew and Viega", async () => {
  for (const vector of seal.published.aes256gcm) {
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
  for (const vector of keys.published.hkdf) {
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

Deno.test("scrypt: agrees with RFC 7914", () => {
  for (const { source, password, salt, n, r, p, key } of keys.published.scrypt) {
    const options = { N: n, r, p };
    const derived = scryptSync(encodeUtf8(password), encodeUtf8(salt), key.length / 2, options);
    assertEquals(toHex(derived), key, source);
  }
});
