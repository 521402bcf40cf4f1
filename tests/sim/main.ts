/**
 * `deno task sim`: runs the worlds of many seeds, or of one; `--help` says how.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import type { FaultKind } from "./fault_kit.ts";
import { readTask, type Task, USAGE, UsageError } from "./options.ts";
import { runSeed, type Verdict } from "./run.ts";

const JOBS_MAX = 8;
/** Lines of a failing seed's trace that are shown beside its problems. */
const TRACE_LINES = 40;

/** A failing seed, in a line. */
export function failureLine({ seed, problems }: Pick<Verdict, "seed" | "problems">): string {
  const [first = ""] = problems;
  return `seed ${seed}: ${first.split("\n")[0]} — deno task sim --seed ${seed} --trace`;
}

// deno-lint-ignore no-console -- this is a program
const print = (line: string) => console.log(line);

if (import.meta.main) Deno.exitCode = await main(Deno.args);

async function main(words: readonly string[]): Promise<number> {
  let task: Task;
  try {
    task = readTask(words);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // deno-lint-ignore no-console -- this is a program
    console.error(`Cannot simulate: ${error.message}\nhint: \`deno task sim --help\``);
    return 2;
  }
  switch (task.kind) {
    case "help":
      print(USAGE.trimEnd());
      return 0;
    case "one":
      return await runOne(task.seed, task);
    case "share":
      await runShare(task);
      return 0;
    case "many": {
      const first = task.first ?? Math.floor(Math.random() * 1e9);
      const jobs = task.jobs ?? Math.min(JOBS_MAX, navigator.hardwareConcurrency);
      return await runMany({ ...task, first, jobs });
    }
  }
}

/** One seed, in as many words as are asked for. */
async function runOne(
  seed: number,
  { kinds, isTraced }: { kinds: readonly FaultKind[]; isTraced: boolean },
): Promise<number> {
  const begin = performance.now();
  const verdict = await runSeed(seed, { kinds, ...(isTraced ? { onLine: print } : {}) });
  const { operations, acknowledged, virtualMs, digest, faults, steps, problems } = verdict;
  if (!isTraced && problems.length > 0) verdict.trace.slice(-TRACE_LINES).forEach(print);
  print(
    `seed ${seed}: ${operations} operations, ${acknowledged} acknowledged versions; ` +
      `${faults.join(", ")}; ${(virtualMs / 60_000).toFixed(1)} virtual minutes, ${steps} steps, ` +
      `${(performance.now() - begin).toFixed(0)} ms; digest ${digest}`,
  );
  for (const problem of problems) print(`  ${problem}`);
  print(problems.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed");
  return problems.length === 0 ? 0 : 1;
}

/** What one process tells of a seed, in a line of JSON. */
type Told = Pick<Verdict, "seed" | "problems" | "virtualMs" | "operations" | "acknowledged">;

/** Every so many seeds, one after the other: what one process of {@link runMany} does. */
async function runShare(
  { first, count, stride, kinds, stops }: Record<"first" | "count" | "stride", number> & {
    kinds: readonly FaultKind[];
    /** Whether the first failure ends it. */
    stops: boolean;
  },
): Promise<void> {
  for (let seed = first; seed < first + count; seed += stride) {
    const { problems, virtualMs, operations, acknowledged } = await runSeed(seed, { kinds });
    print(JSON.stringify({ seed, problems, virtualMs, operations, acknowledged } satisfies Told));
    if (stops && problems.length > 0) return;
  }
}

/** Many seeds, in several processes. */
async function runMany(
  { first, count, jobs, faults }: Record<"first" | "count" | "jobs", number> & {
    faults: string | null;
  },
) {
  const begin = performance.now();
  const totals = { passed: 0, failed: 0, virtualMs: 0, operations: 0, acknowledged: 0 };
  print(`--first-seed ${first} --seeds ${count}`); // so that it can be told again, whatever becomes of it
  const onTold = (told: Told) => {
    totals.virtualMs += told.virtualMs;
    totals.operations += told.operations;
    totals.acknowledged += told.acknowledged;
    if (told.problems.length === 0) return void totals.passed++;
    totals.failed++;
    print(failureLine(told));
  };
  const shares = Array.from({ length: Math.min(jobs, count) }, (_, i) => [
    ...["--first-seed", String(first + i), "--seeds", String(count - i)],
    ...["--stride", String(Math.min(jobs, count))],
    ...(faults === null ? [] : ["--faults", faults]),
  ]);
  await Promise.all(shares.map((args) => runProcess(args, onTold)));
  // A process that died has told less than it was asked.
  totals.failed += count - totals.passed - totals.failed;
  const seconds = (performance.now() - begin) / 1000;
  print(
    `seeds ${first} to ${first + count - 1}: ${totals.operations} operations, ` +
      `${totals.acknowledged} acknowledged versions, ${
        (totals.virtualMs / 3_600_000).toFixed(1)
      } simulated hours in ${seconds.toFixed(1)} s, ${
        Math.round(totals.virtualMs / 60_000 / seconds)
      } hours a minute`,
  );
  print(`${totals.passed} passed, ${totals.failed} failed`);
  return totals.failed === 0 ? 0 : 1;
}

async function runProcess(args: string[], onTold: (told: Told) => void): Promise<void> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", fromFileUrl(import.meta.url), ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let rest = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("{")) onTold(JSON.parse(line) as Told);
  }
  await process.status;
}
