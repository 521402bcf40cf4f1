/**
 * The SQLite file behind every index. What it holds can be made again from the packs, so its answer to any
 * damage is the same: throw it away, rebuild, ask again.
 *
 * Each row of ours carries a CRC of its other columns, because SQLite itself does not notice a flipped bit in
 * a value, and a wrong offset or a wrong address must not steer a read or a deduplication.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type Bytes, crc32, encodeUtf8, VaultError } from "../base/mod.ts";

/** A value of a column. */
export type Column = number | string | Uint8Array | null;
/** A row by column name. */
export type Row = Record<string, Column>;

/** The index contradicts itself: it has to be rebuilt. */
export class IndexDamage extends Error {
  override readonly name = "IndexDamage";
}

// SQLite's primary result codes that do not mean that the file is bad, so that rebuilding it would not help.
const SQLITE_ENVIRONMENT_CODES = new Set([
  5, // BUSY
  6, // LOCKED
  7, // NOMEM
  8, // READONLY
  10, // IOERR
  13, // FULL
  14, // CANTOPEN
]);

const ENVIRONMENT_TEXT =
  /disk is full|disk I\/O error|unable to open|database is locked|table is locked|readonly|out of memory/i;

function isDamage(error: unknown): boolean {
  if (error instanceof IndexDamage) return true;
  if (error instanceof VaultError || !(error instanceof Error)) return false;
  const code = (error as { errcode?: unknown }).errcode;
  if (typeof code === "number") return !SQLITE_ENVIRONMENT_CODES.has(code & 0xff);
  switch ((error as { code?: unknown }).code) {
    case "ERR_SQLITE_ERROR":
      return !ENVIRONMENT_TEXT.test(error.message);
    case "ERR_OUT_OF_RANGE": // an integer that we can't have written
      return true;
    default:
      return false;
  }
}

/** What is thrown to whoever can do nothing about the index: a full disk by its name, damage as such. */
function refusal(error: unknown, action: string): unknown {
  if (error instanceof Error && /disk is full/i.test(error.message)) {
    return new VaultError("no_space", `${action}: the disk is full`, {
      hint: "free some space, then run it again",
      cause: error,
    });
  }
  if (!isDamage(error)) return error;
  return new VaultError("damaged", `${action}: ${(error as Error).message}`, { cause: error });
}

/** Columns laid out for their checksum; grows, and is used again, as a flush checksums thousands of rows. */
let scratch = new DataView(new ArrayBuffer(1024));
let scratchBytes = new Uint8Array(scratch.buffer);

/** CRC over column values, in the order given: each behind its type, blobs and texts behind their length too. */
export function rowChecksum(...columns: Column[]): number {
  let at = 0;
  for (const column of columns) {
    if (typeof column === "number") {
      makeRoom(at, 9);
      scratch.setUint8(at, 1);
      scratch.setFloat64(at + 1, column);
      at += 9;
    } else if (column === null) {
      makeRoom(at, 1);
      scratch.setUint8(at, 0);
      at += 1;
    } else {
      const bytes = typeof column === "string" ? encodeUtf8(column) : column;
      makeRoom(at, 5 + bytes.length);
      scratch.setUint8(at, typeof column === "string" ? 2 : 3);
      scratch.setUint32(at + 1, bytes.length);
      scratchBytes.set(bytes, at + 5);
      at += 5 + bytes.length;
    }
  }
  return crc32(scratchBytes, at);
}

function makeRoom(used: number, extra: number): void {
  if (used + extra <= scratch.byteLength) return;
  const larger = new Uint8Array(2 * (used + extra));
  larger.set(scratchBytes.subarray(0, used));
  scratch = new DataView(larger.buffer);
  scratchBytes = larger;
}

/** Values that one statement of {@link IndexDatabase.allOf} takes. */
const VALUES_AT_ONCE = 64;
const PLACES = Array.from({ length: VALUES_AT_ONCE }, () => "?").join(", ");

/** Rows that one statement of {@link IndexDatabase.insertAll} takes. */
const ROWS_AT_ONCE = 32;

/** Statements that insert several rows, by what they are made of. */
const insertions = new Map<string, string>();

