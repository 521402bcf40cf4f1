/**
 * Holding what a new version names. Elsewhere what it rests on may be pruned at this very moment, by somebody who can't know
 * of that version yet. So all of it is here before it is recorded: there the record keeps it, until others have it too.
 *
 * @module
 */

import { FETCH_ALL_FLUSH_BYTES, FETCH_ALL_IN_FLIGHT } from "../base/mod.ts";
import type { InventoryEntry } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import { inParallel } from "./in_order.ts";
import { readObject } from "./read_object.ts";

/**
 * Fetches from other nodes what of these objects is not here. Durable with the record that names them.
 *
 * @throws VaultError `too_few_peers` if no node that is up has one of them, alone `damaged`; `no_space`
 */
export async function hold(
  context: VaultContext,
  needs: Iterable<InventoryEntry>,
  signal?: AbortSignal,
): Promise<void> {
  const { store } = context;
  const lacking: InventoryEntry[] = [];
  for (const need of needs) if (!store.hasSync(need.address)) lacking.push(need);
  let unflushed = 0;
  await inParallel(lacking, FETCH_ALL_IN_FLIGHT, async ({ address, length }) => {
    const bytes = await readObject(context, address, "object", signal);
    // Placement may have had it stored already.
    await store.put({ kind: "held", address, pieces: [bytes] });
    unflushed += length;
    if (unflushed < FETCH_ALL_FLUSH_BYTES) return;
    unflushed = 0;
    await store.flush();
  });
}
