/**
 * Listing keys, now or at any moment of the past.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  hasPrefix,
  type KeyName,
  parsePrefix,
  type RecordId,
  toHex,
  VaultError,
} from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import {
  chooseVersions,
  gatherPlaces,
  isConflict,
  type KeyPlace,
  type KeyPlaces,
  momentChanges,
  versionAt,
  type VersionChoice,
} from "./key_places.ts";
import { PackedKeys } from "./packed_keys.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import { inSteps } from "./steps.ts";
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
  tag: Bytes;
  version: IndexedVersion;
  latest: boolean;
  conflict: boolean;
}

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

/** A key whose name can't be read, and the version that counts. */
export interface Nameless {
  tag: Bytes;
  id: RecordId;
}

/** How many keys are looked at for one page. */
const PAGE_KEYS = 1024;

/**
 * The keys of a vault, sorted by name. Names are sealed, so listing opens one record a key, and only then can they be sorted, for
 * which they are held packed: some hundred bytes a key. Each is as it was when it was come upon, as others get their turn
 * meanwhile; damaged records are taken from other nodes.
 *
 * @throws VaultError `damaged` after the last one, if there are keys whose names can't be read
 */
export async function* listKeys(
  context: VaultContext,
  options: ListOptions,
): AsyncGenerator<KeyInfo> {
  const { pace } = context;
  const packed = new PackedKeys();
  let nameless = 0;
  for (const read of pageReaders(context, options)) {
    const { keys, nameless: some, isLast } = await readRecords(context, read);
    packed.addPage(keys.map(({ info }) => info));
    nameless += some.length;
    if (!isLast) await pace.others();
  }
  let given = 0;
  for (const info of packed.takeSorted()) {
    yield info;
    if (++given % PAGE_KEYS === 0) await pace.others();
  }
  if (nameless > 0) throw namelessError("list", nameless);
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
 * after page as their records lie in the log, which is how they were stored. A page may be empty, as are those that come
 * while it is still being gathered which keys there are.
 *
 * @param of only these, of which some could not be read before; all that the options name if not given
 */
export function* listPages(
  context: VaultContext,
  options: ListOptions,
  of?: readonly Nameless[],
): Generator<ListedPage> {
  for (const read of pageReaders(context, options, of)) yield read();
}

const NOTHING_YET: ListedPage = { keys: [], nameless: [], isLast: false };

/** What reads each page, and would read it again. */
function* pageReaders(
  context: VaultContext,
  options: ListOptions,
  of?: readonly Nameless[],
): Generator<() => ListedPage> {
  const prefix = parsePrefix(options.prefix ?? "");
  const { database, index } = context;
  const { node, ...others } = options;
  const choose = () => {
    const rows = node === undefined ? null : segmentsOfNode(context, node.toLowerCase());
    return chooseVersions({ ...others, rows });
  };
  let choice = database.guard(choose);
  let places: KeyPlaces | null = null;
  if (of === undefined) {
    const gathering = inSteps(database, {
      begin: () => gatherPlaces(context, choice = choose()),
      moment: () => index.totals().segments,
    });
    let step = gathering.next();
    for (; !step.done; step = gathering.next()) yield () => NOTHING_YET;
    places = step.value;
  }
  const isOld = momentChanges(context);
  const count = places?.count ?? of!.length;
  const readPage = (start: number, end: number): ListedPage => {
    const keys: Listed[] = [];
    const nameless: Nameless[] = [];
    const wanted = places?.slice(start, end) ?? of!.slice(start, end);
    for (const found of versionsOf(context, wanted, { choice, isOld: isOld() })) {
      const { tag, version } = found;
      if (version.op === "delete" && !options.deleted) continue;
      const name = nameOf(context, tag, version);
      if (name === null) nameless.push({ tag, id: version.id });
      else if (hasPrefix(name, prefix)) keys.push(describe(context, found, name));
    }
    return { keys: keys.sort(byName), nameless, isLast: end >= count };
  };
  for (let start = 0; start === 0 || start < count; start += PAGE_KEYS) {
    yield () => database.guard(() => readPage(start, start + PAGE_KEYS));
  }
}

function byName({ info: { key: a } }: Listed, { info: { key: b } }: Listed): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keys with the version of each that counts; without those of which that was dropped since. */
function versionsOf(
  context: VaultContext,
  wanted: readonly (KeyPlace | Nameless)[],
  { choice, isOld }: { choice: VersionChoice; isOld: boolean },
): Versioned[] {
  const { index } = context;
  // Where nothing has come, the places are all there is to know of the latest versions that can be read.
  const sure = new Map<KeyPlace | Nameless, IndexedVersion>();
  for (const place of wanted) {
    if ("id" in place || isOld) continue;
    const version = versionAt(context, place);
    if (version !== null) sure.set(place, version);
  }
  const others = wanted.filter((place) => !choice.isLatest || !sure.has(place));
  const keys = index.keysOf(others.map(({ tag }) => tag));
  return wanted.flatMap((place): Versioned[] => {
    const { tag } = place;
    const known = sure.get(place);
    if (choice.isLatest && known !== undefined) {
      const { isConflict } = place as KeyPlace;
      return [{ tag, version: known, latest: true, conflict: isConflict }];
    }
    const key = keys.get(toHex(tag));
    if (key === undefined || key.latest === null) return [];
    if (choice.skipsDeleted && key.deleted) return [];
    const version = known ??
      ("id" in place ? index.version(place.id) : versionOf(context, key, choice));
    if (version === null) return [];
    const latest = equalBytes(key.latest, version.id);
    return [{ tag, version, latest, conflict: isConflict(key, version.id) }];
  });
}

/** The version of a key that counts, by the index alone. */
function versionOf(
  { index }: VaultContext,
  { tag, latest }: IndexedKey,
  choice: VersionChoice,
): IndexedVersion | null {
  return choice.isLatest ? index.knownVersion(latest!) : choice.of(index.versionsOf(tag));
}

function describe(
  context: VaultContext,
  { version, latest, conflict }: Versioned,
  name: KeyName,
): Listed {
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
export async function versionsOfNode(
  context: VaultContext,
  prefix: string,
): Promise<VersionInfo[]> {
  const rows = context.database.guard(() => segmentsOfNode(context, prefix.toLowerCase()));
  if (rows.size === 0) {
    throw new VaultError(
      "not_found",
      `Cannot find what node ${prefix} stored: nothing is known of it`,
    );
  }
  const pages = () => [...listPages(context, { node: prefix, deleted: true })];
  const found = (await readRecords(context, pages)).flatMap(({ keys }) => keys);
  return found.sort(byName).map(({ described }) => described);
}

/**
 * Rows of the segments of the one node whose id begins so; none if there is no such node.
 *
 * @throws VaultError `usage` if there are several
 */
function segmentsOfNode(context: VaultContext, prefix: string): Set<number> {
  const nodes = new Set<string>();
  const rows = new Set<number>();
  for (const { row, node } of context.index.eachSegment()) {
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
