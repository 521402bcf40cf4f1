/**
 * The index of records: which versions a key has, which is the latest, where their bodies lie. It is filled from
 * segments, in the transaction that makes them findable, and holds no name and no content: keys stand in it by their
 * tag.
 *
 * A flipped bit must not hide a version. Every row has a CRC (record_rows.ts), and what one table says of a key (how
 * many versions) is held against what the other holds; a contradiction is {@link IndexDamage}, upon which the index is
 * rebuilt.
 *
 * @module
 */

import { type Address, type Bytes, type RecordId, toHex } from "../base/mod.ts";
import {
  compareVersions,
  foldHistory,
  isVersionRecord,
  type PruneList,
  type Segment,
} from "../log/mod.ts";
import { blob, IndexDamage, type IndexDatabase } from "../store/mod.ts";
import {
  type IndexedKey,
  type IndexedSegment,
  type IndexedTag,
  type IndexedVersion,
  readKey,
  readSegment,
  readTag,
  readTotals,
  readVersion,
  type Totals,
  writeKey,
  writeSegment,
  writeTag,
  writeTotals,
  writeVersion,
} from "./record_rows.ts";

export {
  type IndexedKey,
  type IndexedSegment,
  type IndexedTag,
  type IndexedVersion,
  RECORD_SCHEMA,
} from "./record_rows.ts";

/** What a segment brings beside itself when it is entered. */
export interface SegmentContent {
  address: Address;
  segment: Segment;
  /** Plaintext bytes of each record's version, 0 where there is none; `null` for a segment of another vault. */
  sizes: readonly number[] | null;
  /** The lists of each prune record, by the record's place. */
  prunes: ReadonlyMap<number, readonly { address: Address; list: PruneList }[]>;
}

/** Reads and writes the index of records. Any call may throw {@link IndexDamage}; see `IndexDatabase.guard`. */
export class RecordIndex {
  readonly #database: IndexDatabase;

  constructor(database: IndexDatabase) {
    this.#database = database;
  }

  // Reading

  /** The key with this tag, or null. */
  key(tag: Bytes): IndexedKey | null {
    const key = this.#keyRow(tag);
    if (key !== null) return key;
    if (
      this.#database.get("SELECT 1 AS one FROM versions WHERE key_tag = ? LIMIT 1", tag) !==
        undefined
    ) {
      throw new IndexDamage("a key has versions but no row");
    }
    return null;
  }

