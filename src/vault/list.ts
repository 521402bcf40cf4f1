/**
 * Listing keys, now or at any moment of the past.
 *
 * @module
 */

import {
  equalBytes,
  hasPrefix,
  isVaultError,
  type KeyName,
  parsePrefix,
  type RecordId,
  toHex,
  VaultError,
} from "../base/mod.ts";
import {
  clockMs,
  compareVersions,
  isVersionRecord,
  latestAt,
  type RecordPublic,
} from "../log/mod.ts";
import { IndexDamage } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { type LatestPlace, latestPlaces } from "./latest.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import type { KeyInfo, VersionInfo } from "./types.ts";
import { describeVersion, nameOf } from "./versions.ts";
import { readRecords } from "./whole_records.ts";

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

interface Versioned {
  key: IndexedKey;
  version: IndexedVersion;
}

/** A key with the version that counts, or with the place where the record of its latest one should lie. */
type Candidate = Versioned | LatestPlace;

/** A key with the version that counts. */
export interface Listed {
  info: KeyInfo;
  version: IndexedVersion;
  described: VersionInfo;
}

/** Some of the keys of a listing. */
export interface ListedPage {
  keys: Listed[];
  /** Keys of which no record can be read, so that nobody knows their names, nor whether they belong to the listing. */
  nameless: Nameless[];
  isLast: boolean;
}

/** A key whose name can't be read. */
export type Nameless = Pick<Candidate, "key"> & { id: RecordId };

/** How many keys are looked at for one page. */
const PAGE_KEYS = 1024;

/**
 * The keys of a vault, sorted by name, and how many there are whose names can't be read. Names are sealed, so listing opens
 * one record a key; damaged ones are taken from other nodes.
 */
export async function listKeys(
  context: VaultContext,
  options: ListOptions,
): Promise<{ keys: Listed[]; nameless: number }> {
  const pages = await readRecords(context, () => [...listPages(context, options)]);
  const keys = pages.flatMap(({ keys }) => keys).sort(byName);
  return { keys, nameless: pages.reduce((sum, { nameless }) => sum + nameless.length, 0) };
}

/** Says that a listing may lack keys. @param action what they can't be had for: "list" */
export function namelessError(action: string, count: number): VaultError {
  const what = count === 1 ? "1 key" : `${count} keys`;
  return new VaultError(
    "damaged",
    `Cannot ${action} ${what}: the records that say ${
      count === 1 ? "its name" : "their names"
    } can't be read`,
    { hint: "`govault verify` tells what is damaged" },
  );
}

/**
 * As {@link listKeys}, some at a time, so that whoever fetches them can begin with the first: sorted within a page, and page
 * after page as their records lie in the log, which is how they were stored. A page may be empty.
 *
 * @param of only these, of which some could not be read before; all that the options name if not given
 */
export function* listPages(
  context: VaultContext,
  options: ListOptions,
  of?: readonly Nameless[],
): Generator<ListedPage> {
  const prefix = parsePrefix(options.prefix ?? "");
  const { database } = context;
  const all = of ?? database.guard(() => candidates(context, options));
  const rebuilds = database.rebuilds.count;
  for (let start = 0; start === 0 || start < all.length; start += PAGE_KEYS) {
    const some = all.slice(start, start + PAGE_KEYS);
    const page = database.guard(() => {
      // After a rebuild of the index the row numbers of segments may be others.
      const isOld = database.rebuilds.count !== rebuilds;
      const keys: Listed[] = [];
      const nameless: Nameless[] = [];
      for (const candidate of some) {
        const version = versionOf(context, candidate, isOld);
        if (version === null || (version.op === "delete" && !options.deleted)) continue;
        const { key } = candidate;
        const name = nameOf(context, key.tag, version);
        if (name === null) nameless.push({ key, id: version.id });
        else if (hasPrefix(name, prefix)) keys.push(describe(context, { key, version }, name));
      }
      return { keys: keys.sort(byName), nameless };
    });
    yield { ...page, isLast: start + PAGE_KEYS >= all.length };
  }
}

