import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { toHex, VaultError } from "../../src/base/mod.ts";
import {
  type Column,
  IndexDamage,
  IndexDatabase,
  rowChecksum,
  STORE_SCHEMA,
} from "../../src/store/mod.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  addressesIn,
  assertHolds,
  frameBytes,
  hexAddresses,
  makeObject,
  makeObjects,
  type OpenedStore,
  openStore,
  packBytes,
  packPath,
  putAll,
  storeWith,
} from "./helpers.ts";

/** Runs `work` with a path for an index, in a folder that goes afterwards. */
async function withIndexFile(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(`${folder}/vault.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A store whose index was not rebuilt since it was opened: the index is a file that was there before. */
async function reopenedStore(disk: MemoryDisk, path: string): Promise<OpenedStore> {
  return await openStore(disk, { database: new IndexDatabase(path, STORE_SCHEMA) });
}

async function close({ store, database }: OpenedStore): Promise<void> {
  await store.close();
  database.close();
}

Deno.test("rowChecksum: tells values, types and places apart", () => {
  const blob = Uint8Array.of(1, 2, 3);
  const rows: Column[][] = [
    [],
    [null],
    [null, null],
    [0],
    [1],
    [-1],
    [256],
    [2 ** 40],
    ["1"],
    ["", 1],
    [1, ""],
    ["ab", "c"],
    ["a", "bc"],
    [new Uint8Array()],
    [blob],
    [blob.slice(0, 2), Uint8Array.of(3)],
    [Uint8Array.of(1), Uint8Array.of(2, 3)],
    [new Uint8Array(5000)],
    [new Uint8Array(5001)],
  ];
  assertEquals(new Set(rows.map((row) => rowChecksum(...row))).size, rows.length);
  assertEquals(rowChecksum(blob, "x", 7), rowChecksum(blob.slice(), "x", 7));
});

const COLUMNS = {
  address: "x'00' || substr(address, 2)",
  label: "x'00' || substr(label, 2)",
  kind: "kind + 1",
  pack: "pack + 1",
  offset: "offset + 1",
  length: "length - 1",
  crc: "crc + 1",
};

for (const [column, value] of Object.entries(COLUMNS)) {
  Deno.test(`FrameIndex: a wrong ${column} in a row ends in a rebuild and the right answer`, async () => {
    const objects = makeObjects(5);
    const { store, database } = await storeWith(objects);
    const { count } = database.rebuilds;
    const { address, bytes } = objects[2]!;
    database.run(`UPDATE frames SET ${column} = ${value} WHERE address = ?`, address);
    // An address that is not found by itself is found missing by whoever goes through the pack.
    if (column === "address") assertEquals(await addressesIn(store), hexAddresses(objects));
    assertEquals(await store.get(address), bytes);
    assertEquals(toHex(store.findLabel(bytes.slice(0, 8))!.address), toHex(address));
    assertEquals(database.rebuilds.count, count + 1);
    await assertHolds(store, objects);
    await store.close();
  });
}

for (const column of ["length", "objects", "bytes", "intact", "crc"]) {
  Deno.test(`FrameIndex: a wrong ${column} of a pack ends in a rebuild and the right answer`, async () => {
    const { store, database } = await storeWith(makeObjects(5));
    const { count } = database.rebuilds;
    const totals = store.index.totals();
    database.run(`UPDATE packs SET ${column} = ${column} + 1`);
    store.guard(() => store.index.packs());
    assertEquals(store.guard(() => store.index.totals()), totals);
    assertEquals(database.rebuilds.count, count + 1);
    await putAll(store, [makeObject(50)]);
    await store.close();
  });
}

Deno.test("FrameIndex.inPack: a frame that is in no listing is damage, not garbage", async () => {
  const { store, database } = await storeWith(makeObjects(5));
  database.run("DELETE FROM frames WHERE address = ?", makeObject(2).address);
  assertThrows(() => store.index.inPack(1), IndexDamage);
  assertEquals(await addressesIn(store), hexAddresses(makeObjects(5)));
  await store.close();
});

Deno.test("FrameIndex.remove: takes a row only if it names the very place", async () => {
  const { store } = await storeWith(makeObjects(2));
  const { row: _, ...place } = store.index.find(makeObject(0).address)!;
  assertEquals(store.index.remove({ ...place, pack: 2 }), false);
  assertEquals(store.index.remove({ ...place, offset: place.offset + 1 }), false);
  assertEquals(store.index.remove(place), true);
  assertEquals(store.index.find(place.address), null);
  await store.close();
});

Deno.test("IndexDatabase: an integer beyond what a number holds is damage", async () => {
  const { store, database } = await storeWith(makeObjects(2));
  database.run("UPDATE frames SET offset = 9007199254740993");
  await assertHolds(store, makeObjects(2));
  await store.close();
});

Deno.test("IndexDatabase: a flipped bit anywhere in the file never hides or changes an object", async () => {
  await withIndexFile(async (path) => {
    const objects = makeObjects(40);
    const disk = new MemoryDisk();
    const opened = await reopenedStore(disk, path);
    await putAll(opened.store, objects);
    await close(opened);
    const good = Deno.readFileSync(path);
    // Every byte of SQLite's own header, and a stride over the rest.
    for (let at = 0; at < good.length; at += at < 100 ? 7 : 463) {
      const bad = good.slice();
      bad[at]! ^= 1 << (at % 8);
      Deno.writeFileSync(path, bad);
      const again = await reopenedStore(disk, path);
      for (const { address, bytes } of objects) {
        let found = await again.store.get(address);
        // What reads an object that must be there doubts the index once.
        if (found === null && again.store.reindex("not found")) {
          found = await again.store.get(address);
        }
        assertEquals(found, bytes, `byte ${at}`);
      }
      await close(again);
    }
  });
});

Deno.test("IndexDatabase: no SQLite file, an empty one, or one of another layout is made anew", async () => {
  await withIndexFile(async (path) => {
    const { store, disk } = await storeWith(makeObjects(5));
    await store.close();
    const other = new IndexDatabase(`${path}.other`, "CREATE TABLE t(a);");
    other.close();
    const contents = [
      new Uint8Array(),
      new Uint8Array(5000).fill(7),
      Deno.readFileSync(`${path}.other`),
    ];
    for (const bytes of contents) {
      Deno.writeFileSync(path, bytes);
      const again = await reopenedStore(disk, path);
      await assertHolds(again.store, makeObjects(5));
      await close(again);
    }
  });
});

Deno.test("IndexDatabase: an old copy put back, after packs it names were rewritten, is made anew", async () => {
  await withIndexFile(async (path) => {
    const objects = makeObjects(6);
    const disk = new MemoryDisk();
    const first = await reopenedStore(disk, path);
    await putAll(first.store, objects);
    await close(first);
    const old = Deno.readFileSync(path);
    const second = await reopenedStore(disk, path);
    await second.store.rotate();
    const frames = second.store.index.inPack(1);
    await second.store.relocate(frames.slice(1), frames.slice(0, 1));
    second.store.dropPack(1);
    await putAll(second.store, [makeObject(20)]);
    await close(second);
    Deno.writeFileSync(path, old);
    const third = await reopenedStore(disk, path);
    await assertHolds(third.store, [...objects.slice(1), makeObject(20)]);
    assertEquals(await third.store.has(objects[0]!.address), false);
    await close(third);
  });
});

Deno.test("PackStore.relocate: an index that a power cut takes back to it passes over no frame that waited", async () => {
  await withIndexFile(async (path) => {
    const disk = new MemoryDisk();
    const opened = await reopenedStore(disk, path);
    const { store } = opened;
    await putAll(store, makeObjects(4));
    await store.rotate();
    const waited = makeObject(20);
    await putAll(store, [waited]);
    const frames = store.index.inPack(1);
    await store.relocate(frames.slice(2), frames.slice(0, 2));
    for (const suffix of ["", "-wal"]) Deno.copyFileSync(path + suffix, `${path}.copy${suffix}`);
    await store.flush();
    await close(opened);
    const again = await reopenedStore(disk, `${path}.copy`);
    await assertHolds(again.store, [waited]);
    await close(again);
  });
});

Deno.test("PackStore.getSync: a pack that vanishes makes the index doubted, once", async () => {
  await withIndexFile(async (path) => {
    const disk = new MemoryDisk();
    const first = await reopenedStore(disk, path);
    await putAll(first.store, makeObjects(3));
    await first.store.rotate();
    await putAll(first.store, makeObjects(3, { from: 10 }));
    await close(first);
    const opened = await reopenedStore(disk, path);
    const { store, database } = opened;
    disk.remove(packPath(1));
    // Inside a guard all of it is run again, as the rows it has read mean nothing after.
    let runs = 0;
    const found = store.guard(() => {
      runs++;
      store.index.find(makeObject(10).address);
      return store.getSync(makeObject(0).address);
    });
    assertEquals({ found, runs }, { found: null, runs: 2 });
    assertEquals(database.rebuilds.count, 1);
    assertEquals(store.reindex("again"), false);
    await assertHolds(store, makeObjects(3, { from: 10 }));
    await close(opened);
  });
});

Deno.test("IndexDatabase.guard: what a rebuild does not mend is told as damage", () => {
  const database = new IndexDatabase(":memory:", STORE_SCHEMA);
  let rebuilds = 0;
  database.onRebuild(() => void rebuilds++);
  const error = assertThrows(
    () =>
      database.guard(() => {
        throw new IndexDamage("always wrong");
      }),
    VaultError,
    "always wrong",
  );
  assertEquals([error.code, rebuilds], ["damaged", 1]);
  database.close();
});

Deno.test("IndexDatabase.guard: a rebuild that broke off is done before anything is looked up", () => {
  const database = new IndexDatabase(":memory:", STORE_SCHEMA);
  let isFull = true;
  database.onRebuild(() => {
    if (isFull) throw new VaultError("no_space", "full");
    database.run("INSERT INTO packs VALUES (1, 2, 3, 4, 5, 6)");
  });
  assertThrows(() => database.rebuild("test"), VaultError, "full");
  isFull = false;
  assertEquals(database.guard(() => database.all("SELECT number FROM packs").length), 1);
  assert(!database.isNew);
  database.close();
});

Deno.test("IndexDatabase: is not made anew after it was closed", async () => {
  await withIndexFile(async (path) => {
    const opened = await reopenedStore(new MemoryDisk(), path);
    await close(opened);
    const unfinished = new IndexDatabase(path, STORE_SCHEMA);
    unfinished.onRebuild(() => {
      throw new VaultError("no_space", "full");
    });
    assertThrows(() => unfinished.rebuild("test"), VaultError, "full");
    unfinished.onRebuild(() => {});
    unfinished.close();
    Deno.removeSync(path);
    for (const database of [opened.database, unfinished]) {
      assertThrows(() => database.guard(() => database.get("SELECT 1")));
    }
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  });
});

Deno.test("IndexDatabase: one that another has open is neither read nor thrown away", async () => {
  await withIndexFile(async (path) => {
    const disk = new MemoryDisk();
    const opened = await reopenedStore(disk, path);
    await putAll(opened.store, makeObjects(3));
    await opened.store.flush();
    assertThrows(() => new IndexDatabase(path, STORE_SCHEMA), Error, "locked");
    await close(opened);
    const again = await reopenedStore(disk, path);
    assertEquals(again.database.rebuilds, { count: 0, reason: "" });
    await assertHolds(again.store, makeObjects(3));
    await close(again);
  });
});

Deno.test("IndexDatabase.guard: a full disk is told by its name, and no reason to rebuild", async () => {
  await withIndexFile(async (path) => {
    const { store, database, ...rest } = await reopenedStore(new MemoryDisk(), path);
    const { count } = database.rebuilds;
    database.get("PRAGMA max_page_count = 1"); // no more than there are
    await putAll(store, makeObjects(5000));
    const error = await assertRejects(() => store.flush(), VaultError, "disk is full");
    assertEquals([error.code, database.rebuilds.count], ["no_space", count]);
    database.get("PRAGMA max_page_count = 1000000");
    await store.flush();
    await assertHolds(store, makeObjects(5000).slice(0, 5));
    assertEquals(store.index.totals().objects, 5000);
    await close({ store, database, ...rest });
  });
});

Deno.test("IndexDatabase.guard: damage met in an inner one is left to the outermost, and all of it is run again", () => {
  const database = new IndexDatabase(":memory:", STORE_SCHEMA);
  let isDamaged = true;
  database.onRebuild(() => void (isDamaged = false));
  const steps: string[] = [];
  const result = database.guard(() => {
    steps.push("outer");
    return database.guard(() => {
      steps.push("inner");
      if (isDamaged) throw new IndexDamage("a row");
      return 7;
    });
  });
  assertEquals({ result, steps }, { result: 7, steps: ["outer", "inner", "outer", "inner"] });
  assertEquals(database.rebuilds, { count: 1, reason: "a row" });
  database.close();
});

Deno.test("IndexDatabase.transaction: an inner one is part of the outer, and goes with it", () => {
  const database = new IndexDatabase(":memory:", "CREATE TABLE t(a)");
  const add = (value: number) => database.run("INSERT INTO t VALUES (?)", value);
  assertThrows(
    () =>
      database.transaction(() => {
        database.transaction(() => add(1));
        add(2);
        throw new VaultError("failed", "no");
      }),
    VaultError,
    "no",
  );
  database.transaction(() => database.transaction(() => add(3)));
  assertEquals(database.all("SELECT a FROM t").map(({ a }) => a), [3]);
  // Where SQLite has rolled back by itself, what is told is why.
  const work = () => {
    database.run("ROLLBACK");
    throw new VaultError("no_space", "full");
  };
  assertThrows(() => database.transaction(work), VaultError, "full");
  database.transaction(() => add(4));
  assertEquals(database.all("SELECT a FROM t").map(({ a }) => a), [3, 4]);
  database.close();
});

Deno.test("IndexDatabase.allOf: gives all rows, however many have one value", () => {
  const database = new IndexDatabase(":memory:", "CREATE TABLE many(value INTEGER)");
  const numbers =
    "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200000)";
  database.run(`${numbers} INSERT INTO many SELECT 7 FROM n`);
  assertEquals(database.allOf("SELECT value FROM many WHERE value", [7, 8]).length, 200_000);
  database.close();
});

Deno.test("IndexDatabase.integrity: says what is wrong, also where nothing can be read", () => {
  const database = new IndexDatabase(":memory:", STORE_SCHEMA);
  assertEquals(database.integrity(), "ok");
  database.close();
  assert(database.integrity().includes("not open"), database.integrity());
});

Deno.test("PackStore.relocate: frames whose pack has no row end in a rebuild, and none is lost", async () => {
  const { store, database } = await storeWith(makeObjects(4));
  await store.rotate();
  await putAll(store, [makeObject(9)]);
  await store.flush();
  const { count } = database.rebuilds;
  const frames = store.index.inPack(1);
  database.run("DELETE FROM packs WHERE number = 1");
  await store.relocate(frames.slice(1), frames.slice(0, 1));
  assertEquals(database.rebuilds.count, count + 1);
  await assertHolds(store, [...makeObjects(4).slice(1), makeObject(9)]);
  await store.close();
});

Deno.test("PackStore.get: a pack that vanishes, and of which another has a copy, takes nothing along", async () => {
  await withIndexFile(async (path) => {
    const disk = new MemoryDisk();
    const first = await reopenedStore(disk, path);
    await putAll(first.store, makeObjects(3));
    await first.store.rotate();
    await putAll(first.store, [makeObject(10)]);
    await close(first);
    const opened = await reopenedStore(disk, path);
    disk.rewrite(packPath(3), () => packBytes(3, ...makeObjects(3).map(frameBytes)));
    disk.remove(packPath(1));
    await assertHolds(opened.store, [...makeObjects(3), makeObject(10)]);
    assertEquals(opened.database.rebuilds.count, 1);
    await close(opened);
  });
});
