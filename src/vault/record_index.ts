/**
 * The index of records: which versions a key has, which is the latest, where their bodies lie. It is filled from
 * segments, in the transaction that makes them findable, and holds no name and no content: keys stand in it by their
 * tag.
 *
 * A flipped bit must not hide a version. Every row has a CRC, and what one table says of a key (how many versions)
 * is held against what the other holds; a contradiction is {@link IndexDamage}, upon which the index is rebuilt.
 *
 * @module
 */

import { type Address, type Bytes, HASH_BYTES, type RecordId, toHex } from "../base/mod.ts";
import {
  compareVersions,
  foldHistory,
  isVersionRecord,
  type PruneList,
  type Segment,
  type VersionKind,
  type VersionNode,
} from "../log/mod.ts";
import {
  blob,
  IndexDamage,
  type IndexDatabase,
  integer,
  type Row,
  rowChecksum,
} from "../store/mod.ts";

/** Tables of the records. */
export const RECORD_SCHEMA = `
  CREATE TABLE segments(
    row INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE, vault BLOB NOT NULL, node BLOB NOT NULL,
    first INTEGER NOT NULL, count INTEGER NOT NULL, last_id BLOB NOT NULL, crc INTEGER NOT NULL);
  CREATE INDEX segments_by_node ON segments(node, first);
  CREATE TABLE versions(
    id BLOB PRIMARY KEY, key_tag BLOB NOT NULL, depth INTEGER NOT NULL, clock BLOB NOT NULL, op INTEGER NOT NULL,
    segment INTEGER NOT NULL, position INTEGER NOT NULL, parents BLOB NOT NULL, dropped INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX versions_by_key ON versions(key_tag, depth);
  CREATE TABLE keys(
    tag BLOB PRIMARY KEY, heads BLOB NOT NULL, latest BLOB NOT NULL, versions INTEGER NOT NULL,
    depth_max INTEGER NOT NULL, deleted INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE dropped(version BLOB PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE carried(version BLOB NOT NULL, list BLOB NOT NULL, PRIMARY KEY(version, list)) WITHOUT ROWID;
  CREATE TABLE tags(
    record BLOB PRIMARY KEY, name_tag BLOB NOT NULL, removes INTEGER NOT NULL, clock BLOB NOT NULL,
    segment INTEGER NOT NULL, position INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE totals(
    row INTEGER PRIMARY KEY, keys INTEGER NOT NULL, versions INTEGER NOT NULL, bytes INTEGER NOT NULL,
    clock BLOB NOT NULL, crc INTEGER NOT NULL);
`;

const OPS: readonly VersionKind[] = ["put", "delete", "restore"];

/** A version as the index knows it. */
export interface IndexedVersion extends VersionNode {
  readonly keyTag: Bytes;
  readonly op: VersionKind;
  /** Where its record lies: row of the segment, place in it. */
  readonly segment: number;
  readonly position: number;
  /** Bytes of plaintext. */
  readonly size: number;
}

/** A segment as the index knows it. */
export interface IndexedSegment {
  readonly row: number;
  readonly address: Address;
  readonly vault: Bytes;
  readonly node: Bytes;
  readonly first: number;
  readonly count: number;
  /** Id of its last record. */
  readonly lastId: RecordId;
}

/** A key as the index knows it. */
export interface IndexedKey {
  readonly tag: Bytes;
  readonly heads: readonly RecordId[];
  /** Id of the latest version; `null` for a key of which all was dropped. */
  readonly latest: RecordId | null;
  /** Versions not dropped. */
  readonly versions: number;
  readonly depthMax: number;
  /** Whether the latest is a delete, or there is none. */
  readonly deleted: boolean;
}

/** A record that sets or removes a tag. */
export interface IndexedTag {
  readonly record: RecordId;
  readonly nameTag: Bytes;
  readonly removes: boolean;
  readonly clock: bigint;
  readonly segment: number;
  readonly position: number;
}

