/**
 * `deno task sim`: runs the worlds of many seeds, or of one.
 *
 *     deno task sim --seeds 1000 [--first-seed S]
 *     deno task sim --seed S --trace
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { runSeed, type Verdict } from "./run.ts";

// deno-lint-ignore no-console -- this is a program
const print = (line: string) => console.log(line);

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["seeds", "first-seed", "seed"],
    boolean: ["trace"],
  });
  Deno.exitCode = args.seed !== undefined
    ? await runOne(Number(args.seed), args.trace === true)
    : await runMany(Number(args.seeds ?? 200), Number(args["first-seed"] ?? 1));
}

async function runOne(seed: number, isTraced: boolean): Promise<number> {
  const begin = performance.now();
  const verdict = await runSeed(seed, isTraced ? { onLine: print } : {});
  print(summary(verdict, performance.now() - begin));
  for (const problem of verdict.problems) print(`  ${problem}`);
  print(verdict.problems.length === 0 ? "1 passed, 0 failed" : "0 passed, 1 failed");
  return verdict.problems.length === 0 ? 0 : 1;
}

async function runMany(seeds: number, first: number): Promise<number> {
  const begin = performance.now();
  let failed = 0;
  let virtualMs = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const verdict = await runSeed(seed);
    virtualMs += verdict.virtualMs;
    if (verdict.problems.length === 0) continue;
    failed++;
    print(
      `seed ${seed}: ${verdict.problems[0]!.split("\n")[0]} — deno task sim --seed ${seed} --trace`,
    );
  }
  const seconds = (performance.now() - begin) / 1000;
  print(
    `${(virtualMs / 3_600_000).toFixed(1)} simulated hours in ${seconds.toFixed(1)} s, ` +
      `seeds ${first} to ${first + seeds - 1}`,
  );
  print(`${seeds - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function summary(verdict: Verdict, ms: number): string {
  const { seed, operations, acknowledged, virtualMs, digest, faults, steps } = verdict;
  return `seed ${seed}: ${operations} operations, ${acknowledged} acknowledged versions, ` +
    `${faults.join(", ")}; ${(virtualMs / 60_000).toFixed(1)} virtual minutes, ${steps} steps, ` +
    `${ms.toFixed(0)} ms; digest ${digest}`;
}
