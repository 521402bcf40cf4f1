/** Records and lists in which a bit flipped on the only disk that they are on: the scrub makes them whole. */

import { assert, assertEquals } from "@std/assert";
import { sha256 } from "../../src/base/mod.ts";
import { FRAME_HEADER_BYTES } from "../../src/store/mod.ts";
import type { Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  collect,
  failure,
  flipBit,
  hex,
  keyNames,
  type PackFrame,
  packFrames,
  randomBytes,
  read,
} from "./helpers.ts";
import { carryLogs, ownerNode, reopen, strangerNode, type TestNode } from "./peer_helpers.ts";

/** A pass over all that is stored; gives how many objects it made whole, and what stayed damaged. */
async function scrub({ vault }: TestNode): Promise<{ mended: number; damaged: string[] }> {
  const { next, damaged, mended } = await vault.peerSide().upkeep.scrub(null, 1e9);
  assertEquals(next, null);
  return { mended: mended.length, damaged: damaged.map(hex) };
}

function framesOf({ folder }: TestNode, kind: PackFrame["kind"]): PackFrame[] {
  return packFrames(folder).filter((frame) => frame.kind === kind);
}

/** Of the one log that there is. */
function headOf(vault: Vault) {
  const [head, ...others] = vault.peerSide().ledger.heads();
  assertEquals(others, []);
  return head!;
}

/** A node that stored four keys, each with a record of its own. */
async function nodeWithRecords(): Promise<TestNode> {
  const node = await strangerNode();
  for (const [i, key] of ["a", "b", "c", "d"].entries()) {
    await node.vault.put(key, randomBytes(50 + i));
  }
  return node;
}

Deno.test("scrub: a record in which a bit flipped is whole again, and nobody need be asked for it", async () => {
  await using node = await nodeWithRecords();
  const head = headOf(node.vault);
  for (const [i, { path, offset, length }] of framesOf(node, "segment").entries()) {
    flipBit(path, offset + FRAME_HEADER_BYTES + [0, 60, length >>> 1, length - 1][i]!, 2 * i);
  }
  await reopen(node);
  await failure("damaged", () => keyNames(node.vault));
  assertEquals(await scrub(node), { mended: 4, damaged: [] });
  assertEquals(await keyNames(node.vault), ["a", "b", "c", "d"]);
  await reopen(node);
  assertEquals(await keyNames(node.vault), ["a", "b", "c", "d"]);
  await reopen(node, { hasIndex: false });
  assertEquals(await keyNames(node.vault), ["a", "b", "c", "d"]);
  assertEquals(headOf(node.vault), head);
  assertEquals(await scrub(node), { mended: 0, damaged: [] });
});

Deno.test("scrub: a record in which more than a bit flipped is damaged, and forgotten", async () => {
  await using node = await nodeWithRecords();
  const [, { path, offset, address }] = framesOf(node, "segment") as [PackFrame, PackFrame];
  flipBit(path, offset + 100, 1);
  flipBit(path, offset + 100, 2);
  assertEquals(await scrub(node), { mended: 0, damaged: [hex(address)] });
  assertEquals(await node.vault.peerSide().store.has(address), false);
});

for (
  const [what, at] of Object.entries({
    "a record": FRAME_HEADER_BYTES + 99,
    "a record's frame": 20,
  })
) {
  Deno.test(`scrub: ${what} in which a bit flipped before the index was made anew is entered again, and goes to others with all that follow`, async () => {
    await using node = await nodeWithRecords();
    const head = headOf(node.vault);
    const [, { path, offset }] = framesOf(node, "segment") as [PackFrame, PackFrame];
    flipBit(path, offset + at, 5);
    await reopen(node, { hasIndex: false });
    assertEquals(await keyNames(node.vault), ["a", "c", "d"]);
    assertEquals(headOf(node.vault).last, 1n);
    assertEquals(await scrub(node), { mended: 1, damaged: [] });
    assertEquals(await keyNames(node.vault), ["a", "b", "c", "d"]);
    assertEquals(headOf(node.vault), head);
    await node.vault.put("e", randomBytes(60));
    await using other = await ownerNode(node.vault);
    await carryLogs(node.vault, other.vault);
    assertEquals(await keyNames(other.vault), ["a", "b", "c", "d", "e"]);
    assertEquals(headOf(other.vault), headOf(node.vault));
    await reopen(node, { hasIndex: false });
    assertEquals(await keyNames(node.vault), ["a", "b", "c", "d", "e"]);
  });
}

