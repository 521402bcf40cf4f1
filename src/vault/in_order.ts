/**
 * Several pieces of work at once, with outcomes in the order in which they were begun.
 *
 * @module
 */

/** A piece of work that has not begun. */
export interface Task<T> {
  /** What it holds in memory while it is under way, in bytes. */
  bytes: number;
  start: () => Promise<T>;
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
        // Down to half: then many begin together again, however slowly the outcomes are taken, and can share a commit.
        while (
          working.length > 0 &&
          (working.length > limits.tasksMax / 2 || bytes + task.bytes > limits.bytesMax / 2)
        ) yield await takeFirst();
      }
      const work = task.start();
      work.catch(() => {/* thrown above or below, in its turn */});
      working.push({ work, bytes: task.bytes });
      bytes += task.bytes;
    }
    while (working.length > 0) yield await takeFirst();
  } finally {
    await Promise.allSettled(working.map(({ work }) => work));
  }
}
