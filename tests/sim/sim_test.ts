/** The simulation itself: the same seed gives the same run, and seeds that ever failed do so no more. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { FAULTS } from "./faults.ts";
import { runSeed } from "./run.ts";
import kept from "./seeds.json" with { type: "json" };

const SEED = 3;

Deno.test("runSeed: the same seed gives the same trace, byte for byte, in this process and in another", async () => {
  const one = await runSeed(SEED);
  const again = await runSeed(SEED);
  assertEquals(again.trace, one.trace);
  assertEquals(again.digest, one.digest);
  assert(one.trace.length > 20, "nothing happened");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--no-check"],
      ...[fromFileUrl(new URL("main.ts", import.meta.url)), "--seed", String(SEED), "--trace"],
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text.startsWith(one.trace.join("\n")), "another process ran another story");
  assert(text.includes(`digest ${one.digest}`), text.slice(-300));
});

Deno.test("runSeed: another seed gives another trace", async () => {
  const [one, other] = [await runSeed(SEED), await runSeed(SEED + 1)];
  assert(one.digest !== other.digest);
});

Deno.test("runSeed: a fault that never has an effect fails the run", async () => {
  const idle = { name: "idle", weight: 1, run: () => Promise.resolve(false) };
  const { problems } = await runSeed(SEED, { kinds: [idle] });
  assert(problems.some((problem) => problem.includes("idle never had an effect")), problems.join());
});

Deno.test("runSeed: who asks for real time or chance is caught", async () => {
  const leak = {
    name: "leak",
    weight: 1,
    // deno-lint-ignore require-await -- what is thrown is a rejection
    run: async () => {
      try {
        Math.random();
      } catch {
        // The tripwire remembers.
      }
      return true;
    },
  };
  const { problems } = await runSeed(SEED, { kinds: [leak] });
  assert(problems.some((problem) => problem.includes("Math.random")), problems.join());
});

for (const { seed, found } of kept) {
  Deno.test(`seed ${seed}: ${found}`, async () => {
    assertEquals((await runSeed(seed)).problems, []);
  });
}

Deno.test("FAULTS: each has a name of its own", () => {
  assertEquals(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length);
});
