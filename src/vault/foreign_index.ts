/**
 * Versions of other vaults: as much of them as tells which objects they need, so that what a node holds for others is
 * collected by the same rule as its own.
 *
 * @module
 */

import { type Bytes, equalBytes, type RecordId, toHex } from "../base/mod.ts";
import {
  blob,
  type Column,
  IndexDamage,
  type IndexDatabase,
  integer,
  type Row,
} from "../store/mod.ts";
import { eachById } from "./record_pages.ts";
import { check, sealed } from "./record_rows.ts";

/** Table of other vaults' versions. */
export const FOREIGN_SCHEMA = `
  CREATE TABLE foreign_versions(
    id BLOB PRIMARY KEY, vault BLOB NOT NULL, base BLOB NOT NULL, dropped INTEGER NOT NULL,
    segment INTEGER NOT NULL, position INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
`;

/** A version of another vault as the index knows it. */
export interface ForeignVersion {
  readonly id: RecordId;
  readonly vault: Bytes;
  /** The first parent, `null` if there is none. */
  readonly base: RecordId | null;
  /** Whether a prune of its own vault dropped it. */
  readonly dropped: boolean;
  /** Where its record lies: row of the segment, place in it. */
  readonly segment: number;
  readonly position: number;
}

function write({ id, vault, base, dropped, segment, position }: ForeignVersion): Column[] {
  return sealed([id, vault, base ?? new Uint8Array(0), Number(dropped), segment, position]);
}

function read(row: Row): ForeignVersion {
  const base = blob(row, "base");
  const version = {
    id: blob(row, "id"),
    vault: blob(row, "vault"),
    base: base.length === 0 ? null : base,
    dropped: integer(row, "dropped") === 1,
    segment: integer(row, "segment"),
    position: integer(row, "position"),
  };
  check(row, `foreign versions (${toHex(version.id)})`, write(version));
  return version;
}

/** Reads and writes the rows of other vaults' versions. Any call may throw {@link IndexDamage}. */
export class ForeignIndex {
  readonly #database: IndexDatabase;

  constructor(database: IndexDatabase) {
    this.#database = database;
  }

  /** All of them, one after the other by their ids. `expected` of them must be there. */
  *each(expected: number): Generator<ForeignVersion> {
    let found = 0;
    for (const version of eachById(this.#database, "foreign_versions", read)) {
      found++;
      yield version;
    }
    if (found !== expected) {
      throw new IndexDamage("the versions of other vaults do not add up");
    }
  }

  /** The version with this id, or null. */
  find(id: RecordId): ForeignVersion | null {
    const row = this.#database.get("SELECT * FROM foreign_versions WHERE id = ?", id);
    return row === undefined ? null : read(row);
  }

  /** Adds a version, unless it is known; says how many were added. */
  add(version: ForeignVersion): number {
    return this.#database.run(
      "INSERT OR IGNORE INTO foreign_versions VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...write(version),
    );
  }

  /** Marks a version as dropped, if it is known and of this vault: a prune speaks for its own vault alone. */
  drop(vault: Bytes, id: RecordId): void {
    const version = this.find(id);
    if (version === null || version.dropped || !equalBytes(version.vault, vault)) return;
    this.#database.run(
      "REPLACE INTO foreign_versions VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...write({ ...version, dropped: true }),
    );
  }
}
