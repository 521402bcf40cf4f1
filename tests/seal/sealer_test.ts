import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  encodeUtf8,
  equalBytes,
  fromHex,
  PLAIN_BYTES_MAX,
  sha256,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { decryptGcmSync } from "../../src/seal/aes_gcm.ts";
import { deriveVaultSecrets } from "../../src/seal/derive.ts";
import { Hmac } from "../../src/base/hmac.ts";
import {
  type Codec,
  CODEC_RAW,
  CODEC_ZSTD,
  deriveVaultKeys,
  type Domain,
  type Expected,
  paddedLength,
  type Sealed,
  type Sealer,
} from "../../src/seal/mod.ts";
import vectors from "../vectors/seal.json" with { type: "json" };

const keys = deriveVaultKeys(fromHex(vectors.masterKey));
/** Those of the same vault, padding. */
const padding = deriveVaultKeys(fromHex(vectors.masterKey));
padding.setPadding(true);
/** Below and above the sizes at which the sealer changes from this thread to WebCrypto. */
const SIZES = [0, 1, 9000, 16 * 1024, 16 * 1024 + 1, 128 * 1024, 300_000];

Deno.test("Sealer.seal: gives the vectors' bytes", async () => {
  for (const vector of vectors.good) {
    const sealer = keys[vector.domain as Domain];
    const plaintext = fromHex(vector.plaintext);
    const id = sealer.id(plaintext);
    assertEquals(toHex(id), vector.id, vector.name);
    const sealed = await sealer.seal({
      id,
      length: plaintext.length,
      payload: fromHex(vector.payload),
      codec: vector.codec === 1 ? CODEC_ZSTD : CODEC_RAW,
    });
    assertEquals(toHex(sealed.header), vector.header, vector.name);
    assertEquals(toHex(joined(sealed)), vector.sealed, vector.name);
    assertEquals(toHex(sealed.address), vector.address, vector.name);
    assertEquals(sealed.length, vector.sealed.length / 2, vector.name);
  }
});

Deno.test("Sealer.seal: gives the padded vectors' bytes where padding is on", async () => {
  for (const vector of vectors.padded) {
    const sealer = padding[vector.domain as Domain];
    const plaintext = fromHex(vector.plaintext);
    const sealed = await sealer.seal({
      id: sealer.id(plaintext),
      length: plaintext.length,
      payload: fromHex(vector.payload),
      codec: vector.codec === 1 ? CODEC_ZSTD : CODEC_RAW,
    });
    assertEquals(toHex(joined(sealed)), vector.sealed, vector.name);
    assertEquals(toHex(sealed.address), vector.address, vector.name);
    const context = { key: fromHex(vector.key), nonce: fromHex(vector.nonce) };
    const additionalData = fromHex(vector.header);
    assertEquals(
      toHex(decryptGcmSync({ ...context, additionalData }, sealed.body)!),
      vector.padded,
      vector.name,
    );
  }
});

Deno.test("Sealer.open: gives the vectors' plaintext, at once or not", async () => {
  for (const vector of [...vectors.good, ...vectors.padded]) {
    const sealer = keys[vector.domain as Domain];
    const sealed = fromHex(vector.sealed);
    const plaintext = fromHex(vector.plaintext);
    const expected = { id: fromHex(vector.id), length: plaintext.length };
    for (const reference of [expected, null]) {
      assertEquals(await sealer.open(sealed, reference, decompress), plaintext, vector.name);
      assertEquals(sealer.openSync(sealed, reference, decompress), plaintext, vector.name);
    }
  }
});

Deno.test("Sealer.open: refuses the bad vectors, each for its reason", async () => {
  const [raw] = vectors.good;
  const other = fromHex(raw!.id);
  for (const vector of vectors.bad) {
    const sealed = fromHex(vector.sealed);
    const expected = vector.state.includes("reference") ? { id: other, length: 5 } : null;
    const error = await refusal(keys.chunk, sealed, expected);
    assertEquals(error.code, vector.code, vector.name);
    assert(error.message.includes(vector.state), `${vector.name}: ${error.message}`);
  }
});

Deno.test("Sealer.open: refuses a right id with another length", async () => {
  const [vector] = vectors.good;
  const expected = { id: fromHex(vector!.id), length: vector!.plaintext.length / 2 + 1 };
  const error = await refusal(keys.chunk, fromHex(vector!.sealed), expected);
  assert(error.message.endsWith("it is not the one its reference names"), error.message);
});

Deno.test("Sealer.open: an error names the domain and the address, and keeps its cause", async () => {
  const broken = vectors.bad.find((vector) => vector.name.includes("no zstd frame"))!;
  const sealed = fromHex(broken.sealed);
  const error = await refusal(keys.chunk, sealed, null);
  const address = toHex(sha256(sealed)).slice(0, 12);
  assertEquals(error.message, `Cannot open chunk ${address}: it does not decompress`);
  assert(error.cause instanceof Error);
});