function insertion(
  before: string,
  after: string,
  { count, columns }: { count: number; columns: number },
): string {
  const name = `${count} ${before}`;
  const known = insertions.get(name);
  if (known !== undefined) return known;
  const places = `(${Array.from({ length: columns }, () => "?").join(", ")})`;
  const made = `${before} ${Array.from({ length: count }, () => places).join(", ")} ${after}`;
  insertions.set(name, made);
  return made;
}

/** A SQLite database that can be thrown away. */
export class IndexDatabase {
  readonly #path: string;
  readonly #schema: string;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync;
  #depth = 0;
  #guards = 0;
  #rebuild: (() => void) | undefined;
  #rebuilding = false;
  /** Whether a rebuild broke off: what is in the tables is not all. */
  #incomplete = false;
  #closed = false;
  /** How often the index was rebuilt since it was opened, and why the last time. */
  rebuilds: { count: number; reason: string } = { count: 0, reason: "" };

  /**
   * Opens the database, or a new one if it can't be read.
   *
   * @param path a file, or ":memory:"
   * @param schema statements that make all tables; a database with another schema counts as damaged
   */
  constructor(path: string, schema: string) {
    this.#path = path;
    this.#schema = schema;
    try {
      this.#database = this.#open();
    } catch (error) {
      if (!isDamage(error)) throw refusal(error, "Cannot open the index");
      this.#discard();
      this.#database = this.#open();
      this.rebuilds = { count: 0, reason: String(error) };
    }
  }

  /** Whether a rebuild has yet to fill it: a new database, or one that had to be thrown away. */
  get isNew(): boolean {
    try {
      return this.get("SELECT value FROM meta WHERE name = 'ready'") === undefined;
    } catch (error) {
      if (isDamage(error)) return true;
      throw refusal(error, "Cannot open the index");
    }
  }

