/**
 * `govault get`: fetches a file, a version of it, or a tree.
 *
 * @module
 */

import { parseKey, parsePrefix, systemClock, VaultError } from "../../base/mod.ts";
import type { VersionSelector } from "../../vault/types.ts";
import { type Context, defineCommand } from "../command.ts";
import { confirmFetched, fetchTree } from "../fetching.ts";
import { withMeter } from "../progress.ts";
import { inTypedWords } from "../report.ts";
import { withVault } from "../session.ts";
import { readText, readTime, readVersion } from "../values.ts";

export const get = defineCommand({
  name: "get",
  summary: "fetch a file, an old version, or a tree",
  usage: [
    "get KEY [-o PATH] [--version N|ID | --at TIME] [--force]",
    "get -r PREFIX [-o FOLDER] [--at TIME] [--force]",
  ],
  about: [
    "Fetches the latest version of KEY into a file of the key's last name in the current " +
    "folder, or to PATH; - is standard output. The file appears whole or not at all. A file " +
    "that is in the way is replaced if its content is some version of KEY, and left alone " +
    "otherwise, unless --force is given.",
    "-r fetches all keys under PREFIX, with their modes, times and links. FOLDER takes the " +
    "place of PREFIX; without -o it is PREFIX's last name in the current folder.",
    "VERSION is a number, or the first digits of an id (at least 4). TIME is a date, a date and " +
    "time, or a span before now: 2026-01-31, 2026-01-31T18:30, 2h, 3d.",
  ],
  flags: {
    output: {
      kind: "value",
      alias: "o",
      value: "PATH",
      complete: "file",
      read: readText,
      help: "where to, - is standard output",
    },
    version: { kind: "value", value: "N|ID", read: readVersion, help: "this version" },
    at: {
      kind: "value",
      value: "TIME",
      read: (text, what) => readTime(text, { what, now: systemClock.now() }),
      help: "as it was at that time",
    },
    recursive: { kind: "switch", alias: "r", help: "fetch a whole tree" },
    force: { kind: "switch", alias: "f", help: "replace files whatever they hold" },
  },
  operands: [{ name: "KEY" }],
  examples: [
    ["get report.pdf", "fetch the latest version to ./report.pdf"],
    ["get report.pdf --version 1 -o old.pdf", "fetch the first one to another file"],
    ["get report.pdf --at 3d -o - | wc -c", "read what it was three days ago"],
    ["get -r photos -o /tmp/restored", "fetch a tree"],
  ],
  async run(context) {
    const { flags } = context;
    const operand = context.operands[0]!;
    if (flags.version !== undefined && flags.at !== undefined) {
      throw new VaultError("usage", "Cannot use --version and --at together");
    }
    if (flags.recursive) {
      if (flags.version !== undefined) {
        throw new VaultError("usage", "Cannot use --version with -r: each key has its own", {
          hint: "use --at TIME",
        });
      }
      if (flags.output === "-") {
        throw new VaultError("usage", "Cannot write a tree to standard output");
      }
      const prefix = parsePrefix(operand);
      const folder = flags.output ?? (lastName(prefix.replace(/\/$/, "")) || ".");
      return await fetchTree(context, { prefix, folder, at: flags.at, force: flags.force });
    }
    const key = parseKey(operand);
    const select: VersionSelector = flags.version ??
      (flags.at === undefined ? { kind: "latest" } : { kind: "time", time: flags.at });
    if (flags.output === "-") return await getToOutput(context, { key, select });
    await getToFile(context, {
      key,
      select,
      path: flags.output ?? lastName(key),
      force: flags.force,
    });
  },
});

function lastName(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

async function getToOutput(
  context: Context,
  options: { key: string; select: VersionSelector },
): Promise<void> {
  const { io, flags, signal } = context;
  const { key, select } = options;
  // On a terminal the file itself shows how far it has come.
  const quiet = flags.quiet || io.isTerminalOut;
  await withVault(context, (vault) =>
    withMeter(io, { quiet }, async ({ onProgress }) => {
      const { stream } = await vault.get(key, { select, signal, onProgress });
      await io.outBytes(stream, signal);
    }));
}

async function getToFile(
  context: Context,
  options: { key: string; select: VersionSelector; path: string; force: boolean },
): Promise<void> {
  const { io, flags, signal } = context;
  const { key, path: typed, ...how } = options;
  const place = { typed, path: io.path(typed) };
  try {
    const { version } = await withVault(
      context,
      (vault) =>
        withMeter(
          io,
          flags,
          ({ onProgress }) => vault.getToFile(key, place.path, { ...how, signal, onProgress }),
        ),
    );
    await confirmFetched(context, { version, path: typed });
  } catch (error) {
    throw inTypedWords(error, place);
  }
}
