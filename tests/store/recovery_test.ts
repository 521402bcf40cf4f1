import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes, toHex } from "../../src/base/mod.ts";
import {
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  IndexDatabase,
  type PackStore,
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
  openStore,
  packBytes,
  packPath,
  PACKS,
  putAll,
  storeWith,
  type TestObject,
} from "./helpers.ts";

const CLEAN = { junkBytes: 0, damagedFrames: 0, tornBytes: 0 };

function framesOf(objects: readonly TestObject[]): Bytes {
  return concatBytes(objects.map(frameBytes));
}

function append(disk: MemoryDisk, pack: number, ...parts: Bytes[]): void {
  disk.rewrite(packPath(pack), (bytes) => concatBytes([bytes, ...parts]));
}

async function totalsAddUp(store: PackStore): Promise<void> {
  let objects = 0;
  let objectBytes = 0;
  for await (const { length } of store.list()) {
    objects++;
    objectBytes += length;
  }
  const totals = store.index.totals();
  assertEquals({ objects: totals.objects, objectBytes: totals.objectBytes }, {
    objects,
    objectBytes,
  });
}

Deno.test("PackStore.open: a new folder is an empty store, and nothing is written for it", async () => {
  const { store, disk } = await openStore(new MemoryDisk());
  assertEquals(store.recovery, CLEAN);
  await store.close();
  assertEquals(disk.list(PACKS), []);
});

Deno.test("PackStore.open: an index that is up to date is used as it is, and nothing is synced", async () => {
  const { store, disk, database } = await storeWith(makeObjects(5));
  await store.close();
  const rebuilds = database.rebuilds.count;
  const changes: string[] = [];
  disk.onCall = ({ name, changes: yes }) => void (yes && changes.push(name));
  const again = await openStore(disk, { database });
  assertEquals(changes, ["makeFolder"]);
  assertEquals(database.rebuilds.count, rebuilds);
  await assertHolds(again.store, makeObjects(5));
  await again.store.close();
});

Deno.test("PackStore.open: frames that no flush entered are found, once they are synced", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  await store.close();
  const found = [...makeObjects(2, { from: 10 }), makeObject(20, { kind: "segment" })];
  append(disk, 1, framesOf(found));
  const synced: string[] = [];
  disk.onCall = ({ name, path }) => void (/sync/.test(name) && synced.push(`${name} ${path}`));
  const again = await openStore(disk, { database });
  assertEquals(synced, [`sync ${packPath(1)}`, `syncFolder ${PACKS}`]);
  await assertHolds(again.store, [...makeObjects(3), ...found]);
  assertEquals(again.segments, [toHex(found[2]!.address)]);
  assertEquals(again.store.recovery, CLEAN);
  await totalsAddUp(again.store);
  await again.store.close();
});

Deno.test("PackStore.open: a frame whose payload never arrived is not entered, and can be put again", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  await store.close();
  const [lost, after] = makeObjects(2, { from: 10 }) as [TestObject, TestObject];
  append(disk, 1, frameBytes(lost).fill(0, FRAME_HEADER_BYTES), frameBytes(after));
  for (const index of [database, new IndexDatabase(":memory:", STORE_SCHEMA)]) {
    const again = await openStore(disk, { database: index });
    assertEquals(again.store.recovery, { ...CLEAN, damagedFrames: 1 });
    assertEquals(await again.store.has(lost.address), false);
    await assertHolds(again.store, [...makeObjects(3), after]);
    await again.store.close();
  }
  const last = await openStore(disk, { database });
  assert(await last.store.put(lost));
  await last.store.close();
  const rebuilt = await openStore(disk);
  await assertHolds(rebuilt.store, [...makeObjects(3), after, lost]);
  await rebuilt.store.close();
});

Deno.test("PackStore.open: an unfinished frame at the end is cut away, and the pack is appended to", async () => {
  for (const kept of [1, 47, 48, 147]) {
    const { store, disk, database } = await storeWith(makeObjects(3));
    const { length } = disk.bytesOf(packPath(1));
    await store.close();
    append(disk, 1, frameBytes(makeObject(10)).slice(0, kept));
    const again = await openStore(disk, { database });
    assertEquals(again.store.recovery, { ...CLEAN, tornBytes: kept });
    assertEquals(disk.stat(packPath(1))!.size, length);
    await putAll(again.store, [makeObject(11)]);
    await again.store.close();
    assertEquals(disk.list(PACKS).length, 1);
    await assertHolds((await openStore(disk)).store, [...makeObjects(3), makeObject(11)]);
  }
});

