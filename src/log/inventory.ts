/**
 * Inventories: the public lists of what one version needs and its first parent did not (format §4). They are
 * what lets a peer repair and collect without any key. A list may be large, so it is never an array of objects
 * but one array of bytes in the very layout of the format, {@link PackedEntries}, which prune lists and records
 * use as well.
 *
 * @module
 */

import {
  type Address,
  ByteReader,
  type Bytes,
  ByteWriter,
  compareBytes,
  encodeUtf8,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  INLINE_INVENTORY_ENTRIES_MAX,
  INVENTORY_ENTRIES_MAX,
  sha256,
  VaultError,
} from "../base/mod.ts";

/** One sealed object: where it is found, and how many bytes it has sealed (1 … `FRAME_BYTES_MAX`). */
export interface InventoryEntry {
  /** SHA-256 of the object. */
  readonly address: Address;
  /** Bytes of the object. */
  readonly length: number;
}

/** Bytes of one entry: address(32) ‖ u32 sealed length. */
export const ENTRY_BYTES = HASH_BYTES + 4;

const MAGIC = encodeUtf8("GVI1");

/** Bytes of an inventory object before its entries. */
export const INVENTORY_HEADER_BYTES = MAGIC.length + 4;

/**
 * Entries in ascending order of address, each address once, as the bytes the formats hold. Made by
 * {@link packEntries} or by a decoder, so that an instance is always in order. A decoded one is a view of the
 * bytes it was decoded from, and so are the addresses it gives.
 */
export class PackedEntries implements Iterable<InventoryEntry> {
  /** The entries one after another, {@link ENTRY_BYTES} each. */
  readonly bytes: Bytes;

  private constructor(bytes: Bytes) {
    this.bytes = bytes;
  }

  /** The one entry that such bytes are, or none: what was checked before. */
  static single(bytes: Bytes): PackedEntries {
    return new PackedEntries(bytes);
  }

  /**
   * Takes the next `count` entries off a reader, and refuses any that are out of order or of a length that no
   * frame can carry.
   *
   * @throws VaultError `damaged`
   */
  static read(reader: ByteReader, count: number): PackedEntries {
    const entries = new PackedEntries(reader.raw(count * ENTRY_BYTES));
    for (let i = 0; i < count; i++) {
      if (i > 0 && compareBytes(entries.address(i - 1), entries.address(i)) >= 0) {
        throw reader.fail(`entry ${i} is not above the one before it`);
      }
      if (!isSealedLength(entries.length(i))) {
        throw reader.fail(`entry ${i} has a sealed length of ${entries.length(i)}`);
      }
    }
    return entries;
  }

  /** How many there are. */
  get count(): number {
    return this.bytes.length / ENTRY_BYTES;
  }

  /** Address of entry `i`, as a view. */
  address(i: number): Address {
    return this.bytes.subarray(i * ENTRY_BYTES, i * ENTRY_BYTES + HASH_BYTES);
  }

  /** Sealed length of entry `i`, in bytes. */
  length(i: number): number {
    // Without a view of its own, as nearly all lists are of one entry, and there is one for each version.
    const at = i * ENTRY_BYTES + HASH_BYTES;
    const { bytes } = this;
    if (!(at >= 0 && at + 4 <= bytes.length)) throw new RangeError(`there is no entry ${i}`);
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) |
      bytes[at + 3]!) >>>
      0;
  }

  /** Entries `start` … `end` (excluded), as a view. */
  slice(start: number, end: number): PackedEntries {
    return new PackedEntries(this.bytes.subarray(start * ENTRY_BYTES, end * ENTRY_BYTES));
  }

  /** The entries one after the other; addresses are views. */
  *[Symbol.iterator](): Iterator<InventoryEntry> {
    for (let i = 0; i < this.count; i++) yield { address: this.address(i), length: this.length(i) };
  }
}

function isSealedLength(length: number): boolean {
  return Number.isInteger(length) && length >= 1 && length <= FRAME_BYTES_MAX;
}

/**
 * Packs entries that come in any order and any number of times.
 *
 * @throws VaultError `failed` if a length is out of range or one address comes with two lengths
 */
