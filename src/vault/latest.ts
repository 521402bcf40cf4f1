/**
 * The latest versions of many keys at once, asked of the index in a way that does not read a row of each: trees are compared
 * and listed by these. Whoever calls them does so inside `database.guard`.
 *
 * @module
 */

import { type Bytes, concatBytes, equalBytes, type RecordId, toHex } from "../base/mod.ts";
import { integer } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { checkSums, type IndexedKey, readKey } from "./record_rows.ts";

type IndexContext = Pick<VaultContext, "database" | "index">;

/** A version and its key. */
interface Named {
  tag: Bytes;
  id: RecordId;
}

/** How many of a list of tag(16) ‖ id(32), which it takes three times, name the latest version of a key that has no other head. */
const COUNT_LATEST = `
  WITH RECURSIVE places(at) AS (VALUES(1) UNION ALL SELECT at + 48 FROM places WHERE at + 48 < length(?))
  SELECT count(*) AS count FROM places CROSS JOIN keys
  WHERE tag = substr(?, at, 16) AND latest = substr(?, at + 16, 32) AND heads = latest`;

/**
 * Which of some versions are the latest of their key, and its only head. That all are is the usual answer, and found without
 * reading their rows: one that is damaged can't match by chance.
 */
export function areLatest(
  { database, index }: IndexContext,
  versions: readonly Named[],
): (version: Named) => boolean {
  const list = concatBytes(versions.flatMap(({ tag, id }) => [tag, id]));
  const { count } = database.get(COUNT_LATEST, list, list, list)!;
  if (count === versions.length) return () => true;
  const keys = index.keysOf(versions.map(({ tag }) => tag));
  return ({ tag, id }) => {
    const key = keys.get(toHex(tag));
    if (key === undefined || key.latest === null || key.heads.length !== 1) return false;
    return equalBytes(key.latest, id);
  };
}

/** A key, and the row of the segment and the place in it where the record of its latest version should lie. */
export interface LatestPlace {
  key: IndexedKey;
  segment: number;
  position: number;
  depth: number;
}

/**
 * Where the record of each key's latest version should lie, by segment and place, without keys of which all was dropped.
 * The rows of those versions are not checked, as reading them takes long: whoever goes there sees which key and which depth
 * the record is of.
 */
export function latestPlaces({ database, index }: IndexContext): LatestPlace[] {
  const rows = database.all(`
    SELECT keys.*, segment, position, depth FROM keys LEFT JOIN versions ON id = latest
    ORDER BY segment, position`);
  const keys = rows.map(readKey);
  checkSums(keys, index.totals());
  return rows.flatMap((row, i) => {
    const key = keys[i]!;
    if (key.latest === null) return [];
    const [segment, position] = [integer(row, "segment"), integer(row, "position")];
    return [{ key, segment, position, depth: integer(row, "depth") }];
  });
}
