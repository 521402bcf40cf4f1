/**
 * Bugs planted into a copy of the sources: the simulation has to find each of them, and nothing wrong with the same seed
 * without them.
 */

import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { FAULTS } from "./faults.ts";
import { type Mutation, MUTATIONS } from "./mutations.ts";
import { runSeed } from "./run.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
/** What a simulation needs of the project. */
const NEEDED = ["src", "tests/sim", "tests/helpers", "tests/soak", "deno.json", "deno.lock"];
/** Within so many seeds a bug is found. */
const SEEDS = 12;

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(dirname(to), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  for await (const { name } of Deno.readDir(from)) await copy(join(from, name), join(to, name));
}

/** What the seeds come to, in lines of JSON, with a bug planted. */
async function runWith({ file, find, replace, faults, firstSeed }: Mutation): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    for (const path of NEEDED) await copy(join(ROOT, path), join(folder, path));
    const path = join(folder, file);
    const text = await Deno.readTextFile(path);
    assert(text.split(find).length === 2, `${file} has no such text, or more than once: ${find}`);
    await Deno.writeTextFile(path, text.replace(find, () => replace));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-all", "--no-check", join(folder, "tests/sim/main.ts")],
        ...[
          "--first-seed",
          String(firstSeed),
          "--seeds",
          String(SEEDS),
          "--stride",
          "1",
          "--stop",
          "--faults",
          faults,
        ],
      ],
      cwd: folder,
    }).output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const mutation of MUTATIONS) {
  Deno.test(`simulation: finds a planted bug, ${mutation.name}`, async () => {
    const lines = await runWith(mutation);
    const { seed, problems } = JSON.parse(lines.at(-1) ?? '{"problems":[]}') as {
      seed: number;
      problems: string[];
    };
    assert(problems.length > 0, `not found within ${lines.length} seeds`);
    assert(problems.some((problem) => mutation.shows.test(problem)), problems.join("\n"));
    const kinds = FAULTS.filter(({ name }) => mutation.faults.split(",").includes(name));
    assertEquals((await runSeed(seed, { kinds })).problems, [], `seed ${seed} fails without it`);
  });
}
