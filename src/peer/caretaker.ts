/**
 * What is done for the store over and over: reading it all again to find damage, and collecting what nobody needs once the
 * others know the same records.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  COLLECT_AGAIN_MS,
  COLLECT_MS,
  COLLECT_WAIT_MS,
  SCRUB_BYTES_PER_SECOND,
  SCRUB_PASS_MS_MIN,
  SCRUB_STEP_BYTES,
} from "../base/mod.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Pins } from "./pins.ts";
import type { Ledger, Upkeep } from "./ports.ts";
import type { Tasks } from "./tasks.ts";

/** What {@link Caretaker} works with. */
export interface CaretakerOptions {
  mesh: Mesh;
  ledger: Pick<Ledger, "onEntered">;
  upkeep: Upkeep;
  pins: Pins;
  clock: Clock;
  tasks: Tasks;
  /** Bytes a second. */
  scrubRate?: number;
  /** Whether a peer knows the same records as we do. */
  isEqual: (peer: MeshPeer) => boolean;
  onDamaged: (addresses: readonly Address[]) => void;
  /** Told of a damaged object that was made whole here. */
  onMended: (address: Address) => void;
}

/** Scrubs and collects. */
export class Caretaker {
  readonly #options: CaretakerOptions;
  #collectDueMs: number;
  /** Since when a collection is due that waits for others; `null` if none is. */
  #waitsSinceMs: number | null = null;
  #unsubscribe: () => void = () => {};

  constructor(options: CaretakerOptions) {
    this.#options = options;
    this.#collectDueMs = options.clock.now() + COLLECT_MS;
  }

  start(): void {
    const { tasks, ledger, clock } = this.#options;
    this.#unsubscribe = ledger.onEntered(({ records }) => {
      if (!records.some(({ kind }) => kind === "prune")) return;
      this.#collectDueMs = Math.min(this.#collectDueMs, clock.now() + COLLECT_AGAIN_MS);
    });
    tasks.every("collect garbage", COLLECT_AGAIN_MS, (signal) => this.#collectIfDue(signal));
    tasks.start("scrub", () => this.#scrubForever());
  }

  stop(): void {
    this.#unsubscribe();
  }

  async #collectIfDue(signal: AbortSignal): Promise<void> {
    const { mesh, upkeep, pins, clock, isEqual } = this.#options;
    const now = clock.now();
    if (now < this.#collectDueMs) return;
    this.#waitsSinceMs ??= now;
    // Someone may know of a version that still needs what looks like garbage here.
    const isAlike = mesh.peers().every((peer) => isEqual(peer));
    if (!isAlike && now - this.#waitsSinceMs < COLLECT_WAIT_MS) return;
    this.#collectDueMs = now + COLLECT_MS; // a prune that comes while it is collected makes it sooner
    let isDone = false;
    try {
      ({ isDone } = await upkeep.collect({ isPinned: (address) => pins.has(address), signal }));
    } finally {
      if (!isDone) this.#collectDueMs = now;
    }
    if (isDone) this.#waitsSinceMs = null;
  }

  async #scrubForever(): Promise<void> {
    const { upkeep, clock, tasks, onDamaged, onMended } = this.#options;
    const rate = this.#options.scrubRate ?? SCRUB_BYTES_PER_SECOND;
    while (true) {
      const beganMs = clock.now();
      let cursor: string | null = null;
      let isThrough = false;
      do {
        const bytesMax = Math.min(SCRUB_STEP_BYTES, rate);
        const restMs = Math.ceil(1000 * bytesMax / rate);
        await tasks.sleep(restMs);
        try {
          const step = await upkeep.scrub(cursor, bytesMax);
          cursor = step.next;
          isThrough = cursor === null;
          if (step.damaged.length > 0) onDamaged(step.damaged);
          for (const address of step.mended) onMended(address);
          // One object may be larger than a step.
          await tasks.sleep(Math.max(0, Math.ceil(1000 * step.checkedBytes / rate) - restMs));
        } catch (error) {
          if (tasks.isStopped) throw error;
          tasks.fail("scrub", error);
          await tasks.sleep(COLLECT_AGAIN_MS);
        }
      } while (!isThrough);
      await tasks.sleep(Math.max(0, SCRUB_PASS_MS_MIN - (clock.now() - beganMs)));
    }
  }
}
