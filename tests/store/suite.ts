/**
 * What every store of objects has to do, whatever it is made of: the contract in src/store/chunk_store.ts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { toHex } from "../../src/base/mod.ts";
import type { ChunkStore } from "../../src/store/mod.ts";
import { hexAddresses, makeObject, makeObjects, objectOf, type TestObject } from "./helpers.ts";

/** A store under test. */
export interface StoreUnderTest {
  store: ChunkStore;
  /** Closes it and opens it again. */
  reopen: () => Promise<ChunkStore>;
  close: () => Promise<void>;
}

async function addresses(store: ChunkStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { address } of store.list()) found.push(toHex(address));
  return found.sort();
}

/** Runs the contract over a kind of store. */
export function chunkStoreSuite(
  name: string,
  makeStore: () => Promise<StoreUnderTest>,
  claims: { keepsFlushed: boolean },
): void {
  const check = (behaviour: string, work: (made: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${name}: ${behaviour}`, async () => {
      const made = await makeStore();
      try {
        await work(made);
      } finally {
        await made.close();
      }
    });

  check("what was never put is null and not there", async ({ store }) => {
    const { address } = makeObject(1);
    assertEquals(await store.get(address), null);
    assertEquals(await store.has(address), false);
    assertEquals(await addresses(store), []);
  });

  check("an object is read back before any flush", async ({ store }) => {
    const object = makeObject(1);
    assertEquals(await store.put(object), true);
    assertEquals(await store.has(object.address), true);
    assertEquals(await store.get(object.address), object.bytes);
  });

  check("a second put changes nothing and says so", async ({ store }) => {
    const object = makeObject(1);
    assertEquals(await store.put(object), true);
    assertEquals(await store.put(object), false);
    await store.flush();
    assertEquals(await store.put(object), false);
    assertEquals(await addresses(store), hexAddresses([object]));
  });

  check("two puts of one object at once are one", async ({ store }) => {
    const object = makeObject(1);
    const said = await Promise.all([store.put(object), store.put(object)]);
    assertEquals(said.sort(), [false, true]);
    assertEquals(await addresses(store), hexAddresses([object]));
  });

  check("pieces are joined, and not kept", async ({ store }) => {
    const { bytes, address, kind } = makeObject(1, { length: 300_000 });
    const cuts = [0, 0, 1, 70, 100_000, 100_000, 250_000, 300_000];
    const pieces = cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));
    const lent = address.slice();
    await store.put({ kind, address: lent, pieces });
    for (const piece of [...pieces, lent]) piece.fill(0);
    assertEquals(await store.get(address), bytes);
    await store.flush();
    assertEquals(await store.get(address), bytes);
  });

  check("what get returned is the caller's", async ({ store }) => {
    const object = makeObject(1);
    await store.put(object);
    (await store.get(object.address))!.fill(0);
    assertEquals(await store.get(object.address), object.bytes);
  });

  check("an empty object is an object", async ({ store }) => {
    const empty = objectOf(new Uint8Array(), "public");
    assertEquals(await store.put(empty), true);
    assertEquals(await store.get(empty.address), new Uint8Array());
    await store.flush();
    assertEquals(await store.get(empty.address), new Uint8Array());
    assertEquals(await addresses(store), hexAddresses([empty]));
  });

  check("a listing has each object once, with its kind and length", async ({ store }) => {
    const objects: TestObject[] = [
      makeObject(1, { length: 10, kind: "sealed" }),
      makeObject(2, { length: 2000, kind: "public" }),
      makeObject(3, { length: 300_000, kind: "segment" }),
    ];
    for (const object of objects) await store.put(object);
    const listed: [string, string, number][] = [];
    for await (const { address, kind, length } of store.list()) {
      listed.push([toHex(address), kind, length]);
    }
    const expected = objects.map(({ address, kind, bytes }) =>
      [toHex(address), kind, bytes.length] as [string, string, number]
    );
    assertEquals(listed.sort(), expected.sort());
  });

  check("what is removed is gone, the rest stays, and it can be put again", async ({ store }) => {
    const [a, b, c] = makeObjects(3) as [TestObject, TestObject, TestObject];
    for (const object of [a, b]) await store.put(object);
    await store.flush();
    await store.put(c);
    await store.remove([a.address, c.address, makeObject(9).address]);
    assertEquals(await store.has(a.address), false);
    assertEquals(await store.get(c.address), null);
    assertEquals(await store.get(b.address), b.bytes);
    assertEquals(await addresses(store), hexAddresses([b]));
    assertEquals(await store.put(a), true);
    assertEquals(await store.get(a.address), a.bytes);
  });

  check("flushes may overlap, and nothing may be waiting", async ({ store }) => {
    await store.flush();
    const objects = makeObjects(50);
    await Promise.all(objects.flatMap((object) => [store.put(object), store.flush()]));
    assertEquals(await addresses(store), hexAddresses(objects));
  });

  if (!claims.keepsFlushed) return;

  check("what a put was lent may change before the flush", async ({ store: first, reopen }) => {
    const { bytes, address, kind } = makeObject(1);
    const lent = { address: address.slice(), piece: bytes.slice() };
    await first.put({ kind, address: lent.address, pieces: [lent.piece] });
    lent.address.fill(0);
    lent.piece.fill(0);
    await first.flush();
    const store = await reopen();
    assertEquals(await store.get(address), bytes);
  });

  check("what was flushed is there after it is opened again", async ({ store: first, reopen }) => {
    const objects = makeObjects(50, { length: 5000 });
    for (const object of objects) await first.put(object);
    await first.flush();
    await first.remove([objects[0]!.address]);
    const store = await reopen();
    assertEquals(await store.has(objects[0]!.address), false);
    for (const { address, bytes } of objects.slice(1)) {
      assertEquals(await store.get(address), bytes);
    }
    assertEquals(await store.put(objects[1]!), false);
  });
}
