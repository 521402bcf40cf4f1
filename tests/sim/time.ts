/**
 * Virtual time. Nothing in a simulation waits for anything real: all that is ready runs to its end, then the time is at
 * the next timer. So hours pass in seconds, and the order of all that happens follows from the seed alone.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Timers } from "../../src/base/mod.ts";

/** So many steps in one turn of the event loop: what a step leaves to be told of, rejections that nobody caught, waits so long. */
const STEPS_PER_TURN = 64;

interface Timer {
  readonly at: number;
  /** Timers of one moment run in the order in which they were set. */
  readonly order: number;
  run: (() => void) | null;
}

/** A clock that is moved on by {@link SimTime.run}, and timers that go by it. */
export class SimTime implements Timers {
  #now = 0;
  #order = 0;
  /** A binary heap; timers that were called off stay in it until they are due, or are the most. */
  #heap: Timer[] = [];
  #dead = 0;
  /** What is looked at again and again is looked at so many times less often: see {@link Timers.leisure}. */
  leisureTimes = 1;
  /** Timers that have run. */
  steps = 0;

  /** Milliseconds since the simulation began. */
  now(): number {
    return this.#now;
  }

  leisure(): number {
    return this.leisureTimes;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#heap.length - this.#dead;
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#push(timer);
    return () => {
      if (timer.run === null) return;
      timer.run = null;
      this.#dead++;
      if (this.#dead > 1000 && this.#dead > this.#heap.length / 2) this.#sweep();
    };
  }

  /** Waits in virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets time pass until `isDone` says so, or `untilMs` has come. Says whether it was done. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    await turn(() => {});
    let isOver = false;
    while (!isOver) {
      await turn(() => {
        for (let i = 0; i < STEPS_PER_TURN && !isOver; i++) {
          isOver = isDone() || !this.#step(untilMs);
          if (drain === null) break;
          drain();
        }
      });
    }
    return isDone();
  }

  /** Goes on to the next timer and runs it; `false` if none is due until then. */
  #step(untilMs: number): boolean {
    while (true) {
      const timer = this.#heap[0];
      if (timer === undefined || timer.at > untilMs) {
        this.#now = untilMs;
        return false;
      }
      this.#pop();
      const { run } = timer;
      if (run === null) {
        this.#dead--;
        continue;
      }
      this.#now = timer.at;
      timer.run = null;
      this.steps++;
      run();
      return true;
    }
  }

  /** What a promise comes to, while time passes. @throws if that takes longer than `withinMs` */
  async during<T>(promise: Promise<T>, withinMs: number): Promise<T> {
    let settled: { value: T } | { error: unknown } | null = null;
    promise.then((value) => settled = { value }, (error) => settled = { error });
    const until = this.#now + withinMs;
    if (!await this.run(until, () => settled !== null)) {
      throw new Error(`not done within ${withinMs / 1000} s of virtual time`);
    }
    const result = settled! as { value: T } | { error: unknown };
    if ("error" in result) throw result.error;
    return result.value;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >>> 1;
      if (!isBefore(timer, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
      if (!isBefore(heap[down]!, last)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }

  #sweep(): void {
    const alive = this.#heap.filter(({ run }) => run !== null);
    alive.sort((a, b) => isBefore(a, b) ? -1 : 1);
    this.#heap = alive; // a sorted array is a heap
    this.#dead = 0;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at !== b.at ? a.at < b.at : a.order < b.order;
}

/** A turn of the event loop: does something, and all that this makes ready has run when it is over. */
function turn(work: () => void): Promise<void> {
  return new Promise((resolve) =>
    void setImmediate(() => {
      work();
      resolve();
    })
  );
}

/**
 * Runs all promises' reactions that are ready, at once, if the runtime lets it: a turn of the event loop, which does the
 * same, takes longer than most steps. To be called from a turn, not from a reaction.
 */
const drain: (() => void) | null = (() => {
  const { internal } = Deno as unknown as { internal?: symbol };
  const inner = internal && (Deno as unknown as Record<symbol, Internal | undefined>)[internal];
  return inner?.core?.runMicrotasks ?? null;
})();

interface Internal {
  core?: { runMicrotasks?: () => void };
}
