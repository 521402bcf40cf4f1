/**
 * `govault recover`: a lost vault from its recovery phrase.
 *
 * @module
 */

import { toHex, VaultError } from "../../base/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { fetchTree } from "../fetching.ts";
import { formatKey, plural } from "../format.ts";
import { show } from "../output.ts";
import { answerPassphrase, choosePassphrase, readRecoveryPhrase } from "../passphrase.ts";
import { chosenHome } from "../session.ts";
import { readIdPrefix, readText } from "../values.ts";

export const recover = defineCommand({
  name: "recover",
  summary: "bring back a lost vault, or a lost node's files",
  usage: ["recover --phrase [--join TOKEN] [--passphrase]", "recover --node ID [-o DIR] [--force]"],
  about: [
    "Makes the vault's key again from the 24 words. They are read from the terminal without " +
    "echo, or from standard input when it is piped. If the home still holds the vault's packs, " +
    "everything in them can be read again.",
    "--join takes a token of any node of the network, one that only stores included: the vault's " +
    "history comes from there, and its files with `get`, or all at once while `serve` runs.",
    "With --passphrase the new key file is sealed, as with `init`.",
    "--node fetches all files whose latest version that node made, by the first digits of its " +
    "id, into DIR, or a folder named like the id: what a lost machine had stored.",
  ],
  flags: {
    phrase: { kind: "switch", help: "recover from the recovery phrase" },
    join: { kind: "value", value: "TOKEN", read: readText, help: "phrase: fetch from a network" },
    passphrase: { kind: "switch", help: "phrase: protect the key with a passphrase" },
    node: { kind: "value", value: "ID", read: readIdPrefix, help: "fetch what this node stored" },
    output: {
      kind: "value",
      alias: "o",
      value: "DIR",
      complete: "folder",
      read: readText,
      help: "node: where to",
    },
    force: { kind: "switch", alias: "f", help: "node: replace files whatever they hold" },
  },
  operands: [],
  examples: [
    ["recover --phrase", "type the words"],
    ["recover --phrase --home /media/disk/vault < words.txt", "from a file"],
    ["recover --phrase --join govault1-…", "from the nodes that store for you"],
    ["recover --node 1c4a9a70 -o rescued", "what that machine had stored"],
  ],
  async run(context) {
    const { flags } = context;
    if (flags.phrase === (flags.node !== undefined)) {
      throw new VaultError("usage", "Cannot run recover: give --phrase or --node ID", {
        hint: "govault help recover",
      });
    }
    if (flags.node !== undefined) {
      const folder = flags.output ?? flags.node;
      return await fetchTree(context, { prefix: "", folder, node: flags.node, force: flags.force });
    }
    await recoverByPhrase(context, { join: flags.join, sealed: flags.passphrase });
  },
});

/** Makes the key again, and brings the history from the network if a token is given. */
async function recoverByPhrase(context: Context, { join, sealed }: PhraseFlags): Promise<void> {
  const phrase = await readRecoveryPhrase(context);
  const { recoverVault } = await import("../../vault/mod.ts");
  const chosen = chosenHome(context);
  const recovered = await recoverVault({
    phrase,
    ...(chosen === undefined ? {} : { home: chosen }),
    ...(sealed ? { passphrase: await choosePassphrase(context) } : {}),
  });
  const { home } = recovered;
  const { keys, versions } = join === undefined
    ? recovered
    : await fetchHistory(context, { join, home });
  const vault = toHex(recovered.vault);
  const found = `${plural(keys, "key")}, ${plural(versions, "version")}`;
  await show(context, {
    json: { vault, node: toHex(recovered.node), home, keys, versions },
    text: `recovered vault ${vault}  ${found}\nhome ${formatKey(home)}\n`,
  });
}

interface PhraseFlags {
  join: string | undefined;
  sealed: boolean;
}

async function fetchHistory(
  context: Context,
  { join, home }: { join: string; home: string },
): Promise<{ keys: number; versions: number }> {
  const { syncOnce } = await import("../../daemon/mod.ts");
  const status = await syncOnce(join, {
    home,
    passphrase: (ask) => answerPassphrase(context, ask),
    signal: context.signal,
  });
  if (!status.synced) {
    context.io.err("Not all of the history is here yet; `govault serve` fetches the rest.\n");
  }
  return status;
}
