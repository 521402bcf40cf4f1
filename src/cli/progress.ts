/**
 * One line on the terminal that says how far long work has come, drawn over and over and wiped in the end.
 *
 * @module
 */

import { type Clock, systemClock } from "../base/mod.ts";
import type { OnProgress, Progress } from "../vault/types.ts";
import { cutToWidth, displayWidth, formatBytes, formatKey, formatSpan } from "./format.ts";
import type { Io } from "./io.ts";

/** Work shorter than this shows no progress. */
const PROGRESS_DELAY_MS = 500;
/** Least time between two drawings. */
const REDRAW_MS = 100;
/** After this time an old speed counts half. */
const SPEED_HALF_LIFE_MS = 2000;
/** Width of a terminal that doesn't tell. */
const COLUMNS_DEFAULT = 80;

/** A speed that forgets: the exponential moving average of what was measured. Pure. */
export interface Speed {
  /** Bytes per millisecond; 0 until something was measured. */
  bytesPerMs: number;
  doneBytes: number;
  time: number;
}

/** The speed after one more measurement; a count that went back (the next file began) only sets a new start. */
export function measure(speed: Speed, sample: { doneBytes: number; time: number }): Speed {
  const elapsed = sample.time - speed.time;
  const bytes = sample.doneBytes - speed.doneBytes;
  if (bytes < 0 || elapsed <= 0) return { ...speed, ...sample };
  const weight = speed.bytesPerMs === 0 ? 1 : 1 - 2 ** (-elapsed / SPEED_HALF_LIFE_MS);
  const bytesPerMs = speed.bytesPerMs + (bytes / elapsed - speed.bytesPerMs) * weight;
  return { bytesPerMs, ...sample };
}

/** The line: `photo.jpg  62%  317 MiB of 512 MiB  210 MiB/s  1s left`, in at most `columns` cells. */
export function progressLine(
  progress: Progress,
  options: { bytesPerMs: number; columns: number },
): string {
  const { doneBytes, totalBytes, item } = progress;
  const { bytesPerMs, columns } = options;
  const parts: string[] = [];
  if (totalBytes !== undefined && totalBytes > 0) {
    const share = Math.min(1, doneBytes / totalBytes);
    parts.push(`${Math.floor(share * 100)}%`.padStart(4));
    parts.push(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
  } else {
    parts.push(formatBytes(doneBytes));
  }
  if (bytesPerMs > 0) {
    parts.push(`${formatBytes(bytesPerMs * 1000)}/s`);
    if (totalBytes !== undefined && totalBytes > doneBytes) {
      parts.push(`${formatSpan((totalBytes - doneBytes) / bytesPerMs)} left`);
    }
  }
  const figures = cutToWidth(parts.join("  "), columns);
  const room = columns - displayWidth(figures) - 2;
  if (item === undefined || room < 8) return figures;
  return `${cutToWidth(formatKey(item), room)}  ${figures}`;
}

/** Draws progress while it is of use; {@link Meter.clear} before anything else is written. */
export interface Meter {
  onProgress: OnProgress;
  /** Wipes the line; the next progress draws it again. */
  clear(): void;
}

/** Runs work with a meter, and wipes the meter's line in the end, however that comes. */
export async function withMeter<T>(
  io: Pick<Io, "err" | "isTerminalErr" | "columns">,
  options: { quiet: boolean },
  work: (meter: Meter) => Promise<T>,
): Promise<T> {
  const meter = startMeter(io, options);
  try {
    return await work(meter);
  } finally {
    meter.clear();
  }
}

/** A meter on the terminal's standard error; one that does nothing if there is none or the user wants quiet. */
export function startMeter(
  io: Pick<Io, "err" | "isTerminalErr" | "columns">,
  options: { quiet: boolean; clock?: Clock },
): Meter {
  if (options.quiet || !io.isTerminalErr) return { onProgress: () => {}, clear: () => {} };
  const clock = options.clock ?? systemClock;
  // The last cell stays free: a full line would wrap.
  const columns = (io.columns ?? COLUMNS_DEFAULT) - 1;
  const begun = clock.now();
  let speed: Speed = { bytesPerMs: 0, doneBytes: 0, time: begun };
  let shown = false;
  return {
    onProgress(progress) {
      const time = clock.now();
      if (time - begun < PROGRESS_DELAY_MS || time - speed.time < REDRAW_MS) return;
      speed = measure(speed, { doneBytes: progress.doneBytes, time });
      const line = progressLine(progress, { bytesPerMs: speed.bytesPerMs, columns });
      io.err(`\r${line}\x1b[K`);
      shown = true;
    },
    clear() {
      if (shown) io.err("\r\x1b[K");
      shown = false;
    },
  };
}
