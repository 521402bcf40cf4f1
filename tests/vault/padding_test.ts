/** A vault that pads: which lengths its objects have, and that nothing else is different. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, encodeUtf8, sha256 } from "../../src/base/mod.ts";
import { CODEC_PADDED, deriveVaultKeys, paddedLength } from "../../src/seal/mod.ts";
import { decodeSegment } from "../../src/log/mod.ts";
import { LocalCipher, WorkerCipher } from "../../src/vault/chunk_cipher.ts";
import { initVault, recoverVault } from "../../src/vault/mod.ts";
import { prepareCompression } from "../../src/content/mod.ts";
import {
  assertSameBytes,
  collect,
  failure,
  homeWithVault,
  packFrames,
  randomBytes,
  read,
  readFrame,
  splice,
  TempFolder,
  version,
  withVault,
} from "./helpers.ts";

async function paddedHome(): Promise<TempFolder> {
  const folder = new TempFolder();
  await initVault({ home: folder.home, padding: true });
  return folder;
}

/** Every sealed object in the packs: chunks, manifests, and the bodies in segments. */
function sealedObjects(folder: TempFolder): Bytes[] {
  return packFrames(folder).flatMap((frame) => {
    const bytes = readFrame(frame);
    if (frame.kind === "sealed") return [bytes];
    if (frame.kind !== "segment") return [];
    const { sealedBodies } = decodeSegment(bytes);
    return sealedBodies.length === 0 ? [] : [sealedBodies];
  });
}

function assertAllPadded(folder: TempFolder, least: number): void {
  const objects = sealedObjects(folder);
  assert(objects.length >= least, `${objects.length} objects`);
  for (const { 1: codec, length } of objects) {
    assertEquals([codec, length], [CODEC_PADDED, paddedLength(length)]);
  }
}

const text = (length: number): Bytes => encodeUtf8("the same words again ".repeat(length / 20));

Deno.test("initVault padding: chunks, manifests and records have allowed lengths only, and all reads back", async () => {
  using folder = await paddedHome();
  const long = randomBytes(17_000_000);
  const contents: [string, Bytes[]][] = [
    ["long", [long, splice(long, { at: 9_000_000, insert: randomBytes(5) })]],
    ["text", [text(9_000_000)]],
    ["small", [randomBytes(0), randomBytes(1), randomBytes(929), text(4000)]],
    [`${"a long name ".repeat(300)}`, [randomBytes(10)]],
  ];
  await withVault(folder, async (vault) => {
    for (const [key, versions] of contents) {
      for (const bytes of versions) await vault.put(key, bytes);
    }
    await vault.tag("here");
    await vault.delete("text");
  });
  assertAllPadded(folder, 40);
  await withVault(folder, async (vault) => {
    for (const [key, versions] of contents) {
      for (const [i, bytes] of versions.entries()) {
        assertSameBytes(await read(vault, key, version(i + 1)), bytes, `${key} ${i + 1}`);
      }
    }
    const { damaged, missing } = await vault.verify();
    assertEquals([damaged, missing], [0, 0]);
    assert((await vault.status()).padding);
  });
});

Deno.test("putPath: a tree of many small files is padded, by the worker too", async () => {
  using folder = await paddedHome();
  Deno.mkdirSync(folder.at("tree"));
  for (let i = 0; i < 300; i++) Deno.writeFileSync(folder.at("tree", `f${i}`), randomBytes(i * 7));
  await withVault(folder, async (vault) => {
    const outcomes = await collect(vault.putPath(folder.at("tree"), { recursive: true }));
    assertEquals(outcomes.filter((outcome) => "error" in outcome && outcome.error), []);
    assertSameBytes(await read(vault, "tree/f299"), randomBytes(299 * 7));
  });
  assertAllPadded(folder, 299);
});

Deno.test("Vault.setPadding: holds from then on and after the next opening; what is stored is not stored again", async () => {
  using folder = await homeWithVault();
  const [old, fresh] = [randomBytes(5000), randomBytes(5001)];
  await withVault(folder, async (vault) => {
    await vault.put("old", old);
    await vault.setPadding(true);
    assertEquals((await vault.put("copy", old)).newChunks, 0);
    assertEquals((await vault.put("fresh", fresh)).newChunks, 1);
  });
  const codecs = () => packFrames(folder).filter(({ kind }) => kind === "sealed").map(codecOf);
  const codecOf = (frame: Parameters<typeof readFrame>[0]) => readFrame(frame)[1];
  assertEquals(codecs(), [0, CODEC_PADDED]);
  await withVault(folder, async (vault) => {
    assert((await vault.status()).padding);
    assertSameBytes(await read(vault, "copy"), old);
    assertSameBytes(await read(vault, "fresh"), fresh);
    await vault.put("third", randomBytes(5002));
    await vault.setPadding(false);
    await vault.put("fourth", randomBytes(5003));
    assertEquals((await vault.verify()).damaged, 0);
  });
  assertEquals(codecs(), [0, CODEC_PADDED, CODEC_PADDED, 0]);
});

Deno.test("openVault: settings that are no settings are refused", async () => {
  using folder = await paddedHome();
  Deno.writeTextFileSync(`${folder.home}/config.json`, `{"format":1,"padding":1}`);
  await failure("damaged", () => withVault(folder, () => Promise.resolve()));
});

Deno.test("WorkerCipher: pads if it is told to, to the very bytes that the calling thread makes", async () => {
  await prepareCompression();
  const masterKey = new Uint8Array(32).fill(7);
  const { chunk } = deriveVaultKeys(masterKey);
  const local = new LocalCipher(chunk);
  const worker = new WorkerCipher(masterKey, () => chunk.isPadding);
  worker.start();
  try {
    const bytes = text(300_000);
    const bare = await worker.seal(bytes, chunk.id(bytes));
    chunk.isPadding = true;
    const padded = await worker.seal(bytes, chunk.id(bytes));
    assertEquals(padded, await local.seal(bytes, chunk.id(bytes)));
    assertNotEquals(padded.address, bare.address);
    assertEquals(padded.address, sha256(padded.header, padded.body));
  } finally {
    worker.close();
  }
});

Deno.test("recoverVault: a home that recovers begins without padding, until it is turned on there", async () => {
  using folder = await paddedHome();
  const phrase = await withVault(folder, (vault) => Promise.resolve(vault.phrase()));
  using other = new TempFolder();
  await recoverVault({ home: other.home, phrase });
  await withVault(other, async (vault) => assertEquals((await vault.status()).padding, false));
  await withVault(folder, async (vault) => assertEquals((await vault.status()).padding, true));
});
