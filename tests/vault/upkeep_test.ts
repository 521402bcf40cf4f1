import { assert, assertEquals } from "@std/assert";
import { type Bytes, encodeUtf8, sha256 } from "../../src/base/mod.ts";
import { decodeSegment, encodePruneList, NO_RECORD, SegmentBuilder } from "../../src/log/mod.ts";
import type * as ports from "../../src/peer/ports.ts";
import { openVault, type Vault } from "../../src/vault/mod.ts";
import { atTime, failure, flipBit, hex, packFrames, randomBytes, read } from "./helpers.ts";
import {
  type CarriedSegment,
  carryLogs,
  carryObjects,
  liveAddresses,
  ownerNode,
  segmentsOf,
  strangerNode,
} from "./peer_helpers.ts";

const DAYS_2 = 2 * 24 * 60 * 60 * 1000;
const noSignal = new AbortController().signal;
const pinNothing = { isPinned: () => false, signal: noSignal };

async function objectsHere(vault: Vault, addresses: readonly string[]): Promise<string[]> {
  const { store } = vault.peerSide();
  const here: string[] = [];
  for (const address of addresses) if (await store.has(bytesOf(address))) here.push(address);
  return here;
}

function bytesOf(address: string): Bytes {
  return Uint8Array.from(address.match(/../g)!, (pair) => parseInt(pair, 16));
}

function later<T>(work: () => Promise<T>): Promise<T> {
  return atTime(Date.now() + DAYS_2, work);
}

Deno.test("PeerSide: has the shape that the peer layer asks for", async () => {
  await using one = await strangerNode();
  const side = one.vault.peerSide();
  const asked: { store: ports.ObjectStore; ledger: ports.Ledger; upkeep: ports.Upkeep } = side;
  assertEquals(asked.ledger.heads(), []);
  assertEquals(one.vault.peerSide(), side);
  assertEquals(sha256(side.vaultKey), side.vaultId);
  assertEquals(sha256(side.node.publicKey), side.nodeId);
});

Deno.test("collect: what a node holds for another vault stays until that vault's prune, through its own prunes", async () => {
  await using owner = await strangerNode();
  await using keeper = await strangerNode();
  await owner.vault.put("file", randomBytes(3_000_000, 1));
  await owner.vault.put("file", randomBytes(3_000_000, 2));
  await carryLogs(owner.vault, keeper.vault);
  await carryObjects(owner.vault, keeper.vault);
  const both = liveAddresses(keeper.vault, { isPublic: false });
  assertEquals(both, liveAddresses(owner.vault, { isPublic: false }));
  assertEquals(await objectsHere(keeper.vault, both), both);

  await keeper.vault.put("own", randomBytes(100_000, 3));
  await keeper.vault.delete("own", { purge: true });
  await later(() => keeper.vault.prune({ keepLast: 1 }));
  await later(() => keeper.vault.peerSide().upkeep.collect(pinNothing));
  assertEquals(await objectsHere(keeper.vault, both), both);

  await owner.vault.prune({ keepLast: 1 });
  await carryLogs(owner.vault, keeper.vault);
  const kept = liveAddresses(keeper.vault, { isPublic: false });
  assertEquals(kept, liveAddresses(owner.vault, { isPublic: false }));
  assert(kept.length > 0 && kept.length < both.length);
  const { freedBytes, isDone } = await keeper.vault.peerSide().upkeep.collect(pinNothing);
  assert(isDone && freedBytes > 2_900_000, String(freedBytes));
  assertEquals(await objectsHere(keeper.vault, both), kept);
  assertEquals((await keeper.vault.peerSide().upkeep.collect(pinNothing)).freedBytes, 0);
});

Deno.test("live: inventories, prune lists and segments are public, and stay when they are collected around", async () => {
  await using owner = await strangerNode();
  await using keeper = await strangerNode();
  await owner.vault.put("large", randomBytes(24_000_000, 1));
  await owner.vault.put("small", encodeUtf8("text"));
  await owner.vault.put("small", encodeUtf8("other"));
  await owner.vault.prune({ keepLast: 1 });
  await carryLogs(owner.vault, keeper.vault);
  const open = liveAddresses(keeper.vault, { isPublic: true });
  assertEquals(open, liveAddresses(owner.vault, { isPublic: true }));
  const kinds = open.map((address) => owner.vault.peerSide().store.stat(bytesOf(address))!.kind);
  assertEquals(kinds.filter((kind) => kind === "segment").length, 4);
  assertEquals(kinds.filter((kind) => kind === "public").length, 2, "an inventory, a prune list");
  await later(() => keeper.vault.peerSide().upkeep.collect(pinNothing));
  assertEquals(await objectsHere(keeper.vault, open), open);
});

