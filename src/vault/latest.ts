/**
 * The latest versions of many keys at once, asked of the index in a way that does not read a row of each: trees are compared
 * by these. Whoever calls them does so inside `database.guard`.
 *
 * @module
 */

import { type Bytes, concatBytes, equalBytes, type RecordId, toHex } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";

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
