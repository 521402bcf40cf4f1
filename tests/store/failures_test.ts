import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  FRAME_BYTES_MAX,
  PACK_BYTES_TARGET,
  PENDING_FRAMES_MAX,
  VaultError,
} from "../../src/base/mod.ts";
import { encodeFrameHeader, FRAME_HEADER_BYTES } from "../../src/store/mod.ts";
import { type DiskCall, ioError, MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  assertHolds,
  makeObject,
  makeObjects,
  objectOf,
  openStore,
  packPath,
  putAll,
  storeWith,
  until,
} from "./helpers.ts";

/** Fails the first call with this name, once. */
function failOnce(disk: MemoryDisk, name: DiskCall["name"], error = ioError()): void {
  let failed = false;
  disk.onCall = (call) => {
    if (failed || call.name !== name) return;
    failed = true;
    throw error;
  };
}

const big = makeObject(70, { length: 300_000 });

Deno.test("PackStore.put: a disk that fills up in the middle of a frame keeps what was flushed", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  const durable = disk.bytesOf(packPath(1));
  await putAll(store, makeObjects(2, { from: 20 }));
  disk.spaceLeft = 100_000;
  const error = await assertRejects(() => store.put(big), VaultError, "disk is full");
  assertEquals(error.code, "no_space");
  assertEquals(disk.bytesOf(packPath(1)), durable);
  await assertHolds(store, makeObjects(5));
  // All else that would write, or that rests on what was cut away, says the same.
  const { address } = makeObject(20);
  for (
    const call of [
      () => store.put(makeObject(30)),
      () => store.get(address),
      () => store.has(address),
      () => store.flush(),
      () => store.rotate(),
    ]
  ) {
    const again = await assertRejects(call, VaultError);
    assertEquals(again.code, "no_space");
  }
  await store.close();
  assertEquals(disk.openFiles, 0);

  disk.spaceLeft = Infinity;
  const again = await openStore(disk, { database });
  await assertHolds(again.store, makeObjects(5));
  await putAll(again.store, [...makeObjects(2, { from: 20 }), big]);
  await again.store.close();
  await assertHolds((await openStore(disk)).store, [...makeObjects(5), big]);
});

Deno.test("PackStore.revive: a disk that was full takes objects again, and what was cut away does not come back", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await putAll(store, makeObjects(2, { from: 20 }));
  await store.sync(); // durable, and not in the index yet
  await putAll(store, makeObjects(2, { from: 30 }));
  disk.spaceLeft = 10;
  await assertRejects(() => store.flush(), VaultError, "disk is full");
  disk.onCall = (call) => {
    if (call.name === "sync") throw ioError();
  };
  await assertRejects(() => store.revive(), VaultError, "os error 5");
  await assertRejects(() => store.put(big), VaultError, "disk is full");

  disk.onCall = undefined;
  disk.spaceLeft = Infinity;
  await store.revive();
  await assertHolds(store, [...makeObjects(5), ...makeObjects(2, { from: 20 })]);
  assertEquals(await store.has(makeObject(30).address), false);
  await putAll(store, [big]);
  await store.flush();
  disk.crash(() => 0.1); // keeps all that was not synced
  const kept = [...makeObjects(5), ...makeObjects(2, { from: 20 }), big];
  for (const again of [await openStore(disk, { database }), await openStore(disk)]) {
    assertEquals(again.store.recovery, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
    await assertHolds(again.store, kept);
    assertEquals(await again.store.has(makeObject(30).address), false);
    await again.store.close();
  }
});

Deno.test("PackStore.flush: small frames that do not fit are told by the flush, and a later open is clean", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await putAll(store, makeObjects(20, { from: 20 }));
  disk.spaceLeft = 777;
  const error = await assertRejects(() => store.flush(), VaultError);
  assertEquals(error.code, "no_space");
  await store.close();
  const again = await openStore(disk, { database });
  assertEquals(again.store.recovery, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
  await assertHolds(again.store, makeObjects(5));
  assertEquals(await again.store.has(makeObject(20).address), false);
  await again.store.close();
});

