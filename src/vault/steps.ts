/**
 * Long work on the index, a step at a time, so that others get their turn between the steps: what it comes to is of one moment
 * all the same, or of the moments that whoever asks for it allows.
 *
 * @module
 */

import type { IndexDatabase } from "../store/mod.ts";
import type { Pace } from "./machine.ts";

/** How often work is begun again, as what it rests on changed between its steps, before it is done in one go. */
const RESTARTS_MAX = 3;

/** Work in steps. */
export interface SteppedWork<T> {
  /** Begins it, as if for the first time. */
  begin: () => Generator<unknown, T>;
  /** What must be the same before each step; else it is begun again. */
  moment?: () => number;
}

/**
 * Does work in steps, each inside a guard of the index: `null` as long as it is not done. Begun again if the index was made anew
 * or it is another moment, and done in one go if that happens often.
 */
export function* inSteps<T>(
  database: Pick<IndexDatabase, "guard" | "rebuilds">,
  { begin, moment = () => 0 }: SteppedWork<T>,
): Generator<null, T> {
  let begun: { steps: Generator<unknown, T>; moment: number; rebuilds: number } | null = null;
  let restarts = -1;
  while (true) {
    const result = database.guard(() => {
      const now = { moment: moment(), rebuilds: database.rebuilds.count };
      if (begun === null || begun.moment !== now.moment || begun.rebuilds !== now.rebuilds) {
        begun = { steps: begin(), ...now };
        restarts++;
      }
      while (true) {
        const { done, value } = begun.steps.next();
        if (done) return { value };
        if (restarts < RESTARTS_MAX) return null;
      }
    });
    if (result !== null) return result.value;
    yield null;
  }
}

/** Goes through the steps of some work, and lets others in now and then. @throws the signal's reason */
export async function paced<T>(
  steps: Generator<unknown, T>,
  { pace, signal }: { pace: Pace; signal?: AbortSignal | undefined },
): Promise<T> {
  for (let count = 1;; count++) {
    const { done, value } = steps.next();
    if (done) return value;
    if (count % pace.steps !== 0) continue;
    signal?.throwIfAborted();
    await pace.others();
  }
}
