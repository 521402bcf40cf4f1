/**
 * How far the network is from holding everything as often as it should, and when that will be.
 *
 * @module
 */

import { type Clock, equalBytes, HEAL_SAMPLE_MS, PING_MS } from "../base/mod.ts";
import type { Mesh } from "./mesh.ts";
import type { Placement } from "./placement.ts";
import type { Repair } from "./repair.ts";
import type { Tasks } from "./tasks.ts";

/** Of the last sample, in the rate of healing. */
const SMOOTHING = 0.3;

/** What {@link Health} works with. */
export interface HealthOptions {
  mesh: Mesh;
  placement: () => Placement;
  repair: Pick<Repair, "missing" | "missingBytes" | "countLive" | "healedObjects" | "isSettled">;
  clock: Clock;
  tasks: Tasks;
  /** Told about every `HEAL_SAMPLE_MS` while something is missing here, and once when nothing is any more. */
  onProgress: (progress: { missing: number; missingBytes: number; healed: number }) => void;
}

/** Counts what is under-replicated and measures how fast that changes. */
export class Health {
  readonly #options: HealthOptions;
  /** Objects a second, over all nodes; 0 while nothing heals. */
  #rate = 0;
  #lastMissing = 0;
  /** What was under-replicated when that could be told last. */
  #lastObjects = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  start(): void {
    const { tasks, repair, onProgress } = this.#options;
    let wasMissing = 0;
    let healed = repair.healedObjects;
    tasks.every("measure healing", HEAL_SAMPLE_MS, () => {
      this.sample();
      const { missing, missingBytes, healedObjects } = repair;
      if (missing > 0 || wasMissing > 0 || healedObjects > healed) {
        onProgress({ missing, missingBytes, healed: healedObjects - healed });
      }
      [wasMissing, healed] = [missing, healedObjects];
    });
  }

  /** Looks at how much less is missing than `HEAL_SAMPLE_MS` ago. */
  sample(): void {
    this.underReplicated(); // so that it is known when a change comes
    const missing = this.#missing();
    const healed = Math.max(0, this.#lastMissing - missing) / (HEAL_SAMPLE_MS / 1000);
    // What has just begun to be missing says nothing of how fast it goes.
    if (this.#lastMissing > 0) {
      this.#rate = this.#rate === 0 ? healed : this.#rate + SMOOTHING * (healed - this.#rate);
    }
    this.#lastMissing = missing;
  }

  /** What we lack and what those lack who can tell us. */
  #missing(): number {
    const { mesh, repair } = this.#options;
    return mesh.peers().reduce(
      (sum, { presence }) => sum + Number(presence?.missing ?? 0n),
      repair.missing,
    );
  }

  /** Objects that a member holds, or should, which is away but not yet given up. */
  #away(): number {
    const { mesh, placement, repair } = this.#options;
    const away = mesh.view().members.filter(({ node, isPresent, evictedAfter }) =>
      isPresent && evictedAfter === null && !equalBytes(node, mesh.self) &&
      mesh.peer(node) === null
    );
    if (away.length === 0) return 0;
    const current = placement();
    return repair.countLive((partition) =>
      current.holdersOfPartition(partition).some((holder) =>
        away.some(({ node }) => equalBytes(node, holder))
      )
    );
  }

  /**
   * Whether the figures are of this view: right after it has changed nobody knows yet what that made them lack, and what
   * was too little before still is.
   */
  #isSure(): boolean {
    const { mesh, repair, clock } = this.#options;
    return repair.isSettled && clock.now() - mesh.view().changedAtMs >= 2 * PING_MS;
  }

  /** As {@link RemoteObjects.underReplicated}. */
  underReplicated(): { objects: number; etaSeconds: number | null } {
    const [missing, away] = [this.#missing(), this.#away()];
    const objects = this.#isSure() ? missing + away : Math.max(missing + away, this.#lastObjects);
    this.#lastObjects = objects;
    if (objects === 0) return { objects, etaSeconds: 0 };
    // Whoever is away may come back at any time, or never.
    const canTell = away === 0 && this.#rate > 0;
    return { objects, etaSeconds: canTell ? Math.ceil(missing / this.#rate) : null };
  }
}
