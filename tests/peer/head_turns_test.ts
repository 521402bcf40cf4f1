import { assert, assertEquals } from "@std/assert";
import {
  type Bytes,
  HEADS_AGAIN_MS,
  HEADS_COMPARED_MAX,
  HEADS_SETTLE_MS,
  PING_MS,
  sha256,
} from "../../src/base/mod.ts";
import { HeadTurns } from "../../src/peer/head_turns.ts";
import { areEqual, TestNet } from "./helpers.ts";
import { TestTime } from "./test_time.ts";

const [OURS, OTHER] = [sha256(new Uint8Array(1)), sha256(new Uint8Array(2))];

/** A peer that said at some time that its digest is this one, or nothing yet. */
function peer(number: number, digest: Bytes | null, presenceMs = 0) {
  const rest = { missing: 0n, missingBytes: 0n, storedBytes: 0n, rosterDigest: OURS, heard: [] };
  const presence = digest === null ? null : { headsDigest: digest, ...rest };
  return { node: new Uint8Array(32).fill(number), presence, presenceMs };
}

type TestPeer = ReturnType<typeof peer>;

function chosen(
  turns: HeadTurns,
  peers: TestPeer[],
  which: "all" | "new" | "different",
  now: number,
) {
  return turns.choose(peers, { which, digest: OURS, now }).map(({ node }) => node[0]);
}

Deno.test("HeadTurns: who said something else before news of us could have come is left alone, but not for good", () => {
  const turns = new HeadTurns();
  const [early, late] = [peer(1, OTHER, 1000), peer(2, OTHER, 1000 + HEADS_SETTLE_MS)];
  for (const each of [early, late]) turns.noteAsked(each, 500);
  turns.noteChange(1000);
  assertEquals(chosen(turns, [early, late], "different", 3000), [2]);
  assertEquals(chosen(turns, [early, late], "different", 500 + HEADS_AGAIN_MS), [2, 1]);
  turns.noteAsked(early, 500 + HEADS_AGAIN_MS);
  assertEquals(chosen(turns, [early], "different", 1000 + HEADS_AGAIN_MS), []);
  assertEquals(chosen(turns, [peer(3, OURS, 9000)], "different", 9000), []);
});

Deno.test("HeadTurns: who was never asked comes first, unless it says the same; all are asked in turn", () => {
  const turns = new HeadTurns();
  const peers = [peer(1, OURS), peer(2, null), peer(3, OTHER), peer(4, OURS)];
  assertEquals(chosen(turns, peers, "new", 1), [2, 3]);
  for (const [i, each] of peers.entries()) turns.noteAsked(each, 10 - i);
  assertEquals(chosen(turns, peers, "new", 11), []);
  turns.noteChange(10);
  assertEquals(chosen(turns, peers, "all", 11), [3, 2, 1, 4], "1 and 4 said the same since");
  turns.forget(peers[1]!.node);
  assertEquals(chosen(turns, peers, "new", 11), [2]);
});

Deno.test("HeadTurns: a clock that is put back keeps nobody waiting", () => {
  const turns = new HeadTurns();
  const one = peer(1, OTHER, 5000);
  turns.noteAsked(one, 1e9);
  turns.noteChange(1e9);
  assertEquals(chosen(turns, [one], "different", 1000), [1]);
  assertEquals(chosen(turns, [{ ...one, presenceMs: 1000 + HEADS_SETTLE_MS }], "different", 4000), [
    1,
  ]);
});

Deno.test("log sync: a new record reaches all, and nobody compares heads for it before the next pings", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const nodes = net.add(...Array.from({ length: 9 }, (_, i) => `node ${i}`));
  const compared = () => nodes.reduce((sum, { asked }) => sum + (asked.get("heads") ?? 0), 0);
  try {
    net.startAll();
    net.connectAll();
    await time.pass(2 * HEADS_AGAIN_MS);
    net.ping();
    const before = compared();
    await nodes[0]!.write([[]]);
    await time.pass(PING_MS);
    assert(areEqual(nodes));
    assertEquals(compared(), before, "who said something else said so before it was there");
    net.ping();
    await time.pass(PING_MS);
    assertEquals(compared(), before, "all say the same");
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: when the view changes, some of many peers are asked, not all", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const nodes = net.add(...Array.from({ length: 3 * HEADS_COMPARED_MAX }, (_, i) => `node ${i}`));
  const one = nodes[0]!;
  try {
    net.startAll();
    net.connectAll();
    await time.pass(2 * HEADS_AGAIN_MS);
    const asked = () => nodes.map(({ asked }) => asked.get("heads") ?? 0);
    const before = asked();
    net.change(one.id, { weight: 60 });
    await time.settle();
    const askedOnce = asked().map((count, i) => count - before[i]!);
    const sum = askedOnce.reduce((a, b) => a + b, 0);
    assert(sum <= nodes.length * HEADS_COMPARED_MAX, `${sum} times`);
  } finally {
    await net.stop();
  }
});
