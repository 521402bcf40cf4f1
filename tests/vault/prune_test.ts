/**
 * Retention applied, garbage collected: what is kept stays readable, what is gone gives its space back.
 */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, encodeUtf8, ORPHAN_GRACE_MS, sha256 } from "../../src/base/mod.ts";
import type { PruneResult, Retention, Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  atTime,
  collect,
  Dice,
  failure,
  filesUnder,
  hex,
  homeWithVault,
  includes,
  keyNames,
  packFrames,
  packPaths,
  randomBytes,
  read,
  readFrame,
  splice,
  type TempFolder,
  version,
  withVault,
} from "./helpers.ts";

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/** The vault's histories, ids and all. */
async function histories(vault: Vault): Promise<string> {
  const all: unknown[] = [];
  for (const { key } of await collect(vault.list({ deleted: true }))) {
    all.push(await vault.history(key));
  }
  return JSON.stringify(all, (_, value) => value instanceof Uint8Array ? hex(value) : value);
}

function storedBytes(folder: TempFolder): number {
  return packPaths(folder).reduce((sum, path) => sum + Deno.statSync(path).size, 0);
}

/** What a dry run and the real one have to agree on. */
function promised({ dryRun: _, dropped, ...figures }: PruneResult): unknown {
  return { ...figures, dropped: dropped.map(({ id }) => hex(id)) };
}

/** Puts old packs before the grace of orphans, so that whatever no version needs may go. */
function agePacks(folder: TempFolder): void {
  const old = new Date(Date.now() - ORPHAN_GRACE_MS - HOUR);
  for (const path of packPaths(folder)) Deno.utimeSync(path, old, old);
}

Deno.test("prune: without a rule no version goes, and with nothing dead no byte", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    for (let i = 0; i < 5; i++) await vault.put("key", randomBytes(50_000, i));
    const before = await histories(vault);
    const result = await vault.prune({});
    assertEquals([result.droppedVersions, result.removedChunks, result.freedBytes], [0, 0, 0]);
    assertEquals([result.versions, result.keptVersions], [5, 5]);
    assertEquals(await histories(vault), before);
  });
});

Deno.test("prune: keeps what a rule, a tag or being the newest keeps; the rest is gone from every view", async () => {
  using folder = await homeWithVault();
  const start = Date.parse("2024-01-01T12:00:00Z");
  await withVault(folder, async (vault) => {
    const contents = Array.from({ length: 10 }, (_, i) => randomBytes(60_000, i));
    for (const [day, bytes] of contents.entries()) {
      await atTime(start + day * DAY, () => vault.put("key", bytes));
      if (day === 3) await atTime(start + day * DAY + HOUR, () => vault.tag("third day"));
    }
    await vault.put("single", encodeUtf8("text"));
    const before = storedBytes(folder);
    const result = await vault.prune({ keepLast: 2, keepWeekly: 2 });
    // 1 to 7 January 2024 is one week, 8 to 14 the next.
    const kept = [4, 7, 9, 10];
    const history = await vault.history("key");
    assertEquals(history.map(({ version }) => version), kept);
    assertEquals(history.map(({ latest }) => latest), [false, false, false, true]);
    assertEquals([result.versions, result.keptVersions, result.droppedVersions], [11, 5, 6]);
    assertEquals(result.dropped.map(({ key, version }) => `${key} ${version}`), [
      ...[1, 2, 3, 5, 6, 8].map((number) => `key ${number}`),
    ]);
    for (const number of kept) {
      assertSameBytes(await read(vault, "key", version(number)), contents[number - 1]!);
    }
    for (const number of [1, 2, 3, 5, 6, 8]) {
      await failure("not_found", () => vault.get("key", { select: version(number) }));
      await failure("not_found", () => vault.restore("key", version(number)));
    }
    await failure("not_found", () => vault.get("key", { select: { kind: "time", time: start } }));
    assert(before - storedBytes(folder) > 350_000, "space comes back");
    assert(result.freedBytes > 350_000 && result.removedChunks >= 6);
    assertEquals((await vault.verify()).problems, []);
    assertEquals((await vault.status()).logicalBytes, 4 * 60_000 + 4);

    await vault.untag("third day");
    await vault.prune({ keepLast: 2, keepWeekly: 2 });
    assertEquals((await vault.history("key")).map(({ version }) => version), [7, 9, 10]);
    assertEquals((await vault.put("key", randomBytes(10))).version, 11, "numbers go on");
  });
});

