/**
 * Objects that must not go yet, though no record may name them or others hold them: what was just kept or pushed, and
 * what was said to be held to someone who may rely on it.
 *
 * @module
 */

import { type Address, type Clock, PIN_MS, PINS_MAX } from "../base/mod.ts";
import { keyOf } from "./address_map.ts";

/** A bounded set of addresses, each for {@link PIN_MS}. The oldest go first when there are too many. */
export class Pins {
  readonly #clock: Clock;
  /** When each pin ends. All last equally long, so that the order of entry is the order of ending. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

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

  has(address: Address): boolean {
    const until = this.#until.get(keyOf(address));
    return until !== undefined && until > this.#clock.now();
  }
}
