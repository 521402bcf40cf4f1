/** The faults of real machines, each as short as it can be; `deno task faults` holds them for minutes. */

import { FAULTS } from "./faults.ts";
import { CannotHere } from "./system.ts";

/** Those that wait most of their time, for silence to be noticed, go on beside one another. */
const TOGETHER = ["a node is stopped", "a disk is full", "the network is cut"];

async function make(what: string): Promise<void> {
  try {
    await FAULTS[what]!({ holdSeconds: 0 });
  } catch (error) {
    const cause = error instanceof SuppressedError ? error.suppressed : error;
    if (!(cause instanceof CannotHere)) throw new Error(what, { cause: error });
    Deno.stdout.writeSync(new TextEncoder().encode(`(${what}: left out, ${cause.message}) `));
  }
}

const isTogether = (what: string) => TOGETHER.some((words) => what.startsWith(words));

Deno.test({
  name: `nodes as processes: ${TOGETHER.join("; ")}`,
  ignore: Deno.build.os === "windows",
  async fn() {
    const outcomes = await Promise.allSettled(Object.keys(FAULTS).filter(isTogether).map(make));
    const failures = outcomes.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
    if (failures.length > 0) throw failures[0];
  },
});

for (const what of Object.keys(FAULTS).filter((what) => !isTogether(what))) {
  Deno.test({
    name: `nodes as processes: ${what}`,
    ignore: Deno.build.os === "windows",
    fn: () => make(what),
  });
}
