// deno-lint-ignore-file no-console -- its output is what it is for
/**
 * `deno task faults [--seconds N] [WORD…]`: the faults of real machines, each held for so long (120 s), all or those whose
 * name has a WORD in it. A run is bounded: what takes longer than its time has failed.
 */

import { parseArgs } from "@std/cli/parse-args";
import { FAULTS } from "./faults.ts";
import { CannotHere } from "./system.ts";

/** What a fault may take beside being held. */
const SECONDS_MAX = 240;

const flags = parseArgs(Deno.args, { string: ["seconds"] });
const holdSeconds = /^\d{1,4}$/.test(String(flags.seconds)) ? Number(flags.seconds) : 120;
const words = flags._.map(String);
let failed = 0;
for (const [what, fault] of Object.entries(FAULTS)) {
  if (words.length > 0 && !words.some((word) => what.includes(word))) continue;
  const begin = performance.now();
  const seconds = () => `${Math.round((performance.now() - begin) / 1000)} s`;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      fault({ holdSeconds }),
      new Promise<never>((_, reject) => {
        const over = () => reject(new Error("it did not end in its time"));
        timer = setTimeout(over, (holdSeconds + SECONDS_MAX) * 1000);
      }),
    ]);
    console.log(`✓ ${what} (${seconds()})`);
  } catch (error) {
    const cause = error instanceof SuppressedError ? error.suppressed : error;
    if (cause instanceof CannotHere) console.log(`- ${what}: left out, ${cause.message}`);
    else {
      failed++;
      console.log(`✗ ${what} (${seconds()})`);
      console.error(cause);
    }
  } finally {
    clearTimeout(timer);
  }
}
console.log(failed === 0 ? "all held" : `${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
