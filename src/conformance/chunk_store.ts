/**
 * The contract of a {@link ChunkStore}, as tests: what every place that keeps objects has to do, whatever it is made of.
 *
 * @module
 */

import { type Address, type Bytes, FRAME_BYTES_MAX, sha256, toHex } from "../base/mod.ts";
import type { ChunkStore, NewObject, ObjectKind } from "../store/mod.ts";
import { must, mustEqual, mustFail, seededBytes, type Tester, withMade } from "./tester.ts";

/** A store that was made for one test, empty, and what can be done to it. What a backend can't do it leaves out. */
export interface StoreUnderTest {
  /** The store. */
  readonly store: ChunkStore;
  /** Closes it in good order and opens it again. Left out for what lives as long as its process. */
  reopen?(): Promise<ChunkStore>;
  /** Takes the power away, with whatever was not flushed, or a part of it, and opens it again. */
  crash?(): Promise<ChunkStore>;
  /** Changes bytes of a stored object behind the store's back. */
  damage?(address: Address): Promise<void>;
  /** Lets so many more calls of the medium below succeed, then fails all with what such a medium throws; `null` mends it. */
  failAfter?(calls: number | null): void;
  /** Ends it. Called once for each store that was made. */
  close(): Promise<void>;
}

/** How to run {@link chunkStoreConformance}. */
export interface ChunkStoreConformance {
  /** Stands before each test's name. */
  readonly name: string;
  /** Makes an empty store. */
  readonly make: () => Promise<StoreUnderTest>;
  /** Whether `get` checks what it returns against the address. */
  readonly checksReads?: boolean;
}

interface TestObject extends NewObject {
  bytes: Bytes;
}

function objectOf(bytes: Bytes, kind: ObjectKind = "sealed"): TestObject {
  return { kind, address: sha256(bytes), pieces: [bytes], bytes };
}

function some(count: number, { length = 100, from = 0 } = {}): TestObject[] {
  return Array.from({ length: count }, (_, i) => objectOf(seededBytes(length, from + i)));
}

function one(seed: number, length = 100): TestObject {
  return objectOf(seededBytes(length, seed));
}

async function listed(store: ChunkStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { address } of store.list()) found.push(toHex(address));
  return found.sort();
}

function hexOf(objects: readonly TestObject[]): string[] {
  return objects.map(({ address }) => toHex(address)).sort();
}

async function mustHold(store: ChunkStore, objects: readonly TestObject[]): Promise<void> {
  for (const { address, bytes } of objects) {
    must(await store.has(address), `has: an object of ${bytes.length} bytes is not there`);
    mustEqual(await store.get(address), bytes, `get: an object of ${bytes.length} bytes`);
  }
}

/** Runs the contract over a kind of store: one test for each thing that it has to do. */
export function chunkStoreConformance(tester: Tester, options: ChunkStoreConformance): void {
  const check = withMade(tester, options);
  whatIsThere(check);
  whatIsLent(check);
  manyAtOnce(check);
  whatLasts(check);
  whatFails(check, options);
}

type Check = (behaviour: string, work: (made: StoreUnderTest) => Promise<void>) => void;

