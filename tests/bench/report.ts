/** What came out: medians, ratios, goals met or missed, as a table and as JSON. Pure. */

import { type Goal, PEAK_BYTES_GOAL, type Step } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { bestSeconds, type Operation, OPERATIONS, type StageRate } from "./limit.ts";
import { median } from "./measuring.ts";

/** The program that the goals are for. */
const OURS = "govault";

/** Medians of one program at one step. */
export interface Median {
  seconds: number;
  peakBytes: number | null;
  addedBytes: number;
}

/** How a goal was met. */
export interface Verdict {
  step: string;
  /** The goal, in words. */
  goal: string;
  /** What came out, in words. */
  measured: string;
  /** `null` if there was nothing to compare with. */
  met: boolean | null;
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

/** Every goal, held against what was measured; the memory over all steps last. */
export function verdicts(results: readonly StepResult[]): Verdict[] {
  const found = results.flatMap(({ step, samples }) => {
    const medians = new Map([...samples].map(([name, all]) => [name, medianOf(all)]));
    return step.goals.map((goal) => ({ step: step.title, ...judge(goal, medians) }));
  });
  const peaks = results.flatMap(({ samples }) => samples.get(OURS) ?? [])
    .map(({ peakBytes }) => peakBytes).filter((peak) => peak !== null);
  const peak = Math.max(...peaks);
  return [...found, {
    step: "all of it",
    goal: `at most ${mebibytes(PEAK_BYTES_GOAL)} MiB of memory`,
    measured: peaks.length === 0 ? "not measured" : `${mebibytes(peak)} MiB`,
    met: peaks.length === 0 ? null : peak <= PEAK_BYTES_GOAL,
  }];
}

function judge(goal: Goal, medians: Map<string, Median>): Omit<Verdict, "step"> {
  const ours = medians.get(OURS)!;
  const restic = medians.get("restic")?.seconds;
  const rivals = [...medians].filter(([name]) => name !== OURS).map(([, { seconds }]) => seconds);
  switch (goal.kind) {
    case "faster": {
      const times = goal.times === 1 ? "" : `${goal.times} times `;
      const words = `at least ${times}as fast as ${goal.than}`;
      const rival = goal.than === "restic"
        ? restic
        : rivals.length > 0
        ? Math.min(...rivals)
        : undefined;
      if (rival === undefined) return { goal: words, measured: "no rival installed", met: null };
      const ratio = rival / ours.seconds;
      return { goal: words, measured: `${ratio.toFixed(2)} times`, met: ratio >= goal.times };
    }
    case "time": {
      const words = `at most ${goal.share} of ${goal.of}'s time`;
      if (restic === undefined) return { goal: words, measured: "no rival installed", met: null };
      const share = ours.seconds / restic;
      return { goal: words, measured: share.toFixed(2), met: share <= goal.share };
    }
    case "added":
      return {
        goal: `at most ${(goal.bytes / 1e6).toFixed(0)} MB added`,
        measured: `${(ours.addedBytes / 1e6).toFixed(1)} MB`,
        met: ours.addedBytes <= goal.bytes,
      };
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}

/** How much of the speed that is possible was reached: 1 is all of it. `null` where no limit is derived. */
function shareOfLimit(
  { limit, bytes }: Step,
  { seconds, rates }: { seconds: number; rates: readonly StageRate[] },
): number | null {
  if (limit === undefined || rates.length === 0) return null;
  return bestSeconds(limit, { bytes, rates }) / seconds;
}

function percent(share: number | null): string {
  return share === null ? "" : `${(100 * share).toFixed(0)}%`;
}

/** The medians and the verdicts as two tables of plain text. */
export function tables(results: readonly StepResult[], rates: readonly StageRate[]): string {
  const medians = results.flatMap(({ step, samples }) =>
    [...samples].sort(([a], [b]) => Number(b === OURS) - Number(a === OURS) || (a < b ? -1 : 1))
      .map(([name, all], i) => {
        const { seconds, peakBytes, addedBytes } = medianOf(all);
        return [
          i === 0 ? step.title : "",
          name,
          seconds.toFixed(2),
          (step.bytes / 1e6 / seconds).toFixed(step.bytes < 1e6 ? 3 : 0),
          percent(shareOfLimit(step, { seconds, rates })),
          peakBytes === null ? "?" : mebibytes(peakBytes),
          step.action === "put" ? (addedBytes / 1e6).toFixed(addedBytes < 1e6 ? 3 : 1) : "",
        ];
      })
  );
  const judged = verdicts(results).map(({ step, goal, measured, met }) => [
    step,
    goal,
    measured,
    met === null ? "-" : met ? "met" : "MISSED",
  ]);
  return [
    table([["", "", "s", "MB/s", "of limit", "peak MiB", "MB added"], ...medians], {
      leftColumns: 2,
    }),
    table([["", "goal", "measured", ""], ...judged], { leftColumns: 4 }),
  ].join("\n");
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

/** What each stage can do, and what follows for a file of so many bytes, as two tables. */
export function limitTables(rates: readonly StageRate[], bytes: number): string {
  const stages = rates.map(({ stage, piece, one, all }) => [
    stage,
    piece,
    (one / 1e6).toFixed(0),
    (all / 1e6).toFixed(0),
  ]);
  const best = OPERATIONS.map((operation) => {
    const seconds = bestSeconds(operation, { bytes, rates });
    return [operation, seconds.toFixed(2), (bytes / 1e6 / seconds).toFixed(0)];
  });
  return [
    table([["stage", "pieces", "MB/s, a core", "MB/s, all"], ...stages], { leftColumns: 2 }),
    table([[`at best, ${mebibytes(bytes)} MiB`, "s", "MB/s"], ...best], { leftColumns: 1 }),
  ].join("\n");
}

/** A run for programs: what it was measured on, every sample, the medians, the verdicts and the limits. */
export interface RunDocument {
  time: string;
  machine: string;
  versions: string[];
  runs: number;
  limit: {
    stages: readonly StageRate[];
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
  rates: readonly StageRate[],
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
  const limits = results.flatMap(({ step: { title, limit, bytes } }) =>
    limit === undefined || rates.length === 0
      ? []
      : [[title, bestSeconds(limit, { bytes, rates })] as const]
  );
  const limit = { stages: rates, seconds: Object.fromEntries(limits) };
  return { ...about, limit, steps, goals: verdicts(results) };
}
