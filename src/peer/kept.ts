/**
 * What peers have just said that they hold durably: a put is copied in the background and may be waited for besides, and
 * what the one was told the other need not ask again.
 *
 * @module
 */

import { type Clock, KEPT_MS, KEPT_REMEMBERED_MAX, type NodeId } from "../base/mod.ts";
import type { Need } from "../net/mod.ts";
import { keyOf } from "./address_map.ts";

/** How far a log has to be known. */
interface LogPlace {
  readonly node: NodeId;
  readonly last: bigint;
}

/** Answers to `keep`, for {@link KEPT_MS} each; the oldest go first when there are too many. */
export class Kept {
  readonly #clock: Clock;
  /** When each answer ends, by peer and object. All last equally long, so that the order of entry is that of ending. */
  readonly #until = new Map<string, number>();
  /** How far each peer has entered which log, by peer and log: what is entered stays. */
  readonly #logs = new Map<string, bigint>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers that are remembered, or logs if those are more. */
  get size(): number {
    return Math.max(this.#until.size, this.#logs.size);
  }

  /** A peer has said of these that it holds them, knowing the log so far. */
  note(peer: NodeId, log: LogPlace | null, needs: readonly Need[]): void {
    const now = this.#clock.now();
    const prefix = keyOf(peer);
    for (const { address } of needs) {
      const key = prefix + keyOf(address);
      this.#until.delete(key);
      this.#until.set(key, now + KEPT_MS);
    }
    for (const [oldest, until] of this.#until) {
      if (until > now && this.#until.size <= KEPT_REMEMBERED_MAX) break;
      this.#until.delete(oldest);
    }
    if (log === null) return;
    const key = prefix + keyOf(log.node);
    const known = this.#logs.get(key) ?? 0n;
    this.#logs.delete(key);
    this.#logs.set(key, log.last > known ? log.last : known);
    if (this.#logs.size <= KEPT_REMEMBERED_MAX) return;
    for (const oldest of this.#logs.keys()) {
      this.#logs.delete(oldest);
      break;
    }
  }

  /** Whether a peer has said so of all of these. */
  isKnown(peer: NodeId, log: LogPlace | null, needs: readonly Need[]): boolean {
    const now = this.#clock.now();
    const prefix = keyOf(peer);
    if (log !== null && (this.#logs.get(prefix + keyOf(log.node)) ?? -1n) < log.last) return false;
    return needs.length > 0 &&
      needs.every(({ address }) => (this.#until.get(prefix + keyOf(address)) ?? 0) > now);
  }

  /** Forgets what a peer has said: it may come back with another disk. */
  forget(peer: NodeId): void {
    const prefix = keyOf(peer);
    for (const map of [this.#until, this.#logs]) {
      for (const key of map.keys()) if (key.startsWith(prefix)) map.delete(key);
    }
  }
}