/** The next segment of a node's log, with a prune of these versions that its vault signs. */
async function forgePrune(
  by: Vault,
  dropped: readonly Bytes[],
): Promise<{ list: CarriedSegment; segment: CarriedSegment }> {
  const { vaultKey, vaultSigner, node, nodeId, ledger } = by.peerSide();
  const bytes = encodePruneList({ dropped, carried: [] });
  const list = { address: sha256(bytes), bytes };
  const head = ledger.head(nodeId);
  const builder = new SegmentBuilder({
    vaultKey,
    nodeKey: node.publicKey,
    firstSequence: (head?.last ?? 0n) + 1n,
    previous: head === null ? NO_RECORD : ledger.idAt(nodeId, head.last)!,
    sealedBodies: new Uint8Array(0),
  });
  builder.add({ kind: "prune", clock: BigInt(Date.now()) << 16n, lists: [list.address] });
  const segment = builder.finish({ vault: vaultSigner, node });
  return await Promise.resolve({ list, segment });
}

Deno.test("collect: a prune drops versions of its own vault alone", async () => {
  await using owner = await strangerNode();
  await using third = await strangerNode();
  await using hostile = await strangerNode();
  for (const { vault } of [owner, third]) {
    await vault.put("file", randomBytes(100_000, vault === owner.vault ? 1 : 2));
  }
  await carryLogs(third.vault, owner.vault);
  await carryObjects(third.vault, owner.vault);
  const live = liveAddresses(owner.vault, { isPublic: false });
  assertEquals(live.length, 2);
  const ids = [owner, third].map(async ({ vault }) => (await vault.history("file"))[0]!.id);
  const dropped = (await Promise.all(ids)).sort((a, b) => hex(a) < hex(b) ? -1 : 1);
  const { list, segment } = await forgePrune(hostile.vault, dropped);
  const { store, ledger, upkeep } = owner.vault.peerSide();
  await store.put({ kind: "public", address: list.address, pieces: [list.bytes] });
  await ledger.enter([segment]);
  assertEquals(liveAddresses(owner.vault, { isPublic: false }), live);
  await later(() => upkeep.collect(pinNothing));
  assertEquals(await objectsHere(owner.vault, live), live);
  assertEquals((await read(owner.vault, "file")).length, 100_000);

  // The same from an index made anew, where the prune may be entered before what it names.
  await owner.vault.close();
  Deno.removeSync(owner.folder.at("home", "vault.db"));
  await using again = await openVault({ home: owner.folder.home });
  assertEquals(liveAddresses(again, { isPublic: false }), live);
  assertEquals((await again.history("file")).length, 1);
});

/** Two owners: `late` put a version on one that `early` dropped meanwhile without knowing of it. Logs are carried. */
async function pruneUnawares() {
  const early = await strangerNode();
  const first = randomBytes(3_000_000, 1);
  await early.vault.put("file", first);
  const late = await ownerNode(early.vault);
  await carryLogs(early.vault, late.vault);
  const content = first.slice(0, 2_500_000); // the first chunk is in it, the last one isn't
  const { id } = await late.vault.put("file", content);
  const objects = liveAddresses(early.vault, { isPublic: false });
  await early.vault.put("file", encodeUtf8("of early"));
  await early.vault.prune({ keepLast: 1 });
  assertEquals(await objectsHere(early.vault, objects), []);
  await carryLogs(early.vault, late.vault);
  await carryLogs(late.vault, early.vault);
  return {
    early: early.vault,
    late: late.vault,
    /** What the version needed that was dropped. */
    objects,
    /** Whether the version that follows it is whole. */
    isReadable: async () => {
      const bytes = await read(late.vault, "file", { kind: "id", prefix: hex(id) });
      return bytes.every((byte, i) => byte === content[i]) && bytes.length === content.length;
    },
    async [Symbol.asyncDispose]() {
      await late[Symbol.asyncDispose]();
      await early[Symbol.asyncDispose]();
    },
  };
}

/** Of some objects those that are live, and those of them of which nobody knows whether they are needed. */
function liveOf(vault: Vault, addresses: readonly string[]) {
  const [sure, inherited] = [new Set<string>(), new Set<string>()];
  for (const { entries, isInherited } of vault.peerSide().ledger.live()) {
    for (const { address } of entries) {
      if (addresses.includes(hex(address))) (isInherited ? inherited : sure).add(hex(address));
    }
  }
  return { sure: [...sure].sort(), inherited: [...inherited].sort() };
}

