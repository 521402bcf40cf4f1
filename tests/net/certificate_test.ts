import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { X509Certificate } from "@peculiar/x509";
import { type Bytes, ed25519PublicKey, fromHex, toHex, VaultError } from "../../src/base/mod.ts";
import { makeCredentials, publicKeyOfCertificate } from "../../src/net/mod.ts";

const seed = new Uint8Array(32).fill(7);

/** The whole of the certificate of seed 07…07, but for its key and its signature. */
const BEFORE_KEY =
  "3081f93081aca003020102020101300506032b65703017311530130603550403130c676f7661756c74206e" +
  "6f64653020170d3230303130313030303030305a180f32313230303130313030303030305a3017311530130603550403" +
  "130c676f7661756c74206e6f6465302a300506032b6570032100";

Deno.test("makeCredentials: one certificate for each seed, for a century", async () => {
  const { certificate, privateKey } = await makeCredentials(seed);
  assertEquals(toHex(privateKey), "302e020100300506032b657004220420" + "07".repeat(32));
  assertEquals(toHex(certificate).startsWith(BEFORE_KEY), true);
  assertEquals(toHex((await makeCredentials(seed)).certificate), toHex(certificate));
  const read = new X509Certificate(certificate);
  assertEquals(read.notBefore.toISOString(), "2020-01-01T00:00:00.000Z");
  assertEquals(read.notAfter.toISOString(), "2120-01-01T00:00:00.000Z");
  assertEquals(await read.verify({ signatureOnly: true }), true);
  await assertRejects(() => makeCredentials(new Uint8Array(31)), VaultError, "31 bytes");
});

Deno.test("publicKeyOfCertificate: gives the key", async () => {
  const { certificate } = await makeCredentials(seed);
  assertEquals(toHex(publicKeyOfCertificate(certificate)), toHex(ed25519PublicKey(seed)));
});

Deno.test("publicKeyOfCertificate: refuses what is no certificate of an Ed25519 key", async () => {
  const { certificate } = await makeCredentials(seed);
  const refused = (bytes: Bytes, why: string) => {
    const error = assertThrows(() => publicKeyOfCertificate(bytes), VaultError, why);
    assertEquals(error.code, "damaged");
  };
  for (let length = 0; length < certificate.length; length++) {
    assertThrows(() => publicKeyOfCertificate(certificate.subarray(0, length)), VaultError);
  }
  refused(new Uint8Array([...certificate, 0]), "bytes follow it");
  refused(new Uint8Array(3000).fill(0x30), "too many");
  refused(fromHex("3080"), "no DER");
  refused(fromHex("308105" + "3003020101"), "no DER");
  refused(fromHex("30830000053003020101"), "no DER");
  refused(fromHex("0403020101"), "no X.509");
  const at = BEFORE_KEY.length / 2;
  const otherKind = certificate.slice();
  otherKind[at - 4]! ^= 1; // the algorithm: X25519 and the like
  refused(otherKind, "not an Ed25519 key");
  // Whatever is changed, the answer is a key or a refusal.
  for (let i = 0; i < certificate.length; i++) {
    for (const bit of [1, 0x80, 0xff]) {
      const changed = certificate.slice();
      changed[i]! ^= bit;
      try {
        assertEquals(publicKeyOfCertificate(changed).length, 32);
      } catch (error) {
        assertEquals(error instanceof VaultError && error.code, "damaged");
      }
    }
  }
});
