/**
 * What is killed: works on the home named, at random but by a seed, and says each thing once it has been acknowledged, a
 * line at a time. The parent keeps the lines; what a version has to hold follows from its line alone.
 *
 * Lines: `ready`, `put KEY NUMBER SEED SIZE`, `delete KEY NUMBER`, `restore KEY NUMBER OF`, `purge KEY NUMBER`,
 * `prune KEEP-LAST`, and before each its intent, `try …`.
 */

import { openVault, type Vault } from "../../src/vault/mod.ts";
import { Dice } from "../vault/helpers.ts";
import { KEYS, SIZES } from "./story.ts";

function say(line: string): void {
  const bytes = new TextEncoder().encode(line + "\n");
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** Puts of one key run one after the other here, so that each line's number is sure. */
async function put(vault: Vault, key: string, dice: Dice): Promise<void> {
  const [seed, size] = [dice.next(), dice.pick(SIZES)];
  say(`try put ${key} ${seed} ${size}`);
  const { version } = await vault.put(key, new Dice(seed).bytes(size));
  say(`put ${key} ${version} ${seed} ${size}`);
}

async function purge(vault: Vault, key: string): Promise<void> {
  const { version: { version } } = await vault.delete(key, { purge: true });
  say(`purge ${key} ${version}`);
}

async function step(vault: Vault, dice: Dice): Promise<void> {
  const key = dice.pick(KEYS);
  const history = await vault.history(key).catch(() => []);
  const latest = history.at(-1);
  switch (latest === undefined ? 0 : dice.below(12)) {
    default:
      return await put(vault, key, dice);
    case 5: // several at once
    case 6:
      await Promise.all(KEYS.map((each) => put(vault, each, dice)));
      return;
    case 7: {
      if (latest!.op === "delete") return;
      say(`try delete ${key}`);
      const { version: { version } } = await vault.delete(key);
      say(`delete ${key} ${version}`);
      return;
    }
    case 8: {
      const old = dice.pick(history);
      if (old.op === "delete" || old === latest) return;
      say(`try restore ${key} ${old.version}`);
      const { version } = await vault.restore(key, { kind: "number", number: old.version });
      say(`restore ${key} ${version} ${old.version}`);
      return;
    }
    case 9:
      say(`try purge ${key}`);
      await purge(vault, key);
      return;
    case 10:
    case 11: {
      const keepLast = 1 + dice.below(4);
      say(`try prune ${keepLast}`);
      await vault.prune({ keepLast });
      say(`prune ${keepLast}`);
      return;
    }
  }
}

const [home, seed] = Deno.args as [string, string];
const dice = new Dice(Number(seed));
const vault = await openVault({ home, lockWaitMs: 0 });
say("ready");
while (true) await step(vault, dice);
