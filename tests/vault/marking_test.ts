/** Marking what is live in steps: what others do between two of them, at whichever boundary, is not lost. */

import { assert, assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { systemMachine } from "../../src/vault/machine.ts";
import { openVault, recoverVault, type Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  atTime,
  copyHome,
  hex,
  homeWithVault,
  randomBytes,
  read,
  TempFolder,
  withVault,
} from "./helpers.ts";
import { carryLogs, carryObjects } from "./peer_helpers.ts";

const noSignal = new AbortController().signal;
const pinNothing = { isPinned: () => false, signal: noSignal };
const DAYS_2 = 2 * 24 * 60 * 60 * 1000;

/** Opens a home in a way that work in steps waits after each for `between`, which is told their number. */
function openPaced(home: string, between: (step: number) => Promise<void>): Promise<Vault> {
  let step = 0;
  const pace = { steps: 1, others: () => between(++step) };
  return openVault({ home, machine: { ...systemMachine, pace } });
}

/**
 * Does some work in copies of a home: once for each boundary between two steps, at which `meanwhile` is done, and some more
 * often than there are boundaries. Says how many there are.
 */
async function atEachBoundary(
  home: string,
  { work, meanwhile, check }: {
    work: (vault: Vault) => Promise<unknown>;
    meanwhile: (vault: Vault) => Promise<unknown>;
    check: (vault: Vault, boundary: number) => Promise<void>;
  },
): Promise<number> {
  for (let boundary = 1;; boundary++) {
    using folder = new TempFolder();
    copyHome(home, folder.home);
    let isMet = false;
    const vault = await openPaced(folder.home, async (step) => {
      if (step !== boundary) return;
      isMet = true;
      await meanwhile(vault);
    });
    await work(vault);
    if (isMet) await check(vault, boundary);
    await vault.close();
    if (!isMet) return boundary - 1;
  }
}

Deno.test("prune: what is put between the steps of marking stays, though only dropped versions named it", async () => {
  using folder = await homeWithVault();
  const content = randomBytes(60_000, 1);
  await withVault(folder, async (vault) => {
    await vault.put("file", content);
    await vault.put("file", randomBytes(60_000, 2));
    await vault.put("other", randomBytes(60_000, 3));
  });
  const boundaries = await atEachBoundary(folder.home, {
    work: (vault) => vault.prune({ keepLast: 1 }),
    meanwhile: (vault) => vault.put("again", content),
    check: async (vault, boundary) => {
      assertSameBytes(await read(vault, "again"), content, `at boundary ${boundary}`);
    },
  });
  assert(boundaries >= 5, `${boundaries} boundaries`);
});

Deno.test("prune: what a peer sends between the steps of marking stays, though it is old", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("file", randomBytes(60_000, 1));
    await vault.put("file", randomBytes(60_000, 2));
  });
  using other = await homeWithVault();
  await using sender = await openVault({ home: other.home });
  await sender.put("sent", randomBytes(50_000, 4));
  // Marking begins when the prune is committed; what came before it, and waited for days, would be garbage.
  const isMarking = async (vault: Vault) => (await vault.history("file")).length === 1;
  let sent = 0;
  await atEachBoundary(folder.home, {
    // As if what came had waited for days: that it is young is not what keeps it.
    work: (vault) => atTime(Date.now() + DAYS_2, () => vault.prune({ keepLast: 1 })),
    meanwhile: async (vault) => {
      if (await isMarking(vault)) sent += await carryObjects(sender, vault);
    },
    check: async (vault, boundary) => {
      if (sent === 0) return;
      assertEquals(
        await carryObjects(sender, vault),
        0,
        `all of it is here at boundary ${boundary}`,
      );
    },
  });
  assert(sent > 0);
});

Deno.test("collect: a version that comes between the steps of marking, on one that was dropped, has what it inherits", async () => {
  using folder = await homeWithVault();
  using lateFolder = new TempFolder();
  const first = randomBytes(3_000_000, 1);
  const content = first.slice(0, 2_500_000); // the first chunk is in it
  const early = await openVault({ home: folder.home });
  await early.put("file", first);
  await recoverVault({ home: lateFolder.home, phrase: early.phrase() });
  await using late = await openVault({ home: lateFolder.home });
  await carryLogs(early, late);
  const { id } = await late.put("file", content);
  await early.put("file", encodeUtf8("of early"));
  // The prune is made where nothing of it is here, so that all is left to be collected.
  using prunerFolder = new TempFolder();
  await recoverVault({ home: prunerFolder.home, phrase: early.phrase() });
  await using pruner = await openVault({ home: prunerFolder.home });
  await carryLogs(early, pruner);
  await pruner.prune({ keepLast: 1 });
  await carryLogs(pruner, early);
  await carryObjects(late, early);
  await early.close();
  const boundaries = await atEachBoundary(folder.home, {
    work: async (vault) => {
      const { upkeep } = vault.peerSide();
      while (!(await upkeep.collect(pinNothing)).isDone);
    },
    meanwhile: (vault) => carryLogs(late, vault),
    check: async (vault, boundary) => {
      const bytes = await read(vault, "file", { kind: "id", prefix: hex(id) });
      assertSameBytes(bytes, content, `at boundary ${boundary}`);
    },
  });
  assert(boundaries >= 5, `${boundaries} boundaries`);
});

Deno.test("collect: what was marked before it had to give way need not be marked again", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("file", randomBytes(60_000, 1));
    for (let i = 0; i < 20; i++) await vault.put(`key ${i}`, randomBytes(1000, i));
  });
  let steps = 0;
  await using vault = await openPaced(folder.home, () => {
    steps++;
    return Promise.resolve();
  });
  await vault.delete("file", { purge: true });
  await vault.put("orphan's", randomBytes(1000, 30));
  const { upkeep, store } = vault.peerSide();
  const orphan = randomBytes(400_000, 31);
  const address = new Uint8Array(await crypto.subtle.digest("SHA-256", orphan));
  await store.put({ kind: "sealed", address, pieces: [orphan] });
  await store.flush();
  const source = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>();
  const put = vault.put("slow", source.readable);
  const writer = source.writable.getWriter();
  await writer.write(encodeUtf8("being put")); // taken only when the put is under way
  const collect = () => atTime(Date.now() + DAYS_2, () => upkeep.collect(pinNothing));
  steps = 0;
  assertEquals(await collect(), { freedBytes: 0, isDone: false });
  const before = steps;
  await writer.close();
  await put;
  steps = 0;
  const { freedBytes, isDone } = await collect();
  assert(isDone && freedBytes >= 400_000);
  assert(steps < before / 2, `${steps} steps after ${before}`);
});
