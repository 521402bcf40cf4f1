/**
 * The times of a world: minutes in which much is done and goes wrong, and hours between them in which little is, as most of
 * a node's life goes by. In the quiet hours nodes are away, clocks drift, passes over the store come round; what is looked
 * at every few seconds is looked at every few minutes ({@link Timers.leisure}), so that such an hour costs next to nothing.
 *
 * @module
 */

import type { Dice } from "../soak/dice.ts";
import type { SimTime } from "./time.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** A client does something this often at least, while much is done, and while little is. */
const PAUSE_MS_MAX = 20 * SECOND;
/** Operations of all clients after which each pauses twice as long as at first. */
const OPERATIONS = 12;
const QUIET_PAUSE_MS_MAX = 4 * HOUR;
/**
 * How much leisure there is in quiet hours, and for how long there is less and less as they end. Who pings seldom must not
 * be taken for dead by who has begun to ping often: a silence counts after three pings.
 */
const QUIET_LEISURE = 24;
/** And in the minutes in which much is done: one of these for each world. */
const LEISURES = [1, 2, 4];
const WAKING = [{ leisure: 9, ms: 120 * SECOND }, { leisure: 3.5, ms: 45 * SECOND }, {
  leisure: 1.3,
  ms: 18 * SECOND,
}];

/** See the module. */
export class Days {
  readonly #time: SimTime;
  readonly #leisure: number;
  #quietUntilMs = 0;
  /** Faults that are under way and need others to do something. */
  busy = 0;
  /** Hours that were quiet. */
  quietMs = 0;

  constructor(time: SimTime, dice: Dice) {
    this.#time = time;
    this.#leisure = dice.pick(LEISURES);
    time.leisureTimes = this.#leisure;
  }

  /**
   * How long a client waits before it does the next thing: the longer, the more all have done, as otherwise days on which
   * much goes wrong would cost as much as all others.
   */
  pauseMs(dice: Dice, operations: number): number {
    const soon = dice.below(PAUSE_MS_MAX * (1 + operations / OPERATIONS));
    const left = this.#quietUntilMs - this.#time.now();
    return left <= 0 ? soon : Math.min(dice.below(QUIET_PAUSE_MS_MAX), left + soon);
  }

  /** A fault lets time pass in which nothing need happen: the quiet hours may begin, or go on, meanwhile. */
  async letPass(ms: number): Promise<void> {
    this.busy--;
    await this.#time.sleep(ms);
    this.busy++;
  }

  /** What is still waited for takes longer. */
  linger(): void {
    this.#time.leisureTimes = 2 * LEISURES.at(-1)!;
  }

  /** Quiet hours. */
  async quiet(ms: number): Promise<void> {
    const time = this.#time;
    this.quietMs += ms;
    this.#quietUntilMs = time.now() + ms;
    time.leisureTimes = QUIET_LEISURE;
    await time.run(this.#quietUntilMs);
    for (const { leisure, ms } of WAKING.filter(({ leisure }) => leisure > this.#leisure)) {
      time.leisureTimes = leisure;
      await time.run(time.now() + ms);
    }
    time.leisureTimes = this.#leisure;
  }
}
