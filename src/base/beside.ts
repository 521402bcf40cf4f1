/**
 * Work on other threads, a little at a time. WebCrypto starts a thread for every call that is made: many at once take
 * the processor from each other and fill its caches with each other's bytes, and the oldest chunk, for which all others
 * wait, ends last. So few are under way at once, and the others wait in the order they came.
 *
 * @module
 */

import { afterThisTurn } from "./next_turn.ts";
import { socketsTurn } from "./sockets_turn.ts";

/** Shorter pieces of work are not worth a thread of their own, nor waiting for one. */
export const BESIDE_BYTES_MIN = 64 * 1024;

/** One for each of two cores, and one that is ready when one of them ends. */
const BESIDE_MAX = 3;

let underWay = 0;
const waiting: (() => void)[] = [];

/** Begins work that another thread does, as soon as few enough others are under way, and after the sockets if it is their turn. */
export async function beside<T>(work: () => Promise<T>): Promise<T> {
  const turn = socketsTurn();
  if (turn !== null) await turn;
  if (underWay < BESIDE_MAX) underWay++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) underWay--;
    else next(); // it takes the place over
  }
}

let isHere = false;

/** Has this thread do all that it can do itself: one with nothing else to see to is spared the trips and the copies. */
export function hashHere(): void {
  isHere = true;
}

/** Has another thread do what both can, or, when those have enough to do, this one. */
export async function besideOrHere<T>(there: () => Promise<T>, here: () => T): Promise<T> {
  if (isHere) return here();
  // What has ended since is heard of only in another turn of the event loop.
  if (underWay >= BESIDE_MAX) await afterThisTurn();
  return underWay < BESIDE_MAX ? await beside(there) : here();
}
