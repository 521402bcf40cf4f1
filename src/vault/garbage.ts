/**
 * Collecting what no version of any vault needs any more.
 *
 * @module
 */

import {
  equalBytes,
  ORPHAN_GRACE_MS,
  type RecordId,
  REPACK_DEAD_SHARE,
  sha256,
  shortHex,
  toHex,
  VaultError,
} from "../base/mod.ts";
import {
  decodeInventory,
  type Inventory,
  isVersionRecord,
  type PackedEntries,
} from "../log/mod.ts";
import {
  chooseCandidates,
  collect,
  type CollectOptions,
  type CollectResult,
  type FrameRow,
} from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { PlannedPrune } from "./live_plan.ts";
import { type Marked, type Marking, markLive, settle } from "./marking.ts";
import { findObject } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";

export type { PlannedPrune } from "./live_plan.ts";

/** How often all is marked anew, as what came meanwhile asks for it, before nobody may write while it is marked. */
const MARKINGS_MAX = 3;

/** How {@link collectGarbage} goes about it. */
export interface CollectGarbageOptions {
  dryRun: boolean;
  /** For a dry run: a prune that is not made. */
  planned?: PlannedPrune;
  /** Rewrite just the packs with a dead object that was live by this; and then all of them, however few bytes it is. */
  onlyIfLive?: (frame: FrameRow) => boolean;
  signal?: AbortSignal | undefined;
  onPack?: (done: { packs: number; of: number }) => void;
}

/**
 * Collects what no version of any vault needs. Others go on writing while it is marked, and wait while packs are rewritten.
 *
 * @throws VaultError `damaged` if something of this vault is lost that the answer rests on, `no_space`, `interrupted`
 */
export async function collectGarbage(
  context: VaultContext,
  options: CollectGarbageOptions,
): Promise<CollectResult> {
  const { rebuilds } = context.store;
  try {
    return await markAndCollect(context, options);
  } catch (error) {
    // The index turned out to be damaged on the way: by the new one everything is marked again.
    if (context.store.rebuilds === rebuilds) throw error;
    return await markAndCollect(context, options);
  }
}

async function markAndCollect(
  context: VaultContext,
  options: CollectGarbageOptions,
): Promise<CollectResult> {
  const { gate } = context;
  const { dryRun, planned, onlyIfLive, signal, onPack } = options;
  const how = {
    deadShareMin: onlyIfLive ? 0 : REPACK_DEAD_SHARE,
    ...(onlyIfLive ? { onlyWith: onlyIfLive } : {}),
    dryRun,
    ...(signal ? { signal } : {}),
    ...(onPack ? { onPack } : {}),
  };
  const mark = () => markLive(context, { signal, ...(dryRun && planned ? { planned } : {}) });
  for (let markings = 1; markings <= MARKINGS_MAX; markings++) {
    const marking = await mark();
    if (!await marking.catchUpInSteps(signal)) continue;
    const { candidates, leftBytes } = await chooseMarked(context, marking.marked, how);
    const collected = await gate.beAlone(() =>
      collectCaughtUp(context, marking, { ...how, candidates })
    );
    if (collected !== null) return { ...collected, leftBytes };
  }
  return await gate.beAlone(async () => {
    let marking;
    do marking = await mark(); while (!marking.catchUp());
    return await collectMarked(context, marking.marked, how);
  });
}

/**
 * Collects by a marking that was made while others wrote; to be called while nobody does.
 *
 * @returns null if all has to be marked anew
 */
export async function collectCaughtUp(
  context: VaultContext,
  marking: Marking,
  options: Omit<CollectOptions, "isLive" | "isSpared">,
): Promise<CollectResult | null> {
  await settle(context);
  return marking.catchUp() ? await collectMarked(context, marking.marked, options) : null;
}

/** Packs that are worth rewriting, by what is marked so far. */
export function chooseMarked(
  context: VaultContext,
  marked: Marked,
  options: Omit<CollectOptions, "isLive" | "isSpared">,
) {
  return chooseCandidates(context.store, { ...options, ...judge(context, marked) });
}

/** Collects what is marked as dead. */
function collectMarked(
  context: VaultContext,
  marked: Marked,
  options: Omit<CollectOptions, "isLive" | "isSpared">,
): Promise<CollectResult> {
  return collect(context.store, { ...options, ...judge(context, marked) });
}

/**
 * What stays. What no record ever named may belong to a put that was interrupted and will be tried again, or have come ahead of
 * its record: it stays while it is young, and while a record may be missing.
 */
function judge(
  context: VaultContext,
  marked: Marked,
): Pick<CollectOptions, "isLive" | "isSpared" | "rest"> {
  const { store, attachment, pace } = context;
  const now = context.clock.now();
  const ages = new Map<number, boolean>();
  const isYoung = (pack: number) => {
    let young = ages.get(pack);
    if (young === undefined) {
      young = now - (store.packs.stat(pack)?.mtime ?? now) < ORPHAN_GRACE_MS;
      ages.set(pack, young);
    }
    return young;
  };
  return {
    isLive: (frame) => {
      if (marked.isLive(frame) || attachment.isPinned(frame.address)) return true;
      return !marked.isReleased(frame) && (!marked.isWhole || isYoung(frame.pack));
    },
    isSpared: ({ address }) => attachment.isPinned(address),
    rest: () => pace.others(),
  };
}

/** The inventory that a version's record states. */
export function inventoryOfVersion(context: VaultContext, version: IndexedVersion): Inventory {
  const record = context.segments.open(version.segment).segment.records[version.position];
  if (record === undefined || !isVersionRecord(record)) {
    throw new VaultError(
      "damaged",
      `Cannot read version ${shortHex(version.id)}: its record is of another kind`,
    );
  }
  return record.inventory;
}

/** All entries of an inventory, in one list for each part. @throws VaultError `damaged` */
export function entriesOf(
  context: Pick<VaultContext, "store">,
  inventory: Inventory,
): PackedEntries[] {
  if ("entries" in inventory) return [inventory.entries];
  return inventory.parts.map(({ address }) => {
    const bytes = findObject(context, address, "inventory");
    if (bytes === null || !equalBytes(sha256(bytes), address)) {
      throw new VaultError("damaged", `Cannot read inventory ${shortHex(address)}: it is lost`);
    }
    return decodeInventory(bytes);
  });
}

/** Ids of versions as a set of hex. */
export function idSet(ids: Iterable<RecordId>): Set<string> {
  return new Set(Array.from(ids, toHex));
}
