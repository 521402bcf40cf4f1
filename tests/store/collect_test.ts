import { assert, assertEquals, assertRejects } from "@std/assert";
import { toHex, VaultError } from "../../src/base/mod.ts";
import {
  chooseCandidates,
  collect,
  type CollectOptions,
  FRAME_HEADER_BYTES,
  type FrameRow,
  type PackStore,
} from "../../src/store/mod.ts";
import { ioError, MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  addressesIn,
  assertHolds,
  hexAddresses,
  makeObject,
  makeObjects,
  openStore,
  packPath,
  PACKS,
  putAll,
  storeWith,
  type TestObject,
} from "./helpers.ts";

function isOneOf(objects: readonly TestObject[]): (frame: FrameRow) => boolean {
  const addresses = new Set(hexAddresses(objects));
  return ({ address }) => addresses.has(toHex(address));
}

/** Options that keep all but these, and rewrite whatever holds one of them. */
function without(dead: readonly TestObject[]): CollectOptions {
  const isDead = isOneOf(dead);
  return { isLive: (frame) => !isDead(frame), deadShareMin: 0 };
}

/** A store of three packs with ten objects each. */
async function threePacks() {
  const packs = [0, 10, 20].map((from) => makeObjects(10, { from }));
  const opened = await openStore(new MemoryDisk());
  for (const objects of packs) {
    await putAll(opened.store, objects);
    await opened.store.rotate();
  }
  return { ...opened, objects: packs.flat() };
}

async function assertOnly(store: PackStore, objects: readonly TestObject[]): Promise<void> {
  assertEquals(await addressesIn(store), hexAddresses(objects));
  await assertHolds(store, objects);
}

const FRAME_BYTES = FRAME_HEADER_BYTES + 100;

Deno.test("collect: rewrites the packs with dead objects, and only these", async () => {
  const { store, disk, objects } = await threePacks();
  const dead = objects.slice(3, 8);
  const untouched = disk.bytesOf(packPath(2));
  const result = await collect(store, without(dead));
  assertEquals(result, {
    removedObjects: 5,
    freedBytes: 5 * FRAME_BYTES,
    rewrittenPacks: 1,
    leftBytes: 0,
    damagedPacks: [],
  });
  const left = objects.filter((object) => !dead.includes(object));
  await assertOnly(store, left);
  assertEquals(disk.bytesOf(packPath(2)), untouched);
  assertEquals(disk.stat(packPath(1)), null);
  await store.close();
  await assertOnly((await openStore(disk)).store, left);
});

Deno.test("collect: says how many dead bytes stay, as there are too few of them in their packs", async () => {
  const { store, objects } = await threePacks();
  const dead = [objects[0]!, ...objects.slice(10, 15)];
  const result = await collect(store, { ...without(dead), deadShareMin: 0.2 });
  assertEquals([result.removedObjects, result.leftBytes], [5, FRAME_BYTES]);
  await store.close();
});

Deno.test("collect: a pack with nothing live goes without a byte being written before", async () => {
  const { store, disk, objects } = await threePacks();
  disk.spaceLeft = 0;
  const result = await collect(store, without(objects.slice(0, 10)));
  assertEquals(result.freedBytes, 16 + 10 * FRAME_BYTES);
  await assertOnly(store, objects.slice(10));
  await store.close();
});

Deno.test("collect: packs below the share of dead bytes are left alone", async () => {
  const { store, disk, objects } = await threePacks();
  const dead = [...objects.slice(0, 2), ...objects.slice(10, 15)];
  const result = await collect(store, { ...without(dead), deadShareMin: 0.4 });
  assertEquals(result.removedObjects, 5);
  assert(disk.stat(packPath(1)) !== null);
  await store.close();
});

Deno.test("collect: with onlyWith, just the packs that hold such a dead frame", async () => {
  const { store, objects } = await threePacks();
  const dead = [objects[0]!, objects[10]!];
  const result = await collect(store, { ...without(dead), onlyWith: isOneOf([objects[10]!]) });
  assertEquals(result.removedObjects, 1);
  await assertOnly(store, objects.filter((object) => object !== objects[10]));
  await store.close();
});

Deno.test("collect: segments stay, whatever isLive says", async () => {
  const segment = makeObject(1, { kind: "segment" });
  const { store } = await storeWith([segment, makeObject(2)]);
  await collect(store, { isLive: () => false, deadShareMin: 0 });
  await assertOnly(store, [segment]);
  await store.close();
});

Deno.test("collect: a dry run says the same and changes nothing", async () => {
  const { store, disk, objects } = await threePacks();
  const options = without(objects.slice(3, 8));
  const before = disk.list(PACKS).map((name) => disk.bytesOf(`${PACKS}/${name}`));
  const said = await collect(store, { ...options, dryRun: true });
  assertEquals(disk.list(PACKS).map((name) => disk.bytesOf(`${PACKS}/${name}`)), before);
  await assertOnly(store, objects);
  assertEquals(await collect(store, options), said);
  await store.close();
});

