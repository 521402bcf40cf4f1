import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes, encodeUtf8, equalBytes, sha256 } from "../../src/base/mod.ts";
import { checkFollows, decodeSegment } from "../../src/log/mod.ts";
import { openVault, type Vault } from "../../src/vault/mod.ts";
import { collect, copyHome, failure, hex, keyNames, read, TempFolder } from "./helpers.ts";
import {
  type CarriedSegment,
  carryLogs,
  carryObjects,
  liveAddresses,
  ownerNode,
  segmentsOf,
  strangerNode,
} from "./peer_helpers.ts";

async function putTexts(vault: Vault, ...texts: string[]): Promise<void> {
  for (const text of texts) await vault.put(text, encodeUtf8(text));
}

/** A ledger's answers that must not hang on the order in which segments came. */
function answers(vault: Vault) {
  const { ledger } = vault.peerSide();
  return ledger.heads().map((head) => ({
    node: hex(head.node),
    last: head.last,
    digest: hex(head.digest),
    ids: Array.from({ length: Number(head.last) }, (_, i) => {
      const id = ledger.idAt(head.node, BigInt(i + 1));
      return id && hex(id);
    }),
    segments: ledger.segmentAddresses(head.node).map(hex),
    fork: ledger.forks().find(({ node }) => equalBytes(node, head.node))?.sequence,
  }));
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  return items.map((item, i) => ({ item, order: hex(sha256(Uint8Array.of(seed, i))) }))
    .sort((a, b) => a.order < b.order ? -1 : 1).map(({ item }) => item);
}

async function enterOneByOne(vault: Vault, segments: readonly CarriedSegment[]): Promise<void> {
  for (const segment of segments) await vault.peerSide().ledger.enter([segment]);
}

Deno.test("Ledger: knows its own log from the first put on, and a log that came from a peer", async () => {
  await using one = await strangerNode();
  await using other = await strangerNode();
  const { ledger, nodeId } = one.vault.peerSide();
  assertEquals(ledger.heads(), []);
  await putTexts(one.vault, "a", "b", "c");
  const [head] = ledger.heads();
  assertEquals([hex(head!.node), head!.last], [hex(nodeId), 3n]);
  const history = await one.vault.history("b");
  assertEquals(ledger.idAt(nodeId, 2n), history[0]!.id);
  assertEquals([ledger.idAt(nodeId, 0n), ledger.idAt(nodeId, 4n)], [null, null]);
  assertEquals(ledger.segmentsAfter(nodeId, 1n, 100).map(({ first }) => first), [2n, 3n]);
  assertEquals(ledger.segmentsAfter(nodeId, 0n, 2).map(({ first }) => first), [1n, 2n]);
  assertEquals(ledger.segmentsAfter(nodeId, 3n, 100), []);

  assert(!equalBytes(ledger.headsDigest(), other.vault.peerSide().ledger.headsDigest()));
  await carryLogs(one.vault, other.vault);
  assertEquals(answers(other.vault), answers(one.vault));
  assertEquals(other.vault.peerSide().ledger.headsDigest(), ledger.headsDigest());
  const parts = [head!.node, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 3), head!.digest];
  assertEquals(ledger.headsDigest(), sha256(concatBytes(parts)));
  assertEquals(await keyNames(other.vault), [], "another vault's keys are not ours");
  const { keys, versions } = await other.vault.status();
  assertEquals([keys, versions], [0, 0]);
});

Deno.test("Ledger.enter: in whatever order segments come, the answers are the same, also by an index made anew", async () => {
  await using one = await strangerNode();
  await putTexts(one.vault, "a", "b", "c", "d", "e");
  const segments = await segmentsOf(one.vault);
  const expected = answers(one.vault);
  for (let seed = 0; seed < 4; seed++) {
    await using other = await strangerNode();
    await enterOneByOne(other.vault, shuffled(segments, seed));
    assertEquals(answers(other.vault), expected);
    await other.vault.close();
    Deno.removeSync(other.folder.at("home", "vault.db"));
    await using again = await openVault({ home: other.folder.home });
    assertEquals(answers(again), expected);
  }
});

