import { assertEquals, assertRejects } from "@std/assert";
import {
  FRAME_BYTES_MAX,
  PACK_BUFFER_BYTES,
  PACK_BYTES_TARGET,
  sha256,
  VaultError,
} from "../../src/base/mod.ts";
import { FRAME_HEADER_BYTES } from "../../src/store/mod.ts";
import { UNFLUSHED_BYTES_MAX } from "../../src/store/pack_recovery.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  assertHolds,
  frameBytes,
  makeObject,
  makeObjects,
  objectOf,
  openStore,
  packPath,
  putAll,
  storeWith,
  until,
} from "./helpers.ts";

Deno.test("PackStore.put: a pack that grew behind its back is not appended to", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  await store.close();
  const again = await openStore(disk, { database });
  // The header of a frame of which nothing came: whatever is written behind it would be part of it.
  const torn = frameBytes(makeObject(50, { length: 1000 })).subarray(0, FRAME_HEADER_BYTES);
  disk.rewrite(packPath(1), (bytes) => Uint8Array.of(...bytes, ...torn));
  await putAll(again.store, makeObjects(3, { from: 20 }));
  assertEquals(again.store.activePack, 2);
  await again.store.close();
  const all = [...makeObjects(3), ...makeObjects(3, { from: 20 })];
  await assertHolds((await openStore(disk)).store, all);
});

Deno.test("PackStore.put: frames come back whole wherever in the buffer they end", async () => {
  for (const room of [0, 1, FRAME_HEADER_BYTES - 1, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 1]) {
    const { store, disk } = await openStore(new MemoryDisk());
    const objects = [];
    for (let left = PACK_BUFFER_BYTES - room; left > 0;) {
      // Small enough to be gathered; the last two share what is left.
      const frame = left > 120_000 ? 60_000 : left > 60_000 ? left >> 1 : left;
      objects.push(makeObject(objects.length, { length: frame - FRAME_HEADER_BYTES }));
      left -= frame;
    }
    const last = makeObjects(2, { from: 500 });
    await putAll(store, [...objects, ...last]);
    await assertHolds(store, [...objects, ...last]);
    await store.flush();
    await assertHolds(store, [...objects, ...last]);
    await store.close();
    const again = await openStore(disk);
    assertEquals(again.store.recovery, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
    await assertHolds(again.store, [...objects, ...last]);
    await again.store.close();
  }
});

Deno.test("PackStore.flush: what is written while packs are synced does not count as durable", async () => {
  const { store, disk, database } = await storeWith(makeObjects(1));
  await putAll(store, [makeObject(20)]);
  let isSyncing = false;
  disk.onCall = ({ name }) => {
    if (name === "sync") isSyncing = true;
  };
  const flushed = store.flush();
  await until(() => isSyncing);
  const big = makeObject(70, { length: 300_000 });
  const late = store.put(big); // straight to the file
  await Promise.all([flushed, late]);
  database.rebuild("test");
  assertEquals(store.index.find(big.address), null);
  await assertHolds(store, [big]);
  await store.close();
});

Deno.test("PackStore.flush: enters what is durable already while the disk works on the rest", async () => {
  const { store, disk } = await openStore(new MemoryDisk());
  const [first, second] = [makeObject(1), makeObject(2)];
  store.putSync(first);
  await store.sync();
  store.putSync(second);
  const found = () => [first, second].map(({ address }) => store.index.find(address) !== null);
  let whenSynced: boolean[] = [];
  disk.onCall = ({ name }) => {
    if (name === "sync") queueMicrotask(() => whenSynced = found());
  };
  assertEquals(found(), [false, false]);
  await store.flush();
  assertEquals(whenSynced, [true, false]);
  assertEquals(found(), [true, true]);
  await store.close();
});

Deno.test("PackStore.flush: a pack that fills up while it is synced stays open until all of it is durable", async () => {
  const disk = new MemoryDisk();
  const { store } = await openStore(disk);
  const zeros = new Uint8Array(FRAME_BYTES_MAX);
  const zerosOf = (length: number) => objectOf(zeros.subarray(0, length));
  const before = [];
  for (let i = 1; i * FRAME_BYTES_MAX < PACK_BYTES_TARGET; i++) {
    before.push(zerosOf(FRAME_BYTES_MAX - i));
  }
  for (const object of before) store.putSync(object);
  let isSyncing = false;
  disk.onCall = ({ name }) => {
    if (name === "sync") isSyncing = true;
  };
  const flushed = store.flush();
  await until(() => isSyncing);
  const late = [zerosOf(FRAME_BYTES_MAX), makeObject(1), makeObject(2)];
  for (const object of late) store.putSync(object);
  assertEquals(store.activePack, 2);
  await flushed;
  await store.flush();
  disk.crash(() => 0.99); // all is lost that may be
  await store.close().catch(() => {});
  const again = await openStore(disk);
  assertEquals(again.store.recovery, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
  await assertHolds(again.store, late);
  await again.store.close();
});

Deno.test("PackStore.put: waits for the disk once so much waits for it that no more may", async () => {
  // A disk that keeps nothing, as what is put here is more than a test should hold, and syncs when it is told to.
  const synced = Promise.withResolvers<void>();
  const disk = new MemoryDisk();
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => ({
    ...open(path, mode),
    writeAt: () => {},
    sync: () => synced.promise,
  });
  const { store } = await openStore(disk);
  const bytes = new Uint8Array(FRAME_BYTES_MAX);
  const done: number[] = [];
  const puts = [];
  const fits = Math.ceil(UNFLUSHED_BYTES_MAX / FRAME_BYTES_MAX) - 1;
  for (let i = 0; i <= fits; i++) {
    const address = sha256(Uint8Array.of(i));
    puts.push(store.put({ kind: "sealed", address, pieces: [bytes] }).then(() => done.push(i)));
  }
  for (let turns = 0; turns < 1000; turns++) await Promise.resolve();
  assertEquals(done, Array.from({ length: fits }, (_, i) => i));
  synced.resolve();
  await Promise.all(puts);
  assertEquals(done.length, fits + 1);
  await store.close();
});

Deno.test("PackStore.revive: where the index takes nothing either, what is durable goes on waiting for it", async () => {
  const disk = new MemoryDisk();
  let isFull = false;
  const { store } = await openStore(disk, {
    onSegments: () => {
      if (isFull) throw new VaultError("no_space", "Cannot use the index: the disk is full");
    },
  });
  const segment = makeObject(1, { kind: "segment" });
  await putAll(store, [segment]);
  await store.sync();
  await putAll(store, [makeObject(2)]);
  disk.spaceLeft = 10;
  isFull = true;
  await assertRejects(() => store.flush(), VaultError, "disk is full");

  disk.spaceLeft = Infinity;
  await assertRejects(() => store.revive(), VaultError, "Cannot use the index");
  assertEquals([store.hasFailed, store.isDurable(segment.address)], [false, false]);
  await assertHolds(store, [segment]);
  assertEquals(await store.has(makeObject(2).address), false);

  isFull = false;
  await store.flush();
  assertEquals(store.isDurable(segment.address), true);
  await assertHolds(store, [segment]);
  await store.close();
});