Deno.test("collect: what waits for a flush is weighed too", async () => {
  const { store, disk } = await openStore(new MemoryDisk());
  const objects = makeObjects(10);
  await putAll(store, objects);
  const result = await collect(store, without(objects.slice(5)));
  assertEquals(result.removedObjects, 5);
  await assertOnly(store, objects.slice(0, 5));
  await store.close();
  await assertOnly((await openStore(disk)).store, objects.slice(0, 5));
});

Deno.test("collect: a pack in which a live object is damaged is left alone, and told", async () => {
  const { store, disk, objects } = await threePacks();
  disk.flip(packPath(1), store.index.find(objects[1]!.address)!.offset + 7);
  const dead = [objects[0]!, objects[10]!];
  const result = await collect(store, without(dead));
  assertEquals({ damaged: result.damagedPacks, removed: result.removedObjects }, {
    damaged: [1],
    removed: 1,
  });
  assertEquals(await addressesIn(store), hexAddresses(objects.filter((o) => o !== objects[10])));
  assert(disk.stat(packPath(1)) !== null);
  await store.close();
});

Deno.test("collect: copies that a crash left and junk count as dead bytes", async () => {
  const { store, disk, objects } = await threePacks();
  await store.close();
  disk.rewrite(packPath(2), (bytes) => {
    const out = new Uint8Array(bytes.length + 5000);
    out.set(bytes);
    return out;
  });
  const again = await openStore(disk);
  const result = await collect(again.store, { isLive: () => true, deadShareMin: 0.5 });
  assertEquals(result, {
    removedObjects: 0,
    freedBytes: 5000,
    rewrittenPacks: 1,
    leftBytes: 0,
    damagedPacks: [],
  });
  await assertOnly(again.store, objects);
  await again.store.close();
});

Deno.test("collect: twice in a row finds nothing the second time, and leaves no empty packs", async () => {
  const { store, disk, objects } = await threePacks();
  await collect(store, without(objects));
  const names = disk.list(PACKS);
  for (let i = 0; i < 3; i++) {
    const { rewrittenPacks } = await collect(store, without(objects));
    assertEquals(rewrittenPacks, 0);
  }
  assertEquals(disk.list(PACKS), names);
  assertEquals(names.length, 1);
  await store.close();
});

Deno.test("collect: can be stopped between packs; what is done is done", async () => {
  const { store, objects } = await threePacks();
  const stop = new AbortController();
  const dead = [objects[0]!, objects[10]!, objects[20]!];
  const work = collect(store, {
    ...without(dead),
    signal: stop.signal,
    onPack: ({ packs }) => packs === 1 && stop.abort(),
  });
  await assertRejects(() => work);
  const left = await addressesIn(store);
  assert(left.length >= 28 && left.length < 30);
  await assertHolds(store, objects.filter((object) => !dead.includes(object)));
  await store.close();
});

Deno.test("collect: an object that is not found by its address is not taken for dead", async () => {
  const { store, database, objects } = await threePacks();
  // As if the tree behind the look-up by address had a flipped bit: nobody could mark this object.
  const wrong = objects[4]!.address.slice();
  wrong[0]! ^= 1;
  const find = store.index.find.bind(store.index);
  let isHidden = true;
  store.index.find = (address) =>
    isHidden && toHex(address) === toHex(objects[4]!.address) ? find(wrong) : find(address);
  const { count } = database.rebuilds;
  const work = collect(store, without([objects[4]!]));
  const error = await assertRejects(() => work, VaultError, "rebuilt");
  assertEquals([error.code, database.rebuilds.count], ["failed", count + 1]);
  isHidden = false;
  await assertOnly(store, objects);
  await store.close();
});

Deno.test("collect: rows of before a rebuild are not trusted", async () => {
  const { store, database, objects } = await threePacks();
  await store.remove([objects[0]!.address]);
  const live = new Set(store.index.inPack(2).map(({ row }) => row));
  database.run("UPDATE packs SET bytes = bytes + 1 WHERE number = 1");
  const work = collect(store, { isLive: ({ row }) => live.has(row), deadShareMin: 0 });
  await assertRejects(() => work, VaultError, "rebuilt");
  await assertHolds(store, objects);
  await store.close();
});