for (const name of ["sync", "syncFolder", "writeAt", "open", "list"] as const) {
  Deno.test(`PackStore.flush: a failed ${name} is an error, never repeated, and nothing is indexed`, async () => {
    const disk = new MemoryDisk();
    const { store, database } = await openStore(disk);
    failOnce(disk, name);
    const work = async () => {
      await putAll(store, makeObjects(3));
      await store.flush();
    };
    await assertRejects(work, VaultError, "os error 5");
    // A second sync might succeed without the bytes being on the disk.
    await assertRejects(() => store.flush(), VaultError, "os error 5");
    assertEquals(database.get("SELECT count(*) AS n FROM frames")!["n"], 0);
    await store.close();
    assertEquals(disk.openFiles, 0);
    const again = await openStore(disk, { database });
    await putAll(again.store, makeObjects(3));
    await again.store.close();
    await assertHolds((await openStore(disk)).store, makeObjects(3));
  });
}

Deno.test("PackStore.flush: a put that fails while packs are synced lets the flush fail too", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await putAll(store, makeObjects(5, { from: 20 }));
  let isSyncing = false;
  disk.onCall = ({ name }) => {
    if (name === "sync") isSyncing = true;
  };
  const flushed = store.flush();
  flushed.catch(() => {});
  await until(() => isSyncing);
  disk.spaceLeft = 0;
  await assertRejects(() => store.put(big), VaultError, "disk is full");
  await assertRejects(() => flushed, VaultError, "disk is full");
  await store.close();
  const again = await openStore(disk, { database });
  assertEquals(database.rebuilds.count, 1); // only when it was new
  await assertHolds(again.store, makeObjects(5));
  await again.store.close();
});

Deno.test("PackStore.put: a flush in the background that fails shows at the next call, by its name", async () => {
  const disk = new MemoryDisk();
  const { store } = await openStore(disk);
  await putAll(store, [makeObject(1)]);
  await store.flush();
  disk.spaceLeft = 10;
  let refused: unknown = null;
  for (let i = 0; refused === null && i < PENDING_FRAMES_MAX + 1000; i++) {
    await store.put(makeObject(100 + i, { length: 1 + (i >> 8) })).catch((error) =>
      refused = error
    );
  }
  assert(refused instanceof VaultError && refused.code === "no_space", String(refused));
  const flushed = await assertRejects(() => store.flush(), VaultError);
  assertEquals(flushed.code, "no_space");
  await assertHolds(store, [makeObject(1)]);
  await store.close();
});

Deno.test("PackStore: an index that can't be written leaves the frames waiting, and a later flush enters them", async () => {
  const disk = new MemoryDisk();
  let isBroken = true;
  const { store, database } = await openStore(disk, {
    orderOf: () => 0,
    onSegments: () => {
      if (isBroken) throw new VaultError("failed", "not now");
    },
  });
  await putAll(store, [...makeObjects(3), makeObject(9, { kind: "segment" })]);
  await assertRejects(() => store.flush(), VaultError, "not now");
  assertEquals(database.get("SELECT count(*) AS n FROM frames")!["n"], 0);
  isBroken = false;
  await assertHolds(store, makeObjects(3));
  await store.flush();
  assertEquals(database.get("SELECT count(*) AS n FROM frames")!["n"], 4);
  await store.close();
});

Deno.test("PackStore.put: an object over the limit is refused, as no one would read it back", async () => {
  const { store } = await openStore(new MemoryDisk());
  const bytes = new Uint8Array(FRAME_BYTES_MAX + 1);
  await assertRejects(() => store.put(objectOf(bytes)), VaultError, "limit");
  const largest = objectOf(bytes.subarray(1));
  await putAll(store, [largest]);
  await store.flush();
  await assertHolds(store, [largest]);
  await store.close();
});

Deno.test("PackStore.put: a background flush that the index refuses ends the writing", async () => {
  const { store } = await openStore(new MemoryDisk(), {
    orderOf: () => 0,
    onSegments: () => {
      throw new VaultError("failed", "never");
    },
  });
  const puts = [];
  for (let i = 0; i <= PENDING_FRAMES_MAX; i++) {
    puts.push(store.put(makeObject(i, { length: 4, kind: "segment" })));
  }
  await Promise.all(puts);
  // Or else what waits would grow without bound.
  await assertRejects(
    async () => {
      for (let i = 0; i < 100; i++) await store.put(makeObject(10_000 + i));
    },
    VaultError,
    "never",
  );
  await store.close();
});

