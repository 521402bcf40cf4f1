// deno-lint-ignore-file no-console -- its output is what it is for
/**
 * `deno task faults [--short] [--seconds N] [--jobs N] [--steps] [WORD…]`: the faults of real machines, all or those whose name has a
 * WORD in it. Each is held for so long (120 s); with --short only until it was noticed, and several at a time.
 *
 * The last line is "N passed, N failed". What can't be made on a machine is said to be skipped, and why. A run is bounded:
 * what takes longer than its time has failed. Whatever a fault has made is taken away, also by SIGINT and SIGTERM.
 */

import { parseArgs } from "@std/cli/parse-args";
import { afterRunning } from "../helpers/cluster.ts";
import { FAULTS } from "./faults.ts";
import { type Fault, Trial } from "./story.ts";
import { CannotHere } from "./system.ts";

/** What a fault may take beside being held, seconds. */
const SECONDS_MAX = 300;
/** Faults at a time in the short form: most of their time they wait for silence. */
const JOBS_SHORT = 3;

const USAGE = `Faults of real machines, done to running nodes.

  deno task faults [--short] [--seconds N] [--jobs N] [--steps] [WORD…]

Those whose name has a WORD in it, or all, are held for N seconds (120); with --short only until
they were noticed, ${JOBS_SHORT} at a time. --steps tells how each went. Their names:
  ${Object.keys(FAULTS).join("\n  ")}

Exit code: 0 if all went well, 1 if not, 2 for what can't be understood.
`;

function refuse(why: string): never {
  console.error(`Cannot make faults: ${why}\nhint: \`deno task faults --help\``);
  Deno.exit(2);
}

const flags = parseArgs(Deno.args, {
  boolean: ["short", "steps", "help"],
  string: ["seconds", "jobs"],
  alias: { h: "help" },
  unknown: (argument) => argument.startsWith("-") ? refuse(`there is no ${argument}`) : undefined,
});
if (flags.help) {
  console.log(USAGE.trimEnd());
  Deno.exit();
}
const count = (name: "seconds" | "jobs", otherwise: number) => {
  const text = flags[name] as string | undefined;
  if (text === undefined) return otherwise;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  return refuse(`--${name} takes a number from 1 to 9999, not "${text}"`);
};
const seconds = count("seconds", 120);
const holdSeconds = flags.short ? 0 : seconds;
const jobs = count("jobs", flags.short ? JOBS_SHORT : 1);
const words = flags._.map(String);
for (const word of words) {
  if (!Object.keys(FAULTS).some((what) => what.includes(word))) {
    refuse(`no fault has "${word}" in its name`);
  }
}
const waiting = Object.entries(FAULTS).filter(([what]) =>
  words.length === 0 || words.some((word) => what.includes(word))
);
const running = new Set<Trial>();
let [passed, failed] = [0, 0];

async function within(seconds: number, work: Promise<void>): Promise<void> {
  const over = Promise.withResolvers<never>();
  const late = () => over.reject(new Error("it did not end in its time"));
  const cancel = afterRunning(seconds * 1000, late);
  try {
    await Promise.race([work, over.promise]);
  } finally {
    cancel();
  }
}

async function make(what: string, fault: Fault): Promise<void> {
  const trial = new Trial({ holdSeconds });
  running.add(trial);
  const work = fault(trial);
  // Given up, it fails once more, when its nodes are taken away.
  work.catch(() => {});
  try {
    await within(holdSeconds * 2 + SECONDS_MAX, work);
    passed++;
    const steps = flags.steps ? trial.steps.map((step) => `\n  ${step}`).join("") : "";
    console.log(`✓ ${what} (${trial.seconds} s)${steps}`);
  } catch (error) {
    if (error instanceof CannotHere) console.log(`- ${what}: skipped, ${error.message}`);
    else {
      failed++;
      console.log(`✗ ${what} (${trial.seconds} s)\n  ${trial.steps.join("\n  ")}`);
      console.error(error);
    }
  } finally {
    await trial[Symbol.asyncDispose]().catch((error) => console.error(`${what}:`, error));
    running.delete(trial);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    waiting.length = 0;
    const ending = [...running].map((trial) => trial[Symbol.asyncDispose]());
    Promise.allSettled(ending).then(() => Deno.exit(1));
  });
}

async function makeOneByOne(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await make(...next);
}
await Promise.all(Array.from({ length: jobs }, makeOneByOne));
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
