/** The faults of real machines that are quickly made; `deno task faults --short` makes all, and without it holds them for minutes. */

import { FAULTS } from "./faults.ts";
import { Trial } from "./story.ts";
import { CannotHere } from "./system.ts";

/** Those for which no silence must be waited for. */
const QUICK = ["a disk is read-only", "file descriptors", "clocks are wrong"];

for (const [what, fault] of Object.entries(FAULTS)) {
  if (!QUICK.some((words) => what.startsWith(words))) continue;
  Deno.test({
    name: `nodes as processes: ${what}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using trial = new Trial({ holdSeconds: 0 });
      try {
        await fault(trial);
      } catch (error) {
        if (!(error instanceof CannotHere)) throw error;
        Deno.stdout.writeSync(new TextEncoder().encode(`(skipped: ${error.message}) `));
      }
    },
  });
}