Deno.test("PackStore: packs that are full and not synced yet survive a rebuild, and are all synced", async () => {
  const disk = new MemoryDisk();
  const { store, database } = await openStore(disk);
  const zeros = new Uint8Array(FRAME_BYTES_MAX);
  const zerosOf = (length: number) => objectOf(zeros.subarray(0, length));
  const objects = [zerosOf(FRAME_BYTES_MAX), makeObject(1, { length: 2000 }), makeObject(2)];
  // The first pack is filled so that the last of its frames is in the writer's buffer, not in the file.
  const fill = PACK_BYTES_TARGET - FRAME_BYTES_MAX;
  let length = 16 + FRAME_HEADER_BYTES + FRAME_BYTES_MAX;
  const filling = [];
  for (let i = 1; length < PACK_BYTES_TARGET - 1000; i++) {
    const most = Math.min(FRAME_BYTES_MAX - i, PACK_BYTES_TARGET - 500 - length);
    filling.push(zerosOf(most));
    length += FRAME_HEADER_BYTES + most;
  }
  assert(length > fill && length < PACK_BYTES_TARGET);
  const puts = [objects[0]!, ...filling, ...objects.slice(1)].map((object) => store.put(object));
  assertEquals(store.activePack, 2);
  assert(disk.stat(packPath(1))!.size < PACK_BYTES_TARGET, "nothing is in the buffer");
  database.rebuild("test");
  assertEquals(store.index.totals().objects, 0);
  await assertHolds(store, objects);
  await Promise.all(puts);
  await store.flush();
  disk.crash(() => 0.99); // all is lost that may be
  await store.close().catch(() => {});
  const again = await openStore(disk);
  assertEquals(again.store.recovery, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
  assertEquals(again.store.index.totals().objects, puts.length);
  await assertHolds(again.store, objects);
  await again.store.close();
});

Deno.test("PackStore: a rebuild in the middle of a flush loses nothing and counts nothing twice", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { store, disk, database } = await storeWith(makeObjects(5));
    await putAll(store, makeObjects(5, { from: 20 }));
    const flushed = store.flush();
    for (let i = 0; i < turns; i++) await Promise.resolve();
    await putAll(store, [makeObject(40)]);
    database.rebuild("test");
    await flushed;
    const all = [...makeObjects(5), ...makeObjects(5, { from: 20 }), makeObject(40)];
    await assertHolds(store, all);
    await store.flush();
    assertEquals(store.index.totals().objects, all.length);
    assertEquals(store.index.totals().fileBytes, disk.bytesOf(packPath(1)).length);
    await store.close();
    await assertHolds((await openStore(disk)).store, all);
  }
});

Deno.test("PackStore: a rebuild cuts nothing off a pack that is being written", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  const { offset, address } = store.index.find(makeObject(2).address)!;
  disk.rewrite(packPath(1), (bytes) => {
    encodeFrameHeader(
      { kind: "sealed", address, length: 1000 },
      bytes,
      offset - FRAME_HEADER_BYTES,
    );
    return bytes;
  });
  await putAll(store, [big]); // straight to the file
  database.rebuild("test");
  await store.flush();
  await assertHolds(store, [...makeObjects(2), big]);
  await store.close();
  await assertHolds((await openStore(disk)).store, [...makeObjects(2), big]);
});

Deno.test("PackStore: no more than 64 packs are open for reading, each closed once", async () => {
  const disk = new MemoryDisk();
  const { store } = await openStore(disk);
  const objects = makeObjects(80);
  for (const object of objects) {
    await store.put(object);
    await store.rotate();
  }
  for (let i = 0; i < 3; i++) await assertHolds(store, objects);
  assertEquals(disk.openFiles, 64);
  await store.close();
  await store.close();
  assertEquals(disk.openFiles, 0);
  await assertRejects(() => store.put(makeObject(999)), VaultError, "closed");
});

