import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bytes, KEPT_MS, toHex } from "../../src/base/mod.ts";
import type { InventoryEntry } from "../../src/log/mod.ts";
import { noSpaceError } from "../helpers/faulty_disk.ts";
import { someBytes } from "./doubles.ts";
import { TestTime, until } from "./test_time.ts";
import { TestNet, type TestNode, withNet } from "./helpers.ts";

const objects = (count: number, length = 1000) =>
  Array.from({ length: count }, (_, i) => someBytes(i, length));

/** Waits for copies of the last put. */
function replicate(node: TestNode, needs: readonly InventoryEntry[], copies: number, more = {}) {
  const log = { node: node.id, last: node.writer.next - 1n };
  return node.replication.remote.replicate({ log, needs, copies, timeoutMs: 60_000, ...more });
}

function holders(net: TestNet, { address }: InventoryEntry): TestNode[] {
  return net.nodes.filter((node) => node.store.isDurable(address));
}

Deno.test("replicate: reaches the copies asked for, durable, with the record", async () => {
  await withNet(["a", "b", "c", "d", "e"], async (net, a) => {
    const needs = await a!.put(objects(50));
    assertEquals(await replicate(a!, needs, 3), { copies: 3 });
    for (const need of needs) {
      const having = holders(net, need);
      assert(having.length >= 3);
      for (const node of having) assertEquals(node.ledger.head(a!.id)!.last, 1n);
    }
  });
});

Deno.test("replicate: what was kept is not counted as missing any more", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.put(objects(5));
    assertEquals(await replicate(a!, needs, 2), { copies: 2 });
    assertEquals(b!.replication.presence().missing, 0n);
    assertEquals(b!.replication.presence().missingBytes, 0n);
  });
});

Deno.test("replicate: what a peer has just said that it holds is not asked of it again", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  net.connectAll();
  net.startAll();
  await time.settle();
  const keeps = () => b!.asked.get("keep") ?? 0;
  const copy = async (needs: readonly InventoryEntry[]) => {
    const copying = replicate(a!, needs, 2);
    await time.settle();
    assertEquals(await copying, { copies: 2 });
  };
  const needs = await a!.put(objects(5));
  await copy(needs);
  const asked = keeps();
  assert(asked > 0);
  await copy(needs);
  assertEquals(keeps(), asked);
  const more = await a!.put([someBytes(77)]); // a record that it has not said it knows
  await copy(more);
  assertEquals(keeps(), asked + 1);
  await copy(needs);
  assertEquals(keeps(), asked + 1);
  net.isolate(b!); // it may come back with another disk
  net.connect(a!, b!);
  await copy(needs);
  assertEquals(keeps(), asked + 2);
  await time.pass(KEPT_MS);
  await copy(needs);
  assertEquals(keeps(), asked + 3);
  await net.stop();
});

Deno.test("replicate: a record without objects counts who knows it", async () => {
  await withNet(["a", "b", "c"], async (_net, a, b, c) => {
    await a!.write([[]]);
    assertEquals(await replicate(a!, [], 3), { copies: 3 });
    for (const node of [b!, c!]) assertEquals(node.ledger.head(a!.id)!.last, 1n);
  });
});

Deno.test("replicate: tells what was reached where there are too few members", async () => {
  await withNet(["a", "b"], async (_net, a) => {
    const needs = await a!.put(objects(5));
    assertEquals(await replicate(a!, needs, 3), { copies: 2 });
  });
  await withNet(["a"], async (_net, a) => {
    const needs = await a!.put(objects(5));
    assertEquals(await replicate(a!, needs, 2), { copies: 1 });
  });
});

Deno.test("replicate: a holder that dies or is full is made up for by another member", async () => {
  await withNet(["a", "b", "c", "d", "e"], async (net, a, b, c) => {
    c!.store.failure = noSpaceError();
    let kept = 0;
    b!.tamper = (name) => {
      if (name === "keep" && ++kept === 1) net.isolate(b!);
      return undefined;
    };
    const needs = await a!.put(objects(60));
    assertEquals(await replicate(a!, needs, 3), { copies: 3 });
    for (const need of needs) {
      const having = holders(net, need).filter((node) => node !== b);
      assert(having.length >= 3, having.map(({ name }) => name).join(" "));
    }
  });
});

Deno.test("replicate: waits a while for a member that is not connected just now", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  net.startAll();
  const needs = await a!.put(objects(3));
  const replicating = replicate(a!, needs, 2);
  await time.pass(5000);
  net.connect(a!, b!);
  await time.settle();
  assertEquals(await replicating, { copies: 2 });

  net.isolate(b!);
  const more = await a!.put([someBytes(77)]);
  const tooFew = replicate(a!, more, 2);
  await time.pass(10_000);
  assertEquals(await tooFew, { copies: 1 });
  await net.stop();
});

Deno.test("replicate: ends when its time is over, or its signal fires", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  net.connectAll();
  net.startAll();
  b!.tamper = (name) => name === "keep" ? new Promise(() => {}) : undefined;
  const needs = await a!.put(objects(3));
  const replicating = replicate(a!, needs, 2, { timeoutMs: 3000 });
  await time.pass(3000);
  assertEquals(await replicating, { copies: 1 });
  const abort = new AbortController();
  const cancelled = replicate(a!, needs, 2, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assertRejects(() => cancelled, Error, "enough");
  await net.stop();
});

Deno.test("offer: objects are with their holders before the record is, and are not sent twice", async () => {
  await withNet(["a", "b", "c", "d"], async (net, a) => {
    const needs: InventoryEntry[] = [];
    for (const bytes of objects(30, 100_000)) {
      const [need] = await a!.storeObjects([bytes]);
      a!.replication.remote.offer({ kind: "sealed", ...need! });
      needs.push(need!);
    }
    await a!.write([needs]);
    assertEquals(await replicate(a!, needs, 3), { copies: 3 });
    const pushed = net.nodes.reduce((sum, node) => sum + (node.asked.get("push") ?? 0), 0);
    assertEquals(a!.asked.get("get") ?? 0, 0, "something was sent again");
    const copies = needs.reduce((sum, need) => sum + holders(net, need).length - 1, 0);
    assertEquals(pushed, copies);
    for (const node of net.nodes.slice(1)) assert((node.asked.get("push") ?? 0) > 0);
  });
});

Deno.test("offer: what a peer has is not sent", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const contents: Bytes[] = objects(4);
    await b!.storeObjects(contents);
    for (const need of await a!.storeObjects(contents)) {
      a!.replication.remote.offer({ kind: "sealed", ...need });
    }
    await until(() => (b!.asked.get("have") ?? 0) > 0, "the question");
    const needs = await a!.put(contents);
    assertEquals(await replicate(a!, needs, 2), { copies: 2 });
    assertEquals(b!.asked.get("push") ?? 0, 0);
    assertEquals(new Set(needs.map(({ address }) => toHex(address))).size, 4);
  });
});
