/**
 * kill -9 at any moment: what was acknowledged is readable after, and the home opens by itself. One home goes through all
 * rounds, so that each begins with what the kills before have left.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Dice, homeWithVault, lines, type TempFolder, withVault } from "../vault/helpers.ts";
import { Story } from "./story.ts";

/** Rounds of a run, and the seed of the first: GOVAULT_CRASH_ROUNDS=100 for a longer one. */
const ROUNDS = Number(Deno.env.get("GOVAULT_CRASH_ROUNDS") ?? 12);
const SEED = Number(Deno.env.get("GOVAULT_CRASH_SEED") ?? 1);
/** Longest life of a process, in milliseconds from when it has opened the vault. */
const LIFE_MS_MAX = 400;

const WORKER = fromFileUrl(new URL("./worker.ts", import.meta.url));

/** Runs a process, kills it at a moment that the dice choose, and returns the lines that it got out whole. */
async function runAndKill(folder: TempFolder, dice: Dice): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "--cached-only", "--allow-all"],
      ...[WORKER, folder.home, String(dice.next())],
    ],
    stdout: "piped",
  }).spawn();
  const said: string[] = [];
  const life = dice.below(8) === 0 ? dice.below(5) : dice.below(LIFE_MS_MAX);
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const line of lines(child.stdout)) {
    said.push(line);
    timer ??= setTimeout(() => child.kill("SIGKILL"), life);
  }
  clearTimeout(timer);
  const { signal } = await child.status;
  assertEquals(signal, "SIGKILL", `the process ended by itself after: ${said.at(-1)}`);
  return said;
}

Deno.test("put, delete, restore, purge, prune: killed at any moment, all that was acknowledged is there", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithVault();
  const story = new Story();
  let acknowledged = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const said = await runAndKill(folder, new Dice(SEED * 1000 + round));
    for (const line of said) story.add(line);
    acknowledged += said.filter((line) => !line.startsWith("try")).length;
    // Sometimes the index is gone as well, and once in a while both opens must do.
    if (round % 5 === 4) Deno.removeSync(folder.at("home", "vault.db"));
    try {
      await withVault(folder, (vault) => story.check(vault), { lockWaitMs: 0 });
    } catch (error) {
      const state = `round ${round}, after: ${said.slice(-5).join(" | ")}`;
      throw new Error(state, { cause: error });
    }
  }
  assert(acknowledged >= ROUNDS, `only ${acknowledged} acknowledgements in ${ROUNDS} rounds`);
});
