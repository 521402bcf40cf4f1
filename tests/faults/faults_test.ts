/** The faults of real machines that are quickly made; `deno task faults` makes all, and holds them for minutes. */

import { FAULTS } from "./faults.ts";
import { CannotHere } from "./system.ts";

/** Those for which silence must be noticed take too long for every run of the tests. */
const SLOW = ["a node is stopped", "a disk is full", "the network is"];

for (const [what, fault] of Object.entries(FAULTS)) {
  if (SLOW.some((words) => what.startsWith(words))) continue;
  Deno.test({
    name: `nodes as processes: ${what}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      try {
        await fault({ holdSeconds: 0 });
      } catch (error) {
        const cause = error instanceof SuppressedError ? error.suppressed : error;
        if (!(cause instanceof CannotHere)) throw error;
        Deno.stdout.writeSync(new TextEncoder().encode(`(left out: ${cause.message}) `));
      }
    },
  });
}
