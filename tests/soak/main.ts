// deno-lint-ignore-file no-console -- its output is what it is for
/** `deno task soak [--seconds N] [--files N] [--seed N]`: the soak at full length. */

import { parseArgs } from "@std/cli/parse-args";
import { soak } from "./soak.ts";

const flags = parseArgs(Deno.args, {
  string: ["seconds", "files", "seed"],
  unknown: (argument) => {
    console.error(`Cannot run the soak: it knows no ${argument}`);
    Deno.exit(2);
  },
});
const count = (text: unknown, otherwise: number) =>
  typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : otherwise;
const seed = count(flags.seed, Date.now() % 1_000_000);
console.error(`seed ${seed}`);
const working = soak({
  seed,
  chaosMs: count(flags.seconds, 300) * 1000,
  files: count(flags.files, 2000),
  olderVersionsRead: 300,
  onStep: (text) => console.error(text),
});
const report = await working.catch((error) => {
  console.error(error instanceof SuppressedError ? error.suppressed : error);
  Deno.exit(1);
});
for (const problem of report.problems) console.log(`✗ ${problem}`);
const { acknowledged, kills, healMs, problems } = report;
console.log(
  `${acknowledged} versions acknowledged, ${kills} kills, healed in ${Math.round(healMs)} ms; ` +
    `${problems.length} problems`,
);
Deno.exit(problems.length === 0 ? 0 : 1);