Deno.test("scrub: a chunk whose frame's header has a flipped bit is found again", async () => {
  await using node = await nodeWithRecords();
  const [frame] = framesOf(node, "sealed") as [PackFrame];
  flipBit(frame.path, frame.offset + 2, 7);
  await reopen(node, { hasIndex: false });
  assertEquals(await node.vault.peerSide().store.has(frame.address), false);
  await scrub(node);
  assertSameBytes(await read(node.vault, "a"), randomBytes(50));
});

Deno.test("scrub: a list in which a bit flipped before the index was made anew, and the record that names it, are entered again", async () => {
  await using node = await strangerNode();
  for (const size of [10, 20, 30]) await node.vault.put("a", randomBytes(size));
  await node.vault.prune({ keepLast: 1 });
  await node.vault.put("b", randomBytes(40));
  const head = headOf(node.vault);
  const [{ path, offset }] = framesOf(node, "public") as [PackFrame];
  flipBit(path, offset + FRAME_HEADER_BYTES + 7);
  await reopen(node, { hasIndex: false });
  assertEquals(node.vault.problems().length, 1);
  assertEquals((await node.vault.history("a")).length, 3);
  assertEquals(await scrub(node), { mended: 1, damaged: [] });
  assertEquals(node.vault.problems(), []);
  assertEquals((await node.vault.history("a")).length, 1);
  assertEquals(headOf(node.vault), head);
  assertEquals((await node.vault.verify()).missing, 0);
});

Deno.test("mend: several that ask for one record have it made whole once, and what is whole is left where it is", async () => {
  await using node = await nodeWithRecords();
  const { upkeep, store } = node.vault.peerSide();
  const [{ path, offset, address }] = framesOf(node, "segment") as [PackFrame];
  assertEquals(await upkeep.mend(address), false);
  flipBit(path, offset + 77, 6);
  const before = packFrames(node.folder).length;
  assertEquals(await Promise.all([upkeep.mend(address), upkeep.mend(address)]), [true, true]);
  assertEquals(packFrames(node.folder).length, before + 1);
  assertEquals(sha256((await store.get(address))!), address);
  assertEquals(await upkeep.mend(randomBytes(32)), false);
});

Deno.test("scrub: what is too large for its bits to be tried is damaged", async () => {
  await using node = await strangerNode();
  const folder = node.folder.at("many");
  Deno.mkdirSync(folder);
  for (let i = 0; i < 800; i++) Deno.writeTextFileSync(`${folder}/${i}`, `text ${i}`);
  await collect(node.vault.putPath(folder, { recursive: true }));
  const large = framesOf(node, "segment").find(({ length }) => length > 64 * 1024);
  assert(large !== undefined);
  flipBit(large.path, large.offset + 500);
  assertEquals(await scrub(node), { mended: 0, damaged: [hex(large.address)] });
});

for (const hasIndex of [true, false]) {
  Deno.test(`verify: repair makes a record whole in which a bit flipped, its index ${hasIndex ? "kept" : "made anew"}`, async () => {
    await using node = await nodeWithRecords();
    const [, { path, offset }] = framesOf(node, "segment") as [PackFrame, PackFrame];
    flipBit(path, offset + 120, 4);
    await reopen(node, { hasIndex });
    const { damaged, repaired } = await node.vault.verify({ repair: true });
    assertEquals([damaged, repaired], [1, 1]);
    assertEquals(await keyNames(node.vault), ["a", "b", "c", "d"]);
    await reopen(node, { hasIndex: false });
    const found = await node.vault.verify();
    assertEquals([found.damaged, found.missing, found.problems], [0, 0, []]);
  });
}