Deno.test("PackStore.open: junk stays where it is, is reported, and its pack is not appended to", async () => {
  // A header in the junk claims more bytes than there are: appended behind it, a frame would be taken for its payload.
  const claim = new Uint8Array(FRAME_HEADER_BYTES);
  encodeFrameHeader({ kind: "sealed", address: makeObject(99).address, length: 1000 }, claim, 0);
  const middle = makeObject(10);
  const { store, disk, database } = await storeWith(makeObjects(3));
  await store.close();
  append(disk, 1, claim, frameBytes(middle));
  const before = disk.bytesOf(packPath(1));
  for (let i = 0; i < 2; i++) {
    const again = await openStore(disk, { database });
    assertEquals(again.store.recovery.junkBytes, i === 0 ? FRAME_HEADER_BYTES : 0);
    await putAll(again.store, makeObjects(20, { from: 100 * (i + 1) }));
    await again.store.close();
  }
  assertEquals(disk.bytesOf(packPath(1)), before);
  const rebuilt = await openStore(disk);
  await assertHolds(rebuilt.store, [
    ...makeObjects(3),
    middle,
    ...makeObjects(20, { from: 100 }),
    ...makeObjects(20, { from: 200 }),
  ]);
  assertEquals(await rebuilt.store.has(makeObject(99).address), false);
  await rebuilt.store.close();
});

Deno.test("PackStore.open: packs with junk in front, without a header, or with another's are read", async () => {
  const objects = makeObjects(4);
  const [a, b, c, d] = objects.map(frameBytes) as [Bytes, Bytes, Bytes, Bytes];
  const disk = new MemoryDisk();
  disk.rewrite(packPath(1), () => concatBytes([new Uint8Array(100), packBytes(1, a)]));
  disk.rewrite(packPath(2), () => packBytes(7, b));
  disk.rewrite(packPath(3), () => c);
  disk.rewrite(packPath(5), () => packBytes(5, d));
  disk.rewrite(packPath(6), () => new Uint8Array(9));
  const { store, database } = await openStore(disk);
  await assertHolds(store, objects);
  assertEquals(store.recovery, { junkBytes: 116 + 16, damagedFrames: 0, tornBytes: 9 });
  await putAll(store, [makeObject(50)]);
  await store.close();
  assertEquals(disk.list(PACKS).length, 6);
  const again = await openStore(disk, { database });
  assertEquals(database.rebuilds.count, 1);
  await assertHolds(again.store, [...objects, makeObject(50)]);
  await again.store.close();
});

Deno.test("PackStore.open: an object that lies in two packs, or twice in one, is one object", async () => {
  const [a, b] = makeObjects(2) as [TestObject, TestObject];
  const disk = new MemoryDisk();
  disk.rewrite(packPath(1), () => packBytes(1, framesOf([a, b, a])));
  disk.rewrite(packPath(2), () => packBytes(2, framesOf([b, a])));
  const { store } = await openStore(disk);
  assertEquals(await addressesIn(store), hexAddresses([a, b]));
  assertEquals(store.index.totals().objects, 2);
  await assertHolds(store, [a, b]);
  await store.close();
});

Deno.test("PackStore.open: a damaged copy in a pack that may not be whole gives way to a whole one", async () => {
  const object = makeObject(1);
  const bad = frameBytes(object);
  bad[bad.length - 1]! ^= 1;
  const disk = new MemoryDisk();
  disk.rewrite(packPath(1), () => packBytes(1, bad));
  disk.rewrite(packPath(2), () => packBytes(2, frameBytes(object)));
  const { store } = await openStore(disk);
  await assertHolds(store, [object]);
  await store.close();
});

