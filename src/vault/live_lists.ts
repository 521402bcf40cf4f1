/**
 * The lists that say what is live, for all vaults whose records are here, one after another: which of them count, a plan
 * says. Works on the public parts alone, so that a node comes to the same answer for vaults whose keys it lacks. Each vault
 * is judged by its own records: what another lacks or claims changes nothing.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  equalBytes,
  isVaultError,
  sha256,
  toHex,
  VaultError,
} from "../base/mod.ts";
import {
  decodeInventory,
  decodePruneList,
  decodeSegment,
  ENTRY_BYTES,
  INVENTORY_HEADER_BYTES,
  type InventoryEntry,
  isVersionRecord,
  type PackedEntries,
  packEntries,
  type RecordPublic,
} from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { LivePlan, Standing } from "./live_plan.ts";

/** A list, as it is come upon. */
export type NamedList =
  | {
    what: "entries";
    vault: string;
    /** Else only versions that were dropped name these objects. */
    isLive: boolean;
    /** Every node holds them. */
    isPublic: boolean;
    /** A version that was dropped needed them; one that is kept needs some of them, or none. */
    isInherited: boolean;
    entries: PackedEntries;
  }
  /** A list that is live and can't be read. */
  | { what: "lost"; vault: string; kind: "segment" | "inventory" | "prune list"; address: Address };

type Parts = Pick<VaultContext, "store">;

/** Reads a stored object at once, or null. */
type Read = (address: Address) => Bytes | null;

/**
 * All lists that records name, segment by segment. `read` need not check what it gives. May be read on over many turns of
 * the event loop: it rests on addresses, which stay.
 */
export function* namedLists(
  context: Parts,
  plan: LivePlan,
  { read, only }: { read: Read; only?: (vault: string) => boolean },
): Generator<NamedList> {
  for (let i = 0; i < plan.segments.count; i++) {
    const vault = plan.segments.vault(i);
    if (only !== undefined && !only(vault)) continue;
    const address = plan.segments.address(i);
    const bytes = checkedObject(address, read);
    const open = [entryOf(context, address)];
    if (bytes === null) {
      yield { what: "lost", vault, kind: "segment", address };
      yield publicList(vault, open);
      continue;
    }
    const { records } = decodeSegment(bytes, { signatures: "checked before" });
    for (const [position, record] of records.entries()) {
      yield* listsOf(context, record, {
        vault,
        standing: plan.segments.standing(i, position),
        open,
        read,
      });
    }
    yield publicList(vault, open);
  }
  for (const [vault, { carried, lists }] of plan.vaults) {
    if (only !== undefined && !only(vault)) continue;
    for (const address of lists) yield* carriedLists(address, { vault, carried, read });
  }
}

function publicList(vault: string, entries: readonly InventoryEntry[]): NamedList {
  return {
    what: "entries",
    vault,
    isLive: true,
    isPublic: true,
    isInherited: false,
    entries: packEntries(entries),
  };
}

/** What one record names. Public objects that stay go to `open`. */
function* listsOf(
  context: Parts,
  record: RecordPublic,
  { vault, standing, open, read }: {
    vault: string;
    standing: Standing;
    open: InventoryEntry[];
    read: Read;
  },
): Generator<NamedList> {
  if (record.kind === "prune") {
    for (const list of record.lists) open.push(entryOf(context, list));
  }
  if (!isVersionRecord(record)) return;
  const { inventory } = record;
  const isLive = standing !== "dropped";
  const how = { what: "entries", vault, isLive, isInherited: standing === "inherited" } as const;
  if ("entries" in inventory) {
    if (inventory.entries.count === 0) return;
    yield { ...how, isPublic: false, entries: inventory.entries };
    return;
  }
  for (const { address, count } of inventory.parts) {
    const entry = { address, length: INVENTORY_HEADER_BYTES + count * ENTRY_BYTES };
    if (isLive) open.push(entry);
    else yield { ...how, isPublic: true, entries: packEntries([entry]) };
    // What only dropped versions needed may be gone for good: no reason to doubt the index.
    const readPart: Read = isLive ? read : (address) => context.store.getSync(address);
    const entries = decodedObject(address, readPart, decodeInventory);
    if (entries !== null) yield { ...how, isPublic: false, entries };
    else if (isLive) yield { what: "lost", vault, kind: "inventory", address };
  }
}

function* carriedLists(
  address: Address,
  { vault, carried, read }: { vault: string; carried: ReadonlySet<string>; read: Read },
): Generator<NamedList> {
  const list = decodedObject(address, read, decodePruneList);
  if (list === null) return yield { what: "lost", vault, kind: "prune list", address };
  for (const { version, entries } of list.carried) {
    if (!carried.has(toHex(version)) || entries.count === 0) continue;
    const how = { isLive: true, isPublic: false, isInherited: false };
    yield { what: "entries", vault, ...how, entries };
  }
}

/** A segment or prune list as an entry. Of one that is not here nobody can tell the length: it counts as 1. */
function entryOf({ store }: Parts, address: Address): InventoryEntry {
  return { address, length: Math.max(1, store.stat(address)?.length ?? 1) };
}

/** The bytes with this address; null if they are lost or others. */
export function checkedObject(address: Address, read: Read): Bytes | null {
  try {
    const bytes = read(address);
    return bytes !== null && equalBytes(sha256(bytes), address) ? bytes : null;
  } catch (error) {
    if (isVaultError(error, "damaged")) return null;
    throw error;
  }
}

/** What such an object says; null if it is lost, or no such thing. */
export function decodedObject<T>(
  address: Address,
  read: Read,
  decode: (bytes: Bytes) => T,
): T | null {
  const bytes = checkedObject(address, read);
  if (bytes === null) return null;
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}
