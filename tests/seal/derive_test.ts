import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { ed25519Verify, encodeUtf8, fromHex, toHex, VaultError } from "../../src/base/mod.ts";
import { deriveVaultKeys } from "../../src/seal/mod.ts";
import { deriveVaultSecrets } from "../../src/seal/derive.ts";
import vectors from "../vectors/keys.json" with { type: "json" };

Deno.test("deriveVaultSecrets: gives every secret of the vectors", () => {
  for (const vault of vectors.vaults) {
    const secrets = deriveVaultSecrets(fromHex(vault.masterKey));
    const asHex = Object.fromEntries(
      Object.entries(secrets).map(([name, secret]) => [name, toHex(secret)]),
    );
    assertEquals(asHex, vault.secrets);
  }
});

Deno.test("deriveVaultSecrets: no two secrets are the same", () => {
  const secrets = Object.values(deriveVaultSecrets(new Uint8Array(32))).map(toHex);
  assertEquals(new Set(secrets).size, 9);
});

Deno.test("deriveVaultKeys: vault id, key tags and tag-name tags are those of the vectors", () => {
  for (const vault of vectors.vaults) {
    const keys = deriveVaultKeys(fromHex(vault.masterKey));
    assertEquals(toHex(keys.signer.publicKey), vault.publicKey);
    assertEquals(toHex(keys.vaultId), vault.vaultId);
    assertEquals(toHex(keys.gearSeed), vault.secrets.gear);
    for (const [name, tag] of vault.keyTags) assertEquals(toHex(keys.keyTag(name!)), tag, name);
    for (const [name, tag] of vault.tagNameTags) {
      assertEquals(toHex(keys.tagNameTag(name!)), tag, name);
    }
  }
});

Deno.test("VaultKeys.keyTag: one for both Unicode forms, another for a tag of the same name", () => {
  const keys = deriveVaultKeys(new Uint8Array(32));
  assertEquals(keys.keyTag("caf\u00e9"), keys.keyTag("cafe\u0301"));
  assertNotEquals(toHex(keys.keyTag("a")), toHex(keys.tagNameTag("a")));
  assertNotEquals(toHex(keys.keyTag("a")), toHex(keys.keyTag("b")));
});

Deno.test("VaultKeys.signer: signs for the vault", () => {
  const { signer } = deriveVaultKeys(new Uint8Array(32));
  const message = encodeUtf8("a segment");
  const claim = { publicKey: signer.publicKey, signature: signer.sign(message), message };
  assertEquals(ed25519Verify(claim), true);
});

Deno.test("deriveVaultKeys: refuses a master key of another length", () => {
  for (const length of [0, 31, 33]) {
    const error = assertThrows(() => deriveVaultKeys(new Uint8Array(length)), VaultError);
    assertEquals(error.code, "damaged");
  }
});