  #open(): DatabaseSync {
    // Sizes and tags of keys stand in it: it is its owner's alone, and so are the files that SQLite puts beside it.
    if (this.#path !== ":memory:") {
      Deno.openSync(this.#path, { write: true, create: true, mode: 0o600 }).close();
    }
    const database = new DatabaseSync(this.#path);
    try {
      // One process owns the home, so SQLite needs neither shared memory nor locks between statements.
      database.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA cell_size_check = ON;
        PRAGMA cache_size = -8192;
        PRAGMA wal_autocheckpoint = 4096;
        PRAGMA temp_store = MEMORY;
      `);
      const version = crc32(encodeUtf8(this.#schema)) & 0x7fffffff;
      const found = (database.prepare("PRAGMA user_version").get() as Row)["user_version"];
      if (found === 0) {
        database.exec(
          `BEGIN; CREATE TABLE meta(name TEXT PRIMARY KEY, value); ${this.#schema};
           PRAGMA user_version = ${version}; COMMIT;`,
        );
      } else if (found !== version) throw new IndexDamage("the index has another layout");
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #discard(): void {
    if (this.#path === ":memory:") return;
    for (const suffix of ["", "-wal", "-shm", "-journal"]) {
      try {
        Deno.removeSync(this.#path + suffix);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** Sets what fills an empty database again. Called by {@link IndexDatabase.guard} when damage shows. */
  onRebuild(rebuild: () => void): void {
    this.#rebuild = rebuild;
  }

  /**
   * Throws the database away and fills a new one.
   *
   * @throws VaultError `no_space`; `damaged` if what was just written contradicts itself
   */
  rebuild(reason: string): void {
    if (this.#rebuild === undefined) throw new IndexDamage(reason);
    this.#rebuilding = true;
    this.#incomplete = true;
    this.#depth = 0;
    this.#statements.clear();
    this.rebuilds = { count: this.rebuilds.count + 1, reason };
    try {
      if (!this.#closed) this.#database.close();
      this.#closed = true;
      this.#discard();
      this.#database = this.#open();
      this.#closed = false;
      this.#rebuild();
      this.run("INSERT INTO meta(name, value) VALUES ('ready', 1)");
      this.#incomplete = false;
    } catch (error) {
      throw refusal(error, "Cannot rebuild the index");
    } finally {
      this.#rebuilding = false;
    }
  }

  /**
   * Runs `work`; if the index turns out to be damaged, rebuilds it and runs `work` once more. Rows change their
   * numbers in a rebuild, so all that belongs together has to be inside one guard; guards inside it leave damage to it.
   *
   * @throws VaultError `no_space`; `damaged` if a rebuild did not help
   */
  guard<T>(work: () => T): T {
    const isOutermost = this.#guards === 0 && this.#depth === 0 && !this.#rebuilding;
    this.#guards++;
    try {
      if (!isOutermost) return work();
      if (this.#incomplete) this.rebuild("the last attempt broke off");
      try {
        return work();
      } catch (error) {
        if (!isDamage(error) || this.#rebuild === undefined) throw error;
        this.rebuild(error instanceof Error ? error.message : String(error));
        return work();
      }
    } catch (error) {
      if (!isOutermost) throw error;
      throw refusal(error, "Cannot use the index");
    } finally {
      this.#guards--;
    }
  }

  /** Whether it is left to others to act on damage: a guard is open around the caller. */
  get isGuarded(): boolean {
    return this.#guards > 0;
  }

  /** Whether the index is being filled. */
  get isRebuilding(): boolean {
    return this.#rebuilding;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement that returns nothing; says how many rows it changed. */
  run(sql: string, ...values: Column[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** The first row, if any. */
  get(sql: string, ...values: Column[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  /** All rows. */
  all(sql: string, ...values: Column[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  /** All rows whose column is one of these values, in no order; `sql` ends with the column's name. */
  allOf(sql: string, values: readonly Column[]): Row[] {
    const rows: Row[] = [];
    for (let start = 0; start < values.length; start += VALUES_AT_ONCE) {
      const some = values.slice(start, start + VALUES_AT_ONCE);
      // One statement for any number: a value that comes twice finds nothing more.
      while (some.length < VALUES_AT_ONCE) some.push(some[0]!);
      for (const row of this.all(`${sql} IN (${PLACES})`, ...some)) rows.push(row);
    }
    return rows;
  }

  /**
   * Inserts a row for each item, many with one statement, as each call takes longer than the insertion; says how many rows it changed. What
   * comes before and after the values makes the statement.
   */
  insertAll<T>(
    before: string,
    items: readonly T[],
    { columnsOf, after = "" }: { columnsOf: (item: T) => readonly Column[]; after?: string },
  ): number {
    let changed = 0;
    for (let start = 0; start < items.length;) {
      const count = items.length - start >= ROWS_AT_ONCE ? ROWS_AT_ONCE : 1;
      const values: Column[] = [];
      for (let i = start; i < start + count; i++) values.push(...columnsOf(items[i]!));
      changed += this.run(
        insertion(before, after, { count, columns: values.length / count }),
        ...values,
      );
      start += count;
    }
    return changed;
  }

  /** Runs `work` in one transaction; nested calls join the outer one. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#database.exec("BEGIN IMMEDIATE");
    this.#depth = 1;
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        this.#database.exec("ROLLBACK");
      } catch {
        // the transaction is gone already: SQLite rolls back by itself on some errors
      }
      throw error;
    } finally {
      this.#depth = 0;
    }
  }

  /** Makes everything committed so far durable. Needed only before something that is not in the packs depends on it. */
  checkpoint(): void {
    this.#database.exec("PRAGMA wal_checkpoint(FULL)");
  }

  /** SQLite's own check of the whole file: "ok", or what is wrong. Reads everything. */
  integrity(): string {
    try {
      const rows = this.#database.prepare("PRAGMA integrity_check(10)").all() as Row[];
      return rows.map((row) => String(row["integrity_check"])).join("; ");
    } catch (error) {
      return String(error);
    }
  }

  /** Closes the file. Whatever uses the index after it gets an error, and does not make it anew. */
  close(): void {
    this.#rebuild = undefined;
    this.#statements.clear();
    if (!this.#closed) this.#database.close();
    this.#closed = true;
  }
}

/** A BLOB column's bytes; anything else is damage. */
export function blob(row: Row, column: string): Bytes {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new IndexDamage(`column ${column} is not a blob`);
  return value as Bytes;
}

/** An INTEGER column's value; anything else is damage. */
export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new IndexDamage(`column ${column} is not an integer`);
  return value;
}