Deno.test("Sealer: every flipped bit and every cut of a sealed object is refused", async () => {
  const all = [...vectors.good, ...vectors.padded.slice(0, 1)];
  for (const vector of all.filter(({ domain }) => domain === "chunk")) {
    const sealed = fromHex(vector.sealed);
    for (let i = 0; i < sealed.length; i++) {
      for (const bit of [0x01, 0x80]) {
        await refusal(keys.chunk, sealed.map((byte, at) => at === i ? byte ^ bit : byte), null);
      }
      await refusal(keys.chunk, sealed.subarray(0, i), null);
    }
  }
});

Deno.test("Sealer: a flipped byte is refused where WebCrypto opens, too", async () => {
  const plaintext = patterned(100_000);
  const sealed = joined(await sealRaw(keys.chunk, plaintext));
  for (const at of [0, 1, 5, 6, 37, 38, 50_000, sealed.length - 16, sealed.length - 1]) {
    await refusal(keys.chunk, sealed.map((byte, i) => i === at ? byte ^ 1 : byte), null);
  }
});

Deno.test("Sealer: what one domain sealed, no other opens", async () => {
  const plaintext = encodeUtf8("the same bytes");
  const domains: Domain[] = ["chunk", "manifest", "body"];
  const ids = new Set(domains.map((domain) => toHex(keys[domain].id(plaintext))));
  assertEquals(ids.size, 3);
  for (const from of domains) {
    const sealed = joined(keys[from].sealSync(plaintext));
    for (const to of domains) {
      if (to === from) continue;
      const error = await refusal(keys[to], sealed, null);
      assert(error.message.endsWith("tag mismatch"), error.message);
    }
  }
});

Deno.test("Sealer: both ways of sealing, opening and identifying agree at every size", async () => {
  for (const size of SIZES) {
    const plaintext = patterned(size);
    const id = keys.chunk.id(plaintext);
    const sealed = await sealRaw(keys.chunk, plaintext);
    const sync = keys.chunk.sealSync(plaintext);
    assertEquals(toHex(sync.address), toHex(sealed.address));
    assert(equalBytes(joined(sync), joined(sealed)), `${size} bytes`);
    assertEquals(toHex(sealed.address), toHex(sha256(joined(sealed))));
    const expected = { id, length: size };
    assert(equalBytes(await keys.chunk.open(joined(sealed), expected, decompress), plaintext));
    assert(equalBytes(keys.chunk.openSync(joined(sealed), expected, decompress), plaintext));
  }
});

Deno.test("Sealer: the same bytes seal to the same address, other bytes or another vault's do not", async () => {
  const plaintext = patterned(20_000);
  const first = await sealRaw(keys.chunk, plaintext);
  assertEquals(toHex((await sealRaw(keys.chunk, plaintext)).address), toHex(first.address));
  const other = deriveVaultKeys(new Uint8Array(32).fill(9)).chunk;
  assertNotEquals(toHex((await sealRaw(other, plaintext)).address), toHex(first.address));
  plaintext[0]! ^= 1;
  assertNotEquals(toHex((await sealRaw(keys.chunk, plaintext)).address), toHex(first.address));
});

Deno.test("Sealer: no key and nonce ever cover two payloads", async () => {
  const secrets = deriveVaultSecrets(fromHex(vectors.masterKey));
  const domains = [
    { sealer: keys.chunk, hmac: new Hmac("sha512", secrets.chunkSeal) },
    { sealer: keys.manifest, hmac: new Hmac("sha512", secrets.manifestSeal) },
    { sealer: keys.body, hmac: new Hmac("sha512", secrets.bodySeal) },
  ];
  // What several compressors, or versions of one, could make of the same plaintext.
  const frames = [patterned(500), patterned(501), patterned(500).reverse(), new Uint8Array(500)];
  const pairs = new Set<string>();
  let payloads = 0;
  for (const { sealer, hmac } of domains) {
    for (const plaintext of [patterned(1000), patterned(1001)]) {
      const id = sealer.id(plaintext);
      const variants: { payload: Bytes; codec: Codec }[] = [
        { payload: plaintext, codec: CODEC_RAW },
        ...frames.map((payload) => ({ payload, codec: CODEC_ZSTD as Codec })),
      ];
      for (const { payload, codec } of variants) {
        const sealed = await sealer.seal({ id, length: plaintext.length, payload, codec });
        const okm = hmac.digest(sealed.header);
        const [key, nonce] = [okm.slice(0, 32), okm.slice(32, 44)];
        const context = { key, nonce, additionalData: sealed.header };
        assertEquals(decryptGcmSync(context, sealed.body), payload, "the pair that was used");
        pairs.add(toHex(key) + toHex(nonce));
        payloads++;
      }
    }
  }
  for (const vector of vectors.padded) pairs.add(vector.key + vector.nonce);
  assertEquals([pairs.size, payloads], [30 + vectors.padded.length, 30]);
});

