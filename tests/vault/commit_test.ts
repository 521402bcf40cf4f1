/** Records of many callers in few segments and few syncs, each told when it is durable. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  Ed25519Signer,
  encodeUtf8,
  equalBytes,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { decodeSegment, type Segment } from "../../src/log/mod.ts";
import { deriveVaultKeys } from "../../src/seal/mod.ts";
import { IndexDatabase } from "../../src/store/mod.ts";
import { Committer, type Draft } from "../../src/vault/commit.ts";
import type { IndexedSegment } from "../../src/vault/record_index.ts";
import { homeWithVault, keyNames, withVault } from "./helpers.ts";

/**
 * A committer over a store in memory that notes what it is asked for.
 *
 * @param log the log that it goes on with, as far as it is known; changes count
 */
function newCommitter(log = { changes: 0, last: null as IndexedSegment | null, clock: 0n }) {
  const store = {
    steps: [] as string[],
    segments: [] as Segment[],
    failure: null as Error | null,
    whileSyncing: () => Promise.resolve(),
  };
  const stored = new Set<string>();
  const node = new Ed25519Signer(new Uint8Array(32).fill(2));
  const committer = new Committer({
    keys: deriveVaultKeys(new Uint8Array(32).fill(1)),
    node,
    clock: { now: () => 1000 },
    store: {
      put({ address, pieces }) {
        store.segments.push(decodeSegment(pieces[0]!));
        stored.add(toHex(address));
        store.steps.push("put");
        return Promise.resolve(true);
      },
      sync: () => {
        store.steps.push("sync");
        return store.whileSyncing();
      },
      flush() {
        store.steps.push("flush");
        return store.failure === null ? Promise.resolve() : Promise.reject(store.failure);
      },
    },
    written: new Map(),
    position: () => log,
    logs: () => log.changes,
    rowOf: (address) => stored.has(toHex(address)) ? 1 : null,
  });
  return { committer, store };
}

function drafts(count: number, name = "tag"): Draft[] {
  return Array.from({ length: count }, (_, i): Draft => ({
    record: (clock) => ({ kind: "tag", clock, nameTag: new Uint8Array(16).fill(i) }),
    body: { kind: "tag", name: `${name} ${i}`, moment: i },
  }));
}

Deno.test("Committer: what fits no segment goes on in the next, in one round, and each hears of its own record", async () => {
  const { committer, store } = newCommitter();
  const committed = await committer.commitAll(drafts(2500));
  assertEquals(store.segments.map(({ records }) => records.length), [1024, 1024, 452]);
  assertEquals(store.segments.map(({ firstSequence }) => firstSequence), [1n, 1025n, 2049n]);
  const ids = store.segments.flatMap(({ ids }) => ids);
  assertEquals(committed.map(({ id }) => toHex(id)), ids.map(toHex));
  const isNext = (previous: Bytes, i: number) =>
    equalBytes(previous, store.segments[i]!.ids.at(-1)!);
  assert(store.segments.slice(1).every(({ previous }, i) => isNext(previous, i)));
  assert(committed.every(({ clock }, i) => i === 0 || clock > committed[i - 1]!.clock));
  assertEquals(store.steps, ["sync", "put", "put", "put", "flush"]);
});

Deno.test("Committer: what comes into the log while the data is made durable goes before the record", async () => {
  const log = { changes: 0, last: null as IndexedSegment | null, clock: 0n };
  const { committer, store } = newCommitter(log);
  const lastId = new Uint8Array(32).fill(9);
  store.whileSyncing = async () => {
    await Promise.resolve();
    const last = { first: 1, count: 5, lastId } as IndexedSegment;
    Object.assign(log, { changes: 1, last, clock: 1n << 60n });
  };
  const [committed] = await committer.commitAll(drafts(1));
  assertEquals(store.segments.map(({ firstSequence }) => firstSequence), [6n]);
  assertEquals(store.segments[0]!.previous, lastId);
  assert(committed!.clock > 1n << 60n);
});

Deno.test("Committer: waits for those that are expected, and for one that is alone for nobody", async () => {
  const { committer, store } = newCommitter();
  const arrive = committer.expect();
  const first = committer.commitAll(drafts(3));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(store.steps, []);
  arrive();
  const second = committer.commitAll(drafts(2, "more"));
  assertEquals((await first).length + (await second).length, 5);
  assertEquals(store.steps, ["sync", "put", "flush"]);

  const leave = committer.expect();
  const third = committer.commitAll(drafts(3, "third"));
  await committer.commit(drafts(1, "alone")[0]!);
  assertEquals((await third).length, 3);
  assertEquals(store.segments.length, 2);
  leave();
});

Deno.test("Committer: waits for those that are expected only up to a full round", async () => {
  const { committer, store } = newCommitter();
  committer.expect(); // of whom nothing comes
  assertEquals((await committer.commitAll(drafts(4000))).length, 4000);
  assertEquals(store.steps.filter((step) => step === "flush").length, 1);
});

Deno.test("put: after a record that the index could not take at once the log goes on behind it", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("a", encodeUtf8("one"));
    const { transaction } = IndexDatabase.prototype;
    let refusals = 1;
    IndexDatabase.prototype.transaction = function <T>(work: () => T): T {
      return transaction.call(this, () => {
        const result = work();
        if (refusals-- > 0) throw new VaultError("no_space", "Cannot use the index: disk full");
        return result;
      }) as T;
    };
    try {
      await assertRejects(() => vault.put("b", encodeUtf8("two")), VaultError, "disk full");
    } finally {
      IndexDatabase.prototype.transaction = transaction;
    }
    await vault.put("c", encodeUtf8("three"));
    assertEquals(vault.peerSide().ledger.forks(), []);
    assertEquals(await keyNames(vault), ["a", "b", "c"]); // durable before it was refused
  });
});

Deno.test("Committer: a failure is told to all who waited, and the next begins anew", async () => {
  const { committer, store } = newCommitter();
  store.failure = new Error("the disk is gone");
  const both = [committer.commitAll(drafts(1500)), committer.commitAll(drafts(3, "more"))];
  for (const work of both) await assertRejects(() => work, Error, "the disk is gone");
  store.failure = null;
  assertEquals((await committer.commitAll(drafts(2))).length, 2);
  assertEquals(await committer.commitAll([]), []);
});
