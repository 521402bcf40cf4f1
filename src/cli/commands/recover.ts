/**
 * `govault recover`: a lost vault from its recovery phrase.
 *
 * @module
 */

import { toHex, VaultError } from "../../base/mod.ts";
import { defineCommand } from "../command.ts";
import { formatKey, plural } from "../format.ts";
import { show } from "../output.ts";
import { choosePassphrase, readRecoveryPhrase } from "../passphrase.ts";
import { chosenHome } from "../session.ts";

export const recover = defineCommand({
  name: "recover",
  summary: "bring a vault back from its recovery phrase",
  usage: ["recover --phrase [--passphrase]"],
  about: [
    "Makes the vault's key again from the 24 words. They are read from the terminal without " +
    "echo, or from standard input when it is piped. If the home still holds the vault's packs, " +
    "everything in them can be read again.",
    "With --passphrase the new key file is sealed, as with `init`.",
  ],
  flags: {
    phrase: { kind: "switch", help: "recover from the recovery phrase" },
    passphrase: { kind: "switch", help: "protect the key with a passphrase" },
  },
  operands: [],
  examples: [
    ["recover --phrase", "type the words"],
    ["recover --phrase --home /media/disk/vault < words.txt", "from a file"],
  ],
  async run(context) {
    const { flags } = context;
    if (!flags.phrase) {
      throw new VaultError("usage", "Cannot run recover: --phrase is missing", {
        hint: "govault recover --phrase",
      });
    }
    const phrase = await readRecoveryPhrase(context);
    const { recoverVault } = await import("../../vault/mod.ts");
    const chosen = chosenHome(context);
    const recovered = await recoverVault({
      phrase,
      ...(chosen === undefined ? {} : { home: chosen }),
      ...(flags.passphrase ? { passphrase: await choosePassphrase(context) } : {}),
    });
    const { home, keys, versions } = recovered;
    const vault = toHex(recovered.vault);
    const found = `${plural(keys, "key")}, ${plural(versions, "version")}`;
    await show(context, {
      json: { vault, node: toHex(recovered.node), home, keys, versions },
      text: `recovered vault ${vault}  ${found}\nhome ${formatKey(home)}\n`,
    });
  },
});
