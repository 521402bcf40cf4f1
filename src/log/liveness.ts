/**
 * Which public lists still count: the rule by which peers without any key know what they may forget (format §6).
 * An object is live if it stands in a list that is live.
 *
 * Why the rule is safe. Every version needs no more than its own inventory and what its first parent needs. Hence,
 * for a kept version:
 *
 * - its first parent is kept: that one's needs are live, by the same argument;
 * - it has a carried list: the prune wrote all into it that the version needs beyond its own inventory;
 * - its first parent was dropped by someone who did not know it: the dropped ancestors' inventories stay live, down to
 *   one that is kept or has a carried list.
 *
 * So whoever prunes must carry the **whole** of a version's needs beyond its own inventory, even what a kept ancestor
 * names as well: another prune, made at the same time, may drop that ancestor.
 *
 * The answer is good only if nothing it rests on is missing. Don't collect while it names missing versions, nor while
 * a prune list of a known prune record or an inventory of a known version is not at hand: half a carried list says
 * less than none.
 *
 * @module
 */

import { type RecordId, toHex } from "../base/mod.ts";

/** What the rule needs of a version. */
export interface LivenessNode {
  readonly id: RecordId;
  /** The first parent, `null` if there is none. It need not be known. */
  readonly base: RecordId | null;
  /** Whether some prune dropped it. */
  readonly dropped: boolean;
  /** Whether some prune carries a list for it, even an empty one. */
  readonly carried: boolean;
}

/** Whose lists are live. Each version at most once, in no order. */
export interface LiveLists<V> {
  /** The inventories of these versions. */
  readonly inventoryOf: readonly V[];
  /** All that was carried for these versions, in whichever prune. */
  readonly carriedOf: readonly V[];
  /** First parents that kept versions inherit from and that are not known: collect nothing until they are. */
  readonly missing: readonly RecordId[];
}

/**
 * Applies the rule to all known versions of a vault, of all keys, in any order; repeats count once, and as dropped or
 * carried if any of them is. Takes time in proportion to the versions.
 */
export function liveLists<V extends LivenessNode>(versions: Iterable<V>): LiveLists<V> {
  const known = new Map<string, { version: V; dropped: boolean; carried: boolean }>();
  for (const version of versions) {
    const id = toHex(version.id);
    const twin = known.get(id);
    known.set(id, {
      version,
      dropped: version.dropped || (twin?.dropped ?? false),
      carried: version.carried || (twin?.carried ?? false),
    });
  }

  const inventoryOf: V[] = [];
  const carriedOf: V[] = [];
  const missing: RecordId[] = [];
  const inherited = new Set<string>();
  for (const heir of known.values()) {
    if (heir.dropped) continue;
    // From the kept version down its bases, as far as they are dropped and no carried list ends the way.
    let step = heir;
    while (true) {
      const { version, carried } = step;
      inventoryOf.push(version);
      if (carried) carriedOf.push(version);
      if (carried || version.base === null) break;
      const baseId = toHex(version.base);
      const base = known.get(baseId);
      if (inherited.has(baseId) || (base !== undefined && !base.dropped)) break;
      inherited.add(baseId);
      if (base === undefined) {
        missing.push(version.base);
        break;
      }
      step = base;
    }
  }
  return { inventoryOf, carriedOf, missing };
}
