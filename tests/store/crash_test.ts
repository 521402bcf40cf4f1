import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes, equalBytes, sha256, toHex } from "../../src/base/mod.ts";
import { collect, IndexDatabase, type PackStore, STORE_SCHEMA } from "../../src/store/mod.ts";
import { MemoryDisk, PowerCut, seededRandom } from "../helpers/faulty_disk.ts";
import {
  assertHolds,
  frameBytes,
  makeObject,
  makeObjects,
  openStore,
  packPath,
  putAll,
  type TestObject,
} from "./helpers.ts";

const dead = [...makeObjects(6, { from: 100 }), makeObject(120, { length: 90_000 })];
const live = [
  ...makeObjects(12, { from: 200, length: 700 }),
  makeObject(220, { length: 120_000 }),
  makeObject(221, { kind: "segment" }),
];
const late = makeObjects(5, { from: 300, length: 3000 });
const all = [...dead, ...live, ...late];

/** What the user was told is safe, and what was given up since. */
class Promises {
  readonly kept = new Map<string, TestObject>();

  async flush(store: PackStore, objects: readonly TestObject[]): Promise<void> {
    await store.flush();
    for (const object of objects) this.kept.set(toHex(object.address), object);
  }

  giveUp(objects: readonly TestObject[]): void {
    for (const { address } of objects) this.kept.delete(toHex(address));
  }
}

/** Puts, flushes, collects, and goes on: every kind of call that a store makes to its disk. */
async function work(store: PackStore, promises: Promises, onFlushed: () => void): Promise<void> {
  await putAll(store, dead);
  await putAll(store, live.slice(0, 8));
  await promises.flush(store, [...dead, ...live.slice(0, 8)]);
  onFlushed();
  await putAll(store, live.slice(8));
  await promises.flush(store, live);
  onFlushed();
  promises.giveUp(dead);
  const deadAddresses = new Set(dead.map(({ address }) => toHex(address)));
  await collect(store, {
    isLive: ({ address }) => !deadAddresses.has(toHex(address)),
    deadShareMin: 0,
  });
  onFlushed();
  await putAll(store, late.slice(0, 3));
  await promises.flush(store, late.slice(0, 3));
  const lateAddress = toHex(late[0]!.address);
  promises.giveUp(late.slice(0, 1));
  await collect(store, {
    isLive: ({ address }) => toHex(address) !== lateAddress,
    deadShareMin: 0,
  });
  await putAll(store, late.slice(3));
  await promises.flush(store, late.slice(3));
  await store.put(makeObject(400));
}

/** No object can be seen that is not whole. */
async function assertWhole(store: PackStore): Promise<void> {
  for await (const { address, length } of store.list()) {
    const bytes = await store.get(address);
    assert(bytes !== null && bytes.length === length, "a listed object can't be read");
    assert(equalBytes(sha256(bytes), address), "a listed object is not what its address says");
  }
}

/** What became of the index: all its commits are there, or those of some moment before, or none. */
type IndexFate = "kept" | "old" | "lost";

interface Crash {
  fate: IndexFate;
  seed: number;
  /** Whether the power goes, or just the process. */
  how: "crash" | "kill";
  /** The change to the disk that is not made any more. */
  at: number;
}

/** Runs the work until the crash, opens again and looks. Says whether the work came to its end before. */
async function crashOnce(folder: string, { fate, seed, how, at }: Crash): Promise<boolean> {
  const random = seededRandom(seed * 1000 + at);
  const disk = new MemoryDisk();
  const path = fate === "old" ? `${folder}/${how}-${seed}-${at}.db` : ":memory:";
  const copies: string[] = [];
  const copy = () => {
    const to = `${path}.copy${copies.length}`;
    for (const suffix of ["", "-wal"]) Deno.copyFileSync(path + suffix, to + suffix);
    copies.push(to);
  };
  const database = new IndexDatabase(path, STORE_SCHEMA);
  const { store } = await openStore(disk, { database });
  const promises = new Promises();
  let changes = 0;
  let isOff = false;
  disk.onCall = (call) => {
    if (call.changes && changes++ === at) isOff = true;
    if (isOff) throw new PowerCut();
  };
  try {
    await work(store, promises, fate === "old" ? copy : () => {});
  } catch (error) {
    assert(isOff, `it failed before the power did: ${error}`);
  }
  await store.close().catch((error) => assert(isOff, String(error)));
  const finished = !isOff;

  if (how === "crash") disk.crash(random);
  else disk.kill();
  const old = copies[Math.floor(random() * copies.length)] ?? ":memory:";
  const left = fate === "kept"
    ? database
    : new IndexDatabase(fate === "old" ? old : ":memory:", STORE_SCHEMA);
  const { store: found } = await openStore(disk, { database: left });
  await assertHolds(found, [...promises.kept.values()]);
  await assertWhole(found);
  // It can be written to as if nothing had been, and loses none of that when the index goes once more.
  for (const object of all) await found.put(object);
  await found.close();
  for (const each of new Set([database, left])) each.close();
  assertEquals(disk.openFiles, 0);
  disk.crash(random);
  const { store: rebuilt } = await openStore(disk);
  await assertHolds(rebuilt, all);
  await assertWhole(rebuilt);
  await rebuilt.close();
  return finished;
}

for (const how of ["crash", "kill"] as const) {
  for (const fate of ["kept", "old", "lost"] as const) {
    Deno.test(`PackStore: a ${how} at any call, the index ${fate}: what was flushed is there`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        for (let seed = 1; seed <= (how === "crash" && fate === "kept" ? 2 : 1); seed++) {
          let at = 0;
          while (!await crashOnce(folder, { fate, seed, how, at })) at++;
          assert(at > 20, `the work makes only ${at} changes`);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}

Deno.test("PackStore: a crash while it is opened again is like the one before", async () => {
  for (let at = 0;; at++) {
    const random = seededRandom(at);
    const disk = new MemoryDisk();
    const { store } = await openStore(disk);
    await putAll(store, live);
    await store.flush();
    await store.close();
    const [whole, unfinished] = late.map(frameBytes) as [Bytes, Bytes];
    disk.rewrite(packPath(1), (bytes) => concatBytes([bytes, whole, unfinished.slice(0, -1)]));
    let changes = 0;
    let isOff = false;
    disk.onCall = (call) => {
      if (call.changes && changes++ === at) isOff = true;
      if (isOff) throw new PowerCut();
    };
    await openStore(disk).then(({ store }) => store.close())
      .catch((error) => assert(isOff, String(error)));
    const finished = !isOff;
    disk.crash(random);
    const { store: found } = await openStore(disk);
    await assertHolds(found, finished ? [...live, late[0]!] : live);
    await assertWhole(found);
    await found.close();
    if (finished) break;
  }
});
