import { assert, assertEquals } from "@std/assert";
import {
  type Bytes,
  LOG_PULLS_MAX,
  sha256,
  shortHex,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { Dice } from "../log/helpers.ts";
import { LogWriter, someBytes } from "./doubles.ts";
import { TestTime, until } from "./test_time.ts";
import { areEqual, TestNet, type TestNode, withNet } from "./helpers.ts";

/** Enters a writer's segment at a node, as if it had come there some other way. */
async function enter(node: TestNode, { address, bytes }: { address: Bytes; bytes: Bytes }) {
  await node.ledger.enter([{ address, bytes }]);
}

/** Nodes that are no longer connected to anyone. */
function makeNet(...names: string[]): { net: TestNet; nodes: TestNode[] } {
  const net = new TestNet();
  return { net, nodes: net.add(...names) };
}

const last = (node: TestNode, of: TestNode) => node.ledger.head(of.id)?.last ?? 0n;

Deno.test("log sync: what was written before and after the session begins reaches everyone", async () => {
  await withNet(["a", "b", "c"], async (_net, a, b, c) => {
    await a!.write([[], []]);
    await b!.write([[]]);
    await until(() => areEqual([a!, b!, c!]) && last(c!, a!) === 2n, "the same records");
    await a!.write([[]]);
    await until(() => last(b!, a!) === 3n && last(c!, a!) === 3n, "the new record");
  });
});

Deno.test("log sync: nodes converge from any order of arrival, also through a third", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const dice = new Dice(seed);
    const { net, nodes } = makeNet("a", "b", "c", "d");
    net.startAll();
    try {
      // A chain, connected link by link, so that most logs come from who did not write them.
      const steps: (() => void | Promise<unknown>)[] = [
        ...nodes.slice(1).map((node, i) => () => net.connect(nodes[i]!, node)),
        ...Array.from({ length: 12 }, () => () => dice.pick(nodes).write([[], []])),
      ];
      for (const step of dice.shuffle(steps)) await step();
      const written = nodes.reduce((sum, { writer }) => sum + Number(writer.next) - 1, 0);
      assertEquals(written, 24);
      await until(
        () =>
          areEqual(nodes) && nodes.every((node) => last(nodes[0]!, node) === node.writer.next - 1n),
        `the same records, seed ${seed}`,
      );
    } finally {
      await net.stop();
    }
  }
});

Deno.test("log sync: two sides of a partition write on, and are one again when it heals", async () => {
  await withNet(["a", "b", "c", "d"], async (net, a, b, c, d) => {
    for (const one of [a!, b!]) for (const other of [c!, d!]) net.disconnect(one, other);
    await a!.write([[], []]);
    await d!.write([[]]);
    await until(() => last(b!, a!) === 2n && last(c!, d!) === 1n, "each side's own records");
    assertEquals([last(c!, a!), last(a!, d!)], [0n, 0n]);
    net.connect(b!, c!);
    await until(() => areEqual(net.nodes) && last(a!, d!) === 1n, "the same records");
  });
});

Deno.test("log sync: everyone appends at the same time", async () => {
  await withNet(["a", "b", "c"], async (net, ...nodes) => {
    await Promise.all(nodes.map(async (node) => {
      for (let i = 0; i < 20; i++) await node.write([[]]);
    }));
    await until(
      () => areEqual(net.nodes) && nodes.every((node) => last(nodes[0]!, node) === 20n),
      "all 60 records everywhere",
    );
  });
});

Deno.test("log sync: a record that is damaged where it is asked for is made whole first, if it can be", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    net.disconnect(a!, b!);
    for (let i = 0; i < 4; i++) await a!.write([[]]);
    const segments = a!.ledger.segmentsAfter(a!.id, 0n, 4);
    const { address } = segments[2]!;
    const whole = (await a!.store.get(address))!;
    const asked: string[] = [];
    a!.upkeep.mend = async (address: Bytes) => {
      asked.push(toHex(address));
      await a!.store.remove([address]);
      return await a!.store.put({ kind: "segment", address, pieces: [whole] });
    };
    await a!.store.damage(address);
    net.connect(a!, b!);
    await until(() => last(b!, a!) === 4n, "the records, the damaged one among them");
    assertEquals(asked, [toHex(address)]);
    const text = `object ${shortHex(address)} was damaged and is whole again`;
    assertEquals(a!.eventsOf("notice").map(({ text }) => text).filter((each) => each === text), [
      text,
    ]);
  });
});

