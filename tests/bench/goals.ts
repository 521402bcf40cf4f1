/** What GoVault is to reach, and how what was measured is judged by it. Pure. */

import type { Median } from "./report.ts";

/** The program that the goals are for. */
export const OURS = "govault";

/** Programs that do the same; what else stands beside ours in a row is there to compare with, not to beat. */
const RIVALS = new Set(["restic", "borg", "syncthing"]);

/** What GoVault is to reach in a row. */
export type Goal =
  /** At least so many times as fast as a rival, or as the fastest of them. */
  | { kind: "faster"; than: "restic" | "syncthing" | "the faster rival"; times: number }
  /** At most this share of a rival's time. */
  | { kind: "time"; of: "restic"; share: number }
  /** At least this share of the speed that is possible. */
  | { kind: "limit"; share: number }
  /** At most so many bytes added to the store. */
  | { kind: "added"; bytes: number }
  /** No more bytes added to the store than any rival does. */
  | { kind: "no larger" }
  /** At most so much memory, of one process. */
  | { kind: "memory"; bytes: number }
  /** This share of all runs take at most so long. */
  | { kind: "percentile"; share: number; seconds: number }
  /** At most so much longer than something else that stands in the row. */
  | { kind: "over"; what: string; seconds: number }
  /** At most so many times as long as something else that stands in the row. */
  | { kind: "slower"; than: string; times: number };

/** How a goal was met. */
export interface Verdict {
  step: string;
  /** The goal, in words. */
  goal: string;
  /** What came out, in words. */
  measured: string;
  /** What a program at the derived limit would have come to, in words; absent where no limit says. */
  atBest?: string;
  /** `null` if there was nothing to compare with. */
  met: boolean | null;
  /** Whether not even a program at the derived limit would have met it. */
  isBeyondLimit: boolean;
}

/** What there is to judge a goal by. */
export interface Measured {
  medians: ReadonlyMap<string, Median>;
  /** Seconds of all our runs. */
  seconds: readonly number[];
  /** The shortest time possible, if one is derived. */
  limitSeconds: number | null;
}

/** A figure that a goal bounds; and the same at the derived limit. */
interface Figure {
  words: string;
  /** `null` if there is nothing to compare with. */
  value: number | null;
  atBest?: number;
  holds: (value: number) => boolean;
  format: (value: number) => string;
  /** Said where there is no value. */
  otherwise?: string;
}

/** Holds one goal against what was measured. */
export function judge(goal: Goal, measured: Measured): Omit<Verdict, "step"> {
  const { words, value, atBest, holds, format, otherwise = "not measured" } = figureOf(
    goal,
    measured,
  );
  return {
    goal: words,
    measured: value === null ? otherwise : format(value),
    ...(atBest === undefined ? {} : { atBest: format(atBest) }),
    met: value === null ? null : holds(value),
    isBeyondLimit: value !== null && atBest !== undefined && !holds(atBest),
  };
}

function figureOf(goal: Goal, { medians, seconds, limitSeconds }: Measured): Figure {
  const ours = medians.get(OURS)!;
  const secondsOf = (name: string) => medians.get(name)?.seconds ?? null;
  const best = (of: (seconds: number) => number) =>
    limitSeconds === null ? {} : { atBest: of(limitSeconds) };
  const times = (value: number) => `${value.toFixed(2)} times`;
  const noRival = { value: null, otherwise: "no rival installed" };
  switch (goal.kind) {
    case "faster": {
      const words = `at least ${goal.times} times as fast as ${goal.than}`;
      const rivals = rivalsOf(medians).map((each) => each.seconds);
      const rival = goal.than !== "the faster rival"
        ? secondsOf(goal.than)
        : rivals.length > 0
        ? Math.min(...rivals)
        : null;
      const figure = { words, holds: (value: number) => value >= goal.times, format: times };
      if (rival === null) return { ...figure, ...noRival };
      return { ...figure, value: rival / ours.seconds, ...best((limit) => rival / limit) };
    }
    case "time": {
      const words = `at most ${goal.share} of ${goal.of}'s time`;
      const rival = secondsOf(goal.of);
      const format = (value: number) => value.toFixed(2);
      const figure = { words, holds: (value: number) => value <= goal.share, format };
      if (rival === null) return { ...figure, ...noRival };
      return { ...figure, value: ours.seconds / rival, ...best((limit) => limit / rival) };
    }
    case "limit":
      return {
        words: `at least ${percent(goal.share)} of the limit`,
        value: limitSeconds === null ? null : limitSeconds / ours.seconds,
        holds: (value) => value >= goal.share,
        format: percent,
      };
    case "added":
      return {
        words: `at most ${megabytes(goal.bytes)} added`,
        value: ours.addedBytes,
        holds: (value) => value <= goal.bytes,
        format: megabytes,
      };
    case "no larger": {
      const rivals = rivalsOf(medians).map(({ addedBytes }) => addedBytes);
      const least = Math.min(...rivals);
      return {
        words: `no larger a store than any rival${
          rivals.length > 0 ? `: ${megabytes(least)}` : ""
        }`,
        value: rivals.length > 0 ? ours.addedBytes : null,
        holds: (value) => value <= least,
        format: megabytes,
        otherwise: noRival.otherwise,
      };
    }
    case "memory":
      return {
        words: `at most ${mebibytes(goal.bytes)} MiB of memory`,
        value: ours.peakBytes,
        holds: (value) => value <= goal.bytes,
        format: (value) => `${mebibytes(value)} MiB`,
      };
    case "percentile":
      return {
        words: `p${100 * goal.share} at most ${milliseconds(goal.seconds)}`,
        value: percentile(seconds, goal.share),
        holds: (value) => value <= goal.seconds,
        format: milliseconds,
        ...best((limit) => limit),
      };
    case "over": {
      const other = secondsOf(goal.what);
      return {
        words: `at most ${milliseconds(goal.seconds)} longer than ${goal.what}`,
        value: other === null ? null : ours.seconds - other,
        holds: (value) => value <= goal.seconds,
        format: milliseconds,
      };
    }
    case "slower": {
      const other = secondsOf(goal.than);
      return {
        words: `at most ${goal.times} times as long as ${goal.than}`,
        value: other === null ? null : ours.seconds / other,
        holds: (value) => value <= goal.times,
        format: times,
      };
    }
  }
}

function rivalsOf(medians: ReadonlyMap<string, Median>): Median[] {
  return [...medians].filter(([name]) => RIVALS.has(name)).map(([, median]) => median);
}

/** The value that this share of all values don't exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}

/** A share as a whole percentage. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}

/** Bytes as a number of MiB. */
export function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function milliseconds(seconds: number): string {
  return `${(1000 * seconds).toFixed(1)} ms`;
}
