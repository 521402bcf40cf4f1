/** Listing many keys: what is shown of each, in which order, and while others write. */

import { assert, assertEquals } from "@std/assert";
import { encodeUtf8, type KeyName, type NodeId, type RecordId } from "../../src/base/mod.ts";
import { systemMachine } from "../../src/vault/machine.ts";
import { type KeyInfo, openVault, type Vault } from "../../src/vault/mod.ts";
import { PackedKeys } from "../../src/vault/packed_keys.ts";
import { collect, copyHome, Dice, hex, homeWithVault, TempFolder, withVault } from "./helpers.ts";

/** Anything that a listing may show. */
function someKey(dice: Dice, key: string): KeyInfo {
  const type = dice.pick(["file", "folder", "link"] as const);
  return {
    key: key as KeyName,
    version: dice.below(2 ** 32 - 1),
    id: dice.bytes(32) as RecordId,
    size: dice.below(2 ** 31) * 2 ** 20,
    time: dice.below(2 ** 31) * 1000 + dice.below(1000),
    node: new Uint8Array(32).fill(dice.below(3)) as NodeId,
    deleted: dice.below(2) === 0,
    conflict: dice.below(2) === 0,
    meta: {
      type,
      mode: dice.below(0o10000),
      mtime: (dice.below(2 ** 31) - 2 ** 30) * 1000,
      target: type === "link" ? `../${"ä".repeat(dice.below(20))}` : "",
    },
  };
}

function byKey(a: KeyInfo, b: KeyInfo): number {
  return a.key < b.key ? -1 : 1;
}

Deno.test("PackedKeys: gives back all of each key, merged in the order of the names", () => {
  const dice = new Dice(1);
  // Beyond U+FFFF the order of a string's units is not that of its bytes.
  const starts = ["", "a/", "a/b", "ä", "\u{fffd}", "\u{1f600}", "z\u{ffee}", "z\u{10ffff}"];
  const all = Array.from({ length: 3000 }, (_, i) => someKey(dice, `${dice.pick(starts)}${i}`));
  for (const pages of [1, 2, 37]) {
    const packed = new PackedKeys();
    for (let page = 0; page < pages; page++) {
      packed.addPage(all.filter((_, i) => i % pages === page).sort(byKey));
      packed.addPage([]);
    }
    assertEquals([...packed.takeSorted()], all.toSorted(byKey));
    assertEquals([...packed.takeSorted()], []);
  }
  const inOrder = new PackedKeys();
  for (const info of all.sort(byKey)) inOrder.addPage([info]);
  assertEquals([...inOrder.takeSorted()], all);
});

/** What a listing is to show, key by key, by the histories. */
async function byHistories(vault: Vault, names: readonly string[]): Promise<KeyInfo[]> {
  const found: KeyInfo[] = [];
  for (const name of names) {
    const latest = (await vault.history(name)).find(({ latest }) => latest)!;
    const { key, version, id, size, time, node, op, conflict, meta } = latest;
    found.push({ key, version, id, size, time, node, deleted: op === "delete", conflict, meta });
  }
  return found.sort(byKey);
}

const NAMES = Array.from({ length: 150 }, (_, i) => `folder ${i % 7}/key ${i}`);

/** A vault with many keys, some of them with several versions, or deleted. */
async function homeWithKeys(): Promise<TempFolder> {
  const folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const put = (name: string, i: number) => vault.put(name, encodeUtf8(`content ${i}`));
    await Promise.all(NAMES.map(put));
    await Promise.all(NAMES.filter((_, i) => i % 5 === 0).map((name) => put(name, 1000)));
    await Promise.all(NAMES.filter((_, i) => i % 11 === 0).map((name) => vault.delete(name)));
  });
  return folder;
}

Deno.test("list: shows of each key what its history says of the latest version, sorted by name", async () => {
  using folder = await homeWithKeys();
  await withVault(folder, async (vault) => {
    const all = await byHistories(vault, NAMES);
    assertEquals(await collect(vault.list({ deleted: true })), all);
    assertEquals(await collect(vault.list()), all.filter(({ deleted }) => !deleted));
    const prefix = "folder 3";
    const under = all.filter(({ key }) => key.startsWith("folder 3/"));
    assertEquals(await collect(vault.list({ prefix, deleted: true })), under);
    const at = Date.now() + 60_000;
    assertEquals(await collect(vault.list({ at, deleted: true })), all);
    const node = hex(all[0]!.node).slice(0, 12);
    assertEquals(await collect(vault.list({ node, deleted: true })), all);
  });
});

Deno.test("list: whatever is written between its steps, each key is shown once, as it was before that or after", async () => {
  using source = await homeWithKeys();
  const [changed, removed, untouched] = [NAMES[1]!, NAMES[2]!, NAMES.slice(3)];
  for (const options of [{ deleted: true }, { deleted: true, at: Date.now() + 1e9 }]) {
    for (let boundary = 1, isMet = true; isMet; boundary++) {
      using folder = new TempFolder();
      copyHome(source.home, folder.home);
      isMet = false;
      let step = 0;
      const others = async () => {
        if (++step !== boundary) return;
        isMet = true;
        await vault.put(changed, encodeUtf8("other content"));
        await vault.delete(removed);
        await vault.put("new key", encodeUtf8("new content"));
      };
      const machine = { ...systemMachine, pace: { steps: 1, others } };
      await using vault = await openVault({ home: folder.home, machine });
      const before = await byHistories(vault, NAMES);
      const listed = await collect(vault.list(options));
      const after = await byHistories(vault, NAMES);
      const ofUntouched = (keys: KeyInfo[]) => keys.filter(({ key }) => untouched.includes(key));
      assertEquals(ofUntouched(listed), ofUntouched(before));
      for (const name of [changed, removed]) {
        const [found, ...more] = listed.filter(({ key }) => key === name);
        assertEquals(more, []);
        const versions = [before, after].map((keys) => keys.find(({ key }) => key === name)!);
        assert(versions.some(({ version }) => version === found?.version), name);
      }
      assert(listed.filter(({ key }) => key === "new key").length <= 1);
    }
  }
});
