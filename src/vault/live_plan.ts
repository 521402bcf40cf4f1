/**
 * Which lists say what is live, for all vaults whose records are here: the rule of docs/format.md §6 over what the index
 * knows. Works on the public parts alone, so that a node comes to the same answer for vaults whose keys it lacks. Each vault
 * is judged by its own records: what another lacks or claims changes nothing.
 *
 * A node goes through this hourly, whatever the number of versions, so that no row is held longer than it is looked at: what
 * stays is a byte for each record, and 44 for each segment.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  equalBytes,
  HASH_BYTES,
  type RecordId,
  toHex,
} from "../base/mod.ts";
import { liveLists, type LivenessNode, type PackedEntries } from "../log/mod.ts";
import { IndexDamage } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedSegment, RecordIndex } from "./record_index.ts";
import { inSteps } from "./steps.ts";

/** A prune that is being thought about: it counts as if it were done. */
export interface PlannedPrune {
  /** Ids (hex) of the versions it drops. */
  dropped: ReadonlySet<string>;
  /** What it carries, by version id (hex). */
  carried: ReadonlyMap<string, PackedEntries>;
}

/** Rows of the index that are looked at in one step of a plan. */
const STEP_ROWS = 32;

/** No prune. */
export const NOTHING_PLANNED: PlannedPrune = { dropped: new Set(), carried: new Map() };

/** Whether a version is kept, or was dropped and one that is kept may need of it what nobody has said, or was dropped. */
export type Standing = "kept" | "inherited" | "dropped";

const STANDINGS: readonly Standing[] = ["dropped", "inherited", "kept"];

/** Which lists of one vault count, beside inventories. */
interface VaultPlan {
  /** Versions (hex) for which what was carried is live. */
  readonly carried: ReadonlySet<string>;
  /** The prune lists in which it stands. */
  readonly lists: readonly Address[];
  /** Versions that kept ones inherit from and that are not known. */
  readonly missing: number;
  /** Kept versions whose first parent was dropped, or is not known, and for which nothing was carried. */
  readonly heirs: readonly RecordId[];
}

/** Which lists count, as of one moment. It rests on addresses, which stay when the index is made anew. */
export interface LivePlan {
  readonly segments: PlannedSegments;
  /** By vault id in hex. */
  readonly vaults: ReadonlyMap<string, VaultPlan>;
}

/** All segments, packed, and how the inventories of their records count. */
export class PlannedSegments {
  readonly count: number;
  readonly #addresses: Bytes;
  readonly #vaults: Uint32Array;
  readonly #vaultNames: string[] = [];
  /** Of each segment the place of its first record in `standings`, and behind them the end. */
  readonly #starts: Float64Array;
  #standings: Uint8Array = new Uint8Array(0);

  private constructor(count: number) {
    this.count = count;
    this.#addresses = new Uint8Array(count * HASH_BYTES);
    this.#vaults = new Uint32Array(count);
    this.#starts = new Float64Array(count + 1);
  }

  /** Reads them all, in steps. */
  static *read(index: RecordIndex): Generator<void, PlannedSegments> {
    const segments = new PlannedSegments(index.totals().segments);
    const numbers = new Map<string, number>();
    for (const segment of index.eachSegment()) {
      segments.#add(segment, numbers);
      if (segment.row % STEP_ROWS === 0) yield;
    }
    segments.#standings = new Uint8Array(segments.#starts[segments.count]!);
    return segments;
  }

