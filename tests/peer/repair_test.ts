import { assert, assertEquals } from "@std/assert";
import {
  type Address,
  equalBytes,
  fromHex,
  LIVE_SCAN_MS,
  REPAIR_FLUSH_BYTES,
  sha256,
  shortHex,
  SURPLUS_DELAY_MS,
  toHex,
} from "../../src/base/mod.ts";
import { someBytes } from "./doubles.ts";
import { TestTime } from "./test_time.ts";
import { TestNet, type TestNetOptions, type TestNode } from "./helpers.ts";

const objects = (count: number, length = 500) =>
  Array.from({ length: count }, (_, i) => someBytes(i, length));

/** Nodes on time that a test moves on; connected and running. */
async function withTime(
  names: readonly string[],
  test: (net: TestNet, time: TestTime, ...nodes: TestNode[]) => Promise<void>,
  options: TestNetOptions = {},
): Promise<void> {
  const time = new TestTime();
  const net = new TestNet({ ...options, clock: time, timers: time });
  const nodes = net.add(...names);
  net.connectAll();
  net.startAll();
  try {
    await time.settle();
    await test(net, time, ...nodes);
    for (const node of nodes) {
      assertEquals(node.eventsOf("failed").map(({ action, error }) => `${action}: ${error}`), []);
    }
  } finally {
    await net.stop();
  }
}

/** Durable copies of each object. */
function copies(
  { nodes }: { nodes: readonly TestNode[] },
  needs: readonly { address: Address }[],
): number[] {
  return needs.map(({ address }) => nodes.filter(({ store }) => store.isDurable(address)).length);
}

const min = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b), Infinity);
const max = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);
const notices = (node: TestNode) => node.eventsOf("notice").map(({ text }) => text);
const missing = (node: TestNode) => Number(node.replication.presence().missing);
const underReplicated = (node: TestNode) => node.replication.remote.underReplicated();

Deno.test("repair: new records' objects come to those who are to hold them, without being asked", async () => {
  await withTime(["a", "b", "c", "d"], async (net, time, a) => {
    const inline = await a!.put(objects(20));
    const listed = await a!.put(objects(120, 300));
    await time.pass(10_000);
    assertEquals(min(copies(net, [...inline, ...listed])), 3);
    for (const node of net.nodes) assertEquals(missing(node), 0);
    assertEquals(underReplicated(a!), { objects: 0, etaSeconds: 0 });
  });
});

Deno.test("repair: a newcomer gets its share and no more, in batches that share a flush", async () => {
  await withTime(["a", "b", "c"], async (net, time, a) => {
    const needs = await a!.put(objects(400));
    await time.pass(10_000);
    assertEquals(min(copies(net, needs)), 3);
    const gets = () => net.nodes.reduce((sum, node) => sum + (node.asked.get("get") ?? 0), 0);
    const before = gets();
    const [d] = net.add("d");
    net.connectAll();
    d!.start();
    await time.pass(20_000);
    assertEquals(missing(d!), 0);
    const held = needs.filter(({ address }) => d!.holds(address)).length;
    const parts = 1; // the inventory of 400 entries
    assertEquals(gets() - before, held + parts, "each object travels once");
    assert(held <= 1.2 * 400 * 3 / 4, `${held} of 400 moved`);
    assert(d!.store.flushes < 10, `${d!.store.flushes} flushes`);
  });
});

Deno.test("repair, surplus: a node gone for long is made up for; back again, surplus goes", async () => {
  await withTime(["a", "b", "c", "d"], async (net, time, a, b) => {
    const needs = await a!.put(objects(100));
    await time.pass(LIVE_SCAN_MS / 3);
    assertEquals([min(copies(net, needs)), max(copies(net, needs))], [3, 3]);

    net.isolate(b!);
    const held = needs.filter(({ address }) => b!.holds(address));
    assert(held.length > 50);
    assertEquals(underReplicated(a!), { objects: held.length, etaSeconds: null });
    net.change(b!.id, { isPresent: false });
    assertEquals(underReplicated(a!).objects, held.length, "nobody has counted anew yet");
    await time.pass(10_000);
    const others = () => copies({ nodes: net.nodes.filter((node) => node !== b) }, needs);
    assertEquals(min(others()), 3);
    assertEquals(underReplicated(a!), { objects: 0, etaSeconds: 0 });

    net.connectAll();
    net.change(b!.id, { isPresent: true });
    await time.pass(SURPLUS_DELAY_MS - 1000);
    assert(max(copies(net, needs)) === 4, "surplus went before the view had settled");
    await time.pass(2 * SURPLUS_DELAY_MS);
    assertEquals([min(copies(net, needs)), max(copies(net, needs))], [3, 3]);
  });
});