  #keyRow(tag: Bytes): IndexedKey | null {
    const row = this.#database.get("SELECT * FROM keys WHERE tag = ?", tag);
    return row === undefined ? null : readKey(row);
  }

  /** All keys, live or deleted, by tag. */
  keys(): IndexedKey[] {
    const keys = this.#database.all("SELECT * FROM keys ORDER BY tag").map(readKey);
    const live = keys.reduce((count, key) => count + Number(!key.deleted), 0);
    const versions = keys.reduce((count, key) => count + key.versions, 0);
    const totals = this.totals();
    if (live !== totals.keys || versions !== totals.versions) {
      throw new IndexDamage("the keys do not add up");
    }
    return keys;
  }

  version(id: RecordId): IndexedVersion | null {
    const row = this.#database.get(`SELECT * FROM versions WHERE id = ?`, id);
    return row === undefined ? null : readVersion(row);
  }

  /** The version with this id, which the index itself has named. */
  knownVersion(id: RecordId): IndexedVersion {
    const version = this.version(id);
    if (version === null) throw new IndexDamage(`version ${toHex(id)} is named but not there`);
    return version;
  }

  /** All versions of a key, dropped ones too, by depth. */
  versionsOf(tag: Bytes): IndexedVersion[] {
    const versions = this.#database.all(
      `SELECT * FROM versions WHERE key_tag = ? ORDER BY depth`,
      tag,
    ).map(readVersion);
    const kept = versions.reduce((count, version) => count + Number(!version.dropped), 0);
    if (kept !== (this.key(tag)?.versions ?? 0)) {
      throw new IndexDamage("the versions of a key do not add up");
    }
    return versions;
  }

  /** All versions of the vault, in no useful order. */
  allVersions(): IndexedVersion[] {
    const versions = this.#database.all(`SELECT * FROM versions`).map(readVersion);
    const kept = versions.reduce((count, version) => count + Number(!version.dropped), 0);
    if (kept !== this.totals().versions) throw new IndexDamage("the versions do not add up");
    return versions;
  }

  segment(row: number): IndexedSegment {
    const found = this.#database.get("SELECT * FROM segments WHERE row = ?", row);
    if (found === undefined) throw new IndexDamage(`segment ${row} is named but not there`);
    return readSegment(found);
  }

  /** All segments, by node and sequence. */
  segments(): IndexedSegment[] {
    const segments = this.#database.all("SELECT * FROM segments ORDER BY node, first").map(
      readSegment,
    );
    if (segments.length !== this.totals().segments) {
      throw new IndexDamage("the segments do not add up");
    }
    return segments;
  }

  /**
   * The last segment of this node's own log, if there is one. It is looked for in two ways, as an earlier one taken for
   * the last would fork the log; both find the same, as a node's own segments are entered in the order of its log.
   */
  lastSegment(node: Bytes): IndexedSegment | null {
    const bySequence = this.#database.get(
      "SELECT * FROM segments WHERE node = ? ORDER BY first DESC LIMIT 1",
      node,
    );
    const byRow = this.#database.get(
      "SELECT row FROM segments NOT INDEXED WHERE node = ? ORDER BY row DESC LIMIT 1",
      node,
    );
    const last = this.#database.get("SELECT ifnull(max(row), 0) AS row FROM segments")!;
    if (bySequence?.["row"] !== byRow?.["row"] || last["row"] !== this.totals().segments) {
      throw new IndexDamage("the end of the log is not where it should be");
    }
    return bySequence === undefined ? null : readSegment(bySequence);
  }

  /** Whether the store holds a segment of this vault, and whether it holds any at all. */
  vaultsPresent(vault: Bytes): { ours: boolean; any: boolean } {
    return {
      ours: this.#database.get("SELECT 1 AS one FROM segments WHERE vault = ? LIMIT 1", vault) !==
        undefined,
      any: this.#database.get("SELECT 1 AS one FROM segments LIMIT 1") !== undefined,
    };
  }

  /** All prune lists that carry something, by version (hex). */
  allCarried(): Map<string, Address[]> {
    const lists = new Map<string, Address[]>();
    for (const row of this.#database.all("SELECT version, list FROM carried")) {
      const version = toHex(blob(row, "version"));
      lists.set(version, [...(lists.get(version) ?? []), blob(row, "list")]);
    }
    return lists;
  }

  tags(): IndexedTag[] {
    const tags = this.#database.all("SELECT * FROM tags").map(readTag);
    if (tags.length !== this.totals().tags) throw new IndexDamage("the tags do not add up");
    return tags;
  }

  totals(): Totals {
    const row = this.#database.get("SELECT * FROM totals WHERE row = 1");
    if (row !== undefined) return readTotals(row);
    if (this.#database.get("SELECT 1 AS one FROM segments LIMIT 1") !== undefined) {
      throw new IndexDamage("there are segments but no sums");
    }
    return { segments: 0, keys: 0, versions: 0, bytes: 0, tags: 0, clock: 0n };
  }

  // Writing: all inside a transaction of the caller's

  /** Enters a segment. One that is known already changes nothing. */
  enter({ address, segment, sizes, prunes }: SegmentContent): void {
    if (
      this.#database.get("SELECT 1 AS one FROM segments WHERE address = ?", address) !== undefined
    ) return;
    const totals = this.totals();
    const row = ++totals.segments;
    this.#enterSegment(row, address, segment);
    if (sizes === null) return this.#setTotals(totals);
    const anyDropped = this.#database.get("SELECT 1 AS one FROM dropped LIMIT 1") !== undefined;
    segment.records.forEach((record, position) => {
      const id = segment.ids[position]!;
      if (record.clock > totals.clock) totals.clock = record.clock;
      if (isVersionRecord(record)) {
        const { kind: op, keyTag, depth, clock, parents } = record;
        const dropped = anyDropped &&
          this.#database.get("SELECT 1 AS one FROM dropped WHERE version = ?", id) !== undefined;
        const place = { segment: row, position };
        const size = sizes[position]!;
        this.#enterVersion(
          { id, keyTag, op, depth, clock, parents, dropped, ...place, size },
          totals,
        );
      } else if (record.kind === "prune") {
        for (const { address, list } of prunes.get(position) ?? []) {
          this.#enterPrune(address, list, totals);
        }
      } else {
        const tag = {
          record: id,
          nameTag: record.nameTag,
          removes: record.kind === "untag",
          clock: record.clock,
          segment: row,
          position,
        };
        totals.tags += this.#database.run(
          "INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?, ?, ?, ?)",
          ...writeTag(tag),
        );
      }
    });
    this.#setTotals(totals);
  }

  #enterSegment(row: number, address: Address, segment: Segment): void {
    const { vaultId, nodeId, firstSequence, ids } = segment;
    const entered = {
      row,
      address,
      vault: vaultId,
      node: nodeId,
      first: Number(firstSequence),
      count: ids.length,
      lastId: ids.at(-1)!,
    };
    this.#database.run(
      "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ...writeSegment(entered),
    );
  }

  #enterVersion(version: IndexedVersion, totals: Totals): void {
    if (this.#addVersion(version) === 0) return;
    const key = this.#keyRow(version.keyTag);
    if (!version.dropped) {
      totals.versions++;
      totals.bytes += version.size;
    }
    if (version.dropped || (key !== null && version.depth <= key.depthMax)) {
      this.#refold(version.keyTag, totals);
      return;
    }
    // The usual case: it is deeper than all there is, so it is a head, and the latest.
    const replaced = new Set(version.parents.map(toHex));
    const heads = (key?.heads ?? []).filter((head) => !replaced.has(toHex(head)));
    const deleted = version.op === "delete";
    totals.keys += Number(!deleted) - Number(key !== null && !key.deleted);
    this.#writeKey({
      tag: version.keyTag,
      heads: [version.id, ...heads],
      latest: version.id,
      versions: (key?.versions ?? 0) + 1,
      depthMax: version.depth,
      deleted,
    });
  }

  #enterPrune(address: Address, list: PruneList, totals: Totals): void {
    for (const carried of list.carried) {
      this.#database.run("INSERT OR IGNORE INTO carried VALUES (?, ?)", carried.version, address);
    }
    const touched = new Map<string, Bytes>();
    for (const id of list.dropped) {
      this.#database.run("INSERT OR IGNORE INTO dropped VALUES (?)", id);
      const version = this.version(id);
      if (version === null || version.dropped) continue;
      this.#replaceVersion({ ...version, dropped: true });
      totals.versions--;
      totals.bytes -= version.size;
      touched.set(toHex(version.keyTag), version.keyTag);
    }
    for (const tag of touched.values()) this.#refold(tag, totals);
  }

  /** Works a key's row out anew from all its versions. */
  #refold(tag: Bytes, totals: Totals): void {
    const before = this.#keyRow(tag);
    const versions = this.#database.all(
      `SELECT * FROM versions WHERE key_tag = ?`,
      tag,
    ).map(readVersion);
    const { ordered, heads, latest } = foldHistory(versions);
    const deleted = latest === null || latest.op === "delete";
    totals.keys += Number(!deleted) - Number(before !== null && !before.deleted);
    this.#writeKey({
      tag,
      heads: heads.toSorted((a, b) => compareVersions(b, a)).map((head) => head.id),
      latest: latest?.id ?? null,
      versions: ordered.length,
      depthMax: versions.reduce((max, version) => Math.max(max, version.depth), 0),
      deleted,
    });
  }

  #addVersion(version: IndexedVersion): number {
    return this.#database.run(
      "INSERT OR IGNORE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...writeVersion(version),
    );
  }

  #replaceVersion(version: IndexedVersion): void {
    this.#database.run(
      "REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...writeVersion(version),
    );
  }

  #writeKey(key: IndexedKey): void {
    this.#database.run(
      "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...writeKey(key),
    );
  }

  #setTotals(totals: Totals): void {
    this.#database.run(
      "INSERT OR REPLACE INTO totals VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
      ...writeTotals(totals),
    );
  }
}
