/**
 * Of each key of a vault where the record of one of its versions stands, gathered from the index: what a listing goes through,
 * in the order of the log, so that each segment is opened once. Held packed, as there may be millions.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  isVaultError,
  type RecordId,
  SEGMENT_RECORDS_MAX,
  toHex,
} from "../base/mod.ts";
import { clockMs, compareVersions, isVersionRecord, latestAt, TAG_BYTES } from "../log/mod.ts";
import { IndexDamage, integer } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import { readKey } from "./record_rows.ts";

/** Keys that are looked at in one step. */
const STEP_KEYS = 64;

/** A key by its tag, and where the record of the version that counts should stand. */
export interface KeyPlace {
  readonly tag: Bytes;
  /** Row of the segment, and the place in it. */
  readonly segment: number;
  readonly position: number;
  /** The first four bytes of the version's id: no other version stands there by chance. */
  readonly check: number;
  /** Whether it is one of several heads of its key. */
  readonly isConflict: boolean;
}

/** What a {@link KeyPlace} holds of an id. */
export function checkOf(id: RecordId): number {
  return ((id[0]! << 24) | (id[1]! << 16) | (id[2]! << 8) | id[3]!) >>> 0;
}

/** Whether a version is one of several heads of its key. */
export function isConflict({ heads }: Pick<IndexedKey, "heads">, id: RecordId): boolean {
  return heads.length > 1 && heads.some((head) => equalBytes(head, id));
}

/** A bit above all positions. */
const CONFLICT = 0x8000;

/** Places of keys, 26 bytes each, and 4 more once they are in order. */
export class KeyPlaces {
  #count = 0;
  #tags: Uint8Array;
  #checks: Uint32Array;
  #segments: Uint32Array;
  #positions: Uint16Array;
  #order: Uint32Array = new Uint32Array(0);

