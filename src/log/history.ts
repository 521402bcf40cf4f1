/**
 * From the versions of one key to its history: order, heads, the latest, conflict. A pure fold over a set: in
 * whatever order the versions arrived, and however often, every node comes to the same answer.
 *
 * @module
 */

import { compareIds, type RecordId, toHex, VERSION_PARENTS_MAX } from "../base/mod.ts";
import { clockMs } from "./clock.ts";

/** What the fold needs of a version. */
export interface VersionNode {
  readonly id: RecordId;
  readonly depth: number;
  /** Hybrid logical clock. */
  readonly clock: bigint;
  /** Ids of its parents, which need not be known. */
  readonly parents: readonly RecordId[];
  /** Whether some prune dropped it. */
  readonly dropped: boolean;
}

/** History of one key. */
export interface KeyHistory<V> {
  /** The versions that are kept, oldest first: by depth, clock, id. */
  readonly ordered: readonly V[];
  /** The kept versions that nothing replaced, the latest first. */
  readonly heads: readonly V[];
  /** The first of the heads; `null` if there is none. */
  readonly latest: V | null;
  /** Several heads: their writers did not know of each other. */
  readonly conflicted: boolean;
}

/** The one order of versions: by depth, clock, id. Negative if `a` is the older. */
export function compareVersions(a: VersionNode, b: VersionNode): number {
  if (a.depth !== b.depth) return a.depth - b.depth;
  if (a.clock !== b.clock) return a.clock < b.clock ? -1 : 1;
  return compareIds(a.id, b.id);
}

/**
 * Folds all known versions of one key, in any order; repeats count once, and as dropped if any of them is.
 *
 * A head is a kept version that no known version names as a parent. Dropped children count: what a version replaced
 * doesn't come back because that version was purged. Retention never drops the greatest version, which is always a head,
 * so `latest` is `null` only for a key that was purged or never was.
 */
export function foldHistory<V extends VersionNode>(versions: Iterable<V>): KeyHistory<V> {
  const known = new Map<string, V>();
  const replaced = new Set<string>();
  for (const version of versions) {
    const id = toHex(version.id);
    const twin = known.get(id);
    if (twin === undefined || (version.dropped && !twin.dropped)) known.set(id, version);
    for (const parent of version.parents) replaced.add(toHex(parent));
  }
  const ordered: V[] = [];
  const heads: V[] = [];
  for (const [id, version] of known) {
    if (version.dropped) continue;
    ordered.push(version);
    if (!replaced.has(id)) heads.push(version);
  }
  ordered.sort(compareVersions);
  heads.sort((a, b) => compareVersions(b, a));
  return { ordered, heads, latest: heads[0] ?? null, conflicted: heads.length > 1 };
}

/**
 * The latest version as of a time, `null` if there was none: the greatest kept one made until then. Where a prune has
 * dropped what was the latest at that moment, the one before it that history still shows takes its place.
 *
 * @param timeMs milliseconds since 1970, included
 */
export function latestAt<V extends VersionNode>(versions: Iterable<V>, timeMs: number): V | null {
  return foldHistory(versions).ordered.findLast((version) => clockMs(version.clock) <= timeMs) ??
    null;
}

/**
 * Parents and depth of the version that comes next: it replaces all heads, and the one that latest chose comes first.
 * Of more than `VERSION_PARENTS_MAX` heads the oldest wait for the version after that.
 */
export function nextVersion(
  history: { readonly heads: readonly Pick<VersionNode, "id" | "depth">[] },
): { parents: RecordId[]; depth: number } {
  const [base, ...others] = history.heads.slice(0, VERSION_PARENTS_MAX);
  if (base === undefined) return { parents: [], depth: 1 };
  const parents = [base.id, ...others.map((head) => head.id).sort(compareIds)];
  return { parents, depth: base.depth + 1 };
}
