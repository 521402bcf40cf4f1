/** The sums over packs, and the rows that they are of. */

import { assertEquals } from "@std/assert";
import { makeObjects, storeWith } from "./helpers.ts";

const TOTALS = ["packs", "objects", "object_bytes", "file_bytes", "crc"];

for (
  const change of [
    ...TOTALS.map((name) => `UPDATE pack_totals SET ${name} = ${name} + 1`),
    "DELETE FROM pack_totals",
  ]
) {
  Deno.test(`FrameIndex: sums that are wrong end in a rebuild and the right answer: ${change}`, async () => {
    const { store, database } = await storeWith(makeObjects(5));
    const { count } = database.rebuilds;
    const totals = store.index.totals();
    database.run(change);
    assertEquals(store.guard(() => store.index.totals()), totals);
    assertEquals(database.rebuilds.count, count + 1);
    await store.close();
  });
}

Deno.test("FrameIndex: the row of a pack that is gone is missed by whoever goes through the packs", async () => {
  const { store, database } = await storeWith(makeObjects(5));
  const { count } = database.rebuilds;
  const packs = store.index.packs();
  database.run("DELETE FROM packs");
  assertEquals(store.guard(() => store.index.packs()), packs);
  assertEquals(database.rebuilds.count, count + 1);
  await store.close();
});