Deno.test("prune: a dry run says what the real one then does, and changes nothing", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const long = randomBytes(3_000_000);
    for (let i = 0; i < 8; i++) {
      await vault.put("a", splice(long, { at: i * 300_000, insert: randomBytes(50, i) }));
      await vault.put("b", randomBytes(100_000, i));
    }
    await vault.delete("b");
    await vault.put("c", encodeUtf8("c"));
  });
  const image = () => [...filesUnder(folder.at("home", "packs"))].map(({ bytes }) => sha256(bytes));
  await withVault(folder, async (vault) => {
    const before = [image(), await histories(vault)];
    const dry = await vault.prune({ keepLast: 2 }, { dryRun: true });
    assert(dry.dryRun && dry.freedBytes > 1_000_000 && dry.droppedVersions === 6 + 7);
    assertEquals([image(), await histories(vault)], before);
    const size = storedBytes(folder);
    const real = await vault.prune({ keepLast: 2 });
    assert(!real.dryRun);
    assertEquals(real.dropped.map(({ id }) => hex(id)), dry.dropped.map(({ id }) => hex(id)));
    const { removedChunks, droppedVersions, keptVersions } = promised(real) as PruneResult;
    assertEquals(
      [removedChunks, droppedVersions, keptVersions],
      [dry.removedChunks, dry.droppedVersions, dry.keptVersions],
    );
    const freed = size - storedBytes(folder);
    assert(Math.abs(freed - real.freedBytes) < 20_000, `${real.freedBytes} said, ${freed} freed`);
    assert(Math.abs(dry.freedBytes - real.freedBytes) < 20_000, "but for the prune's own record");
  });
});

Deno.test("prune: a second time there is nothing left to do", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    for (let i = 0; i < 6; i++) await vault.put("key", randomBytes(200_000, i));
    await vault.prune({ keepLast: 2 });
    const [before, frames] = [await histories(vault), packFrames(folder).length];
    const again = await vault.prune({ keepLast: 2 });
    assertEquals([again.droppedVersions, again.freedBytes], [0, 0]);
    assertEquals(await histories(vault), before);
    assert(packFrames(folder).length <= frames);
  });
});

/** One step of a random history. Keeps note in `contents` of what every version holds, by id. */
async function step(vault: Vault, dice: Dice, contents: Map<string, Bytes>): Promise<void> {
  const key = `key ${dice.below(4)}`;
  const existing = (await keyNames(vault, { deleted: true })).includes(key);
  const history = existing ? await vault.history(key) : [];
  const latest = history.at(-1);
  switch (existing ? dice.below(9) : 0) {
    case 0:
    case 1:
    case 2: { // a new text, or one that some key has or had
      const old = [...contents.values()];
      const bytes = old.length > 0 && dice.below(3) === 0
        ? dice.pick(old)
        : dice.bytes(dice.pick([0, 20, 3000, 700_000]));
      const { id } = await vault.put(key, bytes);
      contents.set(hex(id), bytes);
      break;
    }
    case 3:
    case 4: { // an edit of what there is
      const base = contents.get(hex(dice.pick(history).id)) ?? new Uint8Array(0);
      const bytes = splice(base, { at: dice.below(base.length + 1), insert: dice.bytes(9) });
      const { id } = await vault.put(key, bytes);
      contents.set(hex(id), bytes);
      break;
    }
    case 5:
      if (latest?.op !== "delete") await vault.delete(key);
      break;
    case 6: {
      const old = dice.pick(history);
      if (old.op === "delete") break;
      const { id } = await vault.restore(key, { kind: "id", prefix: hex(old.id) });
      contents.set(hex(id), contents.get(hex(old.id))!);
      break;
    }
    case 7: {
      const rules: Retention[] = [{ keepLast: 1 }, { keepLast: 3 }, { keepDaily: 2 }, {}];
      await vault.prune(dice.pick(rules));
      break;
    }
    case 8:
      if (dice.below(3) === 0) await vault.delete(key, { purge: true });
      else if (dice.below(2) === 0) await vault.tag(`tag ${dice.next()}`);
      break;
  }
}

/** Every version in every history has the bytes it was given. */
async function checkAll(vault: Vault, contents: Map<string, Bytes>): Promise<void> {
  for (const key of await keyNames(vault, { deleted: true })) {
    for (const { id, op, damaged } of await vault.history(key)) {
      assert(!damaged);
      if (op === "delete") continue;
      const bytes = await read(vault, key, { kind: "id", prefix: hex(id) });
      assertSameBytes(bytes, contents.get(hex(id))!, `of ${key}`);
    }
  }
  const { problems, missing, damaged } = await vault.verify();
  assertEquals([problems, missing, damaged], [[], 0, 0]);
}

/** Random histories a run tries: more in a longer search. */
const HISTORIES = Number(Deno.env.get("GOVAULT_HISTORIES") ?? 8);

Deno.test("prune: whatever came before, what is kept is readable, also by an index made anew", async () => {
  for (let seed = 0; seed < HISTORIES; seed++) {
    using folder = await homeWithVault();
    const dice = new Dice(seed);
    const contents = new Map<string, Bytes>();
    let time = Date.parse("2024-01-01T00:00:00Z");
    try {
      await withVault(folder, async (vault) => {
        for (let i = 0; i < 25; i++) {
          time += dice.pick([0, 1, HOUR, DAY]);
          await atTime(time, () => step(vault, dice, contents));
        }
        await checkAll(vault, contents);
      });
      const before = await withVault(folder, histories);
      Deno.removeSync(folder.at("home", "vault.db"));
      await withVault(folder, async (vault) => {
        assertEquals(await histories(vault), before);
        agePacks(folder);
        await vault.prune({ keepLast: 1 + dice.below(3) });
        await checkAll(vault, contents);
      });
    } catch (error) {
      throw new Error(`history ${seed}`, { cause: error });
    }
  }
});

