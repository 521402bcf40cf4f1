/**
 * The public part of records: what every node, with or without keys, learns of a put, delete, restore, prune, tag
 * or untag (format §5). The secret part is in {@link "./body.ts"}; {@link "./segment.ts"} signs both together.
 *
 * The rules of {@link brokenRule} hold for both directions: what can't be decoded can't be written either.
 *
 * @module
 */

import {
  type Address,
  ByteReader,
  type Bytes,
  ByteWriter,
  compareIds,
  HASH_BYTES,
  INLINE_INVENTORY_ENTRIES_MAX,
  INVENTORY_ENTRIES_MAX,
  type RecordId,
  toHex,
  VaultError,
  VERSION_PARENTS_MAX,
} from "../base/mod.ts";
import { CLOCK_MAX } from "./clock.ts";
import { ENTRY_BYTES, type Inventory, PackedEntries } from "./inventory.ts";

/** Every kind of record; a kind's code is its place here, from 1. */
export const RECORD_KINDS = ["put", "delete", "restore", "prune", "tag", "untag"] as const;

/** What a record does. */
export type RecordKind = typeof RECORD_KINDS[number];

/** The kinds that make a version. */
export type VersionKind = "put" | "delete" | "restore";

/** Length of a key tag and of a tag-name tag. */
export const TAG_BYTES = 16;

/** Makes a version of a key; the record's id names the version. */
export interface VersionRecord {
  /** What it does. */
  readonly kind: VersionKind;
  /** Hybrid logical clock: milliseconds << 16 | counter. */
  readonly clock: bigint;
  /** Stands for the key's name: 16 bytes. */
  readonly keyTag: Bytes;
  /** Causal depth: 1 without parents, else one more than the deepest of them. */
  readonly depth: number;
  /** The heads it replaces: the first is the one latest chose, the base; the others ascend. */
  readonly parents: readonly RecordId[];
  /** What it needs and its first parent did not; a delete needs nothing. */
  readonly inventory: Inventory;
}

/** Drops versions, by way of prune lists. */
export interface PruneRecord {
  /** What it does. */
  readonly kind: "prune";
  /** Hybrid logical clock. */
  readonly clock: bigint;
  /** Addresses of the prune lists, at least one, each once. They hold only together. */
  readonly lists: readonly Address[];
}

/** Sets or removes a tag. */
export interface TagRecord {
  /** What it does. */
  readonly kind: "tag" | "untag";
  /** Hybrid logical clock. */
  readonly clock: bigint;
  /** Stands for the tag's name: 16 bytes. */
  readonly nameTag: Bytes;
}

/** The public part of a record. */
export type RecordPublic = VersionRecord | PruneRecord | TagRecord;

/** Fewest bytes of an encoded record: a prune's, without its lists. */
export const RECORD_BYTES_MIN = 1 + 8 + 2;

const U16_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;
const INLINE = 0;
const BY_ADDRESS = 1;

/** Whether a record makes a version. */
export function isVersionRecord(record: RecordPublic): record is VersionRecord {
  return record.kind === "put" || record.kind === "delete" || record.kind === "restore";
}

/** The rule that a record breaks, in words, or `null`. */
function brokenRule(record: RecordPublic): string | null {
  if (record.clock < 0n || record.clock > CLOCK_MAX) return `clock ${record.clock} is out of range`;
  switch (record.kind) {
    case "put":
    case "delete":
    case "restore":
      if (record.keyTag.length !== TAG_BYTES) return "the key tag is not 16 bytes";
      return brokenDescent(record) ?? brokenInventory(record);
    case "prune":
      if (record.lists.length === 0) return "a prune without prune lists";
      if (record.lists.length > U16_MAX) return `${record.lists.length} prune lists are too many`;
      return brokenAddresses(record.lists, "a prune list");
    case "tag":
    case "untag":
      return record.nameTag.length === TAG_BYTES ? null : "the tag-name tag is not 16 bytes";
  }
}

function brokenDescent({ depth, parents }: VersionRecord): string | null {
  if (!Number.isInteger(depth) || depth < 1 || depth > U32_MAX) {
    return `depth ${depth} is out of range`;
  }
  if (parents.length > VERSION_PARENTS_MAX) return `${parents.length} parents are too many`;
  if ((depth === 1) !== (parents.length === 0)) {
    return `depth ${depth} with ${parents.length} parents`;
  }
  for (let i = 2; i < parents.length; i++) {
    if (compareIds(parents[i - 1]!, parents[i]!) >= 0) {
      return `parent ${i} is not above the one before it`;
    }
  }
  return brokenAddresses(parents, "a parent");
}

