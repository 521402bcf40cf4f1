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

import { type Address, type Bytes, equalBytes, type RecordId, toHex } from "../base/mod.ts";
import {
  compareVersions,
  foldHistory,
  isVersionRecord,
  type PruneList,
  type Segment,
} from "../log/mod.ts";
import { blob, IndexDamage, type IndexDatabase } from "../store/mod.ts";
import { FOREIGN_SCHEMA, ForeignIndex } from "./foreign_index.ts";
import { type IndexedLog, LOG_SCHEMA, LogIndex } from "./ledger_index.ts";
import { eachSegment, eachSegmentOfLogs, eachVersion } from "./record_pages.ts";
import {
  endOf,
  type IndexedKey,
  type IndexedSegment,
  type IndexedTag,
  type IndexedVersion,
  readKey,
  readSegment,
  readTag,
  readTotals,
  readVersion,
  RECORD_SCHEMA,
  type Totals,
  writeKey,
  writeTag,
  writeTotals,
  writeVersion,
} from "./record_rows.ts";
import { VersionBatch } from "./version_batch.ts";

export {
  type IndexedKey,
  type IndexedSegment,
  type IndexedTag,
  type IndexedVersion,
} from "./record_rows.ts";

/** The tables of a vault's records. An index of another vault's counts as one of another layout: what is foreign differs. */
export function recordSchema(vault: Bytes): string {
  return `${RECORD_SCHEMA}${LOG_SCHEMA}${FOREIGN_SCHEMA}-- ${toHex(vault)}\n`;
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

/** What entering changes at its end: the sums, and the keys (by tag in hex) whose history has to be worked out anew. */
interface Entering {
  totals: Totals;
  unfolded: Map<string, Bytes>;
}

/** Reads and writes the index of records. Any call may throw {@link IndexDamage}; see `IndexDatabase.guard`. */
export class RecordIndex {
  readonly #database: IndexDatabase;
  readonly logs: LogIndex;
  readonly foreign: ForeignIndex;

  constructor(database: IndexDatabase) {
    this.#database = database;
    this.logs = new LogIndex(database);
    this.foreign = new ForeignIndex(database);
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

  /** Those of some keys that there are, by tag in hex. */
  keysOf(tags: readonly Bytes[]): Map<string, IndexedKey> {
    const keys = this.#database.allOf("SELECT * FROM keys WHERE tag", tags).map(readKey);
    const found = new Map(keys.map((key) => [toHex(key.tag), key]));
    const missing = tags.filter((tag) => !found.has(toHex(tag)));
    if (this.#database.allOf("SELECT 1 AS one FROM versions WHERE key_tag", missing).length > 0) {
      throw new IndexDamage("a key has versions but no row");
    }
    return found;
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

  /** As {@link RecordIndex.knownVersion}, of many, in their order. */
  knownVersions(ids: readonly RecordId[]): IndexedVersion[] {
    const rows = this.#database.allOf("SELECT * FROM versions WHERE id", ids);
    const versions = new Map(rows.map(readVersion).map((version) => [toHex(version.id), version]));
    return ids.map((id) => {
      const version = versions.get(toHex(id));
      if (version === undefined) {
        throw new IndexDamage(`version ${toHex(id)} is named but not there`);
      }
      return version;
    });
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

  /**
   * All versions of the vault, dropped ones too, one after the other by their ids: of all at once there may be too many for the
   * memory.
   */
  eachVersion(): Generator<IndexedVersion> {
    return eachVersion(this.#database, this.totals());
  }

  segment(row: number): IndexedSegment {
    const found = this.#database.get("SELECT * FROM segments WHERE row = ?", row);
    if (found === undefined) throw new IndexDamage(`segment ${row} is named but not there`);
    return readSegment(found);
  }

  /** All segments, one after the other, by node and sequence. */
  eachSegmentOfLogs(): Generator<IndexedSegment> {
    return eachSegmentOfLogs(this.#database, this.totals());
  }

  /** All segments, one after the other in the order in which they were entered: rows 1, 2, … */
  eachSegment(): Generator<IndexedSegment> {
    return eachSegment(this.#database, this.totals());
  }

  /** What is known of all logs, by node. */
  allLogs(): readonly IndexedLog[] {
    return this.logs.all(() => this.totals().logs);
  }

  /**
   * The segment with the highest sequence number of a node's log, if there is one: what its next record follows. An earlier
   * one taken for it would fork the log, so three tables have to agree on it.
   */
  lastSegment(node: Bytes): IndexedSegment | null {
    const log = this.allLogs().find((log) => equalBytes(log.node, node));
    const bySequence = this.#database.get(
      "SELECT * FROM segments WHERE node = ? ORDER BY first DESC LIMIT 1",
      node,
    );
    const last = this.#database.get("SELECT ifnull(max(row), 0) AS row FROM segments")!;
    if (
      last["row"] !== this.totals().segments || (log === undefined) !== (bySequence === undefined)
    ) {
      throw new IndexDamage("the end of the log is not where it should be");
    }
    if (log === undefined) return null;
    const top = this.segment(log.topRow);
    const highest = readSegment(bySequence!);
    if (
      !equalBytes(top.node, node) || endOf(top) !== log.top || endOf(highest) > log.top ||
      highest.first < top.first
    ) {
      throw new IndexDamage("the end of the log is not where it should be");
    }
    return top;
  }

  /** The segment with this address, or null. */
  findSegment(address: Address): IndexedSegment | null {
    const row = this.#database.get("SELECT * FROM segments WHERE address = ?", address);
    return row === undefined ? null : readSegment(row);
  }

  /** Whether the store holds a segment of this vault, and whether it holds any at all. */
  vaultsPresent(vault: Bytes): { ours: boolean; any: boolean } {
    return {
      ours: this.#database.get("SELECT 1 AS one FROM segments WHERE vault = ? LIMIT 1", vault) !==
        undefined,
      any: this.#database.get("SELECT 1 AS one FROM segments LIMIT 1") !== undefined,
    };
  }

  /** Whether a prune list of a vault carries something for a version, if only that it needs nothing. */
  isCarried(vault: Bytes, version: RecordId): boolean {
    return this.#database.get(
      "SELECT 1 AS one FROM carried WHERE vault = ? AND version = ? LIMIT 1",
      vault,
      version,
    ) !== undefined;
  }

  /** All prune lists of a vault that carry something, by version (hex). */
  carriedOf(vault: Bytes): Map<string, Address[]> {
    const lists = new Map<string, Address[]>();
    for (
      const row of this.#database.all("SELECT version, list FROM carried WHERE vault = ?", vault)
    ) {
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
    const none = { segments: 0, keys: 0, versions: 0, bytes: 0, tags: 0, logs: 0 };
    return { ...none, clock: 0n, foreignVersions: 0 };
  }

  // Writing: all inside a transaction of the caller's

  /**
   * Enters segments; those that are known already change nothing. Says which were new. Of keys whose versions come in another
   * order than they were made in, the history is worked out when all of them are there, and not for each.
   */
  enter(contents: readonly SegmentContent[]): SegmentContent[] {
    const unfolded: Entering["unfolded"] = new Map();
    const entered = contents.filter((content) => this.#enterOne(content, unfolded));
    if (unfolded.size > 0) {
      const totals = this.totals();
      for (const tag of unfolded.values()) this.#refold(tag, totals);
      this.#setTotals(totals);
    }
    return entered;
  }

  #enterOne(
    { address, segment, sizes, prunes }: SegmentContent,
    unfolded: Entering["unfolded"],
  ): boolean {
    if (
      this.#database.get("SELECT 1 AS one FROM segments WHERE address = ?", address) !== undefined
    ) return false;
    const totals = this.totals();
    const row = ++totals.segments;
    const { vaultId, nodeId, firstSequence, previous, ids } = segment;
    const isNewLog = this.logs.enter({
      row,
      address,
      vault: vaultId,
      node: nodeId,
      first: Number(firstSequence),
      count: ids.length,
      lastId: ids.at(-1)!,
      previous,
    });
    totals.logs += Number(isNewLog);
    if (sizes === null) totals.foreignVersions += this.#enterForeign(row, segment, prunes);
    else this.#enterOwn(row, { segment, sizes, prunes }, { totals, unfolded });
    this.#setTotals(totals);
    return true;
  }

  #enterOwn(
    row: number,
    { segment, sizes, prunes }: Omit<SegmentContent, "address"> & { sizes: readonly number[] },
    { totals, unfolded }: Entering,
  ): void {
    const isDropped = this.#droppedIn(segment.vaultId);
    const tags = segment.records.flatMap((each) => isVersionRecord(each) ? [each.keyTag] : []);
    const batch = new VersionBatch(this.#database, { ids: segment.ids, tags });
    segment.records.forEach((record, position) => {
      const id = segment.ids[position]!;
      if (record.clock > totals.clock) totals.clock = record.clock;
      if (isVersionRecord(record)) {
        const { kind: op, keyTag, depth, clock, parents } = record;
        const place = { segment: row, position };
        const size = sizes[position]!;
        const dropped = isDropped(id);
        this.#enterVersion(
          { id, keyTag, op, depth, clock, parents, dropped, ...place, size },
          { totals, batch, unfolded },
        );
      } else if (record.kind === "prune") {
        batch.aside(() => {
          for (const { address, list } of prunes.get(position) ?? []) {
            this.#enterPrune(segment.vaultId, { address, list }, { totals, unfolded });
          }
        });
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
    batch.write();
  }

  /** Of another vault only what tells which objects it needs. Says how many versions came to it. */
  #enterForeign(row: number, segment: Segment, prunes: SegmentContent["prunes"]): number {
    const isDropped = this.#droppedIn(segment.vaultId);
    let versions = 0;
    segment.records.forEach((record, position) => {
      const id = segment.ids[position]!;
      if (isVersionRecord(record)) {
        const base = record.parents[0] ?? null;
        const place = { segment: row, position };
        const version = { id, vault: segment.vaultId, base, dropped: isDropped(id), ...place };
        versions += this.foreign.add(version);
      } else if (record.kind === "prune") {
        for (const { address, list } of prunes.get(position) ?? []) {
          this.#noteCarried(segment.vaultId, address, list);
          for (const dropped of list.dropped) {
            this.#noteDropped(segment.vaultId, dropped);
            this.foreign.drop(segment.vaultId, dropped);
          }
        }
      }
    });
    return versions;
  }

  /** Asks whether a prune of a vault has dropped a version. */
  #droppedIn(vault: Bytes): (id: RecordId) => boolean {
    if (this.#database.get("SELECT 1 AS one FROM dropped LIMIT 1") === undefined) {
      return () => false;
    }
    return (id) =>
      this.#database.get(
        "SELECT 1 AS one FROM dropped WHERE version = ? AND vault = ?",
        id,
        vault,
      ) !== undefined;
  }

  #noteDropped(vault: Bytes, id: RecordId): void {
    this.#database.run("INSERT OR IGNORE INTO dropped VALUES (?, ?)", id, vault);
  }

  #noteCarried(vault: Bytes, address: Address, list: PruneList): void {
    for (const { version } of list.carried) {
      this.#database.run("INSERT OR IGNORE INTO carried VALUES (?, ?, ?)", vault, version, address);
    }
  }

  #enterVersion(
    version: IndexedVersion,
    { totals, batch, unfolded }: Entering & { batch: VersionBatch },
  ): void {
    if (!batch.add(version)) return;
    const key = batch.key(version.keyTag);
    if (!version.dropped) {
      totals.versions++;
      totals.bytes += version.size;
    }
    const name = toHex(version.keyTag);
    if (
      unfolded.has(name) || version.dropped || (key !== null && version.depth <= key.depthMax)
    ) return void unfolded.set(name, version.keyTag);
    // The usual case: it is deeper than all there is, so it is a head, and the latest.
    const replaced = new Set(version.parents.map(toHex));
    const heads = (key?.heads ?? []).filter((head) => !replaced.has(toHex(head)));
    const deleted = version.op === "delete";
    totals.keys += Number(!deleted) - Number(key !== null && !key.deleted);
    batch.setKey({
      tag: version.keyTag,
      heads: [version.id, ...heads],
      latest: version.id,
      versions: (key?.versions ?? 0) + 1,
      depthMax: version.depth,
      deleted,
    });
  }

  #enterPrune(
    vault: Bytes,
    { address, list }: { address: Address; list: PruneList },
    { totals, unfolded }: Entering,
  ): void {
    this.#noteCarried(vault, address, list);
    for (const id of list.dropped) {
      this.#noteDropped(vault, id);
      const version = this.version(id);
      if (version === null || version.dropped) continue;
      this.#replaceVersion({ ...version, dropped: true });
      totals.versions--;
      totals.bytes -= version.size;
      unfolded.set(toHex(version.keyTag), version.keyTag);
    }
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
      "INSERT OR REPLACE INTO totals VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...writeTotals(totals),
    );
  }
}
