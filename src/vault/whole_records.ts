/**
 * Records that are damaged here: other nodes have all records, so they are taken from there before anyone is told that
 * something can't be read, or is not told of it at all, as its name stands in them.
 *
 * @module
 */

import { FETCH_ALL_IN_FLIGHT, isVaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import { inParallel } from "./in_order.ts";
import { healObject } from "./read_object.ts";

type RecordsContext = Pick<VaultContext, "segments" | "store" | "attachment">;

/** Does what reads records, and does it again if other nodes gave some that turned out damaged. @throws as `work` */
export async function readRecords<T>(
  context: RecordsContext,
  work: () => T,
  signal?: AbortSignal,
): Promise<T> {
  context.segments.damaged.clear();
  try {
    const done = work();
    if (!await healRecords(context, signal)) return done;
  } catch (error) {
    if (!isVaultError(error, "damaged") || !await healRecords(context, signal)) throw error;
  }
  return work();
}

/** Takes segments that were found damaged from other nodes. Says whether any came; they are durable then. */
async function healRecords(
  context: RecordsContext,
  signal?: AbortSignal,
): Promise<boolean> {
  const { segments, store, attachment } = context;
  const damaged = [...segments.damaged.values()];
  segments.damaged.clear();
  if (damaged.length === 0 || attachment.remote === null) return false;
  let healed = 0;
  await inParallel(damaged, FETCH_ALL_IN_FLIGHT, async (address) => {
    try {
      healed += Number(await healObject(context, address, signal) !== null);
    } catch (error) {
      if (!isVaultError(error)) throw error; // a full disk: what can be read is told all the same
    }
  });
  if (healed > 0) await store.flush();
  return healed > 0;
}
