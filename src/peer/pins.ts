/**
 * Objects that must not go yet, though all there is to know says that they may.
 *
 * @module
 */

import { type Address, type Clock, PIN_MS, PINS_MAX } from "../base/mod.ts";
import { keyOf } from "./address_map.ts";

/** Why an object is pinned. */
export interface PinSets {
  /** What came, or is coming, ahead of the record that names it: not to be collected before that is known. */
  readonly coming: Pins;
  /** What somebody was told is held here, and may rely on: not to be dropped as surplus. */
  readonly promised: Pins;
}

/** A bounded set of addresses, each for {@link PIN_MS}. The oldest go first when there are too many. */
export class Pins {
  readonly #clock: Clock;
  /** When each pin ends. All last equally long, so that the order of entry is the order of ending. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pins that are remembered. */
  get size(): number {
    return this.#until.size;
  }

  add(address: Address): void {
    const key = keyOf(address);
    const now = this.#clock.now();
    this.#until.delete(key);
    this.#until.set(key, now + PIN_MS);
    for (const [oldest, until] of this.#until) {
      if (until > now && this.#until.size <= PINS_MAX) break;
      this.#until.delete(oldest);
    }
  }

  delete(address: Address): void {
    this.#until.delete(keyOf(address));
  }

  has(address: Address): boolean {
    const until = this.#until.get(keyOf(address));
    return until !== undefined && until > this.#clock.now();
  }
}