Deno.test("Ledger.enter: the head stops before a gap, and goes on when that is filled", async () => {
  await using one = await strangerNode();
  await using other = await strangerNode();
  await putTexts(one.vault, "a", "b", "c", "d");
  const { nodeId } = one.vault.peerSide();
  const { ledger } = other.vault.peerSide();
  const [a, b, c, d] = await segmentsOf(one.vault) as [
    CarriedSegment,
    CarriedSegment,
    CarriedSegment,
    CarriedSegment,
  ];
  await ledger.enter([d]);
  assertEquals([ledger.head(nodeId)!.last, ledger.idAt(nodeId, 4n)], [0n, null]);
  await ledger.enter([a]);
  assertEquals(ledger.head(nodeId)!.last, 1n);
  await ledger.enter([c]);
  assertEquals(ledger.head(nodeId)!.last, 1n);
  const before = ledger.headsDigest();
  await ledger.enter([b]);
  assertEquals(ledger.head(nodeId)!.last, 4n);
  assert(!equalBytes(before, ledger.headsDigest()));
  await ledger.enter([b, c]);
  assertEquals(answers(other.vault), answers(one.vault));
});

/** A vault and a copy of its home, as it was after one put, both written to since. */
async function forked(texts: { one: string[]; copy: string[] }) {
  const one = await strangerNode();
  await putTexts(one.vault, "both");
  await one.vault.close();
  const folder = new TempFolder();
  copyHome(one.folder.home, folder.home);
  const copy = await openVault({ home: folder.home });
  const vault = await openVault({ home: one.folder.home });
  await putTexts(vault, ...texts.one);
  await putTexts(copy, ...texts.copy);
  return {
    vault,
    copy,
    async [Symbol.asyncDispose]() {
      await vault.close();
      await copy.close();
      folder[Symbol.dispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Ledger: a log that forked keeps both branches, is told of, and ends in the longer one", async () => {
  await using fork = await forked({ one: ["x"], copy: ["y", "z"] });
  const { vault, copy } = fork;
  const { nodeId } = vault.peerSide();
  const longer = copy.peerSide().ledger.idAt(nodeId, 3n)!;
  await carryLogs(copy, vault);
  await carryObjects(copy, vault);
  await carryLogs(vault, copy);
  await carryObjects(vault, copy);
  for (const each of [vault, copy]) {
    const { ledger } = each.peerSide();
    assertEquals(ledger.forks().map(({ sequence }) => sequence), [2n]);
    assertEquals(ledger.head(nodeId)!.last, 3n);
    assertEquals(ledger.idAt(nodeId, 3n), longer);
    assertEquals(ledger.segmentAddresses(nodeId).length, 4);
    assertEquals(await keyNames(each), ["both", "x", "y", "z"]);
    assertEquals(new TextDecoder().decode(await read(each, "x")), "x");
  }
  assertEquals(answers(vault), answers(copy));

  await putTexts(vault, "next");
  const segments = await segmentsOf(vault);
  const next = decodeSegment(segments.at(-1)!.bytes);
  assertEquals(next.firstSequence, 4n, "it goes on from the longer branch");
  assertEquals(hex(next.previous), hex(longer));
});

Deno.test("Ledger: of two branches that are equally long every node takes the same one, and goes on from it", async () => {
  await using fork = await forked({ one: ["x"], copy: ["y"] });
  const { vault, copy } = fork;
  const { nodeId } = vault.peerSide();
  const second = (each: Vault) => hex(each.peerSide().ledger.idAt(nodeId, 2n)!);
  const greater = [second(vault), second(copy)].sort().at(-1)!;
  await carryLogs(copy, vault);
  await carryLogs(vault, copy);
  assertEquals([second(vault), second(copy)], [greater, greater]);
  await putTexts(copy, "next");
  const last = decodeSegment((await segmentsOf(copy)).at(-1)!.bytes);
  assertEquals([last.firstSequence, hex(last.previous)], [3n, greater]);
});

Deno.test("Ledger.idAt: of a forked log gives the branch that ends in the head", async () => {
  await using fork = await forked({ one: ["p", "q", "r"], copy: ["y", "z"] });
  const { vault, copy } = fork;
  const { nodeId, ledger } = vault.peerSide();
  const own = [1n, 2n, 3n, 4n].map((sequence) => hex(ledger.idAt(nodeId, sequence)!));
  await carryLogs(copy, vault);
  assertEquals([1n, 2n, 3n, 4n].map((sequence) => hex(ledger.idAt(nodeId, sequence)!)), own);
  for (const { bytes } of await segmentsOf(copy)) {
    const segment = decodeSegment(bytes);
    const known = {
      head: { sequence: 4n, id: ledger.idAt(nodeId, 4n)! },
      idAt: (sequence: bigint) => ledger.idAt(nodeId, sequence)!,
    };
    const { kind } = checkFollows(known, segment);
    assertEquals(kind, segment.firstSequence === 1n ? "known" : "fork");
  }
});

Deno.test("Committer: a node that was taken back to an old backup goes on from what its peers know of it", async () => {
  await using fork = await forked({ one: ["x", "y"], copy: [] });
  const { vault, copy } = fork;
  await carryLogs(vault, copy);
  await putTexts(copy, "after");
  const { ledger, nodeId } = copy.peerSide();
  assertEquals([ledger.head(nodeId)!.last, ledger.forks()], [4n, []]);
  await carryLogs(copy, vault);
  assertEquals(answers(vault), answers(copy));
});

Deno.test("Ledger.onEntered: tells of own and foreign segments, once each, after they are entered", async () => {
  await using one = await strangerNode();
  await using other = await strangerNode();
  const { ledger } = other.vault.peerSide();
  const told: { node: string; first: bigint; kinds: string[]; isKnown: boolean }[] = [];
  const stop = ledger.onEntered(({ address, node, first, records }) =>
    told.push({
      node: hex(node),
      first,
      kinds: records.map(({ kind }) => kind),
      isKnown: ledger.segmentAddresses(node).some((each) => equalBytes(each, address)),
    })
  );
  await putTexts(other.vault, "mine");
  await putTexts(one.vault, "a");
  await one.vault.delete("a");
  await carryLogs(one.vault, other.vault);
  await carryLogs(one.vault, other.vault);
  stop();
  await putTexts(other.vault, "more");
  const [mine, theirs] = [other.vault, one.vault].map((vault) => hex(vault.peerSide().nodeId));
  assertEquals(told, [
    { node: mine!, first: 1n, kinds: ["put"], isKnown: true },
    { node: theirs!, first: 1n, kinds: ["put"], isKnown: true },
    { node: theirs!, first: 2n, kinds: ["delete"], isKnown: true },
  ]);
});

Deno.test("Ledger.enter: a prune whose list is missing is refused, and taken once the list is here", async () => {
  await using one = await strangerNode();
  await using other = await strangerNode();
  await putTexts(one.vault, "a", "a");
  await one.vault.put("a", encodeUtf8("other"));
  await one.vault.prune({ keepLast: 1 });
  const segments = await segmentsOf(one.vault);
  const { ledger, store } = other.vault.peerSide();
  await failure("damaged", () => ledger.enter(segments));
  const record = decodeSegment(segments.at(-1)!.bytes).records[0]!;
  assert(record.kind === "prune");
  for (const address of record.lists) {
    const list: Bytes = (await one.vault.peerSide().store.get(address))!;
    await store.put({ kind: "public", address, pieces: [list] });
  }
  await ledger.enter(segments);
  assertEquals(answers(other.vault), answers(one.vault));
});

Deno.test("Ledger: two owners who carry their logs to one another have one history", async () => {
  await using one = await strangerNode();
  await using other = await ownerNode(one.vault);
  await putTexts(one.vault, "a", "b");
  await putTexts(other.vault, "b", "c");
  await other.vault.delete("c");
  await carryLogs(one.vault, other.vault);
  await carryLogs(other.vault, one.vault);
  const all = async (vault: Vault) => {
    const keys = await collect(vault.list({ deleted: true }));
    return [keys, await Promise.all(keys.map(({ key }) => vault.history(key)))];
  };
  assertEquals(await all(one.vault), await all(other.vault));
  assertEquals(await keyNames(one.vault), ["a", "b"]);
  assertEquals((await one.vault.history("b")).map(({ conflict }) => conflict), [true, true]);
});

Deno.test("Ledger.live: is of one moment, though others write while it is worked out", async () => {
  await using one = await strangerNode();
  const { vault } = one;
  await vault.put("file", encodeUtf8("early"));
  await putTexts(vault, ...Array.from({ length: 70 }, (_, i) => `key ${i}`));
  const found = new Set<string>();
  let steps = 0;
  for (const { entries } of vault.peerSide().ledger.live()) {
    if (entries.count === 0 && ++steps === 2) {
      await vault.put("file", encodeUtf8("late"));
      await vault.prune({ keepLast: 1 });
    }
    for (const { address } of entries) found.add(hex(address));
  }
  assert(steps > 2, "it took several steps");
  const all = [true, false].flatMap((isPublic) => liveAddresses(vault, { isPublic }));
  assertEquals([...found].sort(), [...new Set(all)].sort());
});

Deno.test("Ledger.live: comes to an end where segments come between all its steps", async () => {
  await using one = await strangerNode();
  const { vault } = one;
  await putTexts(vault, ...Array.from({ length: 70 }, (_, i) => `key ${i}`));
  let steps = 0;
  for (const { entries } of vault.peerSide().ledger.live()) {
    if (entries.count > 0) break;
    await vault.put("again", encodeUtf8(String(steps)));
    assert(++steps < 20);
  }
  assert(steps > 0);
});