Deno.test("repair: what there is no room for is not fetched, and is once there is room", async () => {
  await withTime(["a", "b"], async (_net, time, a, b) => {
    let stored = 9000;
    b!.upkeep.storedBytes = () => stored;
    const needs = await a!.put(objects(3, 2000));
    await time.pass(60_000);
    assertEquals(needs.map(({ address }) => b!.holds(address)), [false, false, false]);
    assertEquals(b!.asked.get("get") ?? 0, 0);
    assertEquals(missing(b!), 3);
    stored = 0;
    await time.pass(300_000);
    assertEquals(needs.map(({ address }) => b!.store.isDurable(address)), [true, true, true]);
    assertEquals(missing(b!), 0);
  }, { capacityBytes: 10_000 });
});

Deno.test("repair: a large batch is made durable as it comes, not at its end", async () => {
  await withTime(["a", "b"], async (net, time, a, b) => {
    net.isolate(b!);
    const large = new Uint8Array(4 * 1024 * 1024);
    const needs = await a!.put(Array.from({ length: 12 }, (_, i) => large.slice().fill(i)));
    const { put } = b!.store;
    let [atRisk, most] = [0, 0];
    b!.store.put = async (object) => {
      const isNew = await put.call(b!.store, object);
      atRisk = 0;
      for (const [hex, { length }] of b!.store.stats) {
        if (!b!.store.durable.has(hex)) atRisk += length;
      }
      most = Math.max(most, atRisk);
      return isNew;
    };
    net.connectAll();
    await time.pass(20_000);
    assertEquals(min(copies({ nodes: [b!] }, needs)), 1);
    assert(most <= REPAIR_FLUSH_BYTES + large.length, `${most} bytes that a power cut would take`);
  });
});

Deno.test("repair: what a flush left out counts as missing until another has made it durable", async () => {
  await withTime(["a", "b"], async (net, time, a, b) => {
    net.isolate(b!);
    const needs = await a!.put(objects(5));
    const isDurable = b!.store.isDurable.bind(b!.store);
    let isLeftOut = true;
    b!.store.isDurable = (address) => !isLeftOut && isDurable(address);
    net.connectAll();
    await time.pass(10_000);
    assertEquals(needs.map(({ address }) => b!.holds(address)), [true, true, true, true, true]);
    assertEquals(missing(b!), 5);
    isLeftOut = false;
    await time.pass(10_000);
    assertEquals([missing(b!), min(copies({ nodes: [b!] }, needs))], [0, 1]);
  });
});

Deno.test("repair: alone it waits, and gets what it lacks as soon as somebody comes", async () => {
  await withTime(["a", "b"], async (net, time, a, b) => {
    const bytes = someBytes(1);
    await a!.write([[{ address: sha256(bytes), length: bytes.length }]]);
    await time.pass(5000);
    net.isolate(b!);
    await time.pass(120_000);
    assertEquals(missing(b!), 1);
    await a!.storeObjects([bytes]);
    net.connectAll();
    await time.pass(1000);
    assertEquals([missing(b!), b!.store.isDurable(sha256(bytes))], [0, true]);
  });
});

Deno.test("repair: a disk that takes nothing is told, and what is missing comes when it does", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a, b] = net.add("a", "b");
  const { put } = b!.store;
  let isFull = true;
  b!.store.put = (object) =>
    isFull && object.kind === "held"
      ? Promise.reject(new Error("the disk is full"))
      : put.call(b!.store, object);
  net.connectAll();
  net.startAll();
  const needs = await a!.put(objects(3));
  await time.pass(30_000);
  const told = b!.eventsOf("failed").map(({ action, error }) => `${action}: ${error}`);
  assert(told.length > 1 && told.length < 10, `told ${told.length} times`);
  assertEquals(new Set(told), new Set(["repair: Error: the disk is full"]));
  assertEquals(missing(b!), 3);
  isFull = false;
  await time.pass(60_000);
  assertEquals([missing(b!), min(copies({ nodes: [b!] }, needs))], [0, 1]);
  await net.stop();
});