export function packEntries(entries: Iterable<InventoryEntry>): PackedEntries {
  const refuse = (state: string) => new VaultError("failed", `Cannot pack entries: ${state}`);
  const capacity = Array.isArray(entries) ? entries.length : 64;
  const writer = new ByteWriter(ENTRY_BYTES * capacity);
  for (const { address, length } of entries) {
    if (address.length !== HASH_BYTES) throw refuse(`an address has ${address.length} bytes`);
    if (!isSealedLength(length)) throw refuse(`a sealed length is ${length}`);
    writer.raw(address).u32(length);
  }
  const unsorted = writer.finish();
  const read = (bytes: Bytes) => {
    return PackedEntries.read(new ByteReader(bytes, "packed entries"), bytes.length / ENTRY_BYTES);
  };
  if (unsorted.length <= ENTRY_BYTES) return PackedEntries.single(unsorted.slice());

  // Sorted are the places of the entries; the first four bytes of a hash nearly always decide.
  const view = new DataView(unsorted.buffer, unsorted.byteOffset, unsorted.byteLength);
  const entryAt = (place: number) => unsorted.subarray(place, place + ENTRY_BYTES);
  const places = Uint32Array.from(
    { length: unsorted.length / ENTRY_BYTES },
    (_, i) => i * ENTRY_BYTES,
  );
  places.sort((a, b) =>
    view.getUint32(a) - view.getUint32(b) || compareBytes(entryAt(a), entryAt(b))
  );

  const sorted = new Uint8Array(unsorted.length);
  let filled = 0;
  for (const place of places) {
    const entry = entryAt(place);
    const before = sorted.subarray(Math.max(0, filled - ENTRY_BYTES), filled);
    if (compareBytes(before, entry) === 0) continue;
    sorted.set(entry, filled);
    filled += ENTRY_BYTES;
    if (compareBytes(before.subarray(0, HASH_BYTES), entry.subarray(0, HASH_BYTES)) === 0) {
      throw refuse("one address comes with two lengths");
    }
  }
  return read(sorted.subarray(0, filled));
}

/** No entries. */
export const NO_ENTRIES: PackedEntries = packEntries([]);

/**
 * The bytes of an inventory object.
 *
 * @throws VaultError `failed` if there are more than `INVENTORY_ENTRIES_MAX`
 */
export function encodeInventory(entries: PackedEntries): Bytes {
  if (entries.count > INVENTORY_ENTRIES_MAX) {
    throw new VaultError(
      "failed",
      `Cannot encode inventory: ${entries.count} entries, the limit is ${INVENTORY_ENTRIES_MAX}`,
    );
  }
  return new ByteWriter(INVENTORY_HEADER_BYTES + entries.bytes.length)
    .raw(MAGIC).u32(entries.count).raw(entries.bytes).finish();
}

/**
 * Reads an inventory object; the entries are a view of `bytes`.
 *
 * @throws VaultError `damaged` for anything that {@link encodeInventory} would not have written
 */
export function decodeInventory(bytes: Uint8Array): PackedEntries {
  const reader = new ByteReader(bytes, "inventory");
  reader.expect(MAGIC);
  const count = reader.count(reader.u32(), INVENTORY_ENTRIES_MAX, ENTRY_BYTES);
  const entries = PackedEntries.read(reader, count);
  reader.end();
  return entries;
}

/** An inventory object as a record names it: its address, and how many entries it has (≥ 1). */
export interface InventoryPart {
  /** SHA-256 of the inventory object. */
  readonly address: Address;
  /** How many entries it has. */
  readonly count: number;
}

/**
 * What a record says its version adds: the entries themselves, if they are at most
 * `INLINE_INVENTORY_ENTRIES_MAX`, or else the inventory objects that hold them.
 */
export type Inventory =
  | { readonly entries: PackedEntries }
  | { readonly parts: readonly InventoryPart[] };

/** A public object to be stored beside the record that names it. */
export interface PublicObject {
  readonly address: Address;
  readonly bytes: Bytes;
}

/** Chooses how a record states these entries, and makes the inventory objects that takes, if any. */
export function makeInventory(
  entries: PackedEntries,
): { inventory: Inventory; objects: PublicObject[] } {
  if (entries.count <= INLINE_INVENTORY_ENTRIES_MAX) return { inventory: { entries }, objects: [] };
  const parts: InventoryPart[] = [];
  const objects: PublicObject[] = [];
  for (let start = 0; start < entries.count; start += INVENTORY_ENTRIES_MAX) {
    const part = entries.slice(start, Math.min(start + INVENTORY_ENTRIES_MAX, entries.count));
    const bytes = encodeInventory(part);
    const address = sha256(bytes);
    parts.push({ address, count: part.count });
    objects.push({ address, bytes });
  }
  return { inventory: { parts }, objects };
}