Deno.test("Sealer.seal: refuses lengths that the format does not allow", async () => {
  const id = keys.chunk.id(new Uint8Array(0));
  const refused = async (length: number, payload: number, codec: 0 | 1) => {
    const input = { id, length, payload: new Uint8Array(payload), codec };
    const error = await assertRejects(() => keys.chunk.seal(input), VaultError);
    assertEquals(error.code, "failed");
  };
  await refused(PLAIN_BYTES_MAX + 1, 10, CODEC_ZSTD);
  await refused(PLAIN_BYTES_MAX + 1, PLAIN_BYTES_MAX + 1, CODEC_RAW);
  await refused(10, 9, CODEC_RAW);
  await refused(10, 11, CODEC_RAW);
  await refused(10, 10, CODEC_ZSTD);
  assertThrows(() => keys.chunk.sealSync(new Uint8Array(PLAIN_BYTES_MAX + 1)), VaultError);
});

Deno.test("Sealer: takes the largest plaintext, and adds 54 bytes", async () => {
  const plaintext = patterned(PLAIN_BYTES_MAX);
  const sealed = await sealRaw(keys.chunk, plaintext);
  assertEquals(sealed.length, PLAIN_BYTES_MAX + 54);
  assert(equalBytes(await keys.chunk.open(joined(sealed), null, decompress), plaintext));
});

Deno.test("paddedLength: is that of the vectors, few in all, never more than 1/16 above", () => {
  for (const [length, padded] of vectors.paddedLengths) {
    assertEquals(paddedLength(length!), padded, String(length));
  }
  const lengths = new Set<number>();
  for (let length = 0; length <= PLAIN_BYTES_MAX + 96; length += length < 70_000 ? 1 : 97) {
    const padded = paddedLength(length);
    assert(padded >= length && paddedLength(padded) === padded, String(length));
    assert(length < 1024 || padded - length < length / 16, String(length));
    lengths.add(padded);
  }
  assertEquals(lengths.size, 258);
});

Deno.test("Sealer: padded, every size comes back, at an allowed length, by both ways of sealing", async () => {
  for (const size of [...SIZES, 927, 928, 929, 1_000_000, PLAIN_BYTES_MAX]) {
    const plaintext = patterned(size);
    const sealed = await sealRaw(padding.chunk, plaintext);
    assertEquals(sealed.length, paddedLength(size + 96), `${size} bytes`);
    assertEquals(toHex(padding.chunk.sealSync(plaintext).address), toHex(sealed.address));
    const expected = { id: keys.chunk.id(plaintext), length: size };
    assert(equalBytes(await keys.chunk.open(joined(sealed), expected, decompress), plaintext));
    assert(equalBytes(padding.chunk.openSync(joined(sealed), expected, decompress), plaintext));
  }
});

Deno.test("Sealer: padded, the header tells neither the length nor whether it was compressed", async () => {
  const zstd = vectors.padded.find(({ codec }) => codec === 1)!;
  const raw = await sealRaw(padding.chunk, patterned(5));
  assertEquals(toHex(raw.header.subarray(0, 6)), zstd.header.slice(0, 12));
  assertEquals(raw.length, zstd.sealed.length / 2);
});

/** Stands for zstd, so that these tests run where the platform has none: knows the vectors' frames. */
function decompress(payload: Bytes, length: number): Bytes {
  const hex = toHex(payload);
  const vector = vectors.good.find((good) => good.codec === 1 && good.payload === hex);
  if (vector === undefined) throw new Error("no frame of the vectors");
  assert(length >= vector.plaintext.length / 2);
  return fromHex(vector.plaintext);
}

/** The error with which both ways of opening refuse; they must agree. */
async function refusal(
  sealer: Sealer,
  sealed: Bytes,
  expected: Expected | null,
): Promise<VaultError> {
  const error = await assertRejects(() => sealer.open(sealed, expected, decompress), VaultError);
  const sync = assertThrows(() => sealer.openSync(sealed, expected, decompress), VaultError);
  assertEquals(sync.message, error.message);
  assertEquals([error.code, sync.code], ["damaged", "damaged"]);
  return error;
}

function sealRaw(sealer: Sealer, plaintext: Bytes): Promise<Sealed> {
  const id = sealer.id(plaintext);
  return sealer.seal({ id, length: plaintext.length, payload: plaintext, codec: CODEC_RAW });
}

function joined({ header, body }: Sealed): Bytes {
  return concatBytes([header, body]);
}

/** Bytes that repeat after no small period. */
function patterned(length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 17) & 0xff);
}