Deno.test("collect: a disk that fills up in the middle loses nothing that is live", async () => {
  for (const spaceLeft of [0, 10, 500, 1340]) {
    const { store, disk, database, objects } = await threePacks();
    const dead = [objects[0]!, objects[10]!, objects[20]!];
    const live = objects.filter((object) => !dead.includes(object));
    disk.spaceLeft = spaceLeft;
    const error = await assertRejects(() => collect(store, without(dead)), VaultError);
    assertEquals(error.code, "no_space");
    await assertHolds(store, live);
    await store.close();
    disk.spaceLeft = Infinity;
    const again = await openStore(disk, { database });
    await assertHolds(again.store, live);
    await collect(again.store, without(dead));
    await assertOnly(again.store, live);
    await again.store.close();
    await assertOnly((await openStore(disk)).store, live);
  }
});

Deno.test("collect: what is relied on again at the last moment stays, and its pack goes the next time", async () => {
  const { store, disk, objects } = await threePacks();
  const dead = objects.slice(3, 8);
  const spared = dead.slice(0, 2);
  const result = await collect(store, { ...without(dead), isSpared: isOneOf(spared) });
  assertEquals([result.removedObjects, result.freedBytes, result.rewrittenPacks], [3, 0, 1]);
  const left = objects.filter((object) => !dead.slice(2).includes(object));
  await assertOnly(store, left);
  const again = await collect(store, { isLive: () => true, deadShareMin: 0 });
  assertEquals([again.removedObjects, again.rewrittenPacks], [0, 1]);
  await assertOnly(store, left);
  assertEquals(disk.stat(packPath(1)), null);
  await store.close();
  await assertOnly((await openStore(disk)).store, left);
});

Deno.test("chooseCandidates: the packs that are worth rewriting, those that are worth most first; collect: these alone", async () => {
  const { store, objects } = await threePacks();
  const dead = [...objects.slice(0, 2), ...objects.slice(10, 20), ...objects.slice(20, 25)];
  const options = without(dead);
  const { candidates } = await chooseCandidates(store, options);
  for (const [i, [removed, left]] of ([[10, 20], [5, 15], [2, 13]] as const).entries()) {
    const some = { ...options, candidates: candidates.slice(i, i + 1) };
    assertEquals((await collect(store, some)).removedObjects, removed);
    assertEquals((await addressesIn(store)).length, left);
  }
  assertEquals((await chooseCandidates(store, options)).candidates, []);
  await store.close();
});

Deno.test("collect: a pack in which all has come to be live since it was chosen stays as it is", async () => {
  const { store, disk, objects } = await threePacks();
  const { candidates } = await chooseCandidates(store, without(objects.slice(0, 5)));
  assertEquals(candidates, [1]);
  const before = disk.bytesOf(packPath(1));
  assertEquals((await collect(store, { ...without([]), candidates })).rewrittenPacks, 0);
  assertEquals(disk.bytesOf(packPath(1)), before);
  await store.close();
});

Deno.test("index: a row number is given to no other object, though its row is gone", async () => {
  const { store, objects } = await threePacks();
  const last = store.index.lastRow();
  await store.remove(objects.map(({ address }) => address).slice(-3));
  const [next] = makeObjects(1, { from: 99 });
  await store.put(next!);
  await store.flush();
  assertEquals(store.index.find(next!.address)?.row, last + 1);
  await store.close();
});

Deno.test("collect: a pack that was cut is left alone; a bad sector ends it, and takes nothing along", async () => {
  const { store, disk, objects } = await threePacks();
  const dead = [objects[0]!, objects[10]!];
  const live = objects.filter((object) => !dead.includes(object));
  disk.onCall = ({ name, path }) => {
    if (name === "readAt" && path === packPath(2)) throw ioError();
  };
  await assertRejects(() => collect(store, without(dead.slice(1))), VaultError, "os error 5");
  disk.onCall = undefined;
  await assertOnly(store, objects);
  disk.rewrite(packPath(1), (bytes) => bytes.slice(0, -50));
  const result = await collect(store, without(dead));
  assertEquals([result.damagedPacks, result.removedObjects], [[1], 1]);
  assertEquals(await addressesIn(store), hexAddresses([dead[0]!, ...live]));
  await assertHolds(store, live.filter((object) => object !== objects[9]));
  await store.close();
});

Deno.test("collect: a pack that can't be made ends it before anything goes", async () => {
  for (const dead of [[0, 10, 20], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]]) {
    const { store, disk, database, objects } = await threePacks();
    disk.onCall = ({ name, changes }) => {
      if (name === "open" && changes) throw ioError();
    };
    const going = dead.map((at) => objects[at]!);
    const live = objects.filter((object) => !going.includes(object));
    await assertRejects(() => collect(store, without(going)), VaultError, "os error 5");
    for (const number of [1, 2, 3]) assert(disk.stat(packPath(number)) !== null);
    await assertHolds(store, live);
    await store.close();
    disk.onCall = undefined;
    const again = await openStore(disk, { database });
    await assertHolds(again.store, live);
    await collect(again.store, without(going));
    await assertOnly(again.store, live);
    await again.store.close();
  }
});
