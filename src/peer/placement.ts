/**
 * Which members hold which objects. Pure: every node that has the same view comes to the same answer without asking.
 *
 * Addresses fall into {@link PARTITIONS} parts by their first 12 bits. For each part every member draws a number from its
 * id, and the present members with the best numbers hold it. A member that comes or goes changes no other's draw, so
 * nothing moves but what it gains or gives up. After D. Thaler and C. Ravishankar, "A Name-Based Mapping Scheme for
 * Rendezvous", 1996; the weights after C. Schindelhauer and G. Schomaker, "Weighted Distributed Hash Tables", 2005.
 *
 * @module
 */

import {
  type Address,
  ByteWriter,
  compareIds,
  equalBytes,
  type NodeId,
  PARTITIONS,
  sha256,
} from "../base/mod.ts";
import { keyOf } from "./address_map.ts";
import type { MeshMember, MeshView } from "./mesh.ts";

/** Draws that one hash gives: eight bytes each. */
const DRAWS_PER_HASH = 4;

/** The part that an address falls into: 0 … `PARTITIONS` - 1. */
export function partitionOf(address: Address): number {
  return address[0]! << 4 | address[1]! >> 4;
}

/**
 * What members draw, remembered from one view to the next. The draw of a node for partition p is -1 / ln h, where h
 * in (0, 1) is the top 53 bits of the eight bytes from 8 · (p mod 4) on of SHA-256(u16 ⌊p / 4⌋ ‖ node id).
 */
export class Draws {
  /** By node; 0 is a draw not made yet. */
  readonly #made = new Map<string, Float64Array>();

  of(node: NodeId, partition: number): number {
    const key = keyOf(node);
    let made = this.#made.get(key);
    if (made === undefined) this.#made.set(key, made = new Float64Array(PARTITIONS));
    if (made[partition] === 0) this.#draw(made, node, partition);
    return made[partition]!;
  }

  #draw(made: Float64Array, node: NodeId, partition: number): void {
    const group = Math.floor(partition / DRAWS_PER_HASH);
    const hash = sha256(new ByteWriter(2 + node.length).u16(group).raw(node).finish());
    const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
    for (let i = 0; i < DRAWS_PER_HASH; i++) {
      const h = (Number(view.getBigUint64(8 * i) >> 11n) + 0.5) / 2 ** 53;
      made[group * DRAWS_PER_HASH + i] = -1 / Math.log(h);
    }
  }

  /** Forgets all nodes but these. */
  keepOnly(nodes: Iterable<NodeId>): void {
    const kept = new Set(Array.from(nodes, keyOf));
    for (const key of this.#made.keys()) if (!kept.has(key)) this.#made.delete(key);
  }
}

/** Who holds what, for one view. Worked out part by part, when it is asked for. */
export class Placement {
  /** Version of the view. */
  readonly version: number;
  /** How many members hold each object if that many are present. */
  readonly replicas: number;
  readonly #present: readonly MeshMember[];
  readonly #draws: Draws;
  readonly #ranked: (readonly NodeId[] | undefined)[] = new Array(PARTITIONS);
  readonly #holders: (readonly NodeId[] | undefined)[] = new Array(PARTITIONS);

  constructor(
    view: Pick<MeshView, "version" | "members" | "replicas">,
    draws: Draws = new Draws(),
  ) {
    this.version = view.version;
    this.replicas = view.replicas;
    this.#present = view.members.filter((member) =>
      member.isPresent && member.evictedAfter === null && member.weight > 0
    );
    this.#draws = draws;
  }

  /** How many members hold each object. */
  get copies(): number {
    return Math.min(this.replicas, this.#present.length);
  }

  /** All present members that hold anything, those that should hold the part first. */
  ranked(partition: number): readonly NodeId[] {
    return this.#ranked[partition] ??= this.#present
      .map(({ node, weight }) => ({ node, score: weight * this.#draws.of(node, partition) }))
      .sort((a, b) => b.score - a.score || compareIds(a.node, b.node))
      .map(({ node }) => node);
  }

  /** The members that hold a part. */
  holdersOfPartition(partition: number): readonly NodeId[] {
    return this.#holders[partition] ??= this.ranked(partition).slice(0, this.replicas);
  }

  /** The members that hold an object. */
  holders(address: Address): readonly NodeId[] {
    return this.holdersOfPartition(partitionOf(address));
  }

  /** Whether placement gives an object to a member. */
  isHolder(node: NodeId, address: Address): boolean {
    // Where all hold everything nobody need draw.
    if (this.#present.length <= this.replicas) {
      return this.#present.some((member) => equalBytes(member.node, node));
    }
    return this.holders(address).some((holder) => equalBytes(holder, node));
  }
}
