/**
 * Which stored objects the versions still need. Worked out from the public parts of records alone, by the rule of
 * docs/format.md §6, so that a peer without any key comes to the same answer.
 *
 * @module
 */

import {
  type Address,
  equalBytes,
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
  liveLists,
  type LivenessNode,
  type PackedEntries,
} from "../log/mod.ts";
import type { FrameRow } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedVersion } from "./record_index.ts";
import { findObject } from "./read_object.ts";
import { readPruneList } from "./segments.ts";

/** A prune that is being thought about: it counts as if it were done. */
export interface PlannedPrune {
  /** Ids (hex) of the versions it drops. */
  dropped: ReadonlySet<string>;
  /** What it carries, by version id (hex). */
  carried: ReadonlyMap<string, PackedEntries>;
}

const NOTHING_PLANNED: PlannedPrune = { dropped: new Set(), carried: new Map() };

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
}

type Node = LivenessNode & { version: IndexedVersion };

/**
 * Marks what is live. Memory: a bit for every object in the index, and the rows of all versions.
 *
 * @throws VaultError `damaged` if a list that the answer rests on is lost: nothing may be collected then
 */
export function markLive(context: VaultContext, planned: PlannedPrune = NOTHING_PLANNED): Marked {
  const { index, store } = context;
  const live = new RowSet(store.index.lastRow());
  const named = new RowSet(store.index.lastRow());
  const carriedLists = index.carriedOf(context.keys.vaultId);

  const nodes: Node[] = index.allVersions().map((version) => {
    const id = toHex(version.id);
    return {
      version,
      id: version.id,
      base: version.parents[0] ?? null,
      dropped: version.dropped || planned.dropped.has(id),
      carried: carriedLists.has(id) || planned.carried.has(id),
    };
  });
  const { inventoryOf, carriedOf, missing } = liveLists(nodes);
  if (missing.length > 0) {
    store.reindex("versions are not in it that others follow");
    throw new VaultError(
      "damaged",
      `Cannot collect garbage: ${missing.length} records of the log are missing`,
      {
        hint: "`govault verify` tells what is lost",
      },
    );
  }

  const mark = (rows: RowSet, address: Address) => {
    const frame = store.index.find(address);
    if (frame !== null) rows.add(frame.row);
  };
  const markEntries = (rows: RowSet, entries: PackedEntries) => {
    for (let i = 0; i < entries.count; i++) mark(rows, entries.address(i));
  };
  const markInventory = (rows: RowSet, inventory: Inventory, whole: boolean) => {
    if ("entries" in inventory) return markEntries(rows, inventory.entries);
    for (const { address } of inventory.parts) {
      mark(rows, address);
      const part = readPart(context, address);
      if (part !== null) markEntries(rows, part);
      else if (whole) {
        throw new VaultError(
          "damaged",
          `Cannot collect garbage: inventory ${shortHex(address)} is lost`,
        );
      }
    }
  };

  for (const { version } of inventoryOf) {
    markInventory(live, inventoryOfVersion(context, version), true);
  }
  const listsSeen = new Set<string>();
  const findList = (address: Address) => findObject(context, address, "prune list");
  const carriedIds = new Set(carriedOf.map(({ id }) => toHex(id)));
  for (const lists of carriedLists.values()) {
    for (const address of lists) {
      if (listsSeen.has(toHex(address))) continue;
      listsSeen.add(toHex(address));
      for (const { version, entries } of readPruneList(address, findList).carried) {
        if (carriedIds.has(toHex(version))) markEntries(live, entries);
      }
    }
  }
  for (const [id, entries] of planned.carried) if (carriedIds.has(id)) markEntries(live, entries);
  markPruneLists(context, (address) => mark(live, address));

  for (const { version, dropped } of nodes) {
    if (dropped) markInventory(named, inventoryOfVersion(context, version), false);
  }
  return {
    isLive: (frame) => live.has(frame.row),
    isReleased: (frame) => named.has(frame.row) && !live.has(frame.row),
  };
}

/** Prune lists stay as long as their records: the index is rebuilt from them. */
function markPruneLists(context: VaultContext, mark: (address: Address) => void): void {
  for (const { row, vault } of context.index.segments()) {
    if (!equalBytes(vault, context.keys.vaultId)) continue;
    for (const record of context.segments.open(row).segment.records) {
      if (record.kind === "prune") record.lists.forEach(mark);
    }
  }
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

function readPart(context: VaultContext, address: Address): PackedEntries | null {
  const bytes = findObject(context, address, "inventory");
  return bytes !== null && equalBytes(sha256(bytes), address) ? decodeInventory(bytes) : null;
}

/** All entries of an inventory, in one list for each part. */
export function entriesOf(context: VaultContext, inventory: Inventory): PackedEntries[] {
  if ("entries" in inventory) return [inventory.entries];
  return inventory.parts.map(({ address }) => {
    const part = readPart(context, address);
    if (part === null) {
      throw new VaultError("damaged", `Cannot read inventory ${shortHex(address)}: it is lost`);
    }
    return part;
  });
}

/** Ids of versions as a set of hex. */
export function idSet(ids: Iterable<RecordId>): Set<string> {
  return new Set(Array.from(ids, toHex));
}