  /** @param capacity how many there will be, as far as is known */
  constructor(capacity: number) {
    this.#tags = new Uint8Array(capacity * TAG_BYTES);
    this.#checks = new Uint32Array(capacity);
    this.#segments = new Uint32Array(capacity);
    this.#positions = new Uint16Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  add({ tag, segment, position, check, isConflict }: KeyPlace): void {
    if (this.#count === this.#segments.length) this.#grow();
    this.#tags.set(tag, this.#count * TAG_BYTES);
    this.#segments[this.#count] = segment;
    this.#positions[this.#count] = position | (isConflict ? CONFLICT : 0);
    this.#checks[this.#count] = check;
    this.#count++;
  }

  #grow(): void {
    const capacity = 64 + Math.ceil(this.#count * 1.5);
    const [tags, segments, positions] = [this.#tags, this.#segments, this.#positions];
    const checks = this.#checks;
    this.#tags = new Uint8Array(capacity * TAG_BYTES);
    this.#segments = new Uint32Array(capacity);
    this.#positions = new Uint16Array(capacity);
    this.#tags.set(tags);
    this.#segments.set(segments);
    this.#positions.set(positions);
    this.#checks = new Uint32Array(capacity);
    this.#checks.set(checks);
  }

  /** Puts them into the order of their segments, by counting how many there are of each: linear, unlike sorting. */
  arrange(): void {
    let last = 0;
    for (let i = 0; i < this.#count; i++) last = Math.max(last, this.#segments[i]!);
    const next = new Uint32Array(last + 2);
    for (let i = 0; i < this.#count; i++) next[this.#segments[i]! + 1]!++;
    for (let segment = 1; segment < next.length; segment++) next[segment]! += next[segment - 1]!;
    this.#order = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i++) this.#order[next[this.#segments[i]!]!++] = i;
  }

  /** Some of them in their order. */
  slice(start: number, end: number): KeyPlace[] {
    return Array.from(this.#order.subarray(start, end), (i) => ({
      tag: this.#tags.slice(i * TAG_BYTES, (i + 1) * TAG_BYTES),
      segment: this.#segments[i]!,
      position: this.#positions[i]! & ~CONFLICT,
      check: this.#checks[i]!,
      isConflict: (this.#positions[i]! & CONFLICT) !== 0,
    }));
  }
}

/** Chooses the version of each key that counts. */
export interface VersionChoice {
  /** Whether the latest counts: then no others need be looked at. */
  readonly isLatest: boolean;
  /** Whether keys whose latest version is a delete are left out whatever counts. */
  readonly skipsDeleted: boolean;
  /** The one of a key's versions that counts, dropped ones being among them; null for none. */
  of(versions: readonly IndexedVersion[]): IndexedVersion | null;
}

/** What the options of a listing choose. @param rows segments of the only node whose versions count */
export function chooseVersions(
  { at, deleted, rows }: { at?: number; deleted?: boolean; rows: ReadonlySet<number> | null },
): VersionChoice {
  if (rows !== null) {
    const isOfNode = ({ dropped, segment, clock }: IndexedVersion) =>
      !dropped && rows.has(segment) && clockMs(clock) <= (at ?? Infinity);
    return {
      isLatest: false,
      // What was deleted since, by whomever, is not what anyone misses.
      skipsDeleted: !deleted,
      of: (versions) => versions.filter(isOfNode).toSorted(compareVersions).at(-1) ?? null,
    };
  }
  return {
    isLatest: at === undefined,
    skipsDeleted: at === undefined && !deleted,
    of: (versions) => latestAt(versions, at ?? Infinity),
  };
}

/** All keys by their tags, some at a time, each with the place of its latest version, if it has one: as the row says that, unchecked. */
export function* eachKey(
  { database, index }: Pick<VaultContext, "database" | "index">,
): Generator<{ key: IndexedKey; latest: KeyPlace | null }[]> {
  const totals = index.totals();
  let live = 0;
  let versions = 0;
  for (let after = new Uint8Array(0);;) {
    const rows = database.all(
      `SELECT keys.*, segment, position FROM keys LEFT JOIN versions ON id = latest
       WHERE tag > ? ORDER BY tag LIMIT ?`,
      after,
      STEP_KEYS,
    );
    const page = rows.map((row) => {
      const key = readKey(row);
      live += Number(!key.deleted);
      versions += key.versions;
      if (key.latest === null) return { key, latest: null };
      const latest = {
        tag: key.tag,
        segment: integer(row, "segment"),
        position: integer(row, "position"),
        check: checkOf(key.latest),
        isConflict: isConflict(key, key.latest),
      };
      if (
        latest.segment < 1 || latest.segment > totals.segments || latest.position < 0 ||
        latest.position >= SEGMENT_RECORDS_MAX
      ) throw new IndexDamage("the latest version of a key is not where one can be");
      return { key, latest };
    });
    yield page;
    if (page.length < STEP_KEYS) break;
    after = page.at(-1)!.key.tag.slice();
  }
  if (live !== totals.keys || versions !== totals.versions) {
    throw new IndexDamage("the keys do not add up");
  }
}

/**
 * Gathers the places of the versions that count, in steps. The rows of latest versions are not checked, as reading them takes
 * long: whoever goes there sees whose record it is.
 */
export function* gatherPlaces(
  context: Pick<VaultContext, "database" | "index">,
  choice: VersionChoice,
): Generator<void, KeyPlaces> {
  const places = new KeyPlaces(context.index.totals().keys);
  for (const page of eachKey(context)) {
    for (const { key, latest } of page) {
      if (latest === null || (choice.skipsDeleted && key.deleted)) continue;
      if (choice.isLatest) {
        places.add(latest);
        continue;
      }
      const version = choice.of(context.index.versionsOf(key.tag));
      if (version === null) continue;
      places.add(placeOf(version, isConflict(key, version.id)));
    }
    yield;
  }
  places.arrange();
  return places;
}

/** Where a version's record should stand. */
export function placeOf(
  { id, keyTag: tag, segment, position }: IndexedVersion,
  isConflict = false,
): KeyPlace {
  return { tag, segment, position, check: checkOf(id), isConflict };
}

/** Asks whether what is known now may be otherwise: records have come, or rows have other numbers after a rebuild. */
export function momentChanges({ database, index }: VaultContext): () => boolean {
  const rebuilds = database.rebuilds.count;
  const { segments } = database.guard(() => index.totals());
  return () => database.rebuilds.count !== rebuilds || index.totals().segments !== segments;
}

/**
 * A key's version, as its record says, of which the index named the place: that it is of the key, and has that id, proves the place
 * as well as a checksum of the row would. Null if it can't be read.
 *
 * @throws IndexDamage if another stands there
 */
export function versionAt(
  { segments }: VaultContext,
  { tag, segment, position, check }: KeyPlace,
): IndexedVersion | null {
  try {
    const opened = segments.open(segment);
    const record = opened.segment.records[position];
    const found = opened.segment.ids[position];
    if (
      record === undefined || found === undefined || !isVersionRecord(record) ||
      !equalBytes(record.keyTag, tag) || checkOf(found) !== check
    ) throw new IndexDamage(`a version of key ${toHex(tag)} is not where it should be`);
    const body = opened.bodies()[position];
    const { kind: op, depth, clock } = record;
    return {
      id: found.slice(), // a view would keep the whole segment
      keyTag: tag,
      op,
      depth,
      clock,
      parents: record.parents.map((parent) => parent.slice()),
      size: body !== undefined && "size" in body ? body.size : 0,
      dropped: false,
      segment,
      position,
    };
  } catch (error) {
    if (!isVaultError(error, "damaged")) throw error;
    return null;
  }
}
