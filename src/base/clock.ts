/**
 * Time and randomness as arguments, so that one seed replays a failing run.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";

/** Where the time comes from. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
}

/** Where random bytes come from. */
export interface Random {
  /** `length` fresh random bytes. */
  bytes(length: number): Bytes;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** The machine's cryptographic randomness. */
export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** Waiting, as an argument. */
export interface Timers {
  /** Runs something once, after so many milliseconds; what it returns calls that off. Does not keep a process alive. */
  after(ms: number, run: () => void): () => void;
  /**
   * How many times as long as usual may wait what is looked at again and again though it is mostly as it was; 1 if not
   * given. A simulation of long times has it wait longer.
   */
  leisure?(): number;
}

/** How long what is looked at every `ms` waits: see {@link Timers.leisure}. */
export function routineMs(timers: Timers, ms: number): number {
  return ms * (timers.leisure?.() ?? 1);
}

/** The machine's timers. */
export const systemTimers: Timers = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  },
};

/** Waits. @throws the signal's reason once it fires */
export function sleep(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = timers.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      stop();
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
