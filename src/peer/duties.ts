/**
 * What a node is to hold, counted: all that is live is gone through in slices, and held against placement and the store.
 *
 * @module
 */

import { type Address, type NodeId, PARTITIONS } from "../base/mod.ts";
import { partitionOf, type Placement } from "./placement.ts";
import type { Ledger, ObjectStore } from "./ports.ts";
import type { Slices } from "./tasks.ts";

/** Where a live object stands with this node. */
export interface Duty {
  /** A view of the ledger's bytes: to be copied by whoever keeps it. */
  readonly address: Address;
  readonly length: number;
  readonly isPublic: boolean;
  /** Whether it may be needed by nobody, as {@link Ledger.live} says. */
  readonly isInherited: boolean;
  /** Whether it is to be held here. */
  readonly isOurs: boolean;
  readonly isHere: boolean;
}

/** What going through them is done with. */
export interface DutiesOptions {
  self: NodeId;
  ledger: Pick<Ledger, "live">;
  store: Pick<ObjectStore, "stat">;
  placement: Placement;
  slices: Slices;
}

/** Bits that tell whether an object was met before: 4 MiB, which for 100,000 objects overlook 1 in 700. */
const SEEN_BITS = 25;
/** Bits that are allocated at a time. */
const BLOCK_BITS = 13;

/** A set of addresses that now and then takes a new one for a known one. */
class Seen {
  /** In blocks, as most vaults need few of them. */
  readonly #blocks: Uint8Array[] = [];

  /** False if it was there. */
  add(address: Address): boolean {
    // Not of the first bits, which partitions have in common.
    const place = ((address[4]! << 24 | address[5]! << 16 | address[6]! << 8 | address[7]!) >>> 0) %
      (1 << SEEN_BITS);
    const block = this.#blocks[place >>> BLOCK_BITS] ??= new Uint8Array(1 << (BLOCK_BITS - 3));
    const at = (place & ((1 << BLOCK_BITS) - 1)) >>> 3;
    const bit = 1 << (place & 7);
    const isNew = (block[at]! & bit) === 0;
    block[at]! |= bit;
    return isNew;
  }
}

/**
 * Goes through all live objects. `visit` may be called several times for one object.
 *
 * @returns how many objects, public ones aside, each partition has: about
 */
export async function visitDuties(
  { self, ledger, store, placement, slices }: DutiesOptions,
  visit: (duty: Duty) => void | Promise<void>,
): Promise<Uint32Array> {
  const counts = new Uint32Array(PARTITIONS);
  const seen = new Seen();
  for (const { entries, isPublic, isInherited = false } of ledger.live()) {
    if (slices.isOver()) await slices.next();
    for (let i = 0; i < entries.count; i++) {
      if (slices.isOver()) await slices.next();
      const address = entries.address(i);
      if (!isPublic && seen.add(address)) counts[partitionOf(address)]!++;
      const pending = visit({
        address,
        length: entries.length(i),
        isPublic,
        isInherited,
        isOurs: isPublic || placement.isHolder(self, address),
        isHere: store.stat(address) !== null,
      });
      if (pending !== undefined) await pending;
    }
  }
  return counts;
}