  #add({ row, address, vault, count }: IndexedSegment, numbers: Map<string, number>): void {
    const i = row - 1; // rows are counted up from 1, and none ever goes
    const name = toHex(vault);
    const number = numbers.get(name) ?? numbers.size;
    if (number === numbers.size) this.#vaultNames.push(name);
    numbers.set(name, number);
    this.#addresses.set(address, i * HASH_BYTES);
    this.#vaults[i] = number;
    this.#starts[row] = this.#starts[i]! + count;
  }

  address(i: number): Address {
    return this.#addresses.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }

  /** The vault's id in hex. */
  vault(i: number): string {
    return this.#vaultNames[this.#vaults[i]!]!;
  }

  /** How a record's inventory counts; that of a version which is known from another segment counts there. */
  standing(i: number, position: number): Standing {
    return STANDINGS[this.#standings[this.#starts[i]! + position] ?? 0]!;
  }

  /** Sets how the inventory of a record counts, by the row of its segment. */
  note({ segment, position }: Pick<Node, "segment" | "position">, standing: Standing): void {
    const at = this.#starts[segment - 1]! + position;
    if (!(at < this.#starts[segment]!)) {
      throw new IndexDamage(`segment ${segment} has no record ${position}`);
    }
    this.#standings[at] = STANDINGS.indexOf(standing);
  }
}

interface Node extends LivenessNode {
  readonly segment: number;
  readonly position: number;
}

/** What is known of a version beside what was carried for it. */
type Known = Omit<Node, "carried">;

/**
 * Works out which lists count, step by step, so that others get their turn between them: `null` as long as the plan is not made. It
 * is of one moment all the same: see {@link inSteps}. Guards the index itself. Memory, beside what is said above: an entry for
 * each version that some prune carries something for, and for those that were dropped unawares.
 */
export function planLiveInSteps(
  context: Pick<VaultContext, "index" | "keys" | "database">,
  planned: PlannedPrune = NOTHING_PLANNED,
): Generator<null, LivePlan> {
  const { database, index } = context;
  return inSteps(database, {
    begin: () => planSteps(context, planned),
    moment: () => index.totals().segments,
  });
}

function* planSteps(
  { index, keys }: Pick<VaultContext, "index" | "keys">,
  planned: PlannedPrune,
): Generator<void, LivePlan> {
  const segments = yield* PlannedSegments.read(index);
  const plans = new Map<string, VaultPlanner>();
  const isDropped = (id: RecordId, dropped: boolean) => dropped || planned.dropped.has(toHex(id));
  const knownOwn = (version: ReturnType<RecordIndex["version"]>): Known | null => {
    if (version === null) return null;
    const { id, parents, dropped, segment, position } = version;
    return { id, base: parents[0] ?? null, dropped: isDropped(id, dropped), segment, position };
  };
  const own = new VaultPlanner({
    segments,
    lists: index.carriedOf(keys.vaultId),
    alsoCarried: planned.carried,
    find: (id) => knownOwn(index.version(id)),
  });
  plans.set(toHex(keys.vaultId), own);
  let rows = 0;
  for (const version of index.eachVersion()) {
    own.add(knownOwn(version)!);
    if (++rows % STEP_ROWS === 0) yield;
  }

  const plannerOf = (vault: Bytes) => {
    const name = toHex(vault);
    let planner = plans.get(name);
    if (planner === undefined) {
      planner = new VaultPlanner({
        segments,
        lists: index.carriedOf(vault),
        alsoCarried: NOTHING_PLANNED.carried,
        find: (id) => {
          const found = index.foreign.find(id);
          return found !== null && equalBytes(found.vault, vault) ? found : null;
        },
      });
      plans.set(name, planner);
    }
    return planner;
  };
  for (const version of index.foreign.each(index.totals().foreignVersions)) {
    plannerOf(version.vault).add(version);
    if (++rows % STEP_ROWS === 0) yield;
  }
  return {
    segments,
    vaults: new Map([...plans].map(([name, planner]) => [name, planner.finish()])),
  };
}

/** Plans one vault, version by version. */
class VaultPlanner {
  readonly #segments: PlannedSegments;
  readonly #lists: ReadonlyMap<string, readonly Address[]>;
  readonly #alsoCarried: ReadonlyMap<string, unknown>;
  readonly #find: (id: RecordId) => Known | null;
  readonly #carried = new Set<string>();
  /** Kept versions whose first parent is dropped or not known, and for which nothing was carried. */
  readonly #heirs: Known[] = [];

  constructor({ segments, lists, alsoCarried, find }: {
    segments: PlannedSegments;
    /** The prune lists that carry something, by version (hex). */
    lists: ReadonlyMap<string, readonly Address[]>;
    /** Versions (hex) for which a prune that is planned carries something. */
    alsoCarried: ReadonlyMap<string, unknown>;
    /** A version of this vault. */
    find: (id: RecordId) => Known | null;
  }) {
    this.#segments = segments;
    this.#lists = lists;
    this.#alsoCarried = alsoCarried;
    this.#find = find;
  }

  #isCarried(id: RecordId): boolean {
    if (this.#lists.size + this.#alsoCarried.size === 0) return false;
    const name = toHex(id);
    return this.#lists.has(name) || this.#alsoCarried.has(name);
  }

  /** Takes a version into account. Nearly all are kept, and so are those that they follow: what they need needs no rule. */
  add(version: Known): void {
    if (version.dropped) return;
    this.#segments.note(version, "kept");
    if (this.#isCarried(version.id)) this.#carried.add(toHex(version.id));
    else if (version.base !== null && (this.#find(version.base)?.dropped ?? true)) {
      this.#heirs.push(version);
    }
  }

  /** Applies the rule to those that are left. */
  finish(): VaultPlan {
    const ancestors = new Map<string, Known>();
    for (const { base } of this.#heirs) {
      for (let id = base; id !== null && !ancestors.has(toHex(id));) {
        const found = this.#find(id);
        if (found === null) break;
        // What a kept one follows is looked at when it is its turn as an heir.
        ancestors.set(toHex(id), found.dropped ? found : { ...found, base: null });
        id = found.dropped && !this.#isCarried(found.id) ? found.base : null;
      }
    }
    // Heirs come last, as the last one of an id counts: some are ancestors too.
    const nodes = [...ancestors.values(), ...this.#heirs]
      .map((each) => ({ ...each, carried: this.#isCarried(each.id) }));
    const { inventoryOf, carriedOf, missing } = liveLists(nodes);
    for (const node of inventoryOf) if (node.dropped) this.#segments.note(node, "inherited");
    for (const { id } of carriedOf) this.#carried.add(toHex(id));
    const lists = new Map<string, Address>();
    for (const id of this.#carried) {
      for (const address of this.#lists.get(id) ?? []) lists.set(toHex(address), address);
    }
    return {
      carried: this.#carried,
      lists: [...lists.values()],
      missing: missing.length,
      heirs: this.#heirs.map(({ id }) => id),
    };
  }
}
