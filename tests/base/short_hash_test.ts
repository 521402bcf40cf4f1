/** SHA-256 in plain TypeScript gives what everybody's gives. */

import { assertEquals } from "@std/assert";
import { Hmac, sha256 } from "../../src/base/mod.ts";
import { SHORT_BYTES_MAX, shortHash } from "../../src/base/short_hash.ts";

function someBytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + length * 7) % 251);
}

Deno.test("shortHash: the same as WebCrypto's, for every length, in one piece and in three", async () => {
  for (let length = 0; length <= SHORT_BYTES_MAX; length++) {
    const bytes = someBytes(length);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    assertEquals(shortHash([bytes]), expected, `${length} bytes`);
    const third = Math.floor(length / 3);
    const pieces = [bytes.subarray(0, third), bytes.subarray(third, third), bytes.subarray(third)];
    assertEquals(shortHash(pieces), expected, `${length} bytes in pieces`);
  }
});

Deno.test("sha256, Hmac: the same as WebCrypto's around the length at which another one takes over", async () => {
  for (const key of [someBytes(32), someBytes(64), someBytes(200)]) {
    const hmac = new Hmac("sha256", key);
    const parameters = { name: "HMAC", hash: "SHA-256" };
    const cryptoKey = await crypto.subtle.importKey("raw", key, parameters, false, ["sign"]);
    for (const length of [0, 1, 55, 56, 64, SHORT_BYTES_MAX, SHORT_BYTES_MAX + 1, 5000]) {
      const bytes = someBytes(length);
      const code = new Uint8Array(await crypto.subtle.sign("HMAC", cryptoKey, bytes));
      assertEquals(hmac.digest(bytes), code, `${length} bytes`);
      assertEquals(hmac.digest(bytes.subarray(0, 7), bytes.subarray(7)), code);
      assertEquals(sha256(bytes), new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    }
  }
});
