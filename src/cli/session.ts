/**
 * Opening the vault for a command, and closing it whatever happens.
 *
 * @module
 */

import { toHex, VaultError } from "../base/mod.ts";
import type { CreatedVault, Vault } from "../vault/mod.ts";
import type { Context } from "./command.ts";
import { connectToNode } from "./control_client.ts";
import { jsonLine } from "./json.ts";
import { networkView } from "./network.ts";
import { answerPassphrase } from "./passphrase.ts";

/** The home that `--home` or `GOVAULT_HOME` names; `undefined` for the platform's own. */
export function chosenHome(
  { flags, io, node }: Pick<Context, "flags" | "io" | "node">,
): string | undefined {
  return node?.home ?? flags.home ?? io.env("GOVAULT_HOME");
}

/** A node that began after this process has looked for one takes commands: it is the one to run this command. */
export class NodeIsUp extends VaultError {
  constructor() {
    super("locked", "Cannot open the vault: a node runs from its home");
  }
}

/** For those who wait for the home: whether the node that has it takes commands by now. @throws NodeIsUp */
export async function askForNode(home: string | undefined): Promise<void> {
  const stream = await connectToNode(home);
  if (stream === null) return;
  stream.close();
  throw new NodeIsUp();
}

/**
 * Opens the vault, hands it to `work`, closes it. The vault of a running node is open already and stays so.
 *
 * @param options.create makes the vault if there is none, and tells the user on standard error
 */
export async function withVault<T>(
  context: Context,
  work: (vault: Vault) => Promise<T>,
  options: { create?: boolean } = {},
): Promise<T> {
  const { flags, signal, node } = context;
  if (node !== undefined) return await work(node.vault);
  // Loaded here, so that `help` and `completions` start without a database.
  const { openVault } = await import("../vault/mod.ts");
  const home = chosenHome(context);
  const lockWaitMs = flags["lock-wait"];
  const vault = await openVault({
    ...(home === undefined ? {} : { home }),
    ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
    create: options.create === true,
    signal,
    onWaiting: () => askForNode(home),
    passphrase: (ask) => answerPassphrase(context, ask),
    onCreated: (created) => tellCreated(context, created),
  });
  vault.knowOthers(async () => {
    const view = await networkView(context, vault);
    return view?.peers.filter(({ state }) => state !== "evicted").length ?? 0;
  });
  try {
    return await work(vault);
  } finally {
    await vault.close();
  }
}

/** Tells on standard error of a vault that was made in passing. */
export function tellCreated(
  { io, flags }: Pick<Context, "io" | "flags">,
  { phrase, vault, node }: CreatedVault,
): void {
  if (flags.json) {
    io.err(jsonLine({ created: { vault: toHex(vault), node: toHex(node), phrase } }));
  } else {
    io.err(`Made a new vault, ${toHex(vault)}.\n\n${phraseAdvice(phrase)}\n`);
  }
}

const WORDS_PER_LINE = 6;

/** A recovery phrase with what to do with it, for people. */
export function phraseAdvice(phrase: string): string {
  const words = phrase.split(" ");
  const lines: string[] = [];
  for (let i = 0; i < words.length; i += WORDS_PER_LINE) {
    lines.push(`    ${words.slice(i, i + WORDS_PER_LINE).join(" ")}`);
  }
  return [
    "This is the recovery phrase. Write it down and keep it in a safe place: with it",
    "the vault can be recovered when its key file is lost, and whoever has it can",
    "read everything.",
    "",
    ...lines,
    "",
  ].join("\n");
}