Deno.test("surplus: nothing goes that not every holder confirms", async () => {
  await withTime(["a", "b", "c"], async (net, time, a, b, c) => {
    net.setMembers(
      net.view().members.map((member) => ({
        ...member,
        weight: equalBytes(member.node, a!.id) ? 1e-9 : 100,
      })),
    );
    const needs = await a!.put(objects(30));
    let isDenied = true;
    c!.tamper = (name, ask) => {
      if (name !== "have" || !isDenied) return undefined;
      const { addresses } = ask as { addresses: unknown[] };
      return { held: addresses.map((_, i) => i > 0), isBehind: false };
    };
    await time.pass(3 * SURPLUS_DELAY_MS);
    const left = () => needs.filter(({ address }) => a!.holds(address)).length;
    assertEquals(left(), 1);
    isDenied = false;
    b!.tamper = (name, ask) => {
      if (name !== "have") return undefined;
      const { addresses } = ask as { addresses: unknown[] };
      return { held: addresses.map(() => true), isBehind: true };
    };
    await time.pass(LIVE_SCAN_MS);
    assertEquals(left(), 1, "from one that is behind");
    b!.tamper = () => undefined;
    net.disconnect(a!, b!);
    await time.pass(LIVE_SCAN_MS);
    assertEquals(left(), 1, "while a holder is away");
    net.connect(a!, b!);
    a!.upkeep.beforeDrop = () => {
      a!.upkeep.beforeDrop = () => {};
      net.change(b!.id, { isPresent: false });
    };
    await time.pass(LIVE_SCAN_MS);
    assertEquals(a!.upkeep.dropped.length, 29, "when the view changes at the last moment");
    net.change(b!.id, { isPresent: true });
    await time.pass(LIVE_SCAN_MS);
    assertEquals(left(), 0);
    assertEquals(min(copies(net, needs)), 2);
  }, { replicas: 2 });
});

Deno.test("scrub: a damaged object is fetched again, and it is told", async () => {
  await withTime(["a", "b", "c"], async (net, time, a, b) => {
    const needs = await a!.put(objects(20));
    await time.pass(2 * LIVE_SCAN_MS);
    const { address } = needs[7]!;
    await b!.store.damage(address);
    await time.pass(2 * LIVE_SCAN_MS);
    assertEquals(sha256((await b!.store.get(address))!), address);
    assertEquals(notices(b!), [`object ${shortHex(address)} was damaged and is whole again`]);
    assertEquals(min(copies(net, needs)), 3);
  });
});

Deno.test("scrub: one that fails is told, and the next finds what is damaged", async () => {
  const time = new TestTime();
  const net = new TestNet({ clock: time, timers: time });
  const [a] = net.add("a");
  const scrub = a!.upkeep.scrub.bind(a!.upkeep);
  let fails = 1;
  a!.upkeep.scrub = (...args) =>
    fails-- > 0 ? Promise.reject(new Error("a bad sector")) : scrub(...args);
  const [need] = await a!.storeObjects([someBytes(1)]);
  await a!.store.damage(need!.address);
  net.startAll();
  await time.pass(LIVE_SCAN_MS + 60_000);
  assertEquals(a!.eventsOf("failed").map(({ action, error }) => `${action}: ${error}`), [
    "scrub: Error: a bad sector",
  ]);
  assert(!a!.holds(need!.address), "the damage was not found");
  await net.stop();
});

Deno.test("scrub: a damaged object that was made whole here is told of, and not asked for", async () => {
  await withTime(["a"], async (_net, time, a) => {
    const [need] = await a!.storeObjects([someBytes(1)]);
    const { address } = need!;
    let mended = [address];
    a!.upkeep.scrub = () => {
      const step = { next: null, checkedBytes: 1, damaged: [], mended };
      mended = [];
      return Promise.resolve(step);
    };
    await time.pass(LIVE_SCAN_MS);
    assertEquals(notices(a!), [`object ${shortHex(address)} was damaged and is whole again`]);
    assertEquals(missing(a!), 0);
  });
});

Deno.test("collect: what could not be done is tried again soon, not in an hour", async () => {
  await withTime(["a"], async (_net, time, a) => {
    const [need] = await a!.storeObjects([someBytes(1)]);
    const collect = a!.upkeep.collect.bind(a!.upkeep);
    let busy = 2;
    a!.upkeep.collect = (options) =>
      busy-- > 0 ? Promise.resolve({ freedBytes: 0, isDone: false }) : collect(options);
    await time.pass(LIVE_SCAN_MS + 60_000);
    assertEquals([busy, a!.holds(need!.address)], [-1, false]);
  });
});

