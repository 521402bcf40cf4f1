/**
 * The rows of the index of records: its tables, and how each row is written and read back. Every row has a CRC over its
 * columns, as a flipped bit must not hide a version; one that does not match is {@link IndexDamage}.
 *
 * @module
 */

import { type Address, type Bytes, HASH_BYTES, type RecordId, toHex } from "../base/mod.ts";
import type { VersionKind, VersionNode } from "../log/mod.ts";
import { blob, type Column, IndexDamage, integer, type Row, rowChecksum } from "../store/mod.ts";

/** Tables of the records. */
export const RECORD_SCHEMA = `
  CREATE TABLE segments(
    row INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE, vault BLOB NOT NULL, node BLOB NOT NULL,
    first INTEGER NOT NULL, count INTEGER NOT NULL, last_id BLOB NOT NULL, previous BLOB NOT NULL,
    rooted INTEGER NOT NULL, crc INTEGER NOT NULL);
  CREATE INDEX segments_by_node ON segments(node, first);
  CREATE TABLE versions(
    id BLOB PRIMARY KEY, key_tag BLOB NOT NULL, depth INTEGER NOT NULL, clock BLOB NOT NULL, op INTEGER NOT NULL,
    segment INTEGER NOT NULL, position INTEGER NOT NULL, parents BLOB NOT NULL, dropped INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX versions_by_key ON versions(key_tag, depth);
  CREATE TABLE keys(
    tag BLOB PRIMARY KEY, heads BLOB NOT NULL, latest BLOB NOT NULL, versions INTEGER NOT NULL,
    depth_max INTEGER NOT NULL, deleted INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE dropped(version BLOB NOT NULL, vault BLOB NOT NULL, PRIMARY KEY(version, vault)) WITHOUT ROWID;
  CREATE TABLE carried(
    vault BLOB NOT NULL, version BLOB NOT NULL, list BLOB NOT NULL, PRIMARY KEY(vault, version, list)) WITHOUT ROWID;
  CREATE TABLE tags(
    record BLOB PRIMARY KEY, name_tag BLOB NOT NULL, removes INTEGER NOT NULL, clock BLOB NOT NULL,
    segment INTEGER NOT NULL, position INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE totals(
    row INTEGER PRIMARY KEY, segments INTEGER NOT NULL, keys INTEGER NOT NULL, versions INTEGER NOT NULL,
    bytes INTEGER NOT NULL, tags INTEGER NOT NULL, clock BLOB NOT NULL, logs INTEGER NOT NULL,
    foreign_versions INTEGER NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE seen(folder BLOB PRIMARY KEY, list BLOB NOT NULL) WITHOUT ROWID;
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
  /** Id of the record before its first. */
  readonly previous: RecordId;
  /** Whether all records before it are known. */
  readonly isRooted: boolean;
}

/** Sequence number of a segment's last record. */
export function endOf({ first, count }: Pick<IndexedSegment, "first" | "count">): number {
  return first + count - 1;
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
  /** Segments, those of other vaults too. */
  segments: number;
  /** Keys whose latest version is not a delete. */
  keys: number;
  /** Versions not dropped. */
  versions: number;
  /** Plaintext bytes of these versions. */
  bytes: number;
  /** Records that set or remove a tag. */
  tags: number;
  /** The highest clock of any record of this vault. */
  clock: bigint;
  /** Nodes of whose log something is known. */
  logs: number;
  /** Versions of other vaults, dropped ones too. */
  foreignVersions: number;
}

const clockView = new DataView(new ArrayBuffer(8));
const clockScratch = new Uint8Array(clockView.buffer);

function clockBytes(clock: bigint): Bytes {
  clockView.setBigUint64(0, clock);
  return clockScratch.slice();
}

function clockOf(bytes: Bytes): bigint {
  if (bytes.length !== 8) throw new IndexDamage("a clock has not 8 bytes");
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
}

function joinIds(ids: readonly RecordId[]): Bytes {
  if (ids.length === 1) return ids[0]!;
  const bytes = new Uint8Array(ids.length * HASH_BYTES);
  ids.forEach((id, i) => bytes.set(id, i * HASH_BYTES));
  return bytes;
}

function idsOf(bytes: Bytes): RecordId[] {
  if (bytes.length % HASH_BYTES !== 0) throw new IndexDamage("a list of ids is cut off");
  return Array.from(
    { length: bytes.length / HASH_BYTES },
    (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/** The columns of a row, and behind them their CRC. */
export function sealed(columns: Column[]): Column[] {
  return [...columns, rowChecksum(...columns)];
}

/** Refuses a row whose CRC is not that of the columns that its values are written as. */
export function check(row: Row, what: string, written: Column[]): void {
  if (written.at(-1) !== integer(row, "crc")) {
    throw new IndexDamage(`a row of ${what} is damaged`);
  }
}

/** A version's columns, as in the table. */
export function writeVersion(version: IndexedVersion): Column[] {
  const { id, keyTag, depth, clock, op, segment, position, parents, dropped, size } = version;
  return sealed([
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
  ]);
}

/** A version out of its row. @throws IndexDamage */
export function readVersion(row: Row): IndexedVersion {
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
  check(row, `versions (${toHex(version.id)})`, writeVersion(version));
  return version;
}

/** A key's columns, as in the table. */
export function writeKey(key: IndexedKey): Column[] {
  const { tag, heads, latest, versions, depthMax, deleted } = key;
  const latestId = latest ?? new Uint8Array(0);
  return sealed([tag, joinIds(heads), latestId, versions, depthMax, Number(deleted)]);
}

/** A key out of its row. @throws IndexDamage */
export function readKey(row: Row): IndexedKey {
  const latest = blob(row, "latest");
  const key = {
    tag: blob(row, "tag"),
    heads: idsOf(blob(row, "heads")),
    latest: latest.length === 0 ? null : latest,
    versions: integer(row, "versions"),
    depthMax: integer(row, "depth_max"),
    deleted: integer(row, "deleted") === 1,
  };
  check(row, "keys", writeKey(key));
  return key;
}

/** A segment's columns, as in the table. */
export function writeSegment(segment: IndexedSegment): Column[] {
  const { row, address, vault, node, first, count, lastId, previous, isRooted } = segment;
  return sealed([row, address, vault, node, first, count, lastId, previous, Number(isRooted)]);
}

/** A segment out of its row. @throws IndexDamage */
export function readSegment(row: Row): IndexedSegment {
  const segment = {
    row: integer(row, "row"),
    address: blob(row, "address"),
    vault: blob(row, "vault"),
    node: blob(row, "node"),
    first: integer(row, "first"),
    count: integer(row, "count"),
    lastId: blob(row, "last_id"),
    previous: blob(row, "previous"),
    isRooted: integer(row, "rooted") === 1,
  };
  check(row, "segments", writeSegment(segment));
  return segment;
}

/** A tag's columns, as in the table. */
export function writeTag(tag: IndexedTag): Column[] {
  const { record, nameTag, removes, clock, segment, position } = tag;
  return sealed([record, nameTag, Number(removes), clockBytes(clock), segment, position]);
}

/** A tag out of its row. @throws IndexDamage */
export function readTag(row: Row): IndexedTag {
  const tag = {
    record: blob(row, "record"),
    nameTag: blob(row, "name_tag"),
    removes: integer(row, "removes") === 1,
    clock: clockOf(blob(row, "clock")),
    segment: integer(row, "segment"),
    position: integer(row, "position"),
  };
  check(row, "tags", writeTag(tag));
  return tag;
}

/** The sums' columns, as in the table. */
export function writeTotals(totals: Totals): Column[] {
  const { segments, keys, versions, bytes, tags, clock, logs, foreignVersions } = totals;
  return sealed([
    segments,
    keys,
    versions,
    bytes,
    tags,
    clockBytes(clock),
    logs,
    foreignVersions,
  ]);
}

/** The sums out of their row. @throws IndexDamage */
export function readTotals(row: Row): Totals {
  const totals = {
    segments: integer(row, "segments"),
    keys: integer(row, "keys"),
    versions: integer(row, "versions"),
    bytes: integer(row, "bytes"),
    tags: integer(row, "tags"),
    clock: clockOf(blob(row, "clock")),
    logs: integer(row, "logs"),
    foreignVersions: integer(row, "foreign_versions"),
  };
  check(row, "totals", writeTotals(totals));
  return totals;
}
