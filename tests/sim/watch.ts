/**
 * Watches over memory while a world runs, and over copies: what lies durably on as many disks as the network is to keep stays on as many.
 * Whoever drops a copy, as it belongs to others, has to know that they have it.
 *
 * @module
 */

import { type Address, toHex } from "../../src/base/mod.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

const LOOK_MS = 10_000;

/** See the module. */
export class CopyWatch {
  readonly #world: World;
  /** Who has which object durably, by its address in hex, as far as was seen since the last upheaval. */
  #holders = new Map<string, Set<SimNode>>();
  #upheavals = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks again and again; never ends. */
  async run(): Promise<void> {
    while (true) {
      await this.#world.time.sleep(LOOK_MS * this.#world.time.leisure());
      this.#look();
      for (const node of this.#world.nodes) this.#world.lookAtBounds(node);
    }
  }

  #look(): void {
    const { nodes, replicas, oracle, upheavals } = this.#world;
    const members = this.#world.members();
    // After a prune, and after a loss, there may be fewer for a while.
    if (upheavals !== this.#upheavals) this.#holders = new Map();
    this.#upheavals = upheavals;
    // Who has lost something, or lies, may be believed by others to hold what it doesn't.
    const enough = Math.min(replicas, members.length) -
      nodes.filter((n) => oracle.lost.has(n)).length;
    const up = members.filter((node) => node.isUp && !oracle.lost.has(node));
    if (up.length === 0) return;
    const holders = new Map<string, Set<SimNode>>();
    const live = new Map(up.map((node) => [node, liveAt(node)]));
    const known = new Map([...live.values()].flatMap((some) => [...some]));
    for (const [name, address] of known) {
      const before = this.#holders.get(name) ?? new Set();
      const now = new Set(before);
      for (const node of up) {
        if (node.running!.vault.peerSide().store.isDurable(address)) now.add(node);
        else now.delete(node);
      }
      // Who knows of a prune that takes it may let it go.
      if (up.some((node) => (before.has(node) || now.has(node)) && !live.get(node)!.has(name))) {
        continue;
      }
      if (before.size >= enough && now.size < enough) {
        this.#world.onProblem(
          `dropped: object ${name.slice(0, 8)} was on ${named(before)}, and is on ${named(now)}`,
        );
      }
      holders.set(name, now);
    }
    this.#holders = holders;
  }
}

function named(nodes: Iterable<SimNode>): string {
  return Array.from(nodes, ({ name }) => name).sort().join(" ") || "no disk";
}

/** Objects that by a node's records are needed for sure, by address in hex; what every node is to hold aside. */
function liveAt(node: SimNode): Map<string, Address> {
  const live = new Map<string, Address>();
  for (const { entries, isPublic, isInherited } of node.running!.vault.peerSide().ledger.live()) {
    if (isPublic || isInherited) continue;
    for (let i = 0; i < entries.count; i++) {
      live.set(toHex(entries.address(i)), entries.address(i).slice());
    }
  }
  return live;
}