Deno.test("log sync: both branches of a forked log reach everyone, and it is told", async () => {
  const { net, nodes: [a, b, c] } = makeNet("a", "b", "c");
  const writer = a!.writer;
  const shared = writer.segment([[]]);
  for (const node of [b!, c!]) await enter(node, shared);
  const other = writer.fork();
  // One branch ends as high as the other, then one is longer.
  for (const segment of [writer.segment([[]]), writer.segment([[], []])]) await enter(b!, segment);
  for (const segment of [other.segment([[]]), other.segment([[]])]) await enter(c!, segment);
  net.connectAll();
  net.startAll();
  try {
    const segments = (node: TestNode) => node.ledger.segmentAddresses(writer.node).map(toHex);
    await until(
      () => [a!, b!, c!].every((node) => segments(node).length === 5) && areEqual([a!, b!, c!]),
      "both branches everywhere",
    );
    for (const node of [b!, c!]) {
      assert(node.eventsOf("fork").length > 0, `${node.name} did not tell`);
      assertEquals(toHex(node.eventsOf("fork")[0]!.node), toHex(writer.node));
    }
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: logs of 100,000 records that differ in 10 cost less than 64 KiB", async () => {
  const { net, nodes: [a, b] } = makeNet("a", "b");
  const writers = [a!.writer, b!.writer];
  const shared = writers.flatMap((writer) =>
    Array.from({ length: 50 }, () => writer.segment(Array.from({ length: 1000 }, () => [])))
  );
  for (const node of [a!, b!]) await node.ledger.enter(shared);
  for (let i = 0; i < 5; i++) for (const node of [a!, b!]) await node.write([[]]);
  net.startAll();
  net.connectAll();
  try {
    await until(() => areEqual([a!, b!]), "the same records");
    assertEquals(last(a!, b!), 50_005n);
    assert(net.bytes < 64 * 1024, `${net.bytes} bytes`);
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: a long log comes in pieces, from several peers", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    const bodies = new Uint8Array(400 * 1024);
    for (let i = 0; i < 20; i++) await enter(a!, a!.writer.segment([[]], { bodies }));
    await until(() => areEqual([a!, b!]), "the same records");
    const [c] = net.add("c");
    net.connect(a!, c!);
    net.connect(b!, c!);
    const before = [a!, b!].map((node) => node.asked.get("segments") ?? 0);
    c!.start();
    await until(() => last(c!, a!) === 20n, "the log");
    const answered = [a!, b!].map((node, i) => (node.asked.get("segments") ?? 0) - before[i]!);
    assert(answered.every((count) => count >= 1), `answers: ${answered}`);
  });
});

Deno.test("log sync: public objects are there before the records that name them", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = Array.from(
      { length: 100 },
      (_, i) => ({ address: sha256(someBytes(i, 40)), length: 40 }),
    );
    let wasThere = false;
    b!.ledger.onEntered(({ records: [record] }) => {
      assert(record?.kind === "put" && "parts" in record.inventory);
      wasThere = record.inventory.parts.every(({ address }) => b!.store.isDurable(address));
    });
    await a!.write([needs]);
    await until(() => last(b!, a!) === 1n, "the record");
    assert(wasThere);
  });
});

