/**
 * Which object lies where: the store's rows in the index database.
 *
 * @module
 */

import { type Address, type Bytes, concatBytes, toHex } from "../base/mod.ts";
import { OBJECT_KINDS, type ObjectKind } from "./chunk_store.ts";
import {
  blob,
  IndexDamage,
  type IndexDatabase,
  integer,
  type Row,
  rowChecksum,
} from "./database.ts";
import { PACK_HEADER_BYTES } from "./frame.ts";

/** Tables of the store. */
export const STORE_SCHEMA = `
  CREATE TABLE frames(
    row INTEGER PRIMARY KEY,
    address BLOB NOT NULL UNIQUE,
    label BLOB,
    kind INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    length INTEGER NOT NULL,
    crc INTEGER NOT NULL
  );
  CREATE INDEX frames_by_label ON frames(label) WHERE label IS NOT NULL;
  CREATE INDEX frames_by_pack ON frames(pack);
  CREATE TABLE packs(
    number INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    intact INTEGER NOT NULL,
    crc INTEGER NOT NULL
  );
  CREATE TABLE pack_totals(
    row INTEGER PRIMARY KEY,
    packs INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    object_bytes INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL,
    crc INTEGER NOT NULL
  );
`;

/** Where an object lies. `offset` is that of its payload. */
export interface FramePlace {
  address: Address;
  /** What the owner looks it up by beside the address; null if it has no such name. */
  label: Bytes | null;
  kind: ObjectKind;
  pack: number;
  offset: number;
  length: number;
}

/** A place with its row number, which stays the same as long as the row, and is given to no other while the index is open. */
export interface FrameRow extends FramePlace {
  row: number;
}

/** What the index knows of a pack. */
export interface PackRow {
  number: number;
  /** Bytes of the file that are indexed. */
  length: number;
  /** Objects that the index places in it, and the bytes of their payloads. */
  objects: number;
  bytes: number;
  /** Whether a scan found nothing in it but its header and whole frames. Only such a pack is appended to. */
  isIntact: boolean;
}

/** Sums over all packs. */
export interface PackTotals {
  packs: number;
  objects: number;
  objectBytes: number;
  fileBytes: number;
}

/** The row of a pack that has just been created. */
export function newPackRow(number: number): PackRow {
  return { number, length: PACK_HEADER_BYTES, objects: 0, bytes: 0, isIntact: true };
}

const KINDS: readonly ObjectKind[] = Object.keys(OBJECT_KINDS) as ObjectKind[];

function frameOf(row: Row): FrameRow {
  const kindNumber = integer(row, "kind");
  const kind = KINDS.find((name) => OBJECT_KINDS[name] === kindNumber);
  const frame = {
    row: integer(row, "row"),
    address: blob(row, "address"),
    label: row["label"] === null ? null : blob(row, "label"),
    pack: integer(row, "pack"),
    offset: integer(row, "offset"),
    length: integer(row, "length"),
  };
  if (kind === undefined || frameChecksum({ ...frame, kind }) !== integer(row, "crc")) {
    throw new IndexDamage(`the row of object ${toHex(frame.address)} is damaged`);
  }
  return { ...frame, kind };
}

function frameChecksum(frame: FramePlace): number {
  const { address, label, kind, pack, offset, length } = frame;
  return rowChecksum(address, label, OBJECT_KINDS[kind], pack, offset, length);
}

function packOf(row: Row): PackRow {
  const pack = {
    number: integer(row, "number"),
    length: integer(row, "length"),
    objects: integer(row, "objects"),
    bytes: integer(row, "bytes"),
    isIntact: integer(row, "intact") === 1,
  };
  if (packChecksum(pack) !== integer(row, "crc")) {
    throw new IndexDamage(`the row of pack ${pack.number} is damaged`);
  }
  return pack;
}

function packChecksum({ number, length, objects, bytes, isIntact }: PackRow): number {
  return rowChecksum(number, length, objects, bytes, Number(isIntact));
}

function totalsChecksum({ packs, objects, objectBytes, fileBytes }: PackTotals): number {
  return rowChecksum(packs, objects, objectBytes, fileBytes);
}

/** Of a list of addresses, which it takes twice, the place in it and the place in the packs of each that there is a row of. */
const FIND_PLACES = `
  WITH RECURSIVE wanted(at) AS (VALUES(0) UNION ALL SELECT at + 1 FROM wanted WHERE 32 * (at + 2) <= length(?))
  SELECT at, pack, offset, length FROM wanted CROSS JOIN frames
  WHERE address = substr(?, 32 * at + 1, 32)`;

