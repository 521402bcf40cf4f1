/**
 * Prune lists: the public objects in which a prune says which versions it drops and what it carries over for
 * the kept ones whose first parent goes (format §6). {@link "./liveness.ts"} draws the conclusions.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  compareIds,
  encodeUtf8,
  equalBytes,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  type RecordId,
  VaultError,
} from "../base/mod.ts";
import { ENTRY_BYTES, PackedEntries } from "./inventory.ts";

/**
 * What a kept version needs beyond its own inventory, named because its first parent is dropped. Empty is not
 * the same as absent: it says that the version's own inventory is all it needs.
 */
export interface CarriedList {
  readonly version: RecordId;
  readonly entries: PackedEntries;
}

/** One prune list. Both parts ascend by version id, each id once. */
export interface PruneList {
  readonly dropped: readonly RecordId[];
  readonly carried: readonly CarriedList[];
}

const MAGIC = encodeUtf8("GVR1");
const FIXED_BYTES = MAGIC.length + 4 + 4;
const CARRIED_HEADER_BYTES = HASH_BYTES + 4;

/** The rule that a list's order breaks, or `null`. */
function brokenRule(list: PruneList): string | null {
  const carriedIds = list.carried.map((carried) => carried.version);
  for (const [what, ids] of [["dropped", list.dropped], ["carried", carriedIds]] as const) {
    for (let i = 0; i < ids.length; i++) {
      if (ids[i]!.length !== HASH_BYTES) return `a ${what} version's id is not 32 bytes`;
      if (i > 0 && compareIds(ids[i - 1]!, ids[i]!) >= 0) {
        return `${what} version ${i} is not above the one before it`;
      }
    }
  }
  return null;
}

/**
 * The bytes of one prune list.
 *
 * @throws VaultError `failed` if it is out of order or larger than a frame: see {@link splitPruneList}
 */
export function encodePruneList(list: PruneList): Bytes {
  const state = brokenRule(list);
  if (state !== null) throw new VaultError("failed", `Cannot encode prune list: ${state}`);
  const size = list.carried.reduce(
    (sum, { entries }) => sum + CARRIED_HEADER_BYTES + entries.bytes.length,
    FIXED_BYTES + list.dropped.length * HASH_BYTES,
  );
  if (size > FRAME_BYTES_MAX) {
    throw new VaultError(
      "failed",
      `Cannot encode prune list: ${size} bytes, the limit is ${FRAME_BYTES_MAX}`,
    );
  }
  const writer = new ByteWriter(size);
  writer.raw(MAGIC).u32(list.dropped.length);
  for (const id of list.dropped) writer.raw(id);
  writer.u32(list.carried.length);
  for (const { version, entries } of list.carried) {
    writer.raw(version).u32(entries.count).raw(entries.bytes);
  }
  return writer.finish();
}

/**
 * Reads one prune list; ids and entries are views of `bytes`.
 *
 * @throws VaultError `damaged` for anything that {@link encodePruneList} would not have written
 */
export function decodePruneList(bytes: Uint8Array): PruneList {
  const reader = new ByteReader(bytes, "prune list");
  if (bytes.length > FRAME_BYTES_MAX) throw reader.fail(`${bytes.length} bytes are too many`);
  reader.expect(MAGIC);
  const drops = reader.count(reader.u32(), FRAME_BYTES_MAX, HASH_BYTES);
  const dropped = Array.from({ length: drops }, () => reader.raw(HASH_BYTES));
  const carriedCount = reader.count(reader.u32(), FRAME_BYTES_MAX, CARRIED_HEADER_BYTES);
  const carried = Array.from({ length: carriedCount }, () => {
    const version = reader.raw(HASH_BYTES);
    const count = reader.count(reader.u32(), FRAME_BYTES_MAX, ENTRY_BYTES);
    return { version, entries: PackedEntries.read(reader, count) };
  });
  reader.end();
  const list = { dropped, carried };
  const state = brokenRule(list);
  if (state !== null) throw reader.fail(state);
  return list;
}

/**
 * Puts what a prune decides, in any order, into lists that each fit a frame. A carried list that is too large
 * goes over several: what they carry for one version adds up, so **all lists of a prune belong together**.
 *
 * @param whole ids to drop (repeats are left out) and at most one carried list per version
 * @throws VaultError `failed` if a version is carried twice
 */
export function splitPruneList(whole: PruneList): PruneList[] {
  const dropped = whole.dropped.toSorted(compareIds)
    .filter((id, i, ids) => i === 0 || !equalBytes(ids[i - 1]!, id));
  const carried = whole.carried.toSorted((a, b) => compareIds(a.version, b.version));
  const twice = carried.some((list, i) =>
    i > 0 && equalBytes(carried[i - 1]!.version, list.version)
  );
  if (twice) throw new VaultError("failed", "Cannot split prune list: a version is carried twice");

  const lists: { dropped: RecordId[]; carried: CarriedList[] }[] = [];
  let room = 0;
  const open = (bytesWanted: number) => {
    if (lists.length === 0 || room < bytesWanted) {
      lists.push({ dropped: [], carried: [] });
      room = FRAME_BYTES_MAX - FIXED_BYTES;
    }
    return lists.at(-1)!;
  };

  for (const id of dropped) {
    open(HASH_BYTES).dropped.push(id);
    room -= HASH_BYTES;
  }
  for (const { version, entries } of carried) {
    let taken = 0;
    do {
      const list = open(CARRIED_HEADER_BYTES + (entries.count === 0 ? 0 : ENTRY_BYTES));
      const fit = Math.floor((room - CARRIED_HEADER_BYTES) / ENTRY_BYTES);
      const piece = entries.slice(taken, Math.min(taken + fit, entries.count));
      list.carried.push({ version, entries: piece });
      room -= CARRIED_HEADER_BYTES + piece.bytes.length;
      taken += piece.count;
    } while (taken < entries.count);
  }
  return lists;
}
