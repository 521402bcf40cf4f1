/**
 * Long files in many versions: delta manifests stay readable and their chains short, and cutting along the old version
 * gives the same chunks as cutting without it.
 */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, DELTA_CHAIN_MAX, isVaultError, sha256 } from "../../src/base/mod.ts";
import { decodeManifest, decompress, type Manifest, References } from "../../src/content/mod.ts";
import { decodeBodies, decodeSegment, type ManifestPlace } from "../../src/log/mod.ts";
import { deriveVaultKeys, keyOfPhrase } from "../../src/seal/mod.ts";
import type { Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  Dice,
  homeWithVault,
  packFrames,
  randomBytes,
  read,
  readFrame,
  splice,
  type TempFolder,
  version,
  withVault,
} from "./helpers.ts";

/** More of them in a longer search for a difference. */
const EDITED_PUTS = Number(Deno.env.get("GOVAULT_EDIT_ROUNDS") ?? 10);

/** What a seed does to a file: one of the edits that people make. */
function edit(bytes: Bytes, dice: Dice): Bytes {
  const at = dice.below(bytes.length + 1);
  const length = 1 + dice.below(dice.pick([10, 10_000, 400_000]));
  const remove = Math.min(length, bytes.length - at);
  switch (dice.below(7)) {
    case 0:
      return splice(bytes, { at, insert: dice.bytes(length) });
    case 1:
      return splice(bytes, { at, remove });
    case 2:
      return splice(bytes, { at, remove, insert: dice.bytes(remove) });
    case 3:
      return splice(bytes, { at: bytes.length, insert: dice.bytes(length) });
    case 4:
      return splice(bytes, { at: bytes.length - Math.min(length, bytes.length), remove });
    case 5: { // a block comes twice
      const from = dice.below(bytes.length + 1);
      return splice(bytes, { at, insert: bytes.subarray(from, from + 900_000) });
    }
    default: { // two blocks change places
      const middle = bytes.length >>> 1;
      const second = bytes.subarray(middle);
      return splice(bytes.subarray(0, middle), { at: 0, insert: second });
    }
  }
}

/** The manifests that the log's records place, oldest first. */
function placedManifests(folder: TempFolder, vault: Vault): ManifestPlace[] {
  const keys = deriveVaultKeys(keyOfPhrase(vault.phrase()));
  return packFrames(folder).filter(({ kind }) => kind === "segment").flatMap((frame) => {
    const { records, sealedBodies } = decodeSegment(readFrame(frame));
    const plain = keys.body.openSync(sealedBodies, null, decompress);
    return decodeBodies(plain, records.map(({ kind }) => kind)).flatMap((body) =>
      "manifest" in body ? [body.manifest] : []
    );
  });
}

/** All manifest objects of the packs. */
function manifestObjects(folder: TempFolder, vault: Vault): Manifest[] {
  const { manifest } = deriveVaultKeys(keyOfPhrase(vault.phrase()));
  return packFrames(folder).filter(({ kind }) => kind === "sealed").flatMap((frame) => {
    try {
      return [decodeManifest(manifest.openSync(readFrame(frame), null, decompress))];
    } catch (error) {
      if (isVaultError(error, "damaged")) return []; // a chunk, sealed with another key
      throw error;
    }
  });
}

Deno.test("put: forty edits of 30 MiB keep every version readable, over short chains of deltas", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const dice = new Dice(40);
    const edits: number[] = [];
    const digests: Bytes[] = [];
    const bytes = randomBytes(30 * 1024 * 1024);
    await vault.put("key", bytes);
    digests.push(sha256(bytes));
    for (let i = 0; i < 40; i++) {
      const at = dice.below(bytes.length - 4096);
      bytes.set(dice.bytes(4096), at);
      edits.push(at);
      digests.push(sha256(bytes));
      const { version, newChunks, chunks, addedBytes } = await vault.put("key", bytes);
      assertEquals(version, i + 2);
      assert(newChunks <= 4 && chunks > 30, `${newChunks} new chunks`);
      assert(addedBytes < 9_000_000);
    }
    // Each version against the next to the byte, and some in whole.
    for (const [i, at] of edits.entries()) {
      const { onlyInA, onlyInB } = await vault.diff("key", version(i + 1), version(i + 2));
      assertEquals(onlyInA, onlyInB);
      const [{ start, end }] = onlyInA as [{ start: number; end: number }];
      assert(start >= at && start < at + 8 && end <= at + 4096 && end > at + 4088);
    }
    for (const number of [1, 16, 17, 18, 34, 41]) {
      assertEquals(sha256(await read(vault, "key", version(number))), digests[number - 1]!);
    }
    const depths = manifestObjects(folder, vault).map((each) =>
      each.kind === "delta" ? each.depth : 0
    );
    assertEquals(depths.length, 41);
    assertEquals(Math.max(...depths), DELTA_CHAIN_MAX);
    assertEquals(depths.filter((depth) => depth === 0).length, Math.ceil(41 / 17));
    const { problems, missing } = await vault.verify();
    assertEquals([problems, missing], [[], 0]);
  });
});

Deno.test("put: cutting along the old version finds the cuts of a vault that never saw it", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const dice = new Dice(7);
    let bytes = dice.bytes(5_000_000);
    await vault.put("key", bytes);
    for (let i = 0; i < EDITED_PUTS; i++) {
      for (let edits = dice.below(3); edits >= 0; edits--) bytes = edit(bytes, dice);
      if (bytes.length > 9_000_000) bytes = bytes.subarray(0, 5_000_000);
      await vault.put("key", bytes, { sizeHint: bytes.length });
      await vault.put(`fresh ${i}`, bytes);
      const [along, fresh] = placedManifests(folder, vault).slice(-2);
      assert(along !== undefined && "inline" in along, "short enough for the record");
      assertEquals(along, fresh, `after edit ${i}`);
      assertSameBytes(await read(vault, "key"), bytes);
    }
  });
});

Deno.test("put: of a file of thousands of chunks only what changed is written", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    // Few different blocks of the largest chunk's size, so that many chunks cost little: zeros are never cut before it.
    const zeros = new Uint8Array(2 * 1024 * 1024);
    async function* file(count: number): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < count; i++) yield zeros;
      yield randomBytes(10);
    }
    const first = await vault.put("key", file(300));
    assertEquals([first.chunks, first.newChunks], [301, 2]);
    const second = await vault.put("key", file(310));
    assertEquals([second.chunks, second.newChunks], [311, 0]);
    assert(second.addedBytes < 500, `a delta of ${second.addedBytes} bytes`);
    const [full, delta] = placedManifests(folder, vault);
    assert(full !== undefined && "reference" in full && delta !== undefined);
    assertEquals(new References(full.reference).length(0), 1 + 8 + 4 + 301 * 72);
  });
});
