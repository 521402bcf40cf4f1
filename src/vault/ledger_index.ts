/**
 * What is known of each node's log: how far it goes without a hole, which segments there are, whether it has forked. Kept
 * in the transaction that enters a segment, so that the sums are always those of the segments that are there.
 *
 * Segments may come in any order, and two branches of one log may both come: whatever the order, the same segments give the
 * same answers.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  compareBytes,
  equalBytes,
  HASH_BYTES,
  type NodeId,
  type RecordId,
  SEGMENT_RECORDS_MAX,
} from "../base/mod.ts";
import { NO_RECORD } from "../log/mod.ts";
import {
  blob,
  type Column,
  IndexDamage,
  type IndexDatabase,
  integer,
  type Row,
} from "../store/mod.ts";
import {
  check,
  endOf,
  type IndexedSegment,
  readSegment,
  sealed,
  writeSegment,
} from "./record_rows.ts";

/** Table of logs. */
export const LOG_SCHEMA = `
  CREATE TABLE logs(
    node BLOB PRIMARY KEY, last INTEGER NOT NULL, last_id BLOB NOT NULL, top INTEGER NOT NULL, top_row INTEGER NOT NULL,
    digest BLOB NOT NULL, loose INTEGER NOT NULL, fork INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
`;

/** A node's log as the index knows it. */
export interface IndexedLog {
  readonly node: NodeId;
  /** The highest sequence number on any branch with all below it known, 0 if there is none, and that record's id. */
  readonly last: number;
  readonly lastId: RecordId;
  /** The highest sequence number there is, and the row of the segment that ends in it. */
  readonly top: number;
  readonly topRow: number;
  /** XOR of the addresses of all segments. */
  readonly digest: Bytes;
  /** Segments before which something is missing. */
  readonly loose: number;
  /** The lowest sequence number that two records have, 0 if there is none. */
  readonly fork: number;
}

type Draft = { -readonly [name in keyof IndexedLog]: IndexedLog[name] };

function write({ node, last, lastId, top, topRow, digest, loose, fork }: IndexedLog): Column[] {
  return sealed([node, last, lastId, top, topRow, digest, loose, fork]);
}

function read(row: Row): IndexedLog {
  const log = {
    node: blob(row, "node"),
    last: integer(row, "last"),
    lastId: blob(row, "last_id"),
    top: integer(row, "top"),
    topRow: integer(row, "top_row"),
    digest: blob(row, "digest"),
    loose: integer(row, "loose"),
    fork: integer(row, "fork"),
  };
  check(row, "logs", write(log));
  return log;
}

/** Reads and writes the rows of logs and segments. Any call may throw {@link IndexDamage}. */
export class LogIndex {
  readonly #database: IndexDatabase;
  /** All rows, as they were after so many rebuilds. */
  #known: { logs: readonly IndexedLog[]; rebuilds: number } | null = null;

  constructor(database: IndexDatabase) {
    this.#database = database;
  }

  /** All logs, ascending by node. `expected` says how many there must be. */
  all(expected: () => number): readonly IndexedLog[] {
    const rebuilds = this.#database.rebuilds.count;
    if (this.#known?.rebuilds === rebuilds) return this.#known.logs;
    const logs = this.#database.all("SELECT * FROM logs ORDER BY node").map(read);
    if (logs.length !== expected()) throw new IndexDamage("the logs do not add up");
    this.#known = { logs, rebuilds };
    return logs;
  }

  /** Segments of a log that have a record in `[from, to]`, by their first. */
  covering(
    node: NodeId,
    from: number,
    to: number,
    countMax = Number.MAX_SAFE_INTEGER,
  ): IndexedSegment[] {
    return this.#database.all(
      `SELECT * FROM segments WHERE node = ? AND first > ? AND first <= ? AND first + count > ?
         ORDER BY first, row LIMIT ?`,
      node,
      from - SEGMENT_RECORDS_MAX,
      to,
      from,
      countMax,
    ).map(readSegment);
  }

  /** Addresses of all segments of a log, ascending. */
  addresses(node: NodeId): Address[] {
    return this.#database.all("SELECT address FROM segments WHERE node = ? ORDER BY address", node)
      .map((row) => blob(row, "address"));
  }

