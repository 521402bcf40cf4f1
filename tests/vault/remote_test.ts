import { assert, assertEquals } from "@std/assert";
import { encodeUtf8, fromHex, isVaultError } from "../../src/base/mod.ts";
import type { RemoteObjects, Vault } from "../../src/vault/mod.ts";
import type * as peer from "../../src/peer/mod.ts";
import {
  assertSameBytes,
  collect,
  failure,
  flipBit,
  hex,
  packFrames,
  randomBytes,
  read,
} from "./helpers.ts";
import {
  carryLogs,
  carryObjects,
  liveAddresses,
  OtherNode,
  ownerNode,
  strangerNode,
  type TestNode,
} from "./peer_helpers.ts";

/** Two nodes of one vault: `full` holds everything, `bare` the records alone, and is attached to the other. */
async function pair(fill: (vault: Vault) => Promise<unknown>) {
  const full = await strangerNode();
  await fill(full.vault);
  const bare = await ownerNode(full.vault);
  await carryLogs(full.vault, bare.vault);
  const remote = new OtherNode(full.vault);
  await bare.vault.attach(remote);
  return {
    full,
    bare,
    remote,
    async [Symbol.asyncDispose]() {
      await bare[Symbol.asyncDispose]();
      await full[Symbol.asyncDispose]();
    },
  };
}

/** Long enough for chunks, a manifest object and an inventory object. */
const LONG = randomBytes(26_000_000, 7);

Deno.test("attach: its shape is the one that the peer layer offers", () => {
  const fits = (remote: peer.RemoteObjects): RemoteObjects => remote;
  assertEquals(fits.length, 1);
});

Deno.test("get: what is not here comes from other nodes, manifest and chunks, and is checked", async () => {
  await using nodes = await pair((vault) => vault.put("file", LONG));
  const { bare, remote } = nodes;
  assertSameBytes(await read(bare.vault, "file"), LONG);
  assert(remote.fetched > 12);
  const path = bare.folder.at("out");
  await bare.vault.getToFile("file", path);
  assertSameBytes(Deno.readFileSync(path), LONG);
});

Deno.test("get: wrong bytes are found out, and asked for again, checked", async () => {
  await using nodes = await pair((vault) => vault.put("file", LONG));
  const { bare, remote } = nodes;
  remote.lies = true;
  assertSameBytes(await read(bare.vault, "file"), LONG);
});

Deno.test("get: a chunk that no node has is named, as too few peers; alone it is damage", async () => {
  await using nodes = await pair((vault) => vault.put("file", randomBytes(300_000)));
  const { bare, remote } = nodes;
  remote.isUp = false;
  const error = await failure("too_few_peers", () => read(bare.vault, "file"));
  assert(/chunk [0-9a-f]{12}: no node that is up has it/.test(error.message), error.message);
  const toFile = () => bare.vault.getToFile("file", bare.folder.at("out"));
  assertEquals((await failure("too_few_peers", toFile)).code, "too_few_peers");
  await bare.vault.attach(null);
  await failure("damaged", () => read(bare.vault, "file"));
});

Deno.test("get, verify: what a member lacks while it is alone is not lost, as others may have it", async () => {
  await using nodes = await pair(async (vault) => {
    await vault.put("file", randomBytes(300_000));
    await vault.put("long", LONG);
  });
  const { vault } = nodes.bare;
  await vault.attach(null);
  const alone = await vault.verify();
  assertEquals([alone.missing > 1, alone.elsewhere], [true, 0]);

  vault.knowOthers(() => Promise.resolve(2));
  for (const key of ["file", "long"]) {
    const { message, hint } = await failure("too_few_peers", () => read(vault, key));
    assert(/: it is not on this node, and no node runs here$/.test(message), message);
    assertEquals(hint, "start one that can ask the 2 other members: govault serve");
  }
  const { missing, elsewhere, problems } = await vault.verify();
  assertEquals([missing, elsewhere > 1, problems], [0, true, []]);
});

Deno.test("get: a chunk that is damaged here is taken from another node, and is whole here after it", async () => {
  const node = await strangerNode();
  await using other = await ownerNode(node.vault);
  await using _ = node as TestNode;
  const content = randomBytes(200_000);
  await node.vault.put("file", content);
  await node.vault.put("long", LONG);
  await carryObjects(node.vault, other.vault);
  const damage = () => {
    const sealed = packFrames(node.folder).filter(({ kind }) => kind === "sealed");
    for (const { path, offset } of sealed) flipBit(path, offset + 90);
  };
  damage();
  await failure("damaged", () => read(node.vault, "file"));
  const remote = new OtherNode(other.vault);
  await node.vault.attach(remote);
  remote.isUp = false;
  await failure("damaged", () => read(node.vault, "file"));
  remote.isUp = true;
  assertSameBytes(await read(node.vault, "file"), content);
  assertSameBytes(await read(node.vault, "long"), LONG, "its manifest too");
  await node.vault.attach(null);
  assertSameBytes(await read(node.vault, "file"), content);
  assertSameBytes(await read(node.vault, "long"), LONG);
});

