/**
 * Several pieces of work at once: with outcomes in the order in which they were begun, or with none.
 *
 * @module
 */

import { afterThisTurn } from "../base/mod.ts";

/** Once as much is under way as may be, nothing more begins until it is so much less. */
const LOW_WATER = 3 / 4;

/** A piece of work that has not begun. */
export interface Task<T> {
  /** What it holds in memory while it is under way, in bytes. */
  bytes: number;
  start: () => Promise<T>;
  /** Whether the event loop has a turn before the next begins: finding that takes long, and what this one has begun should go on. */
  pauses?: boolean;
}

/** Bounds of {@link inOrder}. One task is always let through, however large. */
export interface InOrderLimits {
  tasksMax: number;
  bytesMax: number;
}

/**
 * Runs tasks as the bounds allow and yields their outcomes in order. A task that throws ends it, after the tasks under way
 * have ended.
 */
export async function* inOrder<T>(
  tasks: Iterable<Task<T>>,
  limits: InOrderLimits,
): AsyncGenerator<T> {
  const working: { work: Promise<T>; bytes: number }[] = [];
  let bytes = 0;
  const takeFirst = () => {
    const first = working.shift()!;
    bytes -= first.bytes;
    return first.work;
  };
  try {
    for (const task of tasks) {
      if (working.length >= limits.tasksMax || bytes + task.bytes > limits.bytesMax) {
        // Some at a time: then several begin together again, however slowly the outcomes are taken, and can share a commit.
        while (
          working.length > 0 &&
          (working.length > limits.tasksMax * LOW_WATER ||
            bytes + task.bytes > limits.bytesMax * LOW_WATER)
        ) yield await takeFirst();
      }
      const work = task.start();
      work.catch(() => {/* thrown above or below, in its turn */});
      working.push({ work, bytes: task.bytes });
      bytes += task.bytes;
      if (task.pauses) await afterThisTurn();
    }
    while (working.length > 0) yield await takeFirst();
  } finally {
    await Promise.allSettled(working.map(({ work }) => work));
  }
}

/** @throws what the first failing one throws; the others have ended then */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const lanes = Array.from({ length: Math.min(width, items.length) }, async () => {
    for (const item of left) await work(item);
  });
  const failed = (await Promise.allSettled(lanes)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
