/**
 * Surplus: what placement gives to others is dropped here, once all of them have confirmed that they hold it durably and
 * know all records that we know, so that none of them takes it for garbage.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  SURPLUS_BATCH,
  SURPLUS_DELAY_MS,
  SURPLUS_SCAN_MS,
} from "../base/mod.ts";
import { AddressMap, keyOf } from "./address_map.ts";
import { visitDuties } from "./duties.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Pins } from "./pins.ts";
import type { Placement } from "./placement.ts";
import type { Ledger, ObjectStore, Upkeep } from "./ports.ts";
import type { Tasks } from "./tasks.ts";

/** What {@link Surplus} works with. */
export interface SurplusOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: ObjectStore;
  upkeep: Pick<Upkeep, "dropSurplus">;
  placement: () => Placement;
  pins: Pins;
  clock: Clock;
  tasks: Tasks;
  onDropped: (objects: number) => void;
}

/** Drops what others hold. */
export class Surplus {
  readonly #options: SurplusOptions;
  /** Version of the view and time of the last pass. */
  #lastPass = { version: -1, atMs: 0 };

  constructor(options: SurplusOptions) {
    this.#options = options;
  }

  start(): void {
    const { tasks, mesh, clock } = this.#options;
    tasks.every("drop surplus", SURPLUS_DELAY_MS / 4, async () => {
      const { version, changedAtMs } = mesh.view();
      const now = clock.now();
      if (now - changedAtMs < SURPLUS_DELAY_MS) return;
      if (
        version === this.#lastPass.version &&
        now - this.#lastPass.atMs < tasks.routineMs(SURPLUS_SCAN_MS)
      ) {
        return;
      }
      // A pass that could not drop all begins again at the next beat.
      if (await this.#pass()) this.#lastPass = { version, atMs: now };
    });
  }

  /** Goes through all that is live once. @returns whether no surplus is left that could go */
  async #pass(): Promise<boolean> {
    const { mesh, ledger, store, placement, tasks, onDropped } = this.#options;
    const current = placement();
    let batch: Address[] = [];
    let dropped = 0;
    let isDone = true;
    const drop = async () => {
      const candidates = batch;
      batch = [];
      const confirmed = await this.#confirmed(candidates, current);
      const went = await this.#drop(confirmed, current);
      dropped += went;
      if (went < confirmed.length) isDone = false;
    };
    await visitDuties(
      { self: mesh.self, ledger, store, placement: current, slices: tasks.slices() },
      ({ address, isOurs, isHere }) => {
        if (isOurs || !isHere || this.#options.pins.has(address)) return;
        batch.push(address.slice());
        if (batch.length >= SURPLUS_BATCH) return drop();
      },
    );
    await drop();
    if (dropped > 0) onDropped(dropped);
    return isDone;
  }

  /** Those that every member which should hold them says it holds. */
  async #confirmed(candidates: readonly Address[], placement: Placement): Promise<Address[]> {
    const { mesh, ledger } = this.#options;
    const wanted = new AddressMap<number>();
    const asks = new Map<string, { peer: MeshPeer; addresses: Address[] }>();
    for (const address of candidates) {
      const peers = placement.holders(address).map((node) => mesh.peer(node));
      if (peers.length < placement.replicas || peers.includes(null)) continue;
      wanted.set(address, peers.length);
      for (const peer of peers) {
        const key = keyOf(peer!.node);
        const ask = asks.get(key) ?? { peer: peer!, addresses: [] };
        asks.set(key, ask);
        ask.addresses.push(address);
      }
    }
    const heads = ledger.heads();
    await Promise.all(Array.from(asks.values(), async ({ peer, addresses }) => {
      try {
        const { held, isBehind } = await peer.channel.request("have", { addresses, heads });
        if (isBehind || held.length !== addresses.length) return;
        addresses.forEach((address, i) => {
          if (held[i]) wanted.set(address, wanted.get(address)! - 1);
        });
      } catch {
        // No answer is no confirmation.
      }
    }));
    return Array.from(wanted).filter(([, left]) => left === 0).map(([address]) => address);
  }

  async #drop(addresses: readonly Address[], placement: Placement): Promise<number> {
    if (addresses.length === 0) return 0;
    const { upkeep, pins, mesh } = this.#options;
    const stillSurplus = (address: Address) =>
      mesh.view().version === placement.version && !pins.has(address);
    return await upkeep.dropSurplus(addresses, stillSurplus);
  }
}