function whatIsThere(check: Check): void {
  check("what was never put is null and not there", async ({ store }) => {
    const { address } = one(1);
    mustEqual(await store.get(address), null, "get of an unknown address");
    mustEqual(await store.has(address), false, "has of an unknown address");
    mustEqual(await listed(store), [], "list of an empty store");
    await store.remove([address]);
  });

  check("an object is read back before any flush", async ({ store }) => {
    const object = one(1);
    mustEqual(await store.put(object), true, "the first put");
    await mustHold(store, [object]);
  });

  check("a second put changes nothing and says so", async ({ store }) => {
    const object = one(1);
    mustEqual(await store.put(object), true, "the first put");
    mustEqual(await store.put(object), false, "the second put");
    await store.flush();
    mustEqual(await store.put(object), false, "a put after the flush");
    mustEqual(await listed(store), hexOf([object]), "list");
  });

  check("an empty object is an object", async ({ store }) => {
    const empty = objectOf(new Uint8Array(), "public");
    mustEqual(await store.put(empty), true, "put");
    await mustHold(store, [empty]);
    await store.flush();
    await mustHold(store, [empty]);
    mustEqual(await listed(store), hexOf([empty]), "list");
  });

  check("an object may be as large as any that there is", async ({ store }) => {
    const large = one(1, FRAME_BYTES_MAX);
    mustEqual(await store.put(large), true, "put");
    await mustHold(store, [large]);
    await store.flush();
    await mustHold(store, [large]);
  });

  check("a listing has each object once, with its kind and length", async ({ store }) => {
    const objects = [
      objectOf(seededBytes(10, 1), "sealed"),
      objectOf(seededBytes(2000, 2), "public"),
      objectOf(seededBytes(300_000, 3), "segment"),
      objectOf(seededBytes(70_000, 4), "held"),
    ];
    for (const object of objects) await store.put(object);
    const found: string[] = [];
    for await (const { address, kind, length } of store.list()) {
      found.push(`${toHex(address)} ${kind} ${length}`);
    }
    const expected = objects.map(({ address, kind, bytes }) =>
      `${toHex(address)} ${kind} ${bytes.length}`
    );
    mustEqual(found.sort(), expected.sort(), "list");
  });

  check("a listing may be left early, and another begun", async ({ store }) => {
    const objects = some(20);
    for (const object of objects) await store.put(object);
    for await (const { address } of store.list()) {
      must(address.length === 32, "an address has 32 bytes");
      break;
    }
    mustEqual(await listed(store), hexOf(objects), "list");
  });

  check("what is removed is gone, the rest stays, and it can be put again", async ({ store }) => {
    const [a, b, c] = some(3) as [TestObject, TestObject, TestObject];
    for (const object of [a, b]) await store.put(object);
    await store.flush();
    await store.put(c);
    await store.remove([a.address, c.address, one(9).address]);
    mustEqual(await store.has(a.address), false, "has of what was removed");
    mustEqual(await store.get(c.address), null, "get of what was removed before a flush");
    await mustHold(store, [b]);
    mustEqual(await listed(store), hexOf([b]), "list");
    mustEqual(await store.put(a), true, "put of what was removed");
    await mustHold(store, [a, b]);
  });
}

function whatIsLent(check: Check): void {
  check("pieces are joined, and not kept", async ({ store }) => {
    const { bytes, address, kind } = one(1, 300_000);
    const cuts = [0, 0, 1, 70, 100_000, 100_000, 250_000, 300_000];
    const pieces = cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));
    const lent = address.slice();
    await store.put({ kind, address: lent, pieces });
    for (const piece of [...pieces, lent]) piece.fill(0);
    mustEqual(await store.get(address), bytes, "get after the pieces were overwritten");
    await store.flush();
    mustEqual(await store.get(address), bytes, "get after the flush");
  });

  check("what get returned is the caller's", async ({ store }) => {
    for (const object of [one(1), one(2, 100_000)]) {
      await store.put(object);
      (await store.get(object.address))!.fill(0);
      await mustHold(store, [object]);
      await store.flush();
      (await store.get(object.address))!.fill(0);
      await mustHold(store, [object]);
    }
  });
}

function manyAtOnce(check: Check): void {
  check("puts of one object at once are one", async ({ store }) => {
    for (const object of [one(1), one(2, 400_000)]) {
      const said = await Promise.all(Array.from({ length: 5 }, () => store.put(object)));
      mustEqual(said.filter((isNew) => isNew).length, 1, "puts that said they were the first");
      await mustHold(store, [object]);
    }
    mustEqual((await listed(store)).length, 2, "objects listed");
  });

  check("flushes may overlap, and nothing may be waiting", async ({ store }) => {
    await store.flush();
    const objects = some(50);
    await Promise.all(objects.flatMap((object) => [store.put(object), store.flush()]));
    mustEqual(await listed(store), hexOf(objects), "list");
  });

  check("puts, gets, removes and listings may cross", async ({ store }) => {
    const [kept, gone, more] = [some(30), some(30, { from: 100 }), some(30, { from: 200 })];
    for (const object of [...kept, ...gone]) await store.put(object);
    await Promise.all([
      ...more.map((object) => store.put(object)),
      ...gone.map(({ address }) => store.remove([address])),
      ...kept.map((object) => mustHold(store, [object])),
      listed(store),
      store.flush(),
    ]);
    mustEqual(await listed(store), hexOf([...kept, ...more]), "list");
    await mustHold(store, [...kept, ...more]);
  });
}

