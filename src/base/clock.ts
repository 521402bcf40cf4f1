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
