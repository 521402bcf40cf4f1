/**
 * What an open vault takes of the machine, as one argument, so that a vault can live on a disk, a clock and chances of
 * a test's own.
 *
 * @module
 */

import {
  type Clock,
  denoDisk,
  type Disk,
  nextTurn,
  PACE_STEPS,
  type Random,
  systemClock,
  systemRandom,
} from "../base/mod.ts";
import { type HomeLock, lockHome, type LockWait } from "./lock.ts";

/** What a vault takes of a machine. */
export interface Machine {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Keeps others from a home; `path` is its lock file. As {@link lockHome}. */
  lock(path: string, options: LockWait): Promise<HomeLock>;
  /** Where the index database lies that belongs at `path`: a file, or ":memory:". */
  indexPath(path: string): string;
  /** Whether there are threads to give work to. */
  readonly hasThreads: boolean;
  readonly pace: Pace;
}

/** How long work lets others in. */
export interface Pace {
  /** Steps that are done at a stretch. */
  readonly steps: number;
  /** Lets the others have their turn. */
  others(): Promise<void>;
}

/** The machine that this runs on. */
export const systemMachine: Machine = {
  disk: denoDisk,
  clock: systemClock,
  random: systemRandom,
  lock: lockHome,
  indexPath: (path) => path,
  hasThreads: true,
  pace: { steps: PACE_STEPS, others: nextTurn },
};
