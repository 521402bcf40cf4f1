/** Versions of one key that come in another order than they were made in. */

import { assert, assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { IndexDatabase } from "../../src/store/mod.ts";
import { openVault, recoverVault } from "../../src/vault/mod.ts";
import { homeWithVault, TempFolder } from "./helpers.ts";
import { carryLogs, segmentsOf } from "./peer_helpers.ts";

const PUTS = 12;

/** How often all versions of a key are read while something is done. */
async function countFolds(work: () => Promise<void>): Promise<number> {
  const { all } = IndexDatabase.prototype;
  let folds = 0;
  IndexDatabase.prototype.all = function (sql, ...values) {
    if (/FROM versions WHERE key_tag = \?\s*$/.test(sql)) folds++;
    return all.call(this, sql, ...values);
  };
  try {
    await work();
  } finally {
    IndexDatabase.prototype.all = all;
  }
  return folds;
}

Deno.test("enter: a key's history is worked out once for all that comes together, whatever the order", async () => {
  using folder = await homeWithVault();
  await using one = await openVault({ home: folder.home });
  const owner = async () => {
    const other = new TempFolder();
    await recoverVault({ home: other.home, phrase: one.phrase() });
    return { folder: other, vault: await openVault({ home: other.home }) };
  };
  const two = await owner();
  const three = await owner();
  // The second log begins where the first has ended; by their numbers they alternate.
  for (let i = 0; i < PUTS; i++) await one.put("key", encodeUtf8(`one ${i}`));
  await carryLogs(one, two.vault);
  for (let i = 0; i < PUTS; i++) await two.vault.put("key", encodeUtf8(`two ${i}`));
  await two.vault.put("other", encodeUtf8("other"));
  await two.vault.delete("other");
  await carryLogs(two.vault, one);
  const segments = await segmentsOf(two.vault);
  assertEquals(segments.length, 2 * PUTS + 2);

  const folds = await countFolds(() => three.vault.peerSide().ledger.enter(segments));
  assert(folds <= 2, `${folds} times`);
  const show = async (vault: typeof one) =>
    (await vault.history("key")).map(({ version, id, latest, conflict }) =>
      [version, id, latest, conflict] as const
    );
  assertEquals(await show(three.vault), await show(one));
  const counts = async (vault: typeof one) => {
    const { keys, versions } = await vault.status();
    return { keys, versions };
  };
  assertEquals(await counts(three.vault), await counts(one));
  assertEquals(await counts(one), { keys: 1, versions: 2 * PUTS + 2 });

  for (const each of [two, three]) {
    await each.vault.close();
    each.folder[Symbol.dispose]();
  }
});