Deno.test("verify: repair fetches again what was damaged; what lies elsewhere is not missing", async () => {
  await using nodes = await pair((vault) => vault.put("file", randomBytes(900_000)));
  const { full, bare } = nodes;
  const { missing, problems } = await bare.vault.verify();
  assertEquals([missing, problems], [0, []]);
  await carryObjects(full.vault, bare.vault);
  const victim = packFrames(bare.folder).find(({ kind }) => kind === "held")!;
  flipBit(victim.path, victim.offset + 100);
  const result = await bare.vault.verify({ repair: true });
  assertEquals([result.damaged, result.repaired], [1, 1]);
  await bare.vault.attach(null);
  assertEquals((await bare.vault.verify()).problems, []);
});

Deno.test("put: new objects are offered at once, and copied in the background with their record", async () => {
  await using nodes = await pair((vault) => vault.put("other", encodeUtf8("text")));
  const { bare, remote } = nodes;
  const asked = remote.asked;
  const { copies } = await bare.vault.put("file", LONG);
  assertEquals(copies, 1);
  await asked;
  const { nodeId, ledger } = bare.vault.peerSide();
  const [request] = remote.requests;
  assertEquals([hex(request!.log!.node), request!.log!.last], [hex(nodeId), 1n]);
  assertEquals(request!.copies, 3);
  const needs = request!.needs.map(({ address }) => hex(address)).sort();
  const sealed = remote.offered.filter((each) => each.startsWith("sealed"));
  assertEquals(needs, sealed.map((each) => each.slice(7)).sort());
  assertEquals(remote.offered.length, sealed.length + 1, "and an inventory");
  assertEquals(ledger.head(nodeId)!.last, 1n);
  const before = remote.requests.length;
  assert((await bare.vault.put("file", LONG)).unchanged);
  await bare.vault.delete("file");
  assertEquals(remote.requests.length, before, "a delete has nothing to be copied but its record");
});

Deno.test("put: copies are waited for, with all that the version needs; too few are told after it is stored", async () => {
  await using nodes = await pair((vault) => vault.put("file", randomBytes(3_000_000, 1)));
  const { full, bare, remote } = nodes;
  const { vault } = bare;
  const grown = new Uint8Array(3_000_100);
  grown.set(randomBytes(3_000_000, 1));
  await carryObjects(full.vault, vault);
  const done = await vault.put("file", grown, { copies: 2, copiesTimeoutMs: 5 });
  assertEquals(done.copies, 2);
  assert(done.newChunks < done.chunks);
  const waited = remote.requests.find(({ timeoutMs }) => timeoutMs === 5)!;
  const live = new Set(liveAddresses(vault, { isPublic: false }));
  assert(waited.needs.length >= done.chunks, "old chunks too");
  assert(waited.needs.every(({ address }) => live.has(hex(address))));

  const error = await failure(
    "too_few_peers",
    () => vault.put("file", encodeUtf8("new"), { copies: 3 }),
  );
  assert(error.message.includes("stored here; 2 of 3 copies"), error.message);
  assertEquals(new TextDecoder().decode(await read(vault, "file")), "new");
  const same = await failure(
    "too_few_peers",
    () => vault.put("file", encodeUtf8("new"), { copies: 3 }),
  );
  assert(same.message.includes("2 of 3"));
  await failure("too_few_peers", () => vault.delete("file", { copies: 3 }));
  assert((await vault.history("file")).at(-1)!.op === "delete");
  const restored = { kind: "number", number: 3 } as const;
  await failure("too_few_peers", () => vault.restore("file", restored, { copies: 3 }));
  assertEquals((await vault.restore("file", restored, { copies: 2 })).op, "restore");
  await failure("too_few_peers", () => vault.prune({ keepLast: 1 }, { copies: 3 }));
  assertEquals((await vault.history("file")).length, 1);
  const last = remote.requests.at(-1)!;
  const { ledger, nodeId } = vault.peerSide();
  assertEquals([last.needs, last.log!.last], [[], ledger.head(nodeId)!.last]);

  await vault.attach(null);
  const alone = await failure(
    "too_few_peers",
    () => vault.put("a", encodeUtf8("a"), { copies: 2 }),
  );
  assert(alone.message.includes("1 of 2 copies"), alone.message);
  assertEquals((await vault.put("a", encodeUtf8("b"), { copies: 1 })).copies, 1);
});

Deno.test("putPath: each result tells how many copies there are, of small files and large ones", async () => {
  await using nodes = await pair((vault) => vault.put("other", encodeUtf8("text")));
  const { bare } = nodes;
  Deno.mkdirSync(bare.folder.at("tree"));
  for (const [name, length] of [["a", 10], ["b", 20], ["large", 700_000]] as const) {
    Deno.writeFileSync(bare.folder.at("tree", name), randomBytes(length));
  }
  const path = bare.folder.at("tree");
  const outcomes = await collect(bare.vault.putPath(path, { recursive: true, copies: 3 }));
  assertEquals(outcomes.length, 4);
  for (const outcome of outcomes) {
    assert("result" in outcome);
    assertEquals(outcome.result.copies, 2);
  }
});

