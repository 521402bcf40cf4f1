/** `deno task bench -- compare A B`: two runs side by side, step by step. */

import { type RunDocument, table } from "./report.ts";

/**
 * Reads what `--json` wrote.
 *
 * @throws Error if the file can't be read, or is something else
 */
export async function readRun(path: string): Promise<RunDocument> {
  const run = JSON.parse(await Deno.readTextFile(path)) as Partial<RunDocument>;
  if (!Array.isArray(run.steps) || !Array.isArray(run.versions)) {
    throw new Error(`Cannot compare ${path}: it is not what the benchmark's --json wrote`);
  }
  return run as RunDocument;
}

/**
 * Every program's median in both runs. Two runs saw the machine at different times, so that a program's own ratio is set
 * beside that of the others, which stayed what they were.
 */
export function comparisonTable(a: RunDocument, b: RunDocument): string {
  const rows = a.steps.flatMap((step) => {
    const other = b.steps.find(({ title }) => title === step.title);
    if (other === undefined) return [];
    return Object.entries(step.programs).flatMap(([name, { median }], i) => {
      const then = other.programs[name]?.median;
      if (then === undefined) return [];
      return [[
        i === 0 ? step.title : "",
        name,
        median.seconds.toFixed(2),
        then.seconds.toFixed(2),
        (median.seconds / then.seconds).toFixed(2),
      ]];
    });
  });
  const head = ["", "", `A: ${a.time.slice(0, 16)}`, `B: ${b.time.slice(0, 16)}`, "A / B"];
  return table([head, ...rows], { leftColumns: 2 });
}
