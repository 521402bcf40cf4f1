/**
 * What storing and fetching a tree have in common: how much is in work at once, and how it is summed up for the user.
 *
 * @module
 */

import type { InOrderLimits } from "./in_order.ts";
import type { OnProgress } from "./types.ts";

/** How many entries are in work at once, and what they may hold. */
export const ENTRIES_IN_WORK: InOrderLimits = { tasksMax: 256, bytesMax: 16 * 1024 * 1024 };
/** The same, of those entries of a batch that are done one by one after all. */
export const LEFT_IN_WORK: InOrderLimits = { tasksMax: 64, bytesMax: 8 * 1024 * 1024 };
/** What a large file holds: its buffers and the chunks in work. */
export const LARGE_FILE_BYTES = 20 * 1024 * 1024;
/** What any entry holds beside its bytes. */
export const ENTRY_BYTES = 4 * 1024;

/** How many small entries go in one batch, and how many bytes their files may have. */
export const BATCH_ENTRIES = 512;
export const BATCH_BYTES = 4 * 1024 * 1024;
/** What an entry of a batch holds beside its bytes. */
export const BATCH_ENTRY_BYTES = 2048;
/** Of the files of batches no more than one byte in so many is held at a time, as their jobs are done one after the other. */
export const BATCH_HELD_DIVISOR = 4;

/** So many of a batch's files make one job for a thread. */
export const JOB_FILES = 64;

/** Sums up what the entries in work report. */
export class TreeProgress {
  readonly #onProgress: OnProgress | undefined;
  /** As soon as it is known. */
  totalBytes: number | undefined;
  #done = 0;

  constructor(onProgress: OnProgress | undefined, totalBytes?: number) {
    this.#onProgress = onProgress;
    this.totalBytes = totalBytes;
  }

  /** What one entry reports to. */
  of(item: string): OnProgress {
    let seen = 0;
    return ({ doneBytes }) => {
      this.#done += doneBytes - seen;
      seen = doneBytes;
      this.#onProgress?.({ doneBytes: this.#done, totalBytes: this.totalBytes, item });
    };
  }
}