/** The sealed bytes of a put: the frames it appended. */
async function framesOf(folder: TempFolder, put: () => Promise<unknown>): Promise<Bytes[]> {
  const before = new Set(packFrames(folder).map(({ address }) => hex(address)));
  await put();
  return packFrames(folder)
    .filter(({ address, kind }) => kind === "sealed" && !before.has(hex(address))).map(readFrame);
}

function isAnywhere(folder: TempFolder, bytes: Bytes): boolean {
  return packPaths(folder).some((path) => includes(Deno.readFileSync(path), bytes));
}

Deno.test("delete: purge forgets every version and leaves none of its bytes in any pack", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const shared = randomBytes(300_000, 1);
    const gone: Bytes[] = [];
    await vault.put("other", shared);
    await vault.put("large neighbour", randomBytes(5_000_000));
    for (let i = 0; i < 3; i++) {
      gone.push(...await framesOf(folder, () => vault.put("key", randomBytes(40_000, 50 + i))));
    }
    await vault.put("key", shared);
    assertEquals(gone.length, 3);
    assert(gone.every((bytes) => isAnywhere(folder, bytes)));

    const { freedBytes, version: tombstone } = await vault.delete("key", { purge: true });
    assert(freedBytes > 3 * 40_000);
    assertEquals([tombstone.op, tombstone.version], ["delete", 5]);
    assert(!gone.some((bytes) => isAnywhere(folder, bytes)), "its bytes are gone");
    assertEquals((await vault.history("key")).map(({ op }) => op), ["delete"]);
    for (let number = 1; number <= 4; number++) {
      await failure("not_found", () => vault.restore("key", version(number)));
      await failure("not_found", () => vault.get("key", { select: version(number) }));
    }
    assertEquals(await read(vault, "other"), shared, "what others share stays");
    assertEquals((await vault.verify()).problems, []);
    assertEquals((await vault.put("key", encodeUtf8("again"))).version, 6);
  });
  Deno.removeSync(folder.at("home", "vault.db"));
  await withVault(folder, async (vault) => {
    assertEquals((await vault.history("key")).map(({ op }) => op), ["delete", "put"]);
    assertEquals(await keyNames(vault), ["key", "large neighbour", "other"]);
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("delete: purge of a key that is deleted already forgets its versions", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const [bytes] = await framesOf(folder, () => vault.put("key", randomBytes(40_000)));
    await vault.delete("key");
    await vault.delete("key", { purge: true });
    assert(!isAnywhere(folder, bytes!));
    assertEquals((await vault.history("key")).map(({ op }) => op), ["delete"]);
    await failure("not_found", () => vault.delete("never", { purge: true }));
  });
});

/** Leaves chunks that no record names: what an interrupted put stored before it ended. */
async function leaveOrphans(folder: TempFolder, vault: Vault): Promise<Bytes[]> {
  return await framesOf(folder, async () => {
    async function* stops(): AsyncGenerator<Uint8Array> {
      for (const seed of [77, 78, 79]) yield randomBytes(6_000_000, seed);
      throw new Error("the line is down");
    }
    await vault.put("key", stops()).catch(() => {/* as it should */});
    await vault.put("flushed", encodeUtf8("text"));
  });
}

Deno.test("prune: orphans stay while they are young, and then go", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const orphans = (await leaveOrphans(folder, vault)).filter((bytes) => bytes.length > 1000);
    assert(orphans.length > 3, "an interrupted put leaves chunks");
    assertEquals((await vault.prune({ keepLast: 1 })).freedBytes, 0);
    assert(orphans.every((bytes) => isAnywhere(folder, bytes)));

    async function* again(): AsyncGenerator<Uint8Array> {
      yield randomBytes(6_000_000, 77);
    }
    const retried = await vault.put("key", again());
    assert(retried.newChunks <= 1, "the put that is tried again goes on from them");
    agePacks(folder);
    const { freedBytes } = await vault.prune({});
    assert(freedBytes > 3_000_000, `${freedBytes} bytes`);
    assert(orphans.filter((bytes) => isAnywhere(folder, bytes)).length < orphans.length);
    assertSameBytes(await read(vault, "key"), randomBytes(6_000_000, 77));
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("prune: while puts go on, nothing they store is lost", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    for (let i = 0; i < 6; i++) await vault.put("old", randomBytes(400_000, i));
    const puts = Array.from(
      { length: 30 },
      (_, i) => vault.put(`new ${i}`, randomBytes(90_000, i)),
    );
    const again = vault.put("same", randomBytes(400_000, 2)); // as a version that is about to go
    const prunes = [vault.prune({ keepLast: 1 }), vault.prune({ keepLast: 1 })];
    await Promise.all([...puts, again, ...prunes]);
    for (let i = 0; i < 30; i++) {
      assertSameBytes(await read(vault, `new ${i}`), randomBytes(90_000, i));
    }
    assertSameBytes(await read(vault, "same"), randomBytes(400_000, 2));
    assertEquals((await vault.verify()).problems, []);
  });
});
