/**
 * `govault recover`: a lost vault from its recovery phrase.
 *
 * @module
 */

import { toHex, VaultError } from "../../base/mod.ts";
import type { Fetched } from "../../daemon/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { fetchTree } from "../fetching.ts";
import { formatBytes, formatKey, plural } from "../format.ts";
import { show } from "../output.ts";
import { answerPassphrase, choosePassphrase, readRecoveryPhrase } from "../passphrase.ts";
import { withMeter } from "../progress.ts";
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
    "--join takes a token of any node of the network, one that only stores included: the whole " +
    "vault comes from there, its history and all its versions. What no node in reach has is " +
    "counted, and can be fetched later while `serve` runs; the exit code is then 5.",
    "With --passphrase the new key file is sealed, as with `init`.",
    "--node fetches all files that a node stored, each as it stored it last, into DIR, or a folder " +
    "named like the id's first digits that were given: what a lost machine had. What was deleted " +
    "since stays deleted.",
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
    return await recoverByPhrase(context, { join: flags.join, sealed: flags.passphrase });
  },
});

/** Makes the key again, and brings the vault from the network if a token is given. */
async function recoverByPhrase(context: Context, { join, sealed }: PhraseFlags): Promise<number> {
  const phrase = await readRecoveryPhrase(context);
  const { recoverVault } = await import("../../vault/mod.ts");
  const chosen = chosenHome(context);
  const recovered = await recoverVault({
    phrase,
    ...(chosen === undefined ? {} : { home: chosen }),
    ...(sealed ? { passphrase: await choosePassphrase(context) } : {}),
  });
  const { home } = recovered;
  const fetched = join === undefined ? null : await fetchVault(context, { join, home });
  const { keys, versions } = fetched ?? recovered;
  const vault = toHex(recovered.vault);
  const found = `${plural(keys, "key")}, ${plural(versions, "version")}`;
  const came = fetched === null
    ? ""
    : `fetched ${plural(fetched.objects, "object")}, ${formatBytes(fetched.bytes)}\n`;
  await show(context, {
    json: {
      ...{ vault, node: toHex(recovered.node), home, keys, versions },
      ...(fetched === null ? {} : {
        fetchedObjects: fetched.objects,
        fetchedBytes: fetched.bytes,
        missingObjects: fetched.missing,
      }),
    },
    text: `recovered vault ${vault}  ${found}\n${came}home ${formatKey(home)}\n`,
  });
  if (fetched === null || (fetched.synced && fetched.missing === 0)) return 0;
  const lacking = fetched.synced
    ? `${plural(fetched.missing, "object")} could not be fetched: no node in reach has them`
    : "not all of the history is here yet: no node answered in time";
  throw new VaultError("too_few_peers", `Cannot bring back the whole vault: ${lacking}`, {
    hint: "`govault serve` from this home goes on fetching while nodes come into reach",
  });
}

interface PhraseFlags {
  join: string | undefined;
  sealed: boolean;
}

async function fetchVault(
  context: Context,
  { join, home }: { join: string; home: string },
): Promise<Fetched> {
  const { fetchOnce } = await import("../../daemon/mod.ts");
  return await withMeter(context.io, context.flags, ({ onProgress }) =>
    fetchOnce(join, {
      home,
      passphrase: (ask) => answerPassphrase(context, ask),
      signal: context.signal,
      onProgress,
    }));
}
