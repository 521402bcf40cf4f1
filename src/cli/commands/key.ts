/**
 * `govault key`: the passphrase on the key, and the recovery phrase.
 *
 * @module
 */

import { quoteKey, VaultError } from "../../base/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { confirm, show } from "../output.ts";
import { givenPassphrase, newPassphrase, readPassphraseFile } from "../passphrase.ts";
import { withVault } from "../session.ts";
import { nearest } from "../suggest.ts";
import { readText } from "../values.ts";

const ACTIONS = ["protect", "phrase"];

export const key = defineCommand({
  name: "key",
  summary: "set a passphrase, or show the recovery phrase",
  usage: ["key protect [--remove]", "key phrase"],
  about: [
    "`key protect` seals the key file with a passphrase, or changes the one it has. It is asked " +
    "for twice on the terminal; a script gives it with --new-passphrase-file, or, for a vault " +
    "that had none, as any passphrase is given.",
    "`key phrase` prints the recovery phrase, alone, on standard output. Whoever has it can read " +
    "everything in the vault.",
  ],
  flags: {
    remove: { kind: "switch", help: "protect: take the passphrase off" },
    "new-passphrase-file": {
      kind: "value",
      value: "FILE",
      complete: "file",
      read: readText,
      help: "protect: take the new passphrase from FILE's first line",
    },
  },
  operands: [{ name: "ACTION", complete: ACTIONS }],
  examples: [
    ["key protect", "set or change the passphrase"],
    ["key protect --remove", "do without one"],
    ["key phrase", "see the recovery phrase again"],
  ],
  async run(context) {
    const { remove, "new-passphrase-file": newFile } = context.flags;
    switch (context.operands[0]) {
      case "protect":
        if (remove && newFile !== undefined) {
          throw new VaultError("usage", "Cannot use --remove and --new-passphrase-file together");
        }
        return await protect(context, { remove, newFile });
      case "phrase":
        return await showPhrase(context);
      default: {
        const typed = context.operands[0]!;
        const near = nearest(typed, ACTIONS);
        throw new VaultError("usage", `Cannot run key ${quoteKey(typed)}: no such action`, {
          hint: near === undefined ? `one of ${ACTIONS.join(", ")}` : `did you mean ${near}?`,
        });
      }
    }
  },
});

async function protect(
  context: Context,
  options: { remove: boolean; newFile: string | undefined },
): Promise<void> {
  const { remove, newFile } = options;
  await withVault(context, async (vault) => {
    if (remove) return await vault.protect(null);
    if (newFile !== undefined) {
      return await vault.protect(await readPassphraseFile(newFile, context.io));
    }
    // What opened a protected vault is its old passphrase; for any other it is the new one.
    const given = (await vault.status()).protected ? undefined : await givenPassphrase(context);
    await vault.protect(given ?? await newPassphrase(context));
  });
  await confirm(context, {
    json: { protected: !remove },
    text: remove ? "The passphrase is off.\n" : "The passphrase is set.\n",
  });
}

async function showPhrase(context: Context): Promise<void> {
  const phrase = await withVault(context, (vault) => Promise.resolve(vault.phrase()));
  await show(context, { json: { phrase }, text: `${phrase}\n` });
}