Deno.test("log sync: an inventory that nobody has any more does not hold up the log", async () => {
  const { net, nodes: [a, b] } = makeNet("a", "b");
  const needs = Array.from(
    { length: 100 },
    (_, i) => ({ address: sha256(someBytes(i, 40)), length: 40 }),
  );
  const { address, bytes } = a!.writer.segment([needs]);
  await enter(a!, { address, bytes }); // its inventory was collected after a prune
  await a!.write([[]]);
  net.connectAll();
  net.startAll();
  try {
    await until(() => last(b!, a!) === 2n, "the log");
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: what may not enter is refused, told, and keeps nothing else out", async () => {
  const [writer, stranger] = [new LogWriter("a"), new LogWriter("stranger")];
  const good = writer.segment([[]]);
  const future = writer.segment([[]], { nowMs: Date.now() + 20 * 60_000 });
  const forged = good.bytes.slice();
  forged[forged.length - 1]! ^= 1;
  const cases: [string, Bytes[]][] = [
    ["vault's signature is wrong", [forged]],
    ["to come", [good.bytes, future.bytes]],
    ["another node's", [stranger.segment([[]]).bytes]],
    ["too few", [new Uint8Array(10)]],
  ];
  for (const [reason, segments] of cases) {
    const { net, nodes: [victim, liar, a] } = makeNet("victim", "liar", "a");
    liar!.tamper = (name) => {
      const head = { node: a!.id, last: 9n, digest: new Uint8Array(32) };
      if (name === "heads") return { heads: [head] };
      if (name === "segments") return { segments };
    };
    net.connect(victim!, liar!);
    victim!.start();
    try {
      await until(() => victim!.eventsOf("refused").length > 0, reason);
      const refused = victim!.eventsOf("refused")[0]!;
      assert(refused.reason.includes(reason), refused.reason);
      assertEquals(toHex(refused.node), toHex(liar!.id));
      await enter(a!, good);
      net.connect(victim!, a!);
      await until(() => last(victim!, a!) === 1n, "the record from an honest node");
    } finally {
      await net.stop();
    }
  }
});

Deno.test("log sync: behind a gap nothing enters, nor with an inventory that can't be read", async () => {
  for (const what of ["gap", "inventory"] as const) {
    const { net, nodes: [victim, liar, a] } = makeNet("victim", "liar", "a");
    const { writer } = a!;
    const good = writer.segment([[]]);
    const [garbage] = await liar!.storeObjects([someBytes(1)], "public");
    const { address } = garbage!;
    const next = what === "gap" ? writer.segment([[]]) : null;
    const bad = what === "gap"
      ? writer.segment([[]])
      : writer.segment([{ parts: [{ address, count: 100 }] }]);
    liar!.tamper = (name) => {
      if (name === "heads") {
        return { heads: [{ node: a!.id, last: 9n, digest: new Uint8Array(32) }] };
      }
      if (name === "segments") return { segments: [good.bytes, bad.bytes] };
    };
    net.connect(victim!, liar!);
    victim!.start();
    try {
      const said = () => victim!.eventsOf("refused").map(({ reason }) => reason).join();
      await until(() => last(victim!, a!) === 1n, "the good record");
      assertEquals(victim!.ledger.segmentAddresses(a!.id).length, 1);
      if (next === null) {
        await until(() => said().includes("can't be read"), "the refusal");
        assert(!victim!.holds(address));
      } else {
        for (const segment of [good, next, bad]) await enter(a!, segment);
        net.connect(victim!, a!);
        await until(() => last(victim!, a!) === 3n, "what was missing");
      }
      assertEquals(last(victim!, a!), next === null ? 1n : 3n);
    } finally {
      await net.stop();
    }
  }
});

Deno.test("log sync: of an evicted node only what was known by then, of a stranger nothing", async () => {
  const { net, nodes: [a, b, gone] } = makeNet("a", "b", "gone");
  for (let i = 0; i < 3; i++) await enter(a!, gone!.writer.segment([[]]));
  await enter(a!, new LogWriter("stranger").segment([[]]));
  net.change(gone!.id, { evictedAfter: 2n });
  net.connect(a!, b!);
  a!.start();
  b!.start();
  try {
    await until(() => last(b!, gone!) === 2n && b!.eventsOf("refused").length > 0, "two records");
    assertEquals(b!.ledger.heads().length, 1);
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: who has what an evicted node wrote behind its end knows the same as who has not", async () => {
  const { net, nodes } = makeNet("a", "b", "late", "early", "never");
  const [a, b, late, early, never] = nodes;
  for (const [node, records] of [[late, 3], [early, 1], [never, 1]] as const) {
    for (let i = 0; i < records; i++) {
      const segment = node!.writer.segment([[]]);
      await enter(a!, segment);
      if (node === early || node === late && i === 0) await enter(b!, segment);
    }
  }
  const digests = () =>
    [a!, b!].map(({ replication }) => toHex(replication.presence().headsDigest));
  const areSame = () => digests()[0] === digests()[1];
  assert(!areSame());
  net.change(late!.id, { evictedAfter: 2n });
  net.change(never!.id, { evictedAfter: 0n });
  assert(!areSame(), "there is a record that counts");
  net.connect(a!, b!);
  a!.start();
  b!.start();
  try {
    await until(() => last(b!, late!) === 2n, "two records");
    assertEquals(last(a!, late!), 3n);
    assert(areSame());
    await a!.write([[]]);
    await until(() => a!.replication.isSynced() && b!.replication.isSynced(), "the same");
  } finally {
    await net.stop();
  }
});

Deno.test("log sync: while nothing can be entered, logs are asked for now and then; after it they come", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const nodes = net.add("a", "b", "c", "d", "e");
  net.connectAll();
  net.startAll();
  await time.settle();
  const full = nodes[0]!;
  const { enter } = full.ledger;
  let tries = 0;
  full.ledger.enter = () => {
    tries++;
    return Promise.reject(new VaultError("no_space", "Cannot write to the store: it is full"));
  };
  for (const node of nodes.slice(1)) await node.write([[]]);
  await time.pass(60_000);
  // Four logs at once, every 15 s.
  assert(tries > 0 && tries <= 5 * LOG_PULLS_MAX, `${tries} tries`);
  assertEquals(full.eventsOf("failed").length, tries);
  full.ledger.enter = enter.bind(full.ledger);
  await time.pass(20_000);
  assert(areEqual(nodes));
  await net.stop();
});

Deno.test("log sync: what was missed is found by comparing, without news of it", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  net.connectAll();
  net.startAll();
  await time.settle();
  let isDeaf = true;
  b!.tamper = () => undefined;
  const { handler } = b!.replication;
  const original = handler.event.bind(handler);
  handler.event = (...heard) => isDeaf ? undefined : original(...heard);
  await a!.write([[]]);
  await time.settle();
  assertEquals(last(b!, a!), 0n);
  isDeaf = false;
  await time.pass(10_000);
  assertEquals(last(b!, a!), 1n);
  await net.stop();
});
