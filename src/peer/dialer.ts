/**
 * Dials until it works: one loop for each one wanted, with exponential backoff and jitter, so many at a time.
 *
 * @module
 */

import {
  DIALS_MAX,
  type Random,
  REDIAL_DELAY_MS_MAX,
  REDIAL_DELAY_MS_MIN,
  type Timers,
} from "../base/mod.ts";

/** How an attempt went: `done` ends the loop. */
export type DialResult = "done" | "again";

interface Loop {
  readonly attempt: (signal: AbortSignal) => Promise<DialResult>;
  readonly controller: AbortController;
  failures: number;
  /** Calls off what it waits for; `null` while it dials. */
  stopWaiting: (() => void) | null;
}

/** The time before the next attempt: anything between the least and twice the last one's most. */
export function redialDelay(failures: number, random: Random): number {
  const most = Math.min(REDIAL_DELAY_MS_MAX, REDIAL_DELAY_MS_MIN * 2 ** Math.min(failures, 20));
  const share = new DataView(random.bytes(4).buffer).getUint32(0) / 2 ** 32;
  return Math.round(REDIAL_DELAY_MS_MIN + share * (most - REDIAL_DELAY_MS_MIN));
}

/** See the module. */
export class Dialer {
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #loops = new Map<string, Loop>();
  #dialling = 0;

  constructor(options: { timers: Timers; random: Random }) {
    this.#timers = options.timers;
    this.#random = options.random;
  }

  /** Names of those being dialled, or waiting for the next attempt. */
  wanted(): string[] {
    return [...this.#loops.keys()];
  }

  /** Whether one is being dialled right now. */
  isDialling(name: string): boolean {
    return this.#loops.get(name)?.stopWaiting === null;
  }

  /**
   * Goes on with `attempt` until it says `done`. Nothing happens if that name is wanted already.
   *
   * @param afterMs when the first attempt is made
   */
  want(
    name: string,
    attempt: (signal: AbortSignal) => Promise<DialResult>,
    afterMs = 0,
  ): void {
    if (this.#loops.has(name)) return;
    const controller = new AbortController();
    const loop: Loop = { attempt, controller, failures: 0, stopWaiting: null };
    this.#loops.set(name, loop);
    if (afterMs > 0) this.#wait(name, loop, afterMs);
    else this.#try(name, loop);
  }

  /** Gives one up. */
  drop(name: string): void {
    const loop = this.#loops.get(name);
    this.#loops.delete(name);
    loop?.stopWaiting?.();
    loop?.controller.abort(new DOMException("not wanted any more", "AbortError"));
  }

  /** Gives all up. */
  stop(): void {
    for (const name of this.wanted()) this.drop(name);
  }

  #wait(name: string, loop: Loop, ms: number): void {
    loop.stopWaiting = this.#timers.after(ms, () => this.#try(name, loop));
  }

  #try(name: string, loop: Loop): void {
    if (this.#loops.get(name) !== loop) return;
    if (this.#dialling >= DIALS_MAX) return this.#wait(name, loop, REDIAL_DELAY_MS_MIN);
    loop.stopWaiting = null;
    this.#dialling++;
    loop.attempt(loop.controller.signal).catch((): DialResult => "again").then((result) => {
      this.#dialling--;
      if (this.#loops.get(name) !== loop) return;
      if (result === "done") {
        this.#loops.delete(name);
        return;
      }
      loop.failures++;
      this.#wait(name, loop, redialDelay(loop.failures, this.#random));
    });
  }
}
