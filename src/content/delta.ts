/**
 * What changed between two lists of references: copies of ranges of the base and inserts. A small edit of a
 * large file costs a manifest of a few hundred bytes instead of megabytes.
 *
 * @module
 */

import { MANIFEST_REFS_MAX, VaultError } from "../base/mod.ts";
import { ReferenceBuilder, References } from "./references.ts";

/** One step of a delta. Both kinds give at least one reference. */
export type Operation =
  /** The base's references from `first` on. */
  | { kind: "copy"; first: number; count: number }
  /** References that are not taken from the base. */
  | { kind: "insert"; references: References };

/**
 * The operations that turn `base` into `references`; two neighbours are never such that one would do.
 *
 * Takes linear time whatever repeats: each reference is looked for in three places only. First where the last
 * copy stopped in the base (the run goes on, or goes on after an insertion), then as much further as has been
 * inserted since (a replacement), then at the id's lowest place in the base. Inserts are views of `references`.
 */
export function makeDelta(base: References, references: References): Operation[] {
  const lowest = new LowestIndex(base);
  const operations: Operation[] = [];
  let copied = 0; // length of the copy at hand, which ends at `copyEnd` in the base
  let copyEnd = 0;
  let inserted = 0; // length of the insert at hand, which follows that copy

  const flush = (end: number) => {
    if (copied > 0) operations.push({ kind: "copy", first: copyEnd - copied, count: copied });
    if (inserted > 0) {
      operations.push({ kind: "insert", references: references.slice(end - inserted, inserted) });
    }
    copied = 0;
    inserted = 0;
  };
  const isAt = (place: number, i: number) =>
    place < base.count && base.sameId(place, references, i);

  for (let i = 0; i < references.count; i++) {
    let place = NOWHERE;
    if (isAt(copyEnd, i)) place = copyEnd;
    else if (inserted > 0 && isAt(copyEnd + inserted, i)) place = copyEnd + inserted;
    else place = lowest.find(references, i);

    if (place === NOWHERE) {
      inserted++;
    } else {
      if (place !== copyEnd || inserted > 0) flush(i);
      copyEnd = place + 1;
      copied++;
    }
  }
  flush(references.count);
  return operations;
}

/**
 * The list that a delta describes. Whether its lengths add up to the manifest's size is for the caller to
 * check: the operations don't say.
 *
 * @param count how many references must come out
 * @throws VaultError `damaged` if a copy lies outside of the base or the count is another; before anything is
 *   allocated
 */
export function applyDelta(
  base: References,
  operations: readonly Operation[],
  count: number,
): References {
  const refuse = (state: string) => new VaultError("damaged", `Cannot apply delta: ${state}`);
  if (count > MANIFEST_REFS_MAX) throw refuse(`count ${count} is over the limit`);
  let total = 0;
  for (const operation of operations) {
    if (operation.kind === "copy" && operation.first + operation.count > base.count) {
      throw refuse(
        `${operation.count} references from ${operation.first} on, the base has ${base.count}`,
      );
    }
    total += operationCount(operation);
  }
  if (total !== count) throw refuse(`it gives ${total} references, not ${count}`);

  const builder = new ReferenceBuilder(count);
  for (const operation of operations) {
    if (operation.kind === "copy") builder.addFrom(base, operation.first, operation.count);
    else builder.addFrom(operation.references, 0, operation.references.count);
  }
  return builder.finish();
}

/** How many references an operation gives. */
export function operationCount(operation: Operation): number {
  return operation.kind === "copy" ? operation.count : operation.references.count;
}

const NOWHERE = -1;

/**
 * The lowest place of each id in a list. A hash table with open addressing over places, so that millions of
 * references cost eight to sixteen bytes each; ids are keyed hashes, of which any four bytes are a hash.
 */
class LowestIndex {
  readonly #references: References;
  readonly #slots: Int32Array;

  constructor(references: References) {
    this.#references = references;
    let size = 2;
    while (size < references.count * 2) size *= 2;
    this.#slots = new Int32Array(size).fill(NOWHERE);
    for (let i = 0; i < references.count; i++) {
      const slot = this.#slot(references, i);
      if (this.#slots[slot] === NOWHERE) this.#slots[slot] = i;
    }
  }

  /** The lowest place of the id of `other`'s reference i, or {@link NOWHERE}. */
  find(other: References, i: number): number {
    return this.#slots[this.#slot(other, i)]!;
  }

  /** The slot that holds the id, or the empty one where it belongs. */
  #slot(other: References, i: number): number {
    const id = other.id(i);
    const last = this.#slots.length - 1;
    let slot = (id[0]! | id[1]! << 8 | id[2]! << 16 | id[3]! << 24) & last;
    for (;;) {
      const place = this.#slots[slot]!;
      if (place === NOWHERE || this.#references.sameId(place, other, i)) return slot;
      slot = (slot + 1) & last;
    }
  }
}
