import { assertEquals, assertRejects } from "@std/assert";
import { denoDisk, VaultError } from "../../src/base/mod.ts";
import {
  type ChunkStore,
  IndexDatabase,
  matchesAddress,
  matchesAddressHere,
  MemoryStore,
  STORE_SCHEMA,
  VerifiedStore,
} from "../../src/store/mod.ts";
import { chunkStoreConformance, type StoreUnderTest } from "../../src/conformance/mod.ts";
import { ioError, MemoryDisk, noSpaceError, seededRandom } from "../helpers/faulty_disk.ts";
import { makeObject, openStore, packPath } from "./helpers.ts";

/** Reads through {@link VerifiedStore}, all else as it is. */
function verified(inner: ChunkStore): ChunkStore {
  const reader = new VerifiedStore(inner);
  return {
    put: (object) => inner.put(object),
    get: (address) => reader.get(address),
    has: (address) => inner.has(address),
    remove: (addresses) => inner.remove(addresses),
    list: () => inner.list(),
    flush: () => inner.flush(),
  };
}

/** A store that lives as long as its process. */
function inProcess(store: ChunkStore): StoreUnderTest {
  return { store, close: () => Promise.resolve() };
}

/** A store in memory whose objects a test may change. */
function inMemory(): StoreUnderTest {
  const inner = new MemoryStore();
  return {
    ...inProcess(verified(inner)),
    damage: async (address) => {
      const bytes = (await inner.get(address))!;
      bytes[bytes.length - 1]! ^= 1;
      await inner.remove([address]);
      await inner.put({ kind: "sealed", address, pieces: [bytes] });
    },
  };
}

/** Packs on a disk in memory, which fails, breaks off and rots as a test wants. */
async function onMemoryDisk(
  wrap: (store: ChunkStore) => ChunkStore = (store) => store,
): Promise<StoreUnderTest> {
  const disk = new MemoryDisk();
  let last = await openStore(disk);
  const open = async (database?: IndexDatabase) => {
    last = await openStore(disk, database ? { database } : {});
    return wrap(last.store);
  };
  return {
    store: wrap(last.store),
    reopen: async () => {
      await last.store.close();
      return await open(last.database);
    },
    crash: async () => {
      disk.crash(seededRandom(7));
      await last.store.close().catch(() => {/* its files are gone */});
      return await open();
    },
    damage: (address) => {
      const { pack, offset, length } = last.store.stat(address)!;
      disk.flip(packPath(pack), offset + length - 1);
      return Promise.resolve();
    },
    failAfter: (calls) => {
      let left = calls ?? 0;
      disk.onCall = calls === null ? undefined : ({ changes }) => {
        if (changes && left-- <= 0) throw left % 2 === 0 ? ioError() : noSpaceError();
      };
    },
    close: async () => {
      await last.store.close();
      assertEquals(disk.openFiles, 0);
    },
  };
}

async function onRealDisk(): Promise<StoreUnderTest> {
  const folder = await Deno.makeTempDir();
  const open = async () => {
    const database = new IndexDatabase(`${folder}/vault.db`, STORE_SCHEMA);
    const { store } = await openStore(new MemoryDisk(), {
      disk: denoDisk,
      folder: `${folder}/packs`,
      database,
    });
    return { store, database };
  };
  let last = await open();
  const close = async () => {
    await last.store.close();
    last.database.close();
  };
  return {
    store: last.store,
    reopen: async () => {
      await close();
      last = await open();
      return last.store;
    },
    close: async () => {
      await close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

chunkStoreConformance(Deno, {
  name: "MemoryStore",
  make: () => Promise.resolve(inProcess(new MemoryStore())),
});
chunkStoreConformance(Deno, {
  name: "VerifiedStore in memory",
  make: () => Promise.resolve(inMemory()),
  checksReads: true,
});
chunkStoreConformance(Deno, { name: "PackStore on a faulty disk", make: () => onMemoryDisk() });
chunkStoreConformance(Deno, {
  name: "VerifiedStore on a faulty disk",
  make: () => onMemoryDisk(verified),
  checksReads: true,
});
chunkStoreConformance(Deno, { name: "PackStore on a disk", make: onRealDisk });

Deno.test("VerifiedStore: refuses bytes that are not what the address says", async () => {
  for (const length of [100, 100_000]) {
    const object = makeObject(1, { length });
    const wrong = object.bytes.slice();
    wrong[length - 1]! ^= 1;
    const store = new VerifiedStore({ get: () => Promise.resolve(wrong) });
    const error = await assertRejects(() => store.get(object.address), VaultError, "match");
    assertEquals(error.code, "damaged");
    for (const [bytes, expected] of [[object.bytes, true], [wrong, false]] as const) {
      assertEquals(await matchesAddress(object.address, bytes), expected);
      assertEquals(matchesAddressHere(object.address, bytes), expected);
    }
  }
});
