import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Bytes, type Random, toHex, VaultError } from "../../src/base/mod.ts";
import { decodeKeyFile, encodeKeyFile, isProtected, type KeyKind } from "../../src/seal/mod.ts";
import vectors from "../vectors/keys.json" with { type: "json" };

const secret = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);

Deno.test("decodeKeyFile: reads the good vectors", async () => {
  for (const vector of vectors.keyFiles.good) {
    const found = await decodeKeyFile(vector.text, {
      kind: vector.kind as KeyKind,
      passphrase: () => vector.passphrase ?? never(),
    });
    assertEquals(toHex(found), vector.secret, vector.name);
    assertEquals(isProtected(vector.text), vector.passphrase !== undefined, vector.name);
  }
});

Deno.test("decodeKeyFile: refuses the bad vectors, each for its reason, and quotes no secret", async () => {
  for (const vector of vectors.keyFiles.bad) {
    const use = { kind: vector.kind as KeyKind, passphrase: () => vector.passphrase };
    const error = await assertRejects(() => decodeKeyFile(vector.text, use), VaultError);
    assertEquals(error.code, vector.code, vector.name);
    assert(error.message.includes(vector.state), `${vector.name}: ${error.message}`);
    assert(!/[0-9a-f]{16}/i.test(`${error.message} ${error.cause}`), vector.name);
  }
});

Deno.test("encodeKeyFile: without a passphrase, one line that decodes without asking", async () => {
  for (const kind of ["vault", "node", "network"] as const) {
    const text = await encodeKeyFile({ kind, secret }, counting());
    assertEquals(text, `{"format":1,"kind":"${kind}","secret":"${toHex(secret)}"}\n`);
    assertEquals(await decodeKeyFile(text, { kind, passphrase: never }), secret);
    assertEquals(isProtected(text), false);
  }
});

Deno.test("encodeKeyFile: with a passphrase, only that one opens it, in any Unicode form", async () => {
  const passphrase = "caf\u00e9";
  const text = await encodeKeyFile({ kind: "vault", secret, passphrase }, counting());
  assert(text.endsWith("}\n") && !text.slice(0, -1).includes("\n"));
  assert(!text.includes(toHex(secret)));
  const { kdf, sealed } = JSON.parse(text);
  assertEquals(kdf, { name: "scrypt", n: 65536, r: 8, p: 2, salt: "01".repeat(16) });
  assertEquals(sealed.slice(0, 24), "02".repeat(12), "the nonce, as fresh as the salt");
  assertEquals(isProtected(text), true);
  const otherForm = () => Promise.resolve("cafe\u0301");
  assertEquals(await decodeKeyFile(text, { kind: "vault", passphrase: otherForm }), secret);
  const error = await assertRejects(
    () => decodeKeyFile(text, { kind: "vault", passphrase: () => "cafe" }),
    VaultError,
  );
  assertEquals(error.code, "denied");
  assertEquals(error.message, "Cannot unlock the vault key: wrong passphrase");
});

Deno.test("encodeKeyFile: refuses an empty passphrase and a secret of another length", async () => {
  const empty = { kind: "vault", secret, passphrase: "" } as const;
  const error = await assertRejects(() => encodeKeyFile(empty, counting()), VaultError);
  assertEquals(error.code, "usage");
  const short = { kind: "node", secret: new Uint8Array(31) } as const;
  const damaged = await assertRejects(() => encodeKeyFile(short, counting()), VaultError);
  assertEquals(damaged.code, "damaged");
});

Deno.test("isProtected: refuses what is no key file", () => {
  for (const text of ["", "{}", `{"format":1,"kind":"vault","secret":"00"}`]) {
    const error = assertThrows(() => isProtected(text), VaultError);
    assertEquals(error.code, "damaged");
  }
});

Deno.test("decodeKeyFile: a failing prompt's error passes through", async () => {
  const text = vectors.keyFiles.good.find((vector) => vector.passphrase !== undefined)!.text;
  const passphrase = () => Promise.reject(new VaultError("interrupted", "Cannot ask: interrupted"));
  const error = await assertRejects(
    () => decodeKeyFile(text, { kind: "vault", passphrase }),
    VaultError,
  );
  assertEquals(error.code, "interrupted");
});

/** Bytes of 1, then bytes of 2, and so on. */
function counting(): Random {
  let calls = 0;
  return { bytes: (length): Bytes => new Uint8Array(length).fill(++calls) };
}

function never(): never {
  throw new Error("the passphrase was asked for");
}