Deno.test("PackStore.open: a failure leaves no file open", async () => {
  const { store, disk } = await storeWith(makeObjects(5));
  await store.close();
  for (let at = 0;; at++) {
    let calls = 0;
    disk.onCall = () => {
      if (calls++ === at) throw ioError();
    };
    const opened = await openStore(disk).catch((error) => {
      assert(error instanceof VaultError, String(error));
      return null;
    });
    disk.onCall = undefined;
    await opened?.store.close();
    assertEquals(disk.openFiles, 0, `call ${at}`);
    if (opened !== null) break;
  }
});

Deno.test("PackStore.get: a bad sector is an error of this object, not of the store", async () => {
  const { store, disk } = await storeWith(makeObjects(3));
  failOnce(disk, "readAt");
  await assertRejects(() => store.get(makeObject(0).address), VaultError, "os error 5");
  await assertHolds(store, makeObjects(3));
  await putAll(store, [makeObject(10)]);
  await store.close();
});

Deno.test("PackStore.get: a pack that was cut while open is damage", async () => {
  const { store, disk } = await storeWith(makeObjects(3));
  await store.rotate();
  disk.rewrite(packPath(1), (bytes) => bytes.slice(0, bytes.length - FRAME_HEADER_BYTES));
  const error = await assertRejects(() => store.get(makeObject(2).address), VaultError, "ends");
  assertEquals(error.code, "damaged");
  await store.close();
});

Deno.test("PackStore.open: a call that fails is told, never taken for a loss, and the next open needs no rebuild", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await store.close();
  const { count } = database.rebuilds;
  for (let at = 0, isOpened = false; !isOpened; at++) {
    let calls = 0;
    disk.onCall = () => {
      if (calls++ === at) throw ioError();
    };
    const opened = await openStore(disk, { database }).catch((error) => {
      assert(error instanceof VaultError && error.message.includes("os error 5"), String(error));
      return null;
    });
    disk.onCall = undefined;
    isOpened = opened !== null;
    const good = opened ?? await openStore(disk, { database });
    assertEquals(database.rebuilds.count, count, `call ${at}`);
    await assertHolds(good.store, makeObjects(5));
    await good.store.close();
  }
  assertEquals(disk.openFiles, 0);
});

Deno.test("PackStore.rotate: a last pack that can't be opened is an error of the writing, and keeps what it has", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await store.close();
  const again = await openStore(disk, { database });
  failOnce(disk, "open");
  await assertRejects(() => again.store.rotate(), VaultError, "os error 5");
  await assertRejects(() => again.store.put(makeObject(9)), VaultError, "os error 5");
  await assertHolds(again.store, makeObjects(5));
  await again.store.revive();
  await putAll(again.store, [makeObject(9)]);
  await again.store.close();
  await assertHolds((await openStore(disk)).store, [...makeObjects(5), makeObject(9)]);
});

Deno.test("PackStore.revive: where nothing failed nothing changes; a closed store stays closed", async () => {
  const { store } = await storeWith(makeObjects(3));
  await putAll(store, [makeObject(9)]);
  await store.revive();
  await assertHolds(store, [...makeObjects(3), makeObject(9)]);
  assertEquals(store.isDurable(makeObject(9).address), false);
  await store.flush();
  await assertHolds(store, [...makeObjects(3), makeObject(9)]);
  await store.close();
  await assertRejects(() => store.revive(), VaultError, "closed");
  await assertRejects(() => store.put(makeObject(10)), VaultError, "closed");
});

Deno.test("PackStore.get: a pack that was cut while it is written to is damage, not other bytes", async () => {
  const { store, disk } = await storeWith(makeObjects(3));
  await putAll(store, [makeObject(9)]);
  disk.rewrite(packPath(1), (bytes) => bytes.slice(0, bytes.length - 10));
  const error = await assertRejects(() => store.get(makeObject(2).address), VaultError, "ends");
  assertEquals(error.code, "damaged");
  await assertHolds(store, [...makeObjects(2), makeObject(9)]);
  await store.close();
});
