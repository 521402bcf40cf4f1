/**
 * Which lists say what is live, for all vaults whose records are here: the rule of docs/format.md §6 over what the index
 * knows, then the lists themselves, one after another. Works on the public parts alone, so that a node comes to the same
 * answer for vaults whose keys it lacks. Each vault is judged by its own records: what another lacks or claims changes
 * nothing.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  equalBytes,
  isVaultError,
  type RecordId,
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
  liveLists,
  type LivenessNode,
  type PackedEntries,
  packEntries,
  type RecordPublic,
} from "../log/mod.ts";
import type { VaultContext } from "./context.ts";

/** A prune that is being thought about: it counts as if it were done. */
export interface PlannedPrune {
  /** Ids (hex) of the versions it drops. */
  dropped: ReadonlySet<string>;
  /** What it carries, by version id (hex). */
  carried: ReadonlyMap<string, PackedEntries>;
}

/** No prune. */
export const NOTHING_PLANNED: PlannedPrune = { dropped: new Set(), carried: new Map() };

/** Whether a version is kept, or was dropped and one that is kept may need of it what nobody has said, or was dropped. */
type Standing = "kept" | "inherited" | "dropped";

/** Which lists of one vault count. */
interface VaultPlan {
  /** How a version's inventory counts, by the address (hex) of its segment and its place there. */
  readonly inventories: ReadonlyMap<string, ReadonlyMap<number, Standing>>;
  /** Versions (hex) for which what was carried is live. */
  readonly carried: ReadonlySet<string>;
  /** The prune lists in which it stands. */
  readonly lists: readonly Address[];
  /** Versions that kept ones inherit from and that are not known. */
  readonly missing: number;
}

/** Which lists count, as of one moment. */
export interface LivePlan {
  readonly segments: readonly { readonly address: Address; readonly vault: string }[];
  /** By vault id in hex. */
  readonly vaults: ReadonlyMap<string, VaultPlan>;
}

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

type Parts = Pick<VaultContext, "index" | "keys" | "store">;

interface Node extends LivenessNode {
  segment: number;
  position: number;
}

/** Works out which lists count. Memory: the rows of all versions and segments. Call it inside a guard of the index. */
export function planLive(context: Parts, planned: PlannedPrune = NOTHING_PLANNED): LivePlan {
  const { index, keys } = context;
  const segments = index.segments().sort((a, b) => a.row - b.row);
  const addressOf = new Map(segments.map(({ row, address }) => [row, toHex(address)]));
  const nodes = new Map<string, { id: Bytes; nodes: Omit<Node, "carried">[] }>();
  const ofVault = (id: Bytes) => {
    const name = toHex(id);
    const known = nodes.get(name);
    if (known !== undefined) return known.nodes;
    const made = { id, nodes: [] };
    nodes.set(name, made);
    return made.nodes;
  };
  const own = ofVault(keys.vaultId);
  for (const { id, parents, dropped, segment, position } of index.allVersions()) {
    const isDropped = dropped || planned.dropped.has(toHex(id));
    own.push({ id, base: parents[0] ?? null, dropped: isDropped, segment, position });
  }
  for (const version of index.foreign.all(index.totals().foreignVersions)) {
    ofVault(version.vault).push(version);
  }
  const vaults = new Map<string, VaultPlan>();
  for (const [name, { id, nodes: found }] of nodes) {
    const carried = index.carriedOf(id);
    const plannedHere = equalBytes(id, keys.vaultId) ? planned.carried : NOTHING_PLANNED.carried;
    const isCarried = (version: RecordId) =>
      carried.has(toHex(version)) || plannedHere.has(toHex(version));
    vaults.set(
      name,
      planVault(found.map((n) => ({ ...n, carried: isCarried(n.id) })), {
        carried,
        addressOf,
      }),
    );
  }
  return {
    segments: segments.map(({ address, vault }) => ({ address, vault: toHex(vault) })),
    vaults,
  };
}

function planVault(
  nodes: readonly Node[],
  { carried, addressOf }: {
    carried: ReadonlyMap<string, readonly Address[]>;
    addressOf: ReadonlyMap<number, string>;
  },
): VaultPlan {
  const { inventoryOf, carriedOf, missing } = liveLists(nodes);
  const inventories = new Map<string, Map<number, Standing>>();
  const note = ({ segment, position }: Node, standing: Standing) => {
    const address = addressOf.get(segment);
    if (address === undefined) return;
    const places = inventories.get(address);
    if (places === undefined) inventories.set(address, new Map([[position, standing]]));
    else places.set(position, standing);
  };
  for (const node of nodes) note(node, "dropped");
  for (const node of inventoryOf) note(node, node.dropped ? "inherited" : "kept");
  const ids = new Set(carriedOf.map(({ id }) => toHex(id)));
  const lists = new Map<string, Address>();
  for (const id of ids) {
    for (const address of carried.get(id) ?? []) lists.set(toHex(address), address);
  }
  return { inventories, carried: ids, lists: [...lists.values()], missing: missing.length };
}

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
  for (const { address, vault } of plan.segments) {
    if (only !== undefined && !only(vault)) continue;
    const bytes = checked(address, read);
    const open = [entryOf(context, address)];
    if (bytes === null) {
      yield { what: "lost", vault, kind: "segment", address };
      yield publicList(vault, open);
      continue;
    }
    const { records } = decodeSegment(bytes, { signatures: "checked before" });
    const states = plan.vaults.get(vault)?.inventories.get(toHex(address));
    for (const [position, record] of records.entries()) {
      yield* listsOf(context, record, {
        vault,
        // A version that is known from another segment counts there.
        standing: states?.get(position) ?? "dropped",
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
    const entries = decoded(address, readPart, decodeInventory);
    if (entries !== null) yield { ...how, isPublic: false, entries };
    else if (isLive) yield { what: "lost", vault, kind: "inventory", address };
  }
}

function* carriedLists(
  address: Address,
  { vault, carried, read }: { vault: string; carried: ReadonlySet<string>; read: Read },
): Generator<NamedList> {
  const list = decoded(address, read, decodePruneList);
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
function checked(address: Address, read: Read): Bytes | null {
  try {
    const bytes = read(address);
    return bytes !== null && equalBytes(sha256(bytes), address) ? bytes : null;
  } catch (error) {
    if (isVaultError(error, "damaged")) return null;
    throw error;
  }
}

function decoded<T>(address: Address, read: Read, decode: (bytes: Bytes) => T): T | null {
  const bytes = checked(address, read);
  if (bytes === null) return null;
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}