Deno.test("PackStore.open: a pack that is gone or cut takes its objects along, not the others", async () => {
  const first = makeObjects(3);
  const second = makeObjects(3, { from: 10 });
  const make = async () => {
    const { store, disk, database } = await storeWith(first);
    await store.rotate();
    await putAll(store, second);
    await store.close();
    assertEquals(disk.list(PACKS).length, 2);
    return { disk, database };
  };
  for (const lost of [1, 2]) {
    const { disk, database } = await make();
    disk.remove(packPath(lost));
    const { store } = await openStore(disk, { database });
    const left = lost === 1 ? second : first;
    assertEquals(await addressesIn(store), hexAddresses(left));
    await assertHolds(store, left);
    for (const object of [...first, ...second]) await store.put(object);
    await store.close();
    await assertHolds((await openStore(disk)).store, [...first, ...second]);
  }
  const { disk, database } = await make();
  disk.rewrite(packPath(1), (bytes) => bytes.slice(0, -10));
  const { store } = await openStore(disk, { database });
  assertEquals(await addressesIn(store), hexAddresses([...first.slice(0, 2), ...second]));
  await store.close();
});

Deno.test("PackStore.open: packs between the others that the index does not know are entered", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  await store.close();
  for (const number of [3, 7]) {
    disk.rewrite(packPath(number), () => packBytes(number, frameBytes(makeObject(number * 10))));
  }
  const again = await openStore(disk, { database });
  await assertHolds(again.store, [...makeObjects(3), makeObject(30), makeObject(70)]);
  await putAll(again.store, [makeObject(80)]);
  assertEquals(again.store.activePack, 7);
  await again.store.close();
});

Deno.test("PackStore.open: other files in the folder are left alone", async () => {
  const { store, disk, database } = await storeWith(makeObjects(1));
  await store.close();
  for (const name of ["000000001.pack", "00000002.pack.new", "notes.txt"]) {
    disk.rewrite(`${PACKS}/${name}`, () => new Uint8Array(5));
  }
  const again = await openStore(disk, { database });
  await assertHolds(again.store, makeObjects(1));
  await again.store.close();
  assertEquals(disk.list(PACKS).length, 4);
});

/** A store of so many packs with an object each. */
async function storeOfPacks(count: number): Promise<{ disk: MemoryDisk; database: IndexDatabase }> {
  const { store, disk, database } = await storeWith([]);
  for (const object of makeObjects(count)) {
    await store.put(object);
    await store.rotate();
  }
  await store.close();
  return { disk, database };
}

Deno.test("PackStore.open: of packs that were looked at before only the last ones are", async () => {
  const looks: number[] = [];
  for (const count of [20, 40]) {
    const { disk, database } = await storeOfPacks(count);
    await (await openStore(disk, { database })).store.close();
    let looked = 0;
    disk.onCall = ({ name, path }) => void (name !== "list" && path.startsWith(PACKS) && looked++);
    const { store } = await openStore(disk, { database });
    looks.push(looked);
    await assertHolds(store, makeObjects(count));
    await store.close();
  }
  assertEquals(looks[0], looks[1]);
});

Deno.test("PackStore.open: a pack that came, went or grew at the end is seen, though the others were looked at before", async () => {
  const { disk, database } = await storeOfPacks(10);
  await (await openStore(disk, { database })).store.close();
  const [grown, came] = [makeObject(50), makeObject(51)];
  append(disk, 10, framesOf([grown]));
  await (await openStore(disk, { database })).store.close();
  disk.rewrite(packPath(11), () => packBytes(11, framesOf([came])));
  const again = await openStore(disk, { database });
  await assertHolds(again.store, [...makeObjects(10), grown, came]);
  await again.store.close();
  await (await openStore(disk, { database })).store.close();
  disk.remove(packPath(2));
  const after = await openStore(disk, { database });
  assertEquals(
    await addressesIn(after.store),
    hexAddresses([
      ...makeObjects(10).filter((_, i) => i !== 1),
      grown,
      came,
    ]),
  );
  await after.store.close();
});

Deno.test("PackStore: segments of a lost index come back in the order of their log, not all at once", async () => {
  const { store, disk } = await storeWith([]);
  const order = [3, 1, 5, 2, 4];
  const segments = order.map((seed) => makeObject(seed, { kind: "segment", length: 3_000_000 }));
  await putAll(store, segments);
  await store.close();
  const seeds = new Map(segments.map(({ bytes }, i) => [toHex(bytes.slice(0, 8)), order[i]!]));
  const seedOf = (bytes: Bytes) => seeds.get(toHex(bytes.slice(0, 8)))!;
  const pages: number[][] = [];
  const again = await openStore(disk, {
    orderOf: seedOf,
    onSegments: (found) => void pages.push(found.map(({ bytes }) => seedOf(bytes))),
  });
  assertEquals(pages, [[1, 2, 3], [4, 5]]);
  await again.store.close();
});
