/** Sealing and opening chunks on the worker thread. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, concatBytes, sha256, VaultError } from "../../src/base/mod.ts";
import { prepareCompression } from "../../src/content/mod.ts";
import { deriveVaultKeys } from "../../src/seal/mod.ts";
import { LocalCipher, WorkerCipher } from "../../src/vault/chunk_cipher.ts";

const masterKey = new Uint8Array(32).fill(7);
const sealer = deriveVaultKeys(masterKey).chunk;
await prepareCompression();

const plain = (length: number, seed: number): Bytes =>
  Uint8Array.from({ length }, (_, i) => (i * seed + (i >>> 8)) & 0xff);

async function withWorker(work: (cipher: WorkerCipher) => Promise<void>): Promise<void> {
  const cipher = new WorkerCipher(masterKey);
  cipher.start();
  try {
    await work(cipher);
  } finally {
    cipher.close();
  }
}

Deno.test("WorkerCipher: seals to the very bytes that the calling thread would, many at once", async () => {
  const local = new LocalCipher(sealer);
  await withWorker(async (worker) => {
    const plains = [0, 1, 100, 9000, 300_000].map((length, i) => plain(length, i + 3));
    const there = await Promise.all(plains.map((bytes) => worker.seal(bytes, sealer.id(bytes))));
    for (const [i, bytes] of plains.entries()) {
      const here = await local.seal(bytes, sealer.id(bytes));
      assertEquals(there[i], here, `${bytes.length} bytes`);
      assertEquals(bytes.length, plains[i]!.length, "what was sealed can still be used");
    }
  });
});

Deno.test("WorkerCipher: opens what was sealed, and names what is damaged", async () => {
  await withWorker(async (worker) => {
    const bytes = plain(200_000, 11);
    const id = sealer.id(bytes);
    const { address, header, body, length: sealedLength } = await worker.seal(bytes, id);
    const reference = { id, address, length: bytes.length, sealedLength };
    assertEquals(await worker.open(concatBytes([header, body]), reference), bytes);

    const flipped = concatBytes([header, body]);
    flipped[1000]! ^= 1;
    const error = await assertRejects(() => worker.open(flipped, reference), VaultError);
    assertEquals(error.code, "damaged");
    assert(/does not match|do not match/.test(error.message), error.message);
  });
});

Deno.test("LocalCipher.open: the tag is enough; where it is wrong, the address tells whose fault it is", async () => {
  const cipher = new LocalCipher(sealer);
  const bytes = plain(200_000, 13);
  const id = sealer.id(bytes);
  const { address, header, body, length: sealedLength } = await cipher.seal(bytes, id);
  const whole = concatBytes([header, body]);
  const reference = { id, address, length: bytes.length, sealedLength };
  assertEquals(await cipher.open(whole.slice(), { ...reference, address: id }), bytes);

  const flipped = whole.slice();
  flipped[1000]! ^= 1;
  for (const [named, state] of [[address, "do not match its address"], [sha256(flipped), "tag"]]) {
    const opening = () => cipher.open(flipped, { ...reference, address: named as Bytes });
    const error = await assertRejects(opening, VaultError, state as string);
    assertEquals(error.code, "damaged");
  }
});

Deno.test("WorkerCipher: what is under way when it is closed fails", async () => {
  const worker = new WorkerCipher(masterKey);
  worker.start();
  const bytes = plain(100, 1);
  const sealing = worker.seal(bytes, sealer.id(bytes));
  worker.close();
  const error = await assertRejects(() => sealing, VaultError);
  assertEquals(error.code, "interrupted");
});
