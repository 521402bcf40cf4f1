/**
 * Going through all rows of the index of records, some at a time: of all at once there may be too many for the memory.
 * Between two of them the index may be asked other things.
 *
 * @module
 */

import type { Bytes } from "../base/mod.ts";
import { type Column, IndexDamage, type IndexDatabase, type Row } from "../store/mod.ts";
import {
  type IndexedSegment,
  type IndexedVersion,
  readSegment,
  readVersion,
  type Totals,
} from "./record_rows.ts";

/** Rows that are read at once. */
const PAGE_ROWS = 512;

/** All rows of a table whose primary key is `id`, in the order of that. */
export function* eachById<T extends { readonly id: Bytes }>(
  database: IndexDatabase,
  table: "versions" | "foreign_versions",
  read: (row: Row) => T,
): Generator<T> {
  for (let after: Bytes = new Uint8Array(0);;) {
    const page = database.all(
      `SELECT * FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`,
      after,
      PAGE_ROWS,
    ).map(read);
    yield* page;
    if (page.length < PAGE_ROWS) return;
    after = page.at(-1)!.id;
  }
}

/** All versions, dropped ones too, by their ids. @throws IndexDamage if they are not as many as the sums say */
export function* eachVersion(
  database: IndexDatabase,
  totals: Pick<Totals, "versions">,
): Generator<IndexedVersion> {
  let kept = 0;
  for (const version of eachById(database, "versions", readVersion)) {
    kept += Number(!version.dropped);
    yield version;
  }
  if (kept !== totals.versions) throw new IndexDamage("the versions do not add up");
}

/** All segments: rows 1, 2, … @throws IndexDamage if they are not as many as the sums say */
export function* eachSegment(
  database: IndexDatabase,
  { segments }: Pick<Totals, "segments">,
): Generator<IndexedSegment> {
  for (let row = 0; row < segments;) {
    const page = database.all(
      "SELECT * FROM segments WHERE row > ? ORDER BY row LIMIT ?",
      row,
      PAGE_ROWS,
    ).map(readSegment);
    if (page.length === 0) throw new IndexDamage("the segments do not add up");
    for (const segment of page) {
      if (segment.row !== ++row) throw new IndexDamage("the segments do not add up");
      yield segment;
    }
  }
}

/** All segments by node and sequence. @throws IndexDamage if they are not as many as the sums say */
export function* eachSegmentOfLogs(
  database: IndexDatabase,
  { segments }: Pick<Totals, "segments">,
): Generator<IndexedSegment> {
  let found = 0;
  for (let after: Column[] = [new Uint8Array(0), 0, 0];;) {
    const page = database.all(
      `SELECT * FROM segments WHERE (node, first, row) > (?, ?, ?)
       ORDER BY node, first, row LIMIT ?`,
      ...after,
      PAGE_ROWS,
    ).map(readSegment);
    found += page.length;
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) break;
    after = [last.node, last.first, last.row];
  }
  if (found !== segments) throw new IndexDamage("the segments do not add up");
}
