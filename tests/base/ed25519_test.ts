import { assertEquals, assertThrows } from "@std/assert";
import {
  ed25519PublicKey,
  Ed25519Signer,
  ed25519Verify,
  fromHex,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import published from "../vectors/published/ed25519.json" with { type: "json" };

Deno.test("Ed25519Signer: agrees with RFC 8032", () => {
  for (const vector of published.vectors) {
    const seed = fromHex(vector.seed);
    const message = fromHex(vector.message);
    const signer = new Ed25519Signer(seed);
    assertEquals(toHex(ed25519PublicKey(seed)), vector.publicKey, vector.source);
    assertEquals(toHex(signer.publicKey), vector.publicKey, vector.source);
    assertEquals(toHex(signer.sign(message)), vector.signature, vector.source);
  }
});

Deno.test("ed25519Verify: takes what was signed and nothing else", () => {
  const { publicKey, signature, message } = vectorClaim();
  assertEquals(ed25519Verify({ publicKey, signature, message }), true);
  for (let i = 0; i < signature.length; i++) {
    assertEquals(ed25519Verify({ publicKey, signature: flipped(signature, i), message }), false);
  }
  for (let i = 0; i < publicKey.length; i++) {
    assertEquals(ed25519Verify({ publicKey: flipped(publicKey, i), signature, message }), false);
  }
  for (let i = 0; i < message.length; i++) {
    assertEquals(ed25519Verify({ publicKey, signature, message: flipped(message, i) }), false);
  }
});

Deno.test("ed25519Verify: malformed keys and signatures are false, not errors", () => {
  const { publicKey, signature, message } = vectorClaim();
  for (const length of [0, 31, 33, 64]) {
    const claim = { publicKey: new Uint8Array(length).fill(2), signature, message };
    assertEquals(ed25519Verify(claim), false);
  }
  for (const length of [0, 63, 65, 128]) {
    const claim = { publicKey, signature: new Uint8Array(length), message };
    assertEquals(ed25519Verify(claim), false);
  }
  for (const byte of [0x02, 0xff]) { // 32 bytes that are no point, and no canonical one
    assertEquals(
      ed25519Verify({ publicKey: new Uint8Array(32).fill(byte), signature, message }),
      false,
    );
  }
});

Deno.test("ed25519Verify: a signature has one form (RFC 8032, 5.1.7: S below the group's order)", () => {
  const { publicKey, signature, message } = vectorClaim();
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const other = signature.slice();
  let s = order;
  for (let i = 31; i >= 0; i--) s += BigInt(signature[32 + i]!) << BigInt(8 * i);
  for (let i = 0; i < 32; i++) other[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn);
  assertEquals(ed25519Verify({ publicKey, signature: other, message }), false);
});

Deno.test("Ed25519Signer: refuses a seed of another length", () => {
  for (const length of [0, 31, 33]) {
    const error = assertThrows(() => new Ed25519Signer(new Uint8Array(length)), VaultError);
    assertEquals(error.code, "damaged");
  }
});

function vectorClaim() {
  const vector = published.vectors[2]!;
  return {
    publicKey: fromHex(vector.publicKey),
    signature: fromHex(vector.signature),
    message: fromHex(vector.message),
  };
}

function flipped(bytes: Uint8Array<ArrayBuffer>, at: number) {
  return bytes.map((byte, i) => i === at ? byte ^ 1 : byte);
}
