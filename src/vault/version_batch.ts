/**
 * Versions of one segment on their way into the index, and their keys as they are after them: looked up together, and written
 * many at a time, as there are a thousand in a segment of a tree.
 *
 * @module
 */

import { type Bytes, compareBytes, type RecordId, toHex } from "../base/mod.ts";
import { blob, type IndexDatabase } from "../store/mod.ts";
import {
  type IndexedKey,
  type IndexedVersion,
  readKey,
  writeKey,
  writeVersion,
} from "./record_rows.ts";

/** What of a segment goes into the tables `versions` and `keys`. Any call may throw `IndexDamage`. */
export class VersionBatch {
  readonly #database: IndexDatabase;
  /** Ids in hex of versions that there are. */
  readonly #known: Set<string>;
  readonly #tags: readonly Bytes[];
  /** By tag in hex; with what is not written yet. */
  #keys: Map<string, IndexedKey>;
  #newVersions: IndexedVersion[] = [];
  readonly #newKeys = new Map<string, IndexedKey>();

  constructor(database: IndexDatabase, { ids, tags }: { ids: readonly RecordId[]; tags: Bytes[] }) {
    this.#database = database;
    this.#tags = tags;
    const rows = database.allOf("SELECT id FROM versions WHERE id", ids);
    this.#known = new Set(rows.map((row) => toHex(blob(row, "id"))));
    this.#keys = this.#readKeys();
  }

  #readKeys(): Map<string, IndexedKey> {
    const keys = this.#database.allOf("SELECT * FROM keys WHERE tag", this.#tags).map(readKey);
    return new Map(keys.map((key) => [toHex(key.tag), key]));
  }

  /** Adds a version; says whether it was new. */
  add(version: IndexedVersion): boolean {
    const name = toHex(version.id);
    if (this.#known.has(name)) return false;
    this.#known.add(name);
    this.#newVersions.push(version);
    return true;
  }

  /** The key with this tag, which must be one of the segment's, or null. */
  key(tag: Bytes): IndexedKey | null {
    return this.#keys.get(toHex(tag)) ?? null;
  }

  setKey(key: IndexedKey): void {
    const name = toHex(key.tag);
    this.#keys.set(name, key);
    this.#newKeys.set(name, key);
  }

  /** Writes what waits, so that the tables can be asked. */
  write(): void {
    // In the order of their keys: rows that come to lie side by side are written side by side.
    const versions = this.#newVersions.sort((a, b) => compareBytes(a.id, b.id));
    const keys = [...this.#newKeys.values()].sort((a, b) => compareBytes(a.tag, b.tag));
    this.#database.insertAll("INSERT INTO versions VALUES", versions, {
      columnsOf: writeVersion,
    });
    this.#database.insertAll("INSERT OR REPLACE INTO keys VALUES", keys, { columnsOf: writeKey });
    this.#newVersions = [];
    this.#newKeys.clear();
  }

  /** Has other work done on the tables in between. */
  aside(work: () => void): void {
    this.write();
    work();
    this.#keys = this.#readKeys();
  }
}
