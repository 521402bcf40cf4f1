/**
 * Listing keys, now or at any moment of the past.
 *
 * @module
 */

import { hasPrefix, type KeyName, parsePrefix, toHex, VaultError } from "../base/mod.ts";
import { clockMs, compareVersions, latestAt } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import type { KeyInfo, VersionInfo } from "./types.ts";
import { describeVersion, nameOf } from "./versions.ts";

/** Which keys to list. */
export interface ListOptions {
  /** Only keys at or under this one. */
  prefix?: string;
  /** As they were at this time, milliseconds since 1970. */
  at?: number;
  /**
   * Only keys that this node stored, each with the newest version that it made: the first hex digits of its id.
   */
  node?: string;
  /** Deleted keys too. */
  deleted?: boolean;
}

interface Candidate {
  key: IndexedKey;
  version: IndexedVersion;
}

/** A key with the version that counts. */
export interface Listed {
  info: KeyInfo;
  version: IndexedVersion;
  described: VersionInfo;
}

/** The keys of a vault, sorted by name. Names are sealed, so listing opens one record a key. */
export function listKeys(context: VaultContext, options: ListOptions): Listed[] {
  const prefix = parsePrefix(options.prefix ?? "");
  return context.database.guard(() => {
    const found: Listed[] = [];
    for (const candidate of candidates(context, options)) {
      const name = nameOf(context, candidate.key.tag, candidate.version);
      if (name === null || !hasPrefix(name, prefix)) continue;
      found.push(describe(context, candidate, name));
    }
    return found.sort((a, b) => a.info.key < b.info.key ? -1 : a.info.key > b.info.key ? 1 : 0);
  });
}

/** The version of each key that counts, in the order of their segments, so that each segment is opened once. */
function candidates(context: VaultContext, { at, deleted, node }: ListOptions): Candidate[] {
  const keys = context.index.keys();
  const found = node !== undefined
    // What was deleted since, by whomever, is not what anyone misses.
    ? newestOf(context, segmentsOfNode(context, node.toLowerCase()), at)
      .filter(({ key }) => deleted || !key.deleted)
    : at === undefined
    ? latestOf(context, keys.filter((key) => deleted || !key.deleted))
    : keys.flatMap((key): Candidate[] => {
      const version = latestAt(context.index.versionsOf(key.tag), at);
      return version === null ? [] : [{ key, version }];
    });
  return found.filter(({ version }) => deleted || version.op !== "delete")
    .sort((a, b) => a.version.segment - b.version.segment);
}

function latestOf({ index }: VaultContext, keys: readonly IndexedKey[]): Candidate[] {
  const some = keys.filter(({ latest }) => latest !== null);
  const versions = index.knownVersions(some.map(({ latest }) => latest!));
  return some.map((key, i) => ({ key, version: versions[i]! }));
}

function describe(context: VaultContext, { key, version }: Candidate, name: KeyName): Listed {
  const id = toHex(version.id);
  const latest = key.latest !== null && toHex(key.latest) === id;
  const conflict = key.heads.length > 1 && key.heads.some((head) => toHex(head) === id);
  const described = describeVersion(context, name, version, { latest, conflict });
  const { size, time, node, meta } = described;
  const deleted = version.op === "delete";
  const info = {
    key: name,
    version: version.depth,
    id: version.id,
    size,
    time,
    node,
    deleted,
    conflict,
    meta,
  };
  return { info, version, described };
}

/**
 * The newest version of each key that one node wrote, sorted by key, deletes too: what a lost machine knew last. It need not
 * be the key's latest.
 *
 * @param prefix the first hex digits of the node's id
 * @throws VaultError `not_found` if no record of such a node is known, `usage` if there are several
 */
export function versionsOfNode(context: VaultContext, prefix: string): VersionInfo[] {
  return context.database.guard(() => {
    const rows = segmentsOfNode(context, prefix.toLowerCase());
    if (rows.size === 0) {
      throw new VaultError(
        "not_found",
        `Cannot find what node ${prefix} stored: nothing is known of it`,
      );
    }
    const newest = newestOf(context, rows);
    const found: VersionInfo[] = [];
    for (const candidate of newest.sort((a, b) => a.version.segment - b.version.segment)) {
      const name = nameOf(context, candidate.key.tag, candidate.version);
      if (name !== null) found.push(describe(context, candidate, name).described);
    }
    return found.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  });
}

/** The newest version of each key among those whose records stand in some segments, as of a time if one is given. */
function newestOf(
  { index }: VaultContext,
  rows: ReadonlySet<number>,
  at = Infinity,
): Candidate[] {
  const newest = new Map<string, IndexedVersion>();
  for (const version of index.allVersions()) {
    if (version.dropped || !rows.has(version.segment) || clockMs(version.clock) > at) continue;
    const tag = toHex(version.keyTag);
    const other = newest.get(tag);
    if (other === undefined || compareVersions(version, other) > 0) newest.set(tag, version);
  }
  return [...newest.values()].flatMap((version): Candidate[] => {
    const key = index.key(version.keyTag);
    return key === null ? [] : [{ key, version }];
  });
}

/**
 * Rows of the segments of the one node whose id begins so; none if there is no such node.
 *
 * @throws VaultError `usage` if there are several
 */
function segmentsOfNode(context: VaultContext, prefix: string): Set<number> {
  const nodes = new Set<string>();
  const rows = new Set<number>();
  for (const { row, node } of context.index.segments()) {
    const name = toHex(node);
    if (!name.startsWith(prefix)) continue;
    nodes.add(name);
    rows.add(row);
  }
  if (nodes.size <= 1) return rows;
  throw new VaultError(
    "usage",
    `Cannot find what node ${prefix} stored: ${nodes.size} ids begin so`,
    { hint: "type more of the id" },
  );
}
