/**
 * Bringing a whole vault to this node: for an owner whose machines are gone, and for whoever wants everything at hand.
 *
 * @module
 */

import { type Address, FETCH_ALL_FLUSH_BYTES, FETCH_ALL_IN_FLIGHT } from "../base/mod.ts";
import type { InventoryEntry } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import { HashSet } from "./hash_set.ts";
import { inParallel } from "./in_order.ts";
import { gatherLatestFirst, versionsAt } from "./log_order.ts";
import { loadManifest, needsOf } from "./manifests.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { FetchAllResult, WorkOptions } from "./types.ts";
import { readRecords } from "./whole_records.ts";

/**
 * Fetches every object that some version of the vault needs and that is not here, from whoever has it: what the latest versions
 * need before what others do. Durable when it returns. What nobody in reach has is counted, and is no error: the rest is worth
 * having. Memory: 30 bytes a version, and some 20 for each object that is asked for.
 *
 * @throws the signal's reason; VaultError `no_space`
 */
export async function fetchAll(
  context: VaultContext,
  { signal, onProgress }: WorkOptions,
): Promise<FetchAllResult> {
  const { store, attachment: { remote } } = context;
  const result = { objects: 0, bytes: 0, missing: 0 };
  let unflushed = 0;
  let totalBytes = 0;
  const asked = new HashSet();
  const fetchOne = async ({ address, length }: { address: Address; length: number }) => {
    const bytes = await remote?.fetch(address, signal ? { signal } : {}) ?? null;
    if (bytes === null) {
      result.missing++;
      return;
    }
    // Placement may have had it stored already.
    await store.put({ kind: "held", address, pieces: [bytes] });
    result.objects++;
    result.bytes += length;
    unflushed += length;
    onProgress?.({ doneBytes: result.bytes, totalBytes, item: "objects" });
    if (unflushed >= FETCH_ALL_FLUSH_BYTES) {
      unflushed = 0;
      await store.flush();
    }
  };

  for await (const version of versionsAt(context, await gatherLatestFirst(context, signal))) {
    signal?.throwIfAborted();
    const needs = await needsOfVersion(context, version, signal);
    if (needs === null) {
      result.missing++;
      continue;
    }
    const lacking = [];
    for (const need of needs) {
      // Of what is here by now it was asked for, or need not be.
      if (await store.has(need.address) || !asked.add(need.address)) continue;
      totalBytes += need.length;
      lacking.push({ address: need.address.slice(), length: need.length });
    }
    await inParallel(lacking, FETCH_ALL_IN_FLIGHT, fetchOne);
  }
  await store.flush();
  return result;
}

/** What a version needs; `null` if its record or manifest can't be had. */
async function needsOfVersion(
  context: VaultContext,
  version: IndexedVersion,
  signal: AbortSignal | undefined,
): Promise<Iterable<InventoryEntry> | null> {
  const { database, segments } = context;
  const read = () => database.guard(() => segments.versionBody(version));
  try {
    const body = await readRecords(context, read, signal);
    return body.kind === "delete" ? [] : needsOf(await loadManifest(context, body.manifest));
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return null;
  }
}