Deno.test("put: a signal ends the waiting for copies, and what is stored stays", async () => {
  await using nodes = await pair((vault) => vault.put("other", encodeUtf8("text")));
  const { bare, remote } = nodes;
  remote.copies = null;
  const controller = new AbortController();
  const put = bare.vault.put("file", encodeUtf8("text"), { copies: 2, signal: controller.signal });
  while (!remote.requests.some(({ copies }) => copies === 2)) await remote.asked;
  controller.abort();
  const error = await put.catch((error) => error);
  assert(isVaultError(error, "interrupted"), String(error));
  assertEquals((await bare.vault.history("file")).length, 1);
});

Deno.test("close: ends the copying in the background", async () => {
  await using nodes = await pair((vault) => vault.put("other", encodeUtf8("text")));
  const { bare, remote } = nodes;
  remote.copies = null;
  const asked = remote.asked;
  await bare.vault.put("file", encodeUtf8("text"));
  await asked;
  await bare.vault.close();
  assert(remote.requests.every(({ signal }) => signal!.aborted));
});

Deno.test("restore: all of the version is here once it is told to be restored; what no node gives is not restored", async () => {
  await using nodes = await pair(async (vault) => {
    await vault.put("file", LONG);
    await vault.put("file", encodeUtf8("text"));
  });
  const { bare, remote } = nodes;
  const first = { kind: "number", number: 1 } as const;
  remote.isUp = false;
  await failure("too_few_peers", () => bare.vault.restore("file", first));
  assertEquals((await bare.vault.history("file")).length, 2);
  remote.isUp = true;
  await bare.vault.restore("file", first);
  await bare.vault.attach(null);
  assertSameBytes(await read(bare.vault, "file"), LONG);
});

Deno.test("put: what a manifest rests on is here too, once it is told to be stored", async () => {
  await using nodes = await pair((vault) => vault.put("file", LONG));
  const { bare, remote } = nodes;
  const edited = LONG.slice();
  edited[13_000_000]! ^= 1;
  const { newChunks, chunks } = await bare.vault.put("file", edited);
  assertEquals(newChunks, chunks, "none of the old version's chunks was here");
  const before = remote.fetched;
  await bare.vault.attach(null);
  assertSameBytes(await read(bare.vault, "file"), edited);
  assertEquals(remote.fetched, before);
});

Deno.test("put: what is unchanged, and was not here, is here once it is told to be stored", async () => {
  await using nodes = await pair((vault) => vault.put("file", LONG));
  const { bare } = nodes;
  assert((await bare.vault.put("file", LONG)).unchanged);
  await bare.vault.attach(null);
  assertSameBytes(await read(bare.vault, "file"), LONG);
  const { store } = bare.vault.peerSide();
  const needed = liveAddresses(bare.vault, { isPublic: false }).map((name) => fromHex(name));
  assert(needed.every((address) => store.isDurable(address)));
});

Deno.test("put: goes on a version whose manifest no node has, stating all that it needs", async () => {
  await using nodes = await pair((vault) => vault.put("file", LONG));
  const { bare, remote } = nodes;
  remote.isUp = false;
  assertEquals((await bare.vault.put("file", randomBytes(300_000, 3))).version, 2);
  await bare.vault.attach(null);
  assertEquals((await read(bare.vault, "file")).length, 300_000);
});

Deno.test("status: says how many objects have too few copies, and for how long", async () => {
  await using nodes = await pair((vault) => vault.put("file", encodeUtf8("text")));
  const { bare } = nodes;
  const status = await bare.vault.status();
  assertEquals([status.underReplicated, status.underReplicatedSeconds], [7, 12]);
  await bare.vault.attach(null);
  const alone = await bare.vault.status();
  assertEquals([alone.underReplicated, alone.underReplicatedSeconds], [0, null]);
});

Deno.test("versionsOfNode: the newest that a node wrote of each key, whoever wrote since", async () => {
  await using one = await strangerNode();
  await using other = await ownerNode(one.vault);
  for (const [key, text] of [["a", "1"], ["a", "2"], ["b", "1"], ["c", "1"]] as const) {
    await one.vault.put(key, encodeUtf8(text));
  }
  await one.vault.delete("c");
  await carryLogs(one.vault, other.vault);
  await other.vault.put("a", encodeUtf8("3"));
  await other.vault.put("d", encodeUtf8("1"));
  await carryLogs(other.vault, one.vault);
  const [first, second] = [one, other].map(({ vault }) => hex(vault.peerSide().nodeId));
  for (const { vault } of [one, other]) {
    const shown = async (node: string) =>
      (await vault.versionsOfNode(node)).map(({ key, version, op, latest }) =>
        `${key} ${version} ${op}${latest ? " latest" : ""}`
      );
    assertEquals(await shown(first!.slice(0, 10)), [
      "a 2 put",
      "b 1 put latest",
      "c 2 delete latest",
    ]);
    assertEquals(await shown(second!), ["a 3 put latest", "d 1 put latest"]);
    await failure("not_found", () => vault.versionsOfNode("ff".repeat(32)));
    await failure("usage", () => vault.versionsOfNode(""));
  }
});
