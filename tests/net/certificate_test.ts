import { assertEquals, assertRejects } from "@std/assert";
import { X509Certificate } from "@peculiar/x509";
import { ed25519PublicKey, toHex, VaultError } from "../../src/base/mod.ts";
import { makeCredentials } from "../../src/net/mod.ts";

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
  assertEquals(
    toHex(new Uint8Array(read.publicKey.rawData)).slice(-64),
    toHex(ed25519PublicKey(seed)),
  );
  await assertRejects(() => makeCredentials(new Uint8Array(31)), VaultError, "31 bytes");
});
