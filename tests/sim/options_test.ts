/** The simulation's command line. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { FAULTS } from "./faults.ts";
import { readTask, USAGE, UsageError } from "./options.ts";

Deno.test("readTask: one world, many, a process's share, help", () => {
  assertEquals(readTask(["--seed", "7", "--trace"]), {
    ...{ kind: "one", seed: 7, isTraced: true, kinds: FAULTS },
  });
  const { kinds } = readTask(["--seed=7", "--faults", "kill,power cut"]) as {
    kinds: typeof FAULTS;
  };
  assertEquals(kinds.map(({ name }) => name).sort(), ["kill", "power cut"]);
  assertEquals(readTask([]), { kind: "many", first: 1, count: 200, jobs: null, faults: null });
  assertEquals(readTask(["--", "--seeds", "5", "--first-seed", "random", "--jobs", "2"]), {
    ...{ kind: "many", first: null, count: 5, jobs: 2, faults: null },
  });
  const share = ["--first-seed", "3", "--seeds", "4", "--stride", "2", "--stop"];
  assertEquals(readTask(share), {
    ...{ kind: "share", first: 3, count: 4, stride: 2, stops: true, kinds: FAULTS },
  });
  for (const help of ["--help", "-h"]) assertEquals(readTask([help]), { kind: "help" });
  for (const { name } of FAULTS) assert(USAGE.includes(name), name);
});

Deno.test("readTask: refuses what it does not know, and says what that is", () => {
  for (
    const [words, why] of [
      [["--sedes", "5"], "--sedes"],
      [["-x"], "-x"],
      [["5"], '"5"'],
      [["--seeds", "many"], '--seeds takes a number from 1 to 1000000000, not "many"'],
      [["--seeds", "0"], "--seeds"],
      [["--seeds", "-5"], "-5"],
      [["--seeds"], "--seeds"],
      [["--seed", "1.5"], "--seed"],
      [["--seed="], "--seed"],
      [["--seed", "4294967296"], "--seed"],
      [["--first-seed", "soon"], "--first-seed"],
      [["--jobs", "0"], "--jobs"],
      [["--faults", "kill,frogs"], '"frogs"'],
      [["--faults="], "fault"],
      [["--trace"], "--trace needs --seed"],
      [["--stop"], "--stop"],
      [["--seed", "1", "--seeds", "5"], "--seeds"],
      [["--stride", "2", "--jobs", "2"], "--stride"],
    ] as const
  ) assertThrows(() => readTask(words), UsageError, why);
});

Deno.test("deno task sim: prints its usage; exit code 2 and why for what can't be understood", async () => {
  const run = async (...words: string[]) => {
    const main = fromFileUrl(new URL("main.ts", import.meta.url));
    const args = ["run", "--quiet", "--allow-all", "--no-check", main, ...words];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), error: text(stderr) };
  };
  assertEquals(await run("--help"), { code: 0, out: USAGE, error: "" });
  const refused = await run("--seeds", "5", "--sedes");
  assertEquals({ ...refused, error: "" }, { code: 2, out: "", error: "" });
  assert(refused.error.includes("there is no --sedes"), refused.error);
});