/** Sums over the vault. */
export interface Totals {
  /** Keys whose latest version is not a delete. */
  keys: number;
  /** Versions not dropped. */
  versions: number;
  /** Plaintext bytes of these versions. */
  bytes: number;
  /** The highest clock of any record. */
  clock: bigint;
}

/** What a segment brings beside itself when it is entered. */
export interface SegmentContent {
  address: Address;
  segment: Segment;
  /** Plaintext bytes of each record's version, 0 where there is none; `null` for a segment of another vault. */
  sizes: readonly number[] | null;
  /** The lists of each prune record, by the record's place. */
  prunes: ReadonlyMap<number, readonly { address: Address; list: PruneList }[]>;
}

function clockBytes(clock: bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, clock);
  return bytes;
}

function clockOf(bytes: Bytes): bigint {
  if (bytes.length !== 8) throw new IndexDamage("a clock has not 8 bytes");
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
}

function idsOf(bytes: Bytes): RecordId[] {
  if (bytes.length % HASH_BYTES !== 0) throw new IndexDamage("a list of ids is cut off");
  return Array.from(
    { length: bytes.length / HASH_BYTES },
    (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

function joinIds(ids: readonly RecordId[]): Bytes {
  const bytes = new Uint8Array(ids.length * HASH_BYTES);
  ids.forEach((id, i) => bytes.set(id, i * HASH_BYTES));
  return bytes;
}

function checkRow(row: Row, what: string, ...columns: Parameters<typeof rowChecksum>): void {
  if (rowChecksum(...columns) !== integer(row, "crc")) {
    throw new IndexDamage(`a row of ${what} is damaged`);
  }
}

const VERSION_COLUMNS = "id, key_tag, depth, clock, op, segment, position, parents, dropped, size";

function versionChecksum(v: IndexedVersion): number {
  const { id, keyTag, depth, clock, op, segment, position, parents, dropped, size } = v;
  return rowChecksum(
    id,
    keyTag,
    depth,
    clockBytes(clock),
    OPS.indexOf(op),
    segment,
    position,
    joinIds(parents),
    Number(dropped),
    size,
  );
}

function versionOf(row: Row): IndexedVersion {
  const op = OPS[integer(row, "op")];
  if (op === undefined) throw new IndexDamage("a version has an unknown operation");
  const version: IndexedVersion = {
    id: blob(row, "id"),
    keyTag: blob(row, "key_tag"),
    depth: integer(row, "depth"),
    clock: clockOf(blob(row, "clock")),
    op,
    segment: integer(row, "segment"),
    position: integer(row, "position"),
    parents: idsOf(blob(row, "parents")),
    dropped: integer(row, "dropped") === 1,
    size: integer(row, "size"),
  };
  if (versionChecksum(version) !== integer(row, "crc")) {
    throw new IndexDamage(`the row of version ${toHex(version.id)} is damaged`);
  }
  return version;
}

function keyOf(row: Row): IndexedKey {
  const heads = blob(row, "heads");
  const latest = blob(row, "latest");
  const key = {
    tag: blob(row, "tag"),
    versions: integer(row, "versions"),
    depthMax: integer(row, "depth_max"),
    deleted: integer(row, "deleted") === 1,
  };
  checkRow(row, "keys", key.tag, heads, latest, key.versions, key.depthMax, Number(key.deleted));
  return { ...key, heads: idsOf(heads), latest: latest.length === 0 ? null : latest };
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
    const row = this.#database.get("SELECT * FROM keys WHERE tag = ?", tag);
    if (row !== undefined) return keyOf(row);
    if (
      this.#database.get("SELECT 1 AS one FROM versions WHERE key_tag = ? LIMIT 1", tag) !==
        undefined
    ) {
      throw new IndexDamage("a key has versions but no row");
    }
    return null;
  }

  /** All keys, live or deleted, by tag. */
  keys(): IndexedKey[] {
    const keys = this.#database.all("SELECT * FROM keys ORDER BY tag").map(keyOf);
    const live = keys.reduce((count, key) => count + Number(!key.deleted), 0);
    const versions = keys.reduce((count, key) => count + key.versions, 0);
    const totals = this.totals();
    if (live !== totals.keys || versions !== totals.versions) {
      throw new IndexDamage("the keys do not add up");
    }
    return keys;
  }

  version(id: RecordId): IndexedVersion | null {
    const row = this.#database.get(`SELECT ${VERSION_COLUMNS}, crc FROM versions WHERE id = ?`, id);
    return row === undefined ? null : versionOf(row);
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
      `SELECT ${VERSION_COLUMNS}, crc FROM versions WHERE key_tag = ? ORDER BY depth`,
      tag,
    ).map(versionOf);
    const kept = versions.reduce((count, version) => count + Number(!version.dropped), 0);
    if (kept !== (this.key(tag)?.versions ?? 0)) {
      throw new IndexDamage("the versions of a key do not add up");
    }
    return versions;
  }

  /** All versions of the vault, in no useful order. */
  allVersions(): IndexedVersion[] {
    const versions = this.#database.all(`SELECT ${VERSION_COLUMNS}, crc FROM versions`).map(
      versionOf,
    );
    const kept = versions.reduce((count, version) => count + Number(!version.dropped), 0);
    if (kept !== this.totals().versions) throw new IndexDamage("the versions do not add up");
    return versions;
  }

  segment(row: number): IndexedSegment {
    const found = this.#database.get("SELECT * FROM segments WHERE row = ?", row);
    if (found === undefined) throw new IndexDamage(`segment ${row} is named but not there`);
    return this.#segmentOf(found);
  }

  #segmentOf(found: Row): IndexedSegment {
    const segment = {
      row: integer(found, "row"),
      address: blob(found, "address"),
      vault: blob(found, "vault"),
      node: blob(found, "node"),
      first: integer(found, "first"),
      count: integer(found, "count"),
      lastId: blob(found, "last_id"),
    };
    const { address, vault, node, first, count, lastId } = segment;
    checkRow(found, "segments", segment.row, address, vault, node, first, count, lastId);
    return segment;
  }

  /** All segments, by node and sequence. */
  segments(): IndexedSegment[] {
    return this.#database.all("SELECT * FROM segments ORDER BY node, first").map((row) =>
      this.#segmentOf(row)
    );
  }

  /** The last segment of a node's log, if there is one. */
  lastSegment(node: Bytes): IndexedSegment | null {
    const row = this.#database.get(
      "SELECT * FROM segments WHERE node = ? ORDER BY first DESC LIMIT 1",
      node,
    );
    return row === undefined ? null : this.#segmentOf(row);
  }

  /** Whether the store holds a segment of this vault, and whether it holds any at all. */
  vaultsPresent(vault: Bytes): { ours: boolean; any: boolean } {
    return {
      ours: this.#database.get("SELECT 1 AS one FROM segments WHERE vault = ? LIMIT 1", vault) !==
        undefined,
      any: this.#database.get("SELECT 1 AS one FROM segments LIMIT 1") !== undefined,
    };
  }

  /** Addresses of the prune lists that carry something for a version. */
  carriedLists(version: RecordId): Address[] {
    return this.#database.all("SELECT list FROM carried WHERE version = ?", version).map((row) =>
      blob(row, "list")
    );
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
    return this.#database.all("SELECT * FROM tags").map((row) => {
      const tag = {
        record: blob(row, "record"),
        nameTag: blob(row, "name_tag"),
        removes: integer(row, "removes") === 1,
        clock: clockOf(blob(row, "clock")),
        segment: integer(row, "segment"),
        position: integer(row, "position"),
      };
      checkRow(row, "tags", ...this.#tagColumns(tag));
      return tag;
    });
  }

  #tagColumns(tag: IndexedTag): Parameters<typeof rowChecksum> {
    const { record, nameTag, removes, clock, segment, position } = tag;
    return [record, nameTag, Number(removes), clockBytes(clock), segment, position];
  }

  totals(): Totals {
    const row = this.#database.get("SELECT * FROM totals WHERE row = 1");
    if (row === undefined) return { keys: 0, versions: 0, bytes: 0, clock: 0n };
    const totals = {
      keys: integer(row, "keys"),
      versions: integer(row, "versions"),
      bytes: integer(row, "bytes"),
      clock: clockOf(blob(row, "clock")),
    };
    checkRow(row, "totals", totals.keys, totals.versions, totals.bytes, clockBytes(totals.clock));
    return totals;
  }

  // Writing: all inside a transaction of the caller's

  /** Enters a segment. One that is known already changes nothing. */
  enter({ address, segment, sizes, prunes }: SegmentContent): void {
    if (
      this.#database.get("SELECT 1 AS one FROM segments WHERE address = ?", address) !== undefined
    ) return;
    const row = this.#enterSegment(address, segment);
    if (sizes === null) return;
    const totals = this.totals();
    segment.records.forEach((record, position) => {
      const id = segment.ids[position]!;
      if (record.clock > totals.clock) totals.clock = record.clock;
      if (isVersionRecord(record)) {
        const { kind: op, keyTag, depth, clock, parents } = record;
        const dropped =
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
        const columns = this.#tagColumns(tag);
        this.#database.run(
          "INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?, ?, ?, ?)",
          ...columns,
          rowChecksum(...columns),
        );
      }
    });
    this.#setTotals(totals);
  }

  #enterSegment(address: Address, segment: Segment): number {
    const row = integer(
      this.#database.get("SELECT ifnull(max(row), 0) + 1 AS next FROM segments")!,
      "next",
    );
    const { vaultId, nodeId, firstSequence, ids } = segment;
    const columns = [row, address, vaultId, nodeId, Number(firstSequence), ids.length, ids.at(-1)!];
    this.#database.run(
      "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ...columns,
      rowChecksum(...columns),
    );
    return row;
  }

  #enterVersion(version: IndexedVersion, totals: Totals): void {
    if (this.version(version.id) !== null) return;
    const key = this.key(version.keyTag);
    this.#writeVersion(version);
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
      this.#writeVersion({ ...version, dropped: true });
      totals.versions--;
      totals.bytes -= version.size;
      touched.set(toHex(version.keyTag), version.keyTag);
    }
    for (const tag of touched.values()) this.#refold(tag, totals);
  }

  /** Works a key's row out anew from all its versions. */
  #refold(tag: Bytes, totals: Totals): void {
    const row = this.#database.get("SELECT * FROM keys WHERE tag = ?", tag);
    const before = row === undefined ? null : keyOf(row);
    const versions = this.#database.all(
      `SELECT ${VERSION_COLUMNS}, crc FROM versions WHERE key_tag = ?`,
      tag,
    ).map(versionOf);
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

  #writeVersion(version: IndexedVersion): void {
    const { id, keyTag, depth, clock, op, segment, position, parents, dropped, size } = version;
    this.#database.run(
      `INSERT OR REPLACE INTO versions(${VERSION_COLUMNS}, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      keyTag,
      depth,
      clockBytes(clock),
      OPS.indexOf(op),
      segment,
      position,
      joinIds(parents),
      Number(dropped),
      size,
      versionChecksum(version),
    );
  }

  #writeKey(key: IndexedKey): void {
    const columns = [
      key.tag,
      joinIds(key.heads),
      key.latest ?? new Uint8Array(0),
      key.versions,
      key.depthMax,
      Number(key.deleted),
    ];
    this.#database.run(
      "INSERT OR REPLACE INTO keys(tag, heads, latest, versions, depth_max, deleted, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...columns,
      rowChecksum(...columns),
    );
  }

  #setTotals({ keys, versions, bytes, clock }: Totals): void {
    const columns = [keys, versions, bytes, clockBytes(clock)];
    this.#database.run(
      "INSERT OR REPLACE INTO totals(row, keys, versions, bytes, clock, crc) VALUES (1, ?, ?, ?, ?, ?)",
      ...columns,
      rowChecksum(...columns),
    );
  }
}