Deno.test("collect: who wrote a version on one that was dropped unawares says what it needs, and the rest goes", async () => {
  await using owners = await pruneUnawares();
  const { early, late, objects, isReadable } = owners;
  const nobodyKnows = { sure: [], inherited: objects };
  for (const vault of [early, late]) assertEquals(liveOf(vault, objects), nobodyKnows);
  await early.peerSide().upkeep.collect(pinNothing);
  assertEquals(liveOf(early, objects), nobodyKnows, "it wrote no such version");
  await late.peerSide().upkeep.collect(pinNothing);
  await carryLogs(late, early);
  const { sure, inherited } = liveOf(late, objects);
  assert(sure.length > 0 && sure.length < objects.length);
  assertEquals(inherited, []);
  assertEquals(liveOf(early, objects), { sure, inherited });
  await late.peerSide().upkeep.collect(pinNothing);
  assert(await isReadable());
  const heads = late.peerSide().ledger.heads();
  await late.peerSide().upkeep.collect(pinNothing);
  assertEquals(late.peerSide().ledger.heads(), heads, "it is said once");
});

Deno.test("prune: says what versions need that were made on one that was dropped unawares, whoever wrote them", async () => {
  await using owners = await pruneUnawares();
  const { early, late, objects, isReadable } = owners;
  await carryObjects(late, early);
  await early.prune({}, { dryRun: true });
  assertEquals(liveOf(early, objects).inherited, objects);
  await early.prune({});
  await carryLogs(early, late);
  for (const vault of [early, late]) assertEquals(liveOf(vault, objects).inherited, []);
  await late.prune({});
  assert(await isReadable());
});

Deno.test("collect: while a record of a vault is missing, nothing that it named goes, nor what nothing names", async () => {
  await using owner = await strangerNode();
  await using keeper = await strangerNode();
  for (const seed of [1, 2, 3]) await owner.vault.put("file", randomBytes(500_000, seed));
  const all = liveAddresses(owner.vault, { isPublic: false });
  await carryObjects(owner.vault, keeper.vault);
  await owner.vault.prune({ keepLast: 1 });
  const segments = await segmentsOf(owner.vault);
  const prune = decodeSegment(segments.at(-1)!.bytes).records[0]!;
  assert(prune.kind === "prune");
  const { store, ledger, upkeep } = keeper.vault.peerSide();
  // Of the three puts the first is missing: the second, which was dropped, may be all that tells of it.
  const list = (await owner.vault.peerSide().store.get(prune.lists[0]!))!;
  await store.put({ kind: "public", address: prune.lists[0]!, pieces: [list] });
  await ledger.enter(segments.slice(1, 2));
  await later(() => upkeep.collect(pinNothing));
  assertEquals(await objectsHere(keeper.vault, all), all);

  await ledger.enter(segments);
  await later(() => upkeep.collect(pinNothing));
  const kept = liveAddresses(owner.vault, { isPublic: false });
  assertEquals(await objectsHere(keeper.vault, all), kept);
});

Deno.test("collect: what no record names goes when it is old, unless a peer was told that it is here", async () => {
  await using keeper = await strangerNode();
  const { store, upkeep } = keeper.vault.peerSide();
  const [orphan, pinned] = [randomBytes(400_000, 1), randomBytes(300_000, 2)];
  for (const bytes of [orphan, pinned]) {
    await store.put({ kind: "sealed", address: sha256(bytes), pieces: [bytes] });
  }
  await store.flush();
  const isHere = () => [orphan, pinned].map((bytes) => store.isDurable(sha256(bytes)));
  await upkeep.collect(pinNothing);
  assertEquals(isHere(), [true, true], "they are young");
  const isPinned = (address: Bytes) => hex(address) === hex(sha256(pinned));
  await later(() => upkeep.collect({ isPinned, signal: noSignal }));
  assertEquals(isHere(), [false, true]);
  await later(() => keeper.vault.prune({}));
  assertEquals(isHere(), [false, true], "a prune of the user's minds it too");
  await later(() => upkeep.collect(pinNothing));
  assertEquals(isHere(), [false, false]);
});

