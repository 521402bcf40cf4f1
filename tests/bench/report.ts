/** What came out: medians, ratios, goals met or missed, as a table and as JSON. Pure. */

import { PEAK_BYTES_GOAL, type Row } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { judge, mebibytes, OURS, percent, type Verdict } from "./goals.ts";
import { bestSeconds, type Operation, OPERATIONS, pieceBytes, type Speeds } from "./limit.ts";
import { median } from "./measuring.ts";

/** Medians of one program at one step. */
export interface Median {
  seconds: number;
  peakBytes: number | null;
  addedBytes: number;
}

/** The medians of a program's samples, each figure by itself. */
export function medianOf(samples: readonly Sample[]): Median {
  const peaks = samples.map(({ peakBytes }) => peakBytes).filter((peak) => peak !== null);
  return {
    seconds: median(samples.map(({ seconds }) => seconds)),
    peakBytes: peaks.length === 0 ? null : median(peaks),
    addedBytes: median(samples.map(({ addedBytes }) => addedBytes)),
  };
}

/** Every goal, held against what was measured; the memory over all puts and gets last. */
export function verdicts(results: readonly StepResult[], speeds: Speeds | null): Verdict[] {
  const found = results.flatMap(({ step, samples }) => {
    const medians = new Map([...samples].map(([name, all]) => [name, medianOf(all)]));
    const seconds = samples.get(OURS)!.map((sample) => sample.seconds);
    const measured = { medians, seconds, limitSeconds: limitOf(step, speeds) };
    return step.goals.map((goal) => ({ step: step.title, ...judge(goal, measured) }));
  });
  const peaks = results.filter(({ step }) => step.action !== "other")
    .flatMap(({ samples }) => samples.get(OURS) ?? [])
    .flatMap(({ peakBytes }) => peakBytes === null ? [] : [peakBytes]);
  if (peaks.length === 0) return found;
  const peak = Math.max(...peaks);
  return [...found, {
    step: "all puts and gets",
    goal: `at most ${mebibytes(PEAK_BYTES_GOAL)} MiB of memory`,
    measured: `${mebibytes(peak)} MiB`,
    met: peak <= PEAK_BYTES_GOAL,
    isBeyondLimit: false,
  }];
}

/** The shortest time that a row could take; `null` where none is derived. */
function limitOf({ limit, bytes, pieces }: Row, speeds: Speeds | null): number | null {
  if (limit === undefined || speeds === null) return null;
  return bestSeconds(limit, { bytes, ...(pieces === undefined ? {} : { pieces }) }, speeds);
}

/** Seconds; of what takes less than a tenth of one, more digits. */
function inSeconds(seconds: number): string {
  return seconds.toFixed(seconds < 0.1 ? 4 : 2);
}

/** The medians and the verdicts as two tables of plain text. */
export function tables(results: readonly StepResult[], speeds: Speeds | null): string {
  const medians = results.flatMap(({ step, samples }) => {
    const limit = limitOf(step, speeds);
    const rows = [...samples]
      .sort(([a], [b]) => Number(b === OURS) - Number(a === OURS) || (a < b ? -1 : 1))
      .map(([name, all], i) => {
        const { seconds, peakBytes, addedBytes } = medianOf(all);
        return [
          i === 0 ? step.title : "",
          name,
          inSeconds(seconds),
          step.bytes === 0 ? "" : (step.bytes / 1e6 / seconds).toFixed(step.bytes < 1e6 ? 3 : 0),
          limit === null ? "" : percent(limit / seconds),
          peakBytes === null ? "" : mebibytes(peakBytes),
          step.action === "put" ? (addedBytes / 1e6).toFixed(addedBytes < 1e6 ? 3 : 1) : "",
        ];
      });
    if (limit === null) return rows;
    return [...rows, ["", "the limit", inSeconds(limit), "", "100%", "", ""]];
  });
  const judged = verdicts(results, speeds).map((each) => [
    each.step,
    each.goal,
    each.measured,
    each.atBest ?? "",
    wordOf(each),
  ]);
  return [
    table([["", "", "s", "MB/s", "of limit", "peak MiB", "MB added"], ...medians], {
      leftColumns: 2,
    }),
    ...(judged.length === 0
      ? []
      : [table([["", "goal", "measured", "at the limit", ""], ...judged], { leftColumns: 5 })]),
  ].join("\n");
}

function wordOf({ met, isBeyondLimit }: Verdict): string {
  if (met === null) return "-";
  if (met) return "met";
  return isBeyondLimit ? "MISSED: the goal lies beyond the limit" : "MISSED";
}

/** Columns as wide as they must be; the first ones flush left, the others right. */
export function table(rows: readonly string[][], { leftColumns }: { leftColumns: number }): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => {
    const cells = row.map((cell, i) =>
      i < leftColumns ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    );
    return cells.join("  ").trimEnd() + "\n";
  }).join("");
}

/** What each stage can do, and what follows for a file of so many bytes and for so many small files, as two tables. */
export function limitTables(
  speeds: Speeds,
  { bytes, files }: { bytes: number; files: number },
): string {
  const { startSeconds, syncSeconds } = speeds;
  const stages = speeds.stages.map(({ stage, piece, one, all }) => [
    stage,
    piece,
    (1e6 * pieceBytes(piece) / one).toFixed(1),
    (one / 1e6).toFixed(0),
    (all / 1e6).toFixed(0),
  ]);
  const best = OPERATIONS.map((operation) => {
    const isSmall = operation.includes("small") || operation === "prune";
    const work = isSmall ? { bytes: 0, pieces: files } : { bytes };
    const what = isSmall ? `${operation}, ${files} of them` : operation;
    return [what, inSeconds(bestSeconds(operation, work, speeds))];
  });
  return [
    table([["stage", "pieces", "µs a piece", "MB/s, a thread", "MB/s, all"], ...stages], {
      leftColumns: 2,
    }),
    table([["a program of one line, s", inSeconds(startSeconds)], [
      "1 KiB appended and synced, s",
      inSeconds(syncSeconds),
    ]], { leftColumns: 1 }),
    table([[`at best, ${mebibytes(bytes)} MiB`, "s"], ...best], { leftColumns: 1 }),
  ].join("\n");
}

/** A run for programs: what it was measured on, every sample, the medians, the verdicts and the limits. */
export interface RunDocument {
  time: string;
  machine: string;
  versions: string[];
  runs: number;
  limit: {
    stages: Speeds["stages"];
    startSeconds: number;
    syncSeconds: number;
    /** Seconds at best, by step's title. */
    seconds: Partial<Record<string, number>>;
  };
  steps: {
    title: string;
    bytes: number;
    limit?: Operation;
    programs: Record<string, { median: Median; samples: Sample[] }>;
  }[];
  goals: Verdict[];
}

/** What a run found, for `--json`. */
export function asDocument(
  results: readonly StepResult[],
  speeds: Speeds,
  about: Pick<RunDocument, "time" | "machine" | "versions" | "runs">,
): RunDocument {
  const steps = results.map(({ step, samples }) => ({
    title: step.title,
    bytes: step.bytes,
    ...(step.limit === undefined ? {} : { limit: step.limit }),
    programs: Object.fromEntries(
      [...samples].map(([name, all]) => [name, { median: medianOf(all), samples: all }]),
    ),
  }));
  const limits = results.flatMap(({ step }) => {
    const seconds = limitOf(step, speeds);
    return seconds === null ? [] : [[step.title, seconds] as const];
  });
  const limit = { ...speeds, seconds: Object.fromEntries(limits) };
  return { ...about, limit, steps, goals: verdicts(results, speeds) };
}
