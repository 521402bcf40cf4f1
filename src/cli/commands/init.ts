/**
 * `govault init`: makes a vault.
 *
 * @module
 */

import { toHex } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { formatKey } from "../format.ts";
import { show } from "../output.ts";
import { choosePassphrase } from "../passphrase.ts";
import { chosenHome, phraseAdvice } from "../session.ts";

export const init = defineCommand({
  name: "init",
  summary: "make a vault and a network",
  usage: ["init [--passphrase] [--padding]"],
  about: [
    "Makes a vault in the home and prints its recovery phrase, this once: 24 words from which " +
    "the vault's key can be made again. `put` makes a vault too if there is none.",
    "With --passphrase the key file is sealed, and every command asks for the passphrase. It is " +
    "taken from --passphrase-file or GOVAULT_PASSPHRASE if one of them is given, and asked for " +
    "on the terminal otherwise.",
    "With --padding what is sealed is brought to one of few lengths, so that who stores it learns " +
    "less of the files' sizes: 1 KiB at least, beyond that at most a 16th more. `padding` changes it.",
  ],
  flags: {
    passphrase: { kind: "switch", help: "protect the key with a passphrase" },
    padding: { kind: "switch", help: "hide sizes, for some space" },
  },
  operands: [],
  examples: [
    ["init", "make a vault in the default home"],
    ["init --home /media/disk/vault --passphrase", "on another disk, with a passphrase"],
  ],
  async run(context) {
    const { initVault } = await import("../../vault/mod.ts");
    const chosen = chosenHome(context);
    const made = await initVault({
      ...(chosen === undefined ? {} : { home: chosen }),
      ...(context.flags.passphrase ? { passphrase: () => choosePassphrase(context) } : {}),
      padding: context.flags.padding,
    });
    const { phrase, home } = made;
    const vault = toHex(made.vault);
    const node = toHex(made.node);
    await show(context, {
      json: { vault, node, network: toHex(made.network), home, phrase },
      text: `vault  ${vault}\nnode   ${node}\nhome   ${formatKey(home)}\n\n${phraseAdvice(phrase)}`,
    });
  },
});
