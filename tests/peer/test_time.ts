/** Time for tests: the machine's, or one that a test moves on. */

import { setImmediate } from "node:timers";
import type { Clock, Timers } from "../../src/base/mod.ts";

/** Timers of the machine that keep a test alive. */
export const realTimers: Timers = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** A turn of the event loop: what is ready happens. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Time that passes only when told to, and timers that go by it. */
export class TestTime implements Clock, Timers {
  #now: number;
  #waiting: { at: number; run: () => void }[] = [];

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#waiting.push(timer);
    return () => void (this.#waiting = this.#waiting.filter((other) => other !== timer));
  }

  /** Lets everything that is ready happen, without any time passing. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 20; idle++) {
      await turn();
      if (this.#runNext(this.#now)) idle = 0;
    }
  }

  /** Lets time pass, timer by timer. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    while (this.#runNext(end)) await turn();
    this.#now = end;
    await this.settle();
  }

  #runNext(until: number): boolean {
    const next = this.#waiting.reduce<{ at: number; run: () => void } | null>(
      (best, timer) => timer.at <= until && (best === null || timer.at < best.at) ? timer : best,
      null,
    );
    if (next === null) return false;
    this.#waiting = this.#waiting.filter((other) => other !== next);
    this.#now = Math.max(this.#now, next.at);
    next.run();
    return true;
  }
}

/** Waits until something holds. For what really happens in the background; fails loudly if it never does. */
export async function until(holds: () => boolean, what: string, rounds = 2000): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, round < 200 ? 0 : 5));
  }
  throw new Error(`never came: ${what}`);
}
