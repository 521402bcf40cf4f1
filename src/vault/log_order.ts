/**
 * Going through all versions of a vault in the order of the log, so that each segment is opened once, a page at a time. Where
 * their records stand is gathered from the index first, and held packed: 30 bytes a version.
 *
 * @module
 */

import { equalBytes, toHex } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import {
  checkOf,
  eachKey,
  type KeyPlace,
  KeyPlaces,
  momentChanges,
  placeOf,
  versionAt,
} from "./key_places.ts";
import type { IndexedVersion } from "./record_index.ts";
import { inSteps, paced } from "./steps.ts";

/** Rows that are looked at in one step. */
const STEP_ROWS = 32;
/** Versions that are read at once. */
const PAGE_VERSIONS = 256;

type Parts = Pick<VaultContext, "database" | "index">;

/** Places of versions, as of one moment. */
export interface VersionPlaces {
  readonly lists: readonly KeyPlaces[];
  /** Whether they may be elsewhere since, or be dropped. */
  readonly isOld: () => boolean;
}

/** Gathers the places of all versions that are not dropped. Checks every row of them. */
export function gatherVersions(
  context: VaultContext,
  signal?: AbortSignal,
): Promise<VersionPlaces> {
  return gather(context, eachKept, signal);
}

/** As {@link gatherVersions}, the latest of each key first; rows of those are not checked, as the records prove them. */
export function gatherLatestFirst(
  context: VaultContext,
  signal?: AbortSignal,
): Promise<VersionPlaces> {
  return gather(context, latestAndOthers, signal);
}

async function gather(
  context: VaultContext,
  places: (parts: Parts) => Generator<void, KeyPlaces[]>,
  signal: AbortSignal | undefined,
): Promise<VersionPlaces> {
  const { database, index, pace } = context;
  let isOld = () => false;
  const begin = () => {
    isOld = momentChanges(context);
    return places(context);
  };
  const moment = () => index.totals().segments;
  const lists = await paced(inSteps(database, { begin, moment }), { pace, signal });
  return { lists, isOld: () => isOld() };
}

function* eachKept({ index }: Parts): Generator<void, KeyPlaces[]> {
  const places = new KeyPlaces(index.totals().versions);
  let rows = 0;
  for (const version of index.eachVersion()) {
    if (!version.dropped) places.add(placeOf(version));
    if (++rows % STEP_ROWS === 0) yield;
  }
  places.arrange();
  return [places];
}

function* latestAndOthers(context: Parts): Generator<void, KeyPlaces[]> {
  const { index } = context;
  const totals = index.totals();
  const latestOnes = new KeyPlaces(totals.keys);
  const others = new KeyPlaces(Math.max(0, totals.versions - totals.keys));
  for (const page of eachKey(context)) {
    for (const { key, latest } of page) {
      if (latest === null) continue;
      latestOnes.add(latest);
      if (key.versions === 1) continue;
      for (const version of index.versionsOf(key.tag)) {
        if (!version.dropped && !equalBytes(version.id, key.latest!)) others.add(placeOf(version));
      }
      yield;
    }
    yield;
  }
  latestOnes.arrange();
  others.arrange();
  return [latestOnes, others];
}

/** Reads the versions at some places, in the order of the log; without those that were dropped since. */
export async function* versionsAt(
  context: VaultContext,
  { lists, isOld }: VersionPlaces,
): AsyncGenerator<IndexedVersion> {
  const { database, pace } = context;
  for (const places of lists) {
    for (let start = 0; start < places.count; start += PAGE_VERSIONS) {
      const page = places.slice(start, start + PAGE_VERSIONS);
      let found: (IndexedVersion | null)[] = [];
      let rebuilds = -1;
      for (let i = 0; i < page.length; i++) {
        if (rebuilds !== database.rebuilds.count) { // rows have other numbers after a rebuild
          found = database.guard(() => readPage(context, page, isOld()));
          rebuilds = database.rebuilds.count;
        }
        const version = found[i]!;
        if (version !== null) yield version;
      }
      await pace.others();
    }
  }
}

/** The version at each place of a page; null where it was dropped. */
function readPage(
  context: VaultContext,
  page: readonly KeyPlace[],
  isOld: boolean,
): (IndexedVersion | null)[] {
  const rows = new Map<string, readonly IndexedVersion[]>();
  const rowsOf = (place: KeyPlace) => {
    const tag = toHex(place.tag);
    const known = rows.get(tag) ?? context.index.versionsOf(place.tag);
    rows.set(tag, known);
    return known;
  };
  const isThere = (place: KeyPlace, { segment, position }: IndexedVersion) =>
    isOld || (segment === place.segment && position === place.position);
  // Of a record that can't be read the index knows the version all the same.
  return page.map((place) =>
    (isOld ? null : versionAt(context, place)) ??
      rowsOf(place).find((version) =>
        !version.dropped && checkOf(version.id) === place.check && isThere(place, version)
      ) ?? null
  );
}