Deno.test("scrub: a damaged inventory and a damaged segment are healed too", async () => {
  await withTime(["a", "b"], async (_net, time, a, b) => {
    await a!.put(objects(100));
    await time.pass(2 * LIVE_SCAN_MS);
    for (const [hex, { kind }] of [...b!.store.stats]) {
      if (kind === "public" || kind === "segment") await b!.store.damage(fromHex(hex));
    }
    await time.pass(2 * LIVE_SCAN_MS);
    assertEquals(notices(b!).length, 2);
  });
});

Deno.test("scrub: reads at the rate it is given, not faster", async () => {
  await withTime(["a"], async (_net, time, a) => {
    const large = Array.from({ length: 40 }, (_, i) => new Uint8Array(1024 * 1024).fill(i));
    await a!.storeObjects(large);
    let bytes = 0;
    const { scrub } = a!.upkeep;
    a!.upkeep.scrub = async (...args) => {
      const step = await scrub.apply(a!.upkeep, args);
      bytes += step.checkedBytes;
      return step;
    };
    await time.pass(LIVE_SCAN_MS); // into the pass that begins then
    bytes = 0;
    await time.pass(1000);
    assert(bytes <= 24 * 1024 * 1024, `${bytes} bytes in a second`);
  });
});

Deno.test("repair: what nobody has is asked for less and less often, and at once when someone comes", async () => {
  await withTime(["a", "b", "c"], async (net, time, a, b, c) => {
    net.isolate(c!);
    const [need] = await c!.storeObjects([someBytes(1)]);
    await a!.write([[need!]]);
    await time.pass(60_000);
    const asked = b!.asked.get("get") ?? 0;
    assert(asked >= 2 && asked <= 6, `${asked} times`);
    assertEquals([missing(a!), missing(b!)], [1, 1]);
    assertEquals(underReplicated(a!).objects >= 2, true);
    net.connectAll();
    await time.pass(1000);
    assertEquals([missing(a!), missing(b!)], [0, 0]);
  });
});

Deno.test("repair: what was pruned is not waited for", async () => {
  await withTime(["a", "b"], async (_net, time, a, b) => {
    const gone = { address: sha256(someBytes(1)), length: 1000 };
    const id = await a!.write([[gone]]);
    await time.pass(5000);
    assertEquals(missing(b!), 1);
    for (const node of [a!, b!]) node.ledger.pruned.add(toHex(id));
    await a!.write([[]]); // news, as a prune would be
    await time.pass(60_000);
    assertEquals(missing(b!), 0);
  });
});

Deno.test("collect: waits for the others to know the same records, but not for ever", async () => {
  await withTime(["a", "b"], async (net, time, a, b) => {
    const garbage = await a!.storeObjects([someBytes(1)]);
    await time.pass(LIVE_SCAN_MS + 10_000);
    assertEquals(a!.upkeep.collections, 1);
    assert(!a!.holds(garbage[0]!.address));

    b!.tamper = (name) =>
      name === "segments" || name === "heads" ? new Promise(() => {}) : undefined;
    net.disconnect(a!, b!);
    await b!.write([[]]);
    net.connect(a!, b!);
    await time.pass(LIVE_SCAN_MS + 10_000);
    assertEquals(a!.upkeep.collections, 1);
    await time.pass(11 * 60_000);
    assertEquals(a!.upkeep.collections, 2);
  });
});

Deno.test("collect: what was just pushed stays", async () => {
  await withTime(["a", "b"], async (_net, time, a, b) => {
    await time.pass(LIVE_SCAN_MS - 60_000);
    const [need] = await a!.storeObjects([someBytes(1)]);
    a!.replication.remote.offer({ kind: "sealed", ...need! });
    await time.pass(120_000);
    assertEquals(b!.upkeep.collections, 1);
    assert(b!.holds(need!.address));
    await time.pass(2 * LIVE_SCAN_MS);
    assert(!b!.holds(need!.address));
  });
});

Deno.test("repair: nothing is gone through before the node listens, and what comes meanwhile is noted", async () => {
  await withTime(["a", "b", "c"], async (net, time, a) => {
    await a!.put(objects(20));
    await time.pass(10_000);
    const [d] = net.add("d");
    const live = d!.ledger.live.bind(d!.ledger);
    let scans = 0;
    d!.ledger.live = () => {
      scans++;
      return live();
    };
    const listening = Promise.withResolvers<void>();
    d!.start(listening.promise);
    net.connectAll();
    await time.pass(10_000);
    assertEquals(scans, 0);
    assert(missing(d!) > 0, "its share is known to be missing");
    listening.resolve();
    await time.pass(20_000);
    assert(scans > 0);
    assertEquals(missing(d!), 0);
  });
});
