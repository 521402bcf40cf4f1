import { assertEquals, assertRejects } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { IndexDatabase, STORE_SCHEMA } from "../../src/store/mod.ts";
import {
  assertHolds,
  makeObject,
  makeObjects,
  openStore,
  PACKS,
  putAll,
  storeWith,
} from "./helpers.ts";

Deno.test("PackStore.rotate: what is put meanwhile is neither lost nor left in a pack that is closed", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { store, disk } = await storeWith(makeObjects(3));
    await putAll(store, makeObjects(3, { from: 20 }));
    const rotated = store.rotate();
    for (let i = 0; i < turns; i++) await Promise.resolve();
    await putAll(store, makeObjects(3, { from: 40 }));
    await rotated;
    const all = [0, 20, 40].flatMap((from) => makeObjects(3, { from }));
    await assertHolds(store, all);
    await store.close();
    await assertHolds((await openStore(disk)).store, all);
  }
});

Deno.test("PackStore.relocate: takes turns with flushes, and passes over nothing that waits", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { store, disk, database } = await storeWith(makeObjects(6));
    await store.rotate();
    const frames = store.index.inPack(1);
    await putAll(store, makeObjects(3, { from: 20 }));
    const flushed = store.flush();
    const moved = store.relocate(frames.slice(0, 4), frames.slice(4));
    for (let i = 0; i < turns; i++) await Promise.resolve();
    await putAll(store, makeObjects(3, { from: 40 }));
    await Promise.all([flushed, moved, store.flush()]);
    store.dropPack(1);
    await store.close();
    const all = [...makeObjects(6), ...makeObjects(3, { from: 20 })];
    const kept = all.filter((object) =>
      frames.slice(4).every((frame) => String(frame.address) !== String(object.address))
    );
    for (const index of [database, new IndexDatabase(":memory:", STORE_SCHEMA)]) {
      const again = await openStore(disk, { database: index });
      await assertHolds(again.store, [...kept, ...makeObjects(3, { from: 40 })]);
      await again.store.close();
    }
  }
});

Deno.test("PackStore.relocate: rows that a rebuild has renumbered are not mistaken for others", async () => {
  const { store, database } = await storeWith(makeObjects(6));
  await store.remove([makeObject(0).address]); // from here on a rebuild gives other numbers
  await store.rotate();
  const frames = store.index.inPack(1);
  database.rebuild("test");
  await store.relocate(frames.slice(0, 3), frames.slice(3));
  await assertHolds(store, makeObjects(4).slice(1));
  for (const { address } of makeObjects(6).slice(4)) assertEquals(await store.has(address), false);
  await store.close();
});

Deno.test("PackStore.dropPack: refuses a pack with an object in it, and the one being written", async () => {
  const { store, disk } = await storeWith(makeObjects(2));
  for (const rotate of [false, true]) {
    if (rotate) await store.rotate();
    const drop = () => Promise.resolve().then(() => store.dropPack(1));
    await assertRejects(drop, VaultError, "in use");
  }
  await assertHolds(store, makeObjects(2));
  await store.close();
  assertEquals(disk.list(PACKS).length, 1);
});

Deno.test("PackStore.dropPack: a row that can't be removed is there still, and the sums are right", async () => {
  const { store, database } = await storeWith(makeObjects(2));
  await store.rotate();
  await store.relocate([], store.index.inPack(1));
  const { count } = database.rebuilds;
  const run = database.run.bind(database);
  database.run = (sql, ...values) => {
    if (sql.startsWith("DELETE FROM packs")) throw new VaultError("no_space", "no room");
    return run(sql, ...values);
  };
  const drop = () => Promise.resolve().then(() => store.dropPack(1));
  await assertRejects(drop, VaultError, "no room");
  database.run = run;
  assertEquals(store.guard(() => store.index.packs()).map(({ number }) => number), [1]);
  await drop();
  assertEquals(store.guard(() => store.index.packs()), []);
  assertEquals(database.rebuilds.count, count);
  await store.close();
});

Deno.test("PackStore.dropPack: a pack's number is never given again", async () => {
  const { store, disk, database } = await storeWith(makeObjects(2));
  await store.rotate();
  await store.relocate([], store.index.inPack(1));
  store.dropPack(1);
  assertEquals(disk.list(PACKS), ["00000002.pack"]);
  await store.close();
  for (const index of [database, new IndexDatabase(":memory:", STORE_SCHEMA)]) {
    const again = await openStore(disk, { database: index });
    await putAll(again.store, [makeObject(index === database ? 7 : 8)]);
    assertEquals(again.store.activePack, 2);
    await again.store.close();
  }
});