function byName({ info: { key: a } }: Listed, { info: { key: b } }: Listed): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The version of each key that counts, in the order of their segments, so that each segment is opened once. */
function candidates(context: VaultContext, { at, deleted, node }: ListOptions): Candidate[] {
  const { index } = context;
  if (node === undefined && at === undefined) {
    return latestPlaces(context).filter(({ key }) => deleted || !key.deleted);
  }
  const found = node !== undefined
    // What was deleted since, by whomever, is not what anyone misses.
    ? newestOf(context, segmentsOfNode(context, node.toLowerCase()), at)
      .filter(({ key }) => deleted || !key.deleted)
    : index.keys().flatMap((key) => {
      const version = latestAt(index.versionsOf(key.tag), at!);
      return version === null ? [] : [{ key, version }];
    });
  return found.sort((a, b) => a.version.segment - b.version.segment);
}

/** The version of a candidate; `null` if it was dropped since. */
function versionOf(
  context: VaultContext,
  candidate: Candidate | Nameless,
  isOld: boolean,
): IndexedVersion | null {
  if ("id" in candidate) return context.index.version(candidate.id);
  if (isOld) {
    const id = "version" in candidate ? candidate.version.id : candidate.key.latest!;
    return context.index.version(id);
  }
  return "version" in candidate ? candidate.version : versionAt(context, candidate);
}

/**
 * A key's latest version, as its record says, which the index named by its place: the record proves that place as well as a
 * checksum of the row would. Of a record that can't be read the index tells what it knows.
 */
function versionAt(
  { index, segments }: VaultContext,
  { key, segment, position, depth }: LatestPlace,
): IndexedVersion {
  let record: RecordPublic | undefined;
  let size: number;
  try {
    const opened = segments.open(segment);
    record = opened.segment.records[position];
    const body = opened.bodies()[position];
    size = body !== undefined && "size" in body ? body.size : 0;
  } catch (error) {
    if (!isVaultError(error, "damaged")) throw error;
    return index.knownVersion(key.latest!);
  }
  if (
    record === undefined || !isVersionRecord(record) || record.depth !== depth ||
    !equalBytes(record.keyTag, key.tag)
  ) {
    throw new IndexDamage(`the latest version of key ${toHex(key.tag)} is not where it should be`);
  }
  const { kind: op, clock } = record;
  const parents = record.parents.map((parent) => parent.slice()); // a view would keep the whole segment
  const version = { id: key.latest!, keyTag: key.tag, op, depth, clock, parents, size };
  return { ...version, dropped: false, segment, position };
}

function describe(context: VaultContext, { key, version }: Versioned, name: KeyName): Listed {
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
 * be the key's latest. Damaged records are taken from other nodes; keys whose names still can't be read are left out.
 *
 * @param prefix the first hex digits of the node's id
 * @throws VaultError `not_found` if no record of such a node is known, `usage` if there are several
 */
export function versionsOfNode(context: VaultContext, prefix: string): Promise<VersionInfo[]> {
  const read = () => {
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
  };
  return readRecords(context, () => context.database.guard(read));
}

/** The newest version of each key among those whose records stand in some segments, as of a time if one is given. */
function newestOf(
  { index }: VaultContext,
  rows: ReadonlySet<number>,
  at = Infinity,
): Versioned[] {
  const newest = new Map<string, IndexedVersion>();
  for (const version of index.allVersions()) {
    if (version.dropped || !rows.has(version.segment) || clockMs(version.clock) > at) continue;
    const tag = toHex(version.keyTag);
    const other = newest.get(tag);
    if (other === undefined || compareVersions(version, other) > 0) newest.set(tag, version);
  }
  return [...newest.values()].flatMap((version): Versioned[] => {
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
