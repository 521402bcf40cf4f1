/**
 * One life of a node's program, from its start to its end. What a killed program had under way never comes to an end: its
 * timers don't fire, its calls to the machine fail, nobody hears what it has to say.
 *
 * @module
 */

import type { Clock, Timers } from "../../src/base/mod.ts";
import type { SimTime } from "./time.ts";

/** What a program gets that is dead. Nobody but its own remains sees it. */
export class Killed extends Error {
  override readonly name = "Killed";

  constructor() {
    super("this program was killed");
  }
}

/** One life. */
export class Life implements Timers {
  readonly #time: SimTime;
  readonly #stops = new Set<() => void>();
  /** How fast timers go by, as a machine's oscillator may be off a little. */
  readonly #rate: number;
  #isAlive = true;
  /** Resolves when the program is killed. */
  readonly ended: Promise<void>;
  #tellEnd: () => void = () => {};

  constructor(time: SimTime, rate = 1) {
    this.#time = time;
    this.#rate = rate;
    this.ended = new Promise((resolve) => this.#tellEnd = resolve);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#stops.size;
  }

  /** @throws Killed */
  check(): void {
    if (!this.#isAlive) throw new Killed();
  }

  leisure(): number {
    return this.#time.leisure();
  }

  after(ms: number, run: () => void): () => void {
    if (!this.#isAlive) return () => {};
    const cancel = this.#time.after(ms * this.#rate, () => {
      this.#stops.delete(cancel);
      run();
    });
    this.#stops.add(cancel);
    return () => {
      this.#stops.delete(cancel);
      cancel();
    };
  }

  /** Waits; for ever if the program is killed meanwhile. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  kill(): void {
    this.#isAlive = false;
    for (const stop of this.#stops) stop();
    this.#stops.clear();
    this.#tellEnd();
  }
}

/** A clock that may be wrong, and go wrong. */
export class SimClock implements Clock {
  readonly #time: SimTime;
  readonly #epochMs: number;
  /** How far ahead it is, ms. */
  offsetMs = 0;
  /** Parts per million by which it is too fast. */
  driftPpm = 0;
  /** Whether it ever jumped: ages by it mean little then. */
  hasJumped = false;
  #driftsSince = 0;

  constructor(time: SimTime, epochMs: number) {
    this.#time = time;
    this.#epochMs = epochMs;
  }

  now(): number {
    const drifted = (this.#time.now() - this.#driftsSince) * this.driftPpm / 1e6;
    return Math.floor(this.#epochMs + this.#time.now() + this.offsetMs + drifted);
  }

  /** Jumps ahead, or back. */
  jump(ms: number): void {
    this.offsetMs += ms;
    this.hasJumped = true;
  }

  /** Goes wrong from here on. */
  drift(ppm: number): void {
    this.offsetMs += (this.#time.now() - this.#driftsSince) * this.driftPpm / 1e6;
    this.#driftsSince = this.#time.now();
    this.driftPpm = ppm;
  }

  /** Is set right, as by NTP. */
  correct(): void {
    this.drift(0);
    this.offsetMs = 0;
  }
}

/** Whether an error comes from a program that was killed. */
export function isOfTheDead(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Killed) return true;
  return false;
}
