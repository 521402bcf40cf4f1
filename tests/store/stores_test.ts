import { assertEquals, assertRejects } from "@std/assert";
import { denoDisk, VaultError } from "../../src/base/mod.ts";
import {
  type ChunkStore,
  IndexDatabase,
  MemoryStore,
  STORE_SCHEMA,
  VerifiedStore,
} from "../../src/store/mod.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import { makeObject, openStore } from "./helpers.ts";
import { chunkStoreSuite } from "./suite.ts";

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
function inProcess(store: ChunkStore) {
  return Promise.resolve({
    store,
    reopen: () => Promise.resolve(store),
    close: () => Promise.resolve(),
  });
}

chunkStoreSuite("MemoryStore", () => inProcess(new MemoryStore()), { keepsFlushed: false });

chunkStoreSuite("VerifiedStore", () => inProcess(verified(new MemoryStore())), {
  keepsFlushed: false,
});

chunkStoreSuite("PackStore in memory", async () => {
  const disk = new MemoryDisk();
  const { store, database } = await openStore(disk);
  let last = store;
  return {
    store,
    reopen: async () => {
      await last.close();
      last = (await openStore(disk, { database })).store;
      return last;
    },
    close: async () => {
      await last.close();
      assertEquals(disk.openFiles, 0);
    },
  };
}, { keepsFlushed: true });

chunkStoreSuite("PackStore on a disk", async () => {
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
}, { keepsFlushed: true });

Deno.test("VerifiedStore: refuses bytes that are not what the address says", async () => {
  for (const length of [100, 100_000]) {
    const object = makeObject(1, { length });
    const wrong = object.bytes.slice();
    wrong[length - 1]! ^= 1;
    const store = new VerifiedStore({ get: () => Promise.resolve(wrong) });
    const error = await assertRejects(() => store.get(object.address), VaultError, "match");
    assertEquals(error.code, "damaged");
  }
});
