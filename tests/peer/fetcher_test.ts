import { assert, assertEquals, assertRejects } from "@std/assert";
import { FETCH_MS_MAX, FETCH_UP_WAIT_MS, sha256 } from "../../src/base/mod.ts";
import { someBytes } from "./doubles.ts";
import { TestTime, until } from "./test_time.ts";
import { TestNet, type TestNode, withNet } from "./helpers.ts";

const never = () => new Promise<never>(() => {});

/** Counts the gets that a node was asked for. */
const gets = (node: TestNode) => node.asked.get("get") ?? 0;

Deno.test("fetch: from whoever has it, and kept if it belongs here", async () => {
  await withNet(["a", "b", "c"], async (_net, a, b) => {
    const [need] = await b!.storeObjects([someBytes(1)]);
    assertEquals(await a!.replication.remote.fetch(need!.address), someBytes(1));
    assertEquals(a!.store.stat(need!.address), { kind: "held", length: 1000 });
  });
});

Deno.test("fetch: what belongs elsewhere is not kept", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    net.change(a!.id, { weight: 1e-9 });
    const [need] = await b!.storeObjects([someBytes(1)]);
    assertEquals(await a!.replication.remote.fetch(need!.address), someBytes(1));
    assert(!a!.holds(need!.address));
  }, { replicas: 1 });
});

Deno.test("fetch: of many, several holders give their part", async () => {
  await withNet(["a", "b", "c"], async (_net, a, b, c) => {
    const contents = Array.from({ length: 100 }, (_, i) => someBytes(i));
    const needs = await b!.storeObjects(contents);
    await c!.storeObjects(contents);
    await Promise.all(needs.map(({ address }) => a!.replication.remote.fetch(address)));
    for (const node of [b!, c!]) assert(gets(node) >= 30, `${node.name} gave ${gets(node)}`);
    assertEquals(gets(b!) + gets(c!), 100);
  });
});

Deno.test("fetch: a liar's bytes are not used, it is told of and asked last from then on", async () => {
  await withNet(["a", "b", "c"], async (_net, a, b, c) => {
    const contents = Array.from({ length: 20 }, (_, i) => someBytes(i));
    const needs = await c!.storeObjects(contents);
    b!.tamper = (name) =>
      name === "get" ? { object: { kind: "sealed", bytes: someBytes(99) } } : undefined;
    for (const [i, { address }] of needs.entries()) {
      assertEquals(await a!.replication.remote.fetch(address), contents[i]);
    }
    assertEquals(gets(b!), 1);
    assertEquals(a!.eventsOf("refused").length, 1);
  });
});

Deno.test("fetch: who checks the bytes itself gets what came, but none is kept unchecked", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    const [need] = await b!.storeObjects([someBytes(1)]);
    b!.tamper = (name) =>
      name === "get" ? { object: { kind: "sealed", bytes: someBytes(99) } } : undefined;
    const { fetch } = a!.replication.remote;
    net.change(b!.id, { weight: 1e-9 }); // so that it belongs here
    assertEquals(await fetch(need!.address, { isUnchecked: true }), null);
    net.change(b!.id, { weight: 1 });
    net.change(a!.id, { weight: 1e-9 });
    assertEquals(await fetch(need!.address, { isUnchecked: true }), someBytes(99));
    b!.tamper = (name) =>
      name === "get" ? { object: { kind: "public", bytes: someBytes(99) } } : undefined;
    assertEquals(await fetch(need!.address, { isUnchecked: true }), someBytes(99));
    assert(!a!.holds(need!.address));
  }, { replicas: 1 });
});

Deno.test("fetch: a holder that fails is passed over", async () => {
  await withNet(["a", "b", "c"], async (net, a, b, c) => {
    const [need] = await c!.storeObjects([someBytes(1)]);
    b!.tamper = (name) => {
      if (name !== "get") return undefined;
      net.isolate(b!); // dies in the middle
      return never();
    };
    assertEquals(await a!.replication.remote.fetch(need!.address), someBytes(1));
  });
});

Deno.test("fetch: a slow holder is hedged, without waiting for its end", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b, c] = net.add("a", "b", "c");
  net.connectAll();
  net.startAll();
  const [need] = await b!.storeObjects([someBytes(1)]);
  await c!.storeObjects([someBytes(1)]);
  let wasCancelled = false;
  const slow: TestNode[] = [];
  for (const node of [b!, c!]) {
    node.tamper = (name, _ask, signal) => {
      if (name !== "get" || slow.length > 0) return undefined;
      slow.push(node);
      signal.addEventListener("abort", () => wasCancelled = true);
      return never();
    };
  }
  const fetching = a!.replication.remote.fetch(need!.address);
  await time.settle();
  assertEquals(slow.length, 1);
  await time.pass(200);
  assertEquals(await fetching, someBytes(1));
  assert(wasCancelled, "the slow request goes on");
  await net.stop();
});

Deno.test("fetch: what nobody has is null at once, and null in time if nobody answers", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b, c] = net.add("a", "b", "c");
  net.connectAll();
  net.startAll();
  await time.settle();
  const { remote } = a!.replication;
  const began = time.now();
  assertEquals(await remote.fetch(sha256(someBytes(1))), null);
  assertEquals(time.now(), began);

  for (const node of [b!, c!]) node.tamper = (name) => name === "get" ? never() : undefined;
  let result: unknown = "none yet";
  const fetching = remote.fetch(sha256(someBytes(1))).then((bytes) => result = bytes);
  await time.pass(FETCH_MS_MAX - 1000);
  assertEquals(result, "none yet");
  await time.pass(1000);
  await fetching;
  assertEquals(result, null);
  await net.stop();
});

Deno.test("fetch: waits a little for a member that is not connected just now", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  net.startAll();
  const [need] = await b!.storeObjects([someBytes(1)]);
  const { remote } = a!.replication;
  const fetching = remote.fetch(need!.address);
  await time.pass(FETCH_UP_WAIT_MS / 2);
  net.connectAll();
  await time.settle();
  assertEquals(await fetching, someBytes(1));

  net.isolate(b!);
  const absent = remote.fetch(sha256(someBytes(2)));
  await time.pass(FETCH_UP_WAIT_MS);
  assertEquals(await absent, null);
  net.change(b!.id, { isPresent: false });
  assertEquals(await remote.fetch(sha256(someBytes(2))), null, "nobody to wait for");
  await net.stop();
});

Deno.test("fetch: ends with its signal", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    b!.tamper = (name) => name === "get" ? never() : undefined;
    const abort = new AbortController();
    const fetching = a!.replication.remote.fetch(sha256(someBytes(1)), { signal: abort.signal });
    await until(() => gets(b!) === 1, "the request");
    abort.abort(new Error("enough"));
    await assertRejects(() => fetching, Error, "enough");
  });
});