function brokenInventory({ kind, inventory }: VersionRecord): string | null {
  if ("entries" in inventory) {
    const { count } = inventory.entries;
    if (kind === "delete" && count > 0) return "a delete with an inventory";
    return count <= INLINE_INVENTORY_ENTRIES_MAX ? null : `${count} entries are too many inline`;
  }
  const { parts } = inventory;
  if (kind === "delete") return "a delete with an inventory";
  if (parts.length > U16_MAX) return `${parts.length} inventories are too many`;
  let entries = 0;
  for (const { count } of parts) {
    if (!Number.isInteger(count) || count < 1 || count > INVENTORY_ENTRIES_MAX) {
      return `an inventory of ${count} entries`;
    }
    entries += count;
  }
  if (entries <= INLINE_INVENTORY_ENTRIES_MAX) return `${entries} entries that belong inline`;
  return brokenAddresses(parts.map((part) => part.address), "an inventory");
}

function brokenAddresses(values: readonly Uint8Array[], what: string): string | null {
  if (values.some((value) => value.length !== HASH_BYTES)) return `${what} is not 32 bytes`;
  if (values.length < 2) return null;
  return new Set(values.map(toHex)).size === values.length ? null : `${what} is named twice`;
}

/**
 * The bytes of a record's public part.
 *
 * @throws VaultError `failed` if it breaks a rule of the format
 */
export function encodeRecord(record: RecordPublic): Bytes {
  const state = brokenRule(record);
  if (state !== null) {
    throw new VaultError("failed", `Cannot encode ${record.kind} record: ${state}`);
  }
  const writer = new ByteWriter(sizeOf(record));
  writer.u8(RECORD_KINDS.indexOf(record.kind) + 1).u64(record.clock);
  switch (record.kind) {
    case "put":
    case "delete":
    case "restore":
      writer.raw(record.keyTag).u32(record.depth).u8(record.parents.length);
      for (const parent of record.parents) writer.raw(parent);
      writeInventory(writer, record.inventory);
      break;
    case "prune":
      writer.u16(record.lists.length);
      for (const list of record.lists) writer.raw(list);
      break;
    case "tag":
    case "untag":
      writer.raw(record.nameTag);
      break;
  }
  return writer.finish();
}

/** Bytes that a record takes encoded. */
function sizeOf(record: RecordPublic): number {
  const fixed = 1 + 8;
  if (record.kind === "prune") return fixed + 2 + record.lists.length * HASH_BYTES;
  if (!isVersionRecord(record)) return fixed + TAG_BYTES;
  const { parents, inventory } = record;
  const count = "entries" in inventory ? inventory.entries.count : inventory.parts.length;
  return fixed + TAG_BYTES + 4 + 1 + parents.length * HASH_BYTES + 1 + 2 + count * ENTRY_BYTES;
}

/**
 * Reads a record's public part; ids and entries are views of `bytes`.
 *
 * @throws VaultError `damaged` for anything that {@link encodeRecord} would not have written
 */
export function decodeRecord(bytes: Uint8Array): RecordPublic {
  const reader = new ByteReader(bytes, "record");
  const code = reader.u8();
  const kind = RECORD_KINDS[code - 1];
  if (kind === undefined) throw reader.fail(`unknown kind ${code}`);
  const record = readRecord(reader, kind);
  reader.end();
  const state = brokenRule(record);
  if (state !== null) throw reader.fail(state);
  return record;
}

function readRecord(reader: ByteReader, kind: RecordKind): RecordPublic {
  const clock = reader.u64();
  switch (kind) {
    case "put":
    case "delete":
    case "restore": {
      const keyTag = reader.raw(TAG_BYTES);
      const depth = reader.u32();
      const count = reader.count(reader.u8(), VERSION_PARENTS_MAX, HASH_BYTES);
      const parents = Array.from({ length: count }, () => reader.raw(HASH_BYTES));
      return { kind, clock, keyTag, depth, parents, inventory: readInventory(reader) };
    }
    case "prune": {
      const count = reader.count(reader.u16(), U16_MAX, HASH_BYTES);
      return { kind, clock, lists: Array.from({ length: count }, () => reader.raw(HASH_BYTES)) };
    }
    case "tag":
    case "untag":
      return { kind, clock, nameTag: reader.raw(TAG_BYTES) };
  }
}

function writeInventory(writer: ByteWriter, inventory: Inventory): void {
  if ("entries" in inventory) {
    writer.u8(INLINE).u16(inventory.entries.count).raw(inventory.entries.bytes);
  } else {
    writer.u8(BY_ADDRESS).u16(inventory.parts.length);
    for (const { address, count } of inventory.parts) writer.raw(address).u32(count);
  }
}

function readInventory(reader: ByteReader): Inventory {
  const form = reader.u8();
  switch (form) {
    case INLINE: {
      const count = reader.count(reader.u16(), INLINE_INVENTORY_ENTRIES_MAX, ENTRY_BYTES);
      return { entries: PackedEntries.read(reader, count) };
    }
    case BY_ADDRESS: {
      const count = reader.count(reader.u16(), U16_MAX, ENTRY_BYTES);
      return {
        parts: Array.from({ length: count }, () => ({
          address: reader.raw(HASH_BYTES),
          count: reader.u32(),
        })),
      };
    }
    default:
      throw reader.fail(`unknown form of inventory ${form}`);
  }
}