const FRAME_COLUMNS = "row, address, label, kind, pack, offset, length, crc";
const PACK_COLUMNS = "number, length, objects, bytes, intact, crc";

/** Reads and writes the store's rows. Every call may throw {@link IndexDamage}. */
export class FrameIndex {
  readonly #database: IndexDatabase;
  /** The highest row number that was ever given: SQLite would give it again once its row is removed. */
  #lastGiven = 0;

  constructor(database: IndexDatabase) {
    this.#database = database;
  }

  /** The frame of an object; null if there is none. */
  find(address: Address): FrameRow | null {
    const row = this.#database.get(
      `SELECT ${FRAME_COLUMNS} FROM frames WHERE address = ?`,
      address,
    );
    return row === undefined ? null : frameOf(row);
  }

  /** As `find`, of many, by address in hex. */
  findAll(addresses: readonly Address[]): Map<string, FrameRow> {
    const rows = this.#database.allOf(
      `SELECT ${FRAME_COLUMNS} FROM frames WHERE address`,
      addresses,
    );
    return new Map(rows.map(frameOf).map((frame) => [toHex(frame.address), frame]));
  }

  /**
   * Where objects should lie, in the order of their addresses, null for those that there are no rows of. Checksums of rows are
   * not looked at, as that takes longer than to find them.
   */
  placesOf(
    addresses: readonly Address[],
  ): ({ pack: number; offset: number; length: number } | null)[] {
    const places = new Array(addresses.length).fill(null);
    const list = concatBytes(addresses);
    for (const row of this.#database.all(FIND_PLACES, list, list)) {
      places[integer(row, "at")] = {
        pack: integer(row, "pack"),
        offset: integer(row, "offset"),
        length: integer(row, "length"),
      };
    }
    return places;
  }

  /** As `findByLabel`, of many, by label in hex. */
  findAllByLabel(labels: readonly Bytes[]): Map<string, FrameRow> {
    const rows = this.#database.allOf(
      `SELECT ${FRAME_COLUMNS} FROM frames WHERE label`,
      labels,
    );
    const frames = rows.map(frameOf).sort((a, b) => b.row - a.row); // of several the first counts
    return new Map(frames.map((frame) => [toHex(frame.label!), frame]));
  }

  /** The frame with this label that was entered first; null if there is none. */
  findByLabel(label: Bytes): FrameRow | null {
    const row = this.#database.get(
      `SELECT ${FRAME_COLUMNS} FROM frames WHERE label = ? ORDER BY row LIMIT 1`,
      label,
    );
    return row === undefined ? null : frameOf(row);
  }

  /** Frames of one pack, by offset. Whoever collects garbage relies on these being all. */
  inPack(number: number): FrameRow[] {
    const frames = this.#database.all(
      `SELECT ${FRAME_COLUMNS} FROM frames WHERE pack = ? ORDER BY offset`,
      number,
    ).map(frameOf);
    const pack = this.pack(number);
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    if (frames.length !== (pack?.objects ?? 0) || bytes !== (pack?.bytes ?? 0)) {
      throw new IndexDamage(`the objects of pack ${number} do not add up`);
    }
    return frames;
  }

  /** Adds a frame, unless its address is known; says whether it was new. */
  add(frame: FramePlace): boolean {
    return this.addAll([frame]);
  }

  /** Adds frames, unless their addresses are known; says whether all were new. */
  addAll(frames: readonly FramePlace[]): boolean {
    this.#lastGiven = Math.max(this.#lastGiven, this.lastRow());
    return this.#database.insertAll(
      `INSERT INTO frames(${FRAME_COLUMNS}) VALUES`,
      frames,
      {
        columnsOf: (frame) => {
          const { address, label, kind, pack, offset, length } = frame;
          const crc = frameChecksum(frame);
          return [++this.#lastGiven, address, label, OBJECT_KINDS[kind], pack, offset, length, crc];
        },
        after: "ON CONFLICT(address) DO NOTHING",
      },
    ) === frames.length;
  }

  /** Objects that there are rows of in a pack, and their bytes. */
  sumsOf(pack: number): { objects: number; bytes: number } {
    const row = this.#database.get(
      "SELECT count(*) AS objects, ifnull(sum(length), 0) AS bytes FROM frames WHERE pack = ?",
      pack,
    )!;
    return { objects: integer(row, "objects"), bytes: integer(row, "bytes") };
  }

  /** Gives the frame of this address a label. */
  setLabel(address: Address, label: Bytes): void {
    const frame = this.find(address);
    if (frame === null) return;
    this.#database.run(
      "UPDATE frames SET label = ?, crc = ? WHERE row = ?",
      label,
      frameChecksum({ ...frame, label }),
      frame.row,
    );
  }

  /** Removes the row of this address if it names this very place, whatever its number is; says whether it did. */
  remove({ address, pack, offset }: FramePlace): boolean {
    return this.#database.run(
      "DELETE FROM frames WHERE address = ? AND pack = ? AND offset = ?",
      address,
      pack,
      offset,
    ) === 1;
  }

  /** The highest row number, or 0. */
  lastRow(): number {
    return integer(this.#database.get("SELECT ifnull(max(row), 0) AS last FROM frames")!, "last");
  }

  /** All packs, by number. */
  packs(): PackRow[] {
    const packs = this.#database.all(`SELECT ${PACK_COLUMNS} FROM packs ORDER BY number`).map(
      packOf,
    );
    if (packs.length !== this.totals().packs) throw new IndexDamage("the packs do not add up");
    return packs;
  }

  /** What is known of a pack; null if nothing is. */
  pack(number: number): PackRow | null {
    const row = this.#database.get(
      `SELECT ${PACK_COLUMNS} FROM packs WHERE number = ?`,
      number,
    );
    return row === undefined ? null : packOf(row);
  }

  /** The pack with the highest number; null if there is none. */
  lastPack(): PackRow | null {
    return this.lastPacks(1)[0] ?? null;
  }

  /** The packs with the highest numbers, the last one first. */
  lastPacks(countMax: number): PackRow[] {
    return this.#database.all(
      `SELECT ${PACK_COLUMNS} FROM packs ORDER BY number DESC LIMIT ?`,
      countMax,
    ).map(packOf);
  }

  /** Sets a pack's row, and the sums with it: inside a transaction, as {@link FrameIndex.removePack}. */
  setPack(pack: PackRow): void {
    this.#changeTotals(this.pack(pack.number), pack);
    this.#database.run(
      `INSERT OR REPLACE INTO packs(${PACK_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
      pack.number,
      pack.length,
      pack.objects,
      pack.bytes,
      Number(pack.isIntact),
      packChecksum(pack),
    );
  }

  /** Removes a pack's row; its frames' rows are for the caller to remove before. */
  removePack(number: number): void {
    this.#changeTotals(this.pack(number), null);
    this.#database.run("DELETE FROM packs WHERE number = ?", number);
  }

  /** Objects and their bytes, and bytes of all packs. */
  totals(): PackTotals {
    const row = this.#database.get("SELECT * FROM pack_totals WHERE row = 1");
    if (row === undefined) {
      if (this.lastPack() !== null) throw new IndexDamage("there are packs but no sums");
      return { packs: 0, objects: 0, objectBytes: 0, fileBytes: 0 };
    }
    const totals = {
      packs: integer(row, "packs"),
      objects: integer(row, "objects"),
      objectBytes: integer(row, "object_bytes"),
      fileBytes: integer(row, "file_bytes"),
    };
    if (totalsChecksum(totals) !== integer(row, "crc")) {
      throw new IndexDamage("the row of the packs' sums is damaged");
    }
    return totals;
  }

  #changeTotals(before: PackRow | null, after: PackRow | null): void {
    const totals = this.totals();
    for (const [pack, sign] of [[before, -1], [after, 1]] as const) {
      if (pack === null) continue;
      totals.packs += sign;
      totals.objects += sign * pack.objects;
      totals.objectBytes += sign * pack.bytes;
      totals.fileBytes += sign * pack.length;
    }
    const { packs, objects, objectBytes, fileBytes } = totals;
    this.#database.run(
      "INSERT OR REPLACE INTO pack_totals VALUES (1, ?, ?, ?, ?, ?)",
      packs,
      objects,
      objectBytes,
      fileBytes,
      totalsChecksum(totals),
    );
  }

  /** Since when the folder of the packs had been at rest when all packs in it were indexed to their ends; null if unknown. */
  indexedSince(): number | null {
    const row = this.#database.get("SELECT value FROM meta WHERE name = 'indexed since'");
    return row === undefined ? null : integer(row, "value");
  }

  /** Sets what {@link FrameIndex.indexedSince} gives. */
  setIndexedSince(ms: number): void {
    this.#database.run("INSERT OR REPLACE INTO meta(name, value) VALUES ('indexed since', ?)", ms);
  }
}
