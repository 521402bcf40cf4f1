/**
 * Which stored objects the versions of all vaults still need, marked in the index.
 *
 * @module
 */

import {
  type Address,
  equalBytes,
  ORPHAN_GRACE_MS,
  type RecordId,
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
import { collect, type CollectOptions, type CollectResult, type FrameRow } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { namedLists } from "./live_lists.ts";
import { NOTHING_PLANNED, planLive, type PlannedPrune } from "./live_plan.ts";
import type { IndexedVersion } from "./record_index.ts";
import { findObject } from "./read_object.ts";

export type { PlannedPrune } from "./live_plan.ts";

/** A set of rows of the index: one bit each. */
class RowSet {
  readonly #bits: Uint8Array;

  constructor(lastRow: number) {
    this.#bits = new Uint8Array((lastRow >>> 3) + 1);
  }

  add(row: number): void {
    this.#bits[row >>> 3]! |= 1 << (row & 7);
  }

  has(row: number): boolean {
    return (this.#bits[row >>> 3]! & (1 << (row & 7))) !== 0;
  }
}

/** What a marking found. */
export interface Marked {
  /** Whether some version needs the object, or the log does. */
  isLive: (frame: FrameRow) => boolean;
  /** Whether only dropped versions named the object: nobody waits for it any more. */
  isReleased: (frame: FrameRow) => boolean;
  /** Whether all is here that the answer rests on. If not, what no record names may be needed by what is missing. */
  isWhole: boolean;
  /** Versions of this vault that inherit from ones that were dropped unawares. */
  heirs: readonly RecordId[];
}

/** How to mark. */
export interface MarkOptions {
  planned?: PlannedPrune;
  /** What to do where this vault's own records or lists are lost: say so, or keep all that the vault ever named. */
  onLoss?: "throw" | "keep";
}

/**
 * Marks what is live. Of another vault of which something is lost, all that it ever named counts as live. Memory: two
 * bits for every object in the index, and what the plan takes.
 *
 * @throws VaultError `damaged` if something of this vault is lost that the answer rests on, unless that is to be kept
 */
export function markLive(
  context: VaultContext,
  { planned = NOTHING_PLANNED, onLoss = "throw" }: MarkOptions = {},
): Marked {
  const { store } = context;
  const own = toHex(context.keys.vaultId);
  const plan = planLive(context, planned);
  const ownPlan = plan.vaults.get(own)!;
  if (ownPlan.missing > 0 && onLoss === "throw") {
    store.reindex("versions are not in it that others follow");
    throw cannotCollect(`${ownPlan.missing} records of the log are missing`);
  }
  const live = new RowSet(store.index.lastRow());
  const named = new RowSet(store.index.lastRow());
  const mark = (rows: RowSet, entries: PackedEntries) => {
    for (let i = 0; i < entries.count; i++) {
      const frame = store.index.find(entries.address(i));
      if (frame !== null) rows.add(frame.row);
    }
  };
  const broken = new Set<string>();
  for (const [vault, { missing }] of plan.vaults) if (missing > 0) broken.add(vault);
  const read = (address: Address) => findObject(context, address, "list of objects");
  for (const list of namedLists(context, plan, { read })) {
    if (list.what === "entries") mark(list.isLive ? live : named, list.entries);
    else if (list.vault === own && onLoss === "throw") {
      throw cannotCollect(`${list.kind} ${shortHex(list.address)} is lost`);
    } else broken.add(list.vault);
  }
  for (const [id, entries] of planned.carried) if (ownPlan.carried.has(id)) mark(live, entries);
  if (broken.size > 0) {
    const only = (vault: string) => broken.has(vault);
    for (const list of namedLists(context, plan, { read, only })) {
      if (list.what === "entries") mark(live, list.entries);
    }
  }
  return {
    isLive: (frame) => live.has(frame.row),
    isReleased: (frame) => named.has(frame.row) && !live.has(frame.row),
    isWhole: broken.size === 0 && context.problems.length === 0,
    heirs: ownPlan.heirs,
  };
}

function cannotCollect(state: string): VaultError {
  return new VaultError("damaged", `Cannot collect garbage: ${state}`, {
    hint: "`govault verify` tells what is lost",
  });
}

/**
 * Collects what is marked as dead. What no record ever named may belong to a put that was interrupted and will be tried
 * again, or have come ahead of its record: it stays while it is young, and while a record may be missing.
 */
export function collectMarked(
  context: VaultContext,
  marked: Marked,
  options: Omit<CollectOptions, "isLive" | "isSpared">,
): Promise<CollectResult> {
  const { store, attachment } = context;
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
  return collect(store, {
    ...options,
    isLive: (frame) => {
      if (marked.isLive(frame) || attachment.isPinned(frame.address)) return true;
      return !marked.isReleased(frame) && (!marked.isWhole || isYoung(frame.pack));
    },
    isSpared: ({ address }) => attachment.isPinned(address),
  });
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