/** What a store that outlives its process has to keep. */
function whatLasts(check: Check): void {
  check("what a put was lent may change before the flush", async ({ store: first, reopen }) => {
    if (reopen === undefined) return;
    const { bytes, address, kind } = one(1);
    const lent = { address: address.slice(), piece: bytes.slice() };
    await first.put({ kind, address: lent.address, pieces: [lent.piece] });
    lent.address.fill(0);
    lent.piece.fill(0);
    await first.flush();
    mustEqual(await (await reopen()).get(address), bytes, "get after it was opened again");
  });

  check("what was flushed is there after it is opened again", async ({ store: first, reopen }) => {
    if (reopen === undefined) return;
    const objects = some(50, { length: 5000 });
    for (const object of objects) await first.put(object);
    await first.flush();
    await first.remove([objects[0]!.address]);
    const store = await reopen();
    mustEqual(await store.has(objects[0]!.address), false, "has of what was removed");
    await mustHold(store, objects.slice(1));
    mustEqual(await store.put(objects[1]!), false, "put of what is there");
  });

  check("a crash keeps what was flushed, and half of nothing", async ({ store: first, crash }) => {
    if (crash === undefined) return;
    const [flushed, loose] = [some(20, { length: 3000 }), some(20, { length: 9000, from: 50 })];
    for (const object of flushed) await first.put(object);
    await first.flush();
    for (const object of loose) await first.put(object);
    const store = await crash();
    await mustHold(store, flushed);
    const there = new Set(await listed(store));
    const survived = loose.filter(({ address }) => there.has(toHex(address)));
    await mustHold(store, survived);
    mustEqual(there.size, flushed.length + survived.length, "objects listed");
    for (const object of loose) await store.put(object);
    await store.flush();
    await mustHold(store, [...flushed, ...loose]);
  });
}

/** How many calls of a medium are let through before it fails, in turn. */
const FAILING_CALLS = [0, 1, 2, 3, 5, 8, 13, 21];

function whatFails(check: Check, { checksReads = false }: ChunkStoreConformance): void {
  if (checksReads) {
    check("an object whose bytes changed is refused as damaged", async ({ store, damage }) => {
      if (damage === undefined) return;
      for (const object of [one(1), one(2, 200_000)]) {
        await store.put(object);
        await store.flush();
        await damage(object.address);
        mustEqual(await mustFail(() => store.get(object.address), "get"), "damaged", "its code");
      }
    });

    check("an object under a wrong address is refused as damaged", async ({ store }) => {
      const wrong = { ...one(1), address: one(2).address };
      const code = await mustFail(async () => {
        await store.put(wrong);
        await store.get(wrong.address);
      }, "get of what was put under another's address");
      mustEqual(code, "damaged", "its code");
    });
  }

  check("a medium that fails takes nothing that was flushed", async (made) => {
    const { failAfter, reopen } = made;
    if (failAfter === undefined || reopen === undefined) return;
    let { store } = made;
    const kept: TestObject[] = [];
    for (const [round, calls] of FAILING_CALLS.entries()) {
      const before = some(5, { length: 3000, from: 100 * round });
      for (const object of before) await store.put(object);
      await store.flush();
      kept.push(...before);
      failAfter(calls);
      const tried = some(5, { length: 200_000, from: 100 * round + 50 });
      try {
        for (const object of tried) await store.put(object);
        await store.flush();
        kept.push(...tried); // said to be durable
      } catch (error) {
        await mustFail(() => Promise.reject(error), "put or flush");
      }
      failAfter(null);
      store = await reopen();
      await mustHold(store, kept);
    }
  });
}