Deno.test("collect, dropSurplus: give way to whoever writes", async () => {
  await using owner = await strangerNode();
  await using keeper = await strangerNode();
  for (const seed of [1, 2, 3]) await owner.vault.put(`file ${seed}`, randomBytes(100_000, seed));
  await carryLogs(owner.vault, keeper.vault);
  await carryObjects(owner.vault, keeper.vault);
  const { upkeep, store } = keeper.vault.peerSide();
  await owner.vault.delete("file 3", { purge: true });
  await carryLogs(owner.vault, keeper.vault);
  const held = liveAddresses(keeper.vault, { isPublic: false }).map(bytesOf);
  const source = new TransformStream<Bytes, Bytes>();
  const put = keeper.vault.put("slow", source.readable);
  const writer = source.writable.getWriter();
  await writer.write(encodeUtf8("being put")); // taken only when the put is under way
  assertEquals(await upkeep.collect(pinNothing), { freedBytes: 0, isDone: false });
  assertEquals(await upkeep.dropSurplus(held, () => true), 0);
  await writer.close();
  await put;
  const asked: string[] = [];
  const [first, ...others] = held as [Bytes, ...Bytes[]];
  const dropped = await upkeep.dropSurplus(held, (address) => {
    asked.push(hex(address));
    return hex(address) === hex(first);
  });
  assertEquals([dropped, asked.sort()], [1, held.map(hex).sort()]);
  assertEquals(await store.has(first), false);
  for (const other of others) assert(await store.has(other));
  const before = upkeep.storedBytes();
  await upkeep.collect(pinNothing);
  assert(upkeep.storedBytes() < before);
  await upkeep.dropSurplus([sha256(encodeUtf8("not here"))], () => true);
});

Deno.test("dropSurplus: never takes what every node holds", async () => {
  await using owner = await strangerNode();
  await owner.vault.put("file", randomBytes(24_000_000, 1));
  const open = liveAddresses(owner.vault, { isPublic: true });
  assertEquals(await owner.vault.peerSide().upkeep.dropSurplus(open.map(bytesOf), () => true), 0);
  assertEquals(await objectsHere(owner.vault, open), open);
});

Deno.test("scrub: reads everything in small steps, and forgets what is damaged, so that it can come again", async () => {
  await using owner = await strangerNode();
  await owner.vault.put("file", randomBytes(3_000_000, 1));
  await owner.vault.put("text", encodeUtf8("text"));
  const frames = packFrames(owner.folder);
  const total = frames.reduce((sum, { length }) => sum + length, 0);
  const { upkeep, store } = owner.vault.peerSide();
  const scrubAll = async (step: number) => {
    let [checkedBytes, steps, cursor] = [0, 0, null as string | null];
    const damaged: string[] = [];
    do {
      const done = await upkeep.scrub(cursor, step);
      checkedBytes += done.checkedBytes;
      damaged.push(...done.damaged.map(hex));
      cursor = done.next;
      steps++;
    } while (cursor !== null);
    return { checkedBytes, steps, damaged };
  };
  assertEquals(await scrubAll(1e9), { checkedBytes: total, steps: 1, damaged: [] });
  assertEquals(await scrubAll(1), { checkedBytes: total, steps: frames.length, damaged: [] });

  const victim = frames.find(({ kind, length }) => kind === "sealed" && length > 200_000)!;
  const whole = (await store.get(victim.address))!;
  flipBit(victim.path, victim.offset + 100);
  const { damaged } = await scrubAll(500_000);
  assertEquals(damaged, [hex(victim.address)]);
  assertEquals(await store.has(victim.address), false);
  await failure("damaged", () => read(owner.vault, "file"));
  await store.put({ kind: "sealed", address: victim.address, pieces: [whole] });
  await store.flush();
  assertEquals((await read(owner.vault, "file")).length, 3_000_000);
  assertEquals((await scrubAll(500_000)).damaged, []);

  await owner.vault.put("later", randomBytes(300_000, 2));
  const later = packFrames(owner.folder).findLast(({ kind }) => kind === "sealed")!;
  assertEquals(later.path, victim.path, "what is put later goes to the same pack");
  flipBit(later.path, later.offset + 100);
  assertEquals((await scrubAll(500_000)).damaged, [hex(later.address)]);
  await failure("usage", () => upkeep.scrub("nonsense", 1));
});

Deno.test("held objects: a peer that hands over a chunk under a label of ours poisons nothing", async () => {
  await using one = await strangerNode();
  await using other = await ownerNode(one.vault);
  const content = randomBytes(100_000, 1);
  await one.vault.put("file", content);
  await carryObjects(one.vault, other.vault);
  const before = await other.vault.put("first", content);
  assertEquals([before.newChunks, before.addedBytes], [1, 0], "it was sealed to prove it");
  const after = await other.vault.put("second", content);
  assertEquals([after.newChunks, after.addedBytes], [0, 0]);
  assertEquals((await read(other.vault, "first")).length, 100_000);
});