  /** The segment on the way to the head of a log that holds a record, or null. */
  onBranch(log: IndexedLog, sequence: number): IndexedSegment | null {
    if (sequence < 1 || sequence > log.last) return null;
    const candidates = this.covering(log.node, sequence, sequence).filter((each) => each.isRooted);
    if (candidates.length <= 1) return candidates[0] ?? null;
    let at = this.#endingIn(log.node, log.last, log.lastId);
    while (at !== null && at.first > sequence) {
      at = this.#endingIn(log.node, at.first - 1, at.previous);
    }
    return at;
  }

  #endingIn(node: NodeId, end: number, lastId: RecordId): IndexedSegment | null {
    return this.covering(node, end, end).find((segment) =>
      segment.isRooted && endOf(segment) === end && equalBytes(segment.lastId, lastId)
    ) ?? null;
  }

  // Writing: inside a transaction of the caller's

  /** Enters a segment that is not known; says whether it is the first of its log. */
  enter(segment: Omit<IndexedSegment, "isRooted">): boolean {
    this.#known = null;
    const { node, first } = segment;
    const row = this.#database.get("SELECT * FROM logs WHERE node = ?", node);
    const log: Draft = row === undefined ? newLog(node) : read(row);
    const entered = { ...segment, isRooted: this.#isRooted(segment, log) };
    const end = endOf(entered);
    if (first <= log.top) log.fork = this.#forkOf(entered, log.fork);
    if (end > log.top || (end === log.top && this.#isGreater(entered, log.topRow))) {
      log.top = end;
      log.topRow = entered.row;
    }
    log.digest = log.digest.map((byte, i) => byte ^ segment.address[i]!);
    this.#database.run(
      "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...writeSegment(entered),
    );
    if (entered.isRooted) this.#advance(entered, log);
    else log.loose++;
    this.#database.run("REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ...write(log));
    return row === undefined;
  }

  #isRooted({ node, first, previous }: Omit<IndexedSegment, "isRooted">, log: Draft): boolean {
    if (first === 1) return true;
    if (log.last === first - 1 && equalBytes(log.lastId, previous)) return true;
    return this.#endingIn(node, first - 1, previous) !== null;
  }

  #forkOf({ node, first, count }: IndexedSegment, known: number): number {
    const others = this.covering(node, first, first + count - 1);
    const at = Math.min(...others.map((other) => Math.max(first, other.first)));
    if (others.length === 0) return known;
    return known === 0 ? at : Math.min(known, at);
  }

  /** Of two segments that end in the same number the one whose last id is greater counts, on every node. */
  #isGreater({ lastId }: IndexedSegment, otherRow: number): boolean {
    const other = this.#database.get("SELECT * FROM segments WHERE row = ?", otherRow);
    if (other === undefined) throw new IndexDamage(`segment ${otherRow} is named but not there`);
    return compareBytes(lastId, readSegment(other).lastId) > 0;
  }

  /** Moves the head on to a segment before which nothing is missing, and to those that waited for it. */
  #advance(segment: IndexedSegment, log: Draft): void {
    const found = [segment];
    for (let next = found.pop(); next !== undefined; next = found.pop()) {
      const end = endOf(next);
      const isLonger = end > log.last;
      if (isLonger || (end === log.last && compareBytes(next.lastId, log.lastId) > 0)) {
        log.last = end;
        log.lastId = next.lastId;
      }
      if (log.loose === 0) continue;
      const waiting = this.#database.all(
        "SELECT * FROM segments WHERE node = ? AND first = ? AND rooted = 0",
        log.node,
        end + 1,
      ).map(readSegment);
      for (const child of waiting) {
        if (!equalBytes(child.previous, next.lastId)) continue;
        const rooted = { ...child, isRooted: true };
        this.#database.run(
          "REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          ...writeSegment(rooted),
        );
        log.loose--;
        found.push(rooted);
      }
    }
  }
}

function newLog(node: NodeId): Draft {
  return {
    node,
    last: 0,
    lastId: NO_RECORD,
    top: 0,
    topRow: 0,
    digest: new Uint8Array(HASH_BYTES),
    loose: 0,
    fork: 0,
  };
}
