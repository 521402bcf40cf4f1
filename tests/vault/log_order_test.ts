/** Work that goes through all versions a page at a time: what happens between two pages, and what it comes to. */

import { assert, assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { systemMachine } from "../../src/vault/machine.ts";
import { openVault, type Vault } from "../../src/vault/mod.ts";
import {
  atTime,
  flipBit,
  hex,
  homeWithVault,
  packFrames,
  randomBytes,
  type TempFolder,
  withVault,
} from "./helpers.ts";
import { carryLogs, carryObjects, OtherNode, ownerNode, strangerNode } from "./peer_helpers.ts";

/** More than what is read at once. */
const KEYS = 300;

async function homeOfMany(): Promise<TempFolder> {
  const folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const puts = Array.from({ length: KEYS }, (_, i) => vault.put(`key ${i}`, content(i)));
    await Promise.all(puts);
    for (let i = 0; i < 3; i++) await vault.put("key 7", randomBytes(100_000, i));
  });
  return folder;
}

function content(i: number): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`content ${i}`);
}

/** Opens a home in a way that `between` is told each time that work in steps lets others in, and how often it did. */
async function openPaced(
  home: string,
  between: (turn: number, vault: Vault) => unknown = () => {},
): Promise<{ vault: Vault; turns: () => number }> {
  let turns = 0;
  const others = async () => void await between(++turns, vault);
  const vault = await openVault({
    home,
    machine: { ...systemMachine, pace: { steps: 1, others } },
  });
  return { vault, turns: () => turns };
}

Deno.test("verify: what is dropped between the pages of versions is not missed", async () => {
  using folder = await homeOfMany();
  const first = await openPaced(folder.home);
  assertEquals((await first.vault.verify()).problems, []);
  const turns = first.turns();
  assert(turns > 10, `${turns} turns`);
  await first.vault.close();

  // The last turn but one is that between the first page and the second, in which the dropped ones stand.
  let removed = 0;
  const { vault } = await openPaced(folder.home, async (turn, vault) => {
    if (turn === turns - 1) removed = (await vault.prune({ keepLast: 1 })).removedChunks;
  });
  const { missing, damaged, problems } = await vault.verify();
  assertEquals([missing, damaged, problems, removed], [0, 0, [], 3]);
  await vault.close();
});

Deno.test("verify: names up to three versions of those that need a damaged chunk", async () => {
  using folder = await homeWithVault();
  const bytes = randomBytes(2000, 1);
  await withVault(folder, async (vault) => {
    for (const key of ["a", "b", "c", "d"]) await vault.put(key, bytes);
  });
  const flip = packFrames(folder).find(({ kind }) => kind === "sealed")!;
  flipBit(flip.path, flip.offset + 70);
  await withVault(folder, async (vault) => {
    const { problems } = await vault.verify();
    assertEquals(problems.map((text) => text.replace(/^.*; /, "")), [
      "needed by version 1 of a, version 1 of b, version 1 of c",
    ]);
  });
});

Deno.test("prune: chooses in steps; what goes is told oldest first, and of one moment key by key", async () => {
  using folder = await homeWithVault();
  const keys = Array.from({ length: 8 }, (_, i) => `key ${i}`);
  await atTime(Date.parse("2024-01-01T00:00:00Z"), () =>
    withVault(folder, async (vault) => {
      for (let i = 0; i < 3; i++) {
        for (const key of keys) await vault.put(key, content(i));
      }
    }));
  const { vault, turns } = await openPaced(folder.home);
  const histories = await Promise.all(keys.map((key) => vault.history(key)));
  const firstIds = histories.map((history) => history.map(({ id }) => hex(id)).sort()[0]!);
  const inOrder = keys.toSorted((a, b) =>
    firstIds[keys.indexOf(a)]! < firstIds[keys.indexOf(b)]! ? -1 : 1
  );
  const before = turns();
  const { dropped, versions } = await vault.prune({ keepLast: 1 }, { dryRun: true });
  assertEquals(versions, 24);
  assertEquals(
    dropped.map(({ key, version }) => `${key}: ${version}`),
    inOrder.flatMap((key) => [`${key}: 1`, `${key}: 2`]),
  );
  assert(turns() - before >= 3 * keys.length, `${turns() - before} turns`);
  await vault.close();
});

Deno.test("fetchAll: what the latest versions need comes before what others do, all of it once", async () => {
  const full = await strangerNode();
  await using _ = full;
  for (let i = 0; i < 3; i++) await full.vault.put("a", content(i));
  await full.vault.put("b", content(3));
  await full.vault.put("c", content(3));
  await using bare = await ownerNode(full.vault);
  await carryLogs(full.vault, bare.vault);
  const order: string[] = [];
  const remote = new OtherNode(full.vault);
  const fetch = remote.fetch.bind(remote);
  remote.fetch = (address, options) => {
    order.push(hex(address));
    return fetch(address, options);
  };
  await bare.vault.attach(remote);
  const { objects, missing } = await bare.vault.fetchAll();
  assertEquals([objects, missing], [4, 0]);
  const stored = packFrames(full.folder).filter(({ kind }) => kind === "sealed")
    .map(({ address }) => hex(address));
  assertEquals(order, [2, 3, 0, 1].map((i) => stored[i]));
  const { fetched } = remote;
  await carryObjects(full.vault, bare.vault);
  assertEquals((await bare.vault.fetchAll()).objects, 0);
  assertEquals(remote.fetched, fetched);
});
