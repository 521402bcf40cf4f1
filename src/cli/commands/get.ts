/**
 * `govault get`: fetches a file, a version of it, or a tree.
 *
 * @module
 */

import { EXIT_CODES, parseKey, parsePrefix, systemClock, VaultError } from "../../base/mod.ts";
import type { VersionInfo, VersionSelector } from "../../vault/types.ts";
import { type Context, defineCommand } from "../command.ts";
import { formatBytes, formatKey } from "../format.ts";
import { versionDocument } from "../json.ts";
import { confirm } from "../output.ts";
import { startMeter } from "../progress.ts";
import { reportError } from "../report.ts";
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
    "that is in the way is replaced if the vault holds its content, and left alone otherwise, " +
    "unless --force is given.",
    "-r fetches all keys at and under PREFIX into FOLDER, with their modes, times and links.",
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
    force: { kind: "switch", alias: "f", help: "replace files that the vault does not hold" },
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
      const { output, at, force } = flags;
      return await getTree(context, { prefix: parsePrefix(operand), output, at, force });
    }
    const key = parseKey(operand);
    const select: VersionSelector = flags.version ??
      (flags.at === undefined ? { kind: "latest" } : { kind: "time", time: flags.at });
    if (flags.output === "-") return await getToOutput(context, { key, select });
    await getToFile(context, {
      key,
      select,
      path: flags.output ?? key.slice(key.lastIndexOf("/") + 1),
      force: flags.force,
    });
  },
});

async function getToOutput(
  context: Context,
  options: { key: string; select: VersionSelector },
): Promise<void> {
  const { io, signal } = context;
  await withVault(context, async (vault) => {
    const { stream } = await vault.get(options.key, { select: options.select, signal });
    await io.outBytes(stream);
  });
}

async function getToFile(
  context: Context,
  options: { key: string; select: VersionSelector; path: string; force: boolean },
): Promise<void> {
  const { key, path, ...how } = options;
  await withVault(context, async (vault) => {
    const meter = startMeter(context.io, { quiet: context.flags.quiet });
    const work = { signal: context.signal, onProgress: meter.onProgress };
    try {
      const fetched = await vault.getToFile(key, path, { ...how, ...work });
      meter.clear();
      await confirmFetched(context, fetched);
    } finally {
      meter.clear();
    }
  });
}

/** Fetches a tree, telling of each file; the exit code of the first failure. */
async function getTree(
  context: Context,
  options: { prefix: string; output: string | undefined; at: number | undefined; force: boolean },
): Promise<number> {
  const { io, flags, signal } = context;
  const { prefix, output, at, force } = options;
  return await withVault(context, async (vault) => {
    const meter = startMeter(io, { quiet: flags.quiet });
    const work = {
      signal,
      onProgress: meter.onProgress,
      force,
      ...(at === undefined ? {} : { at }),
    };
    let exitCode = 0;
    try {
      for await (const outcome of vault.getTree(prefix, output ?? ".", work)) {
        meter.clear();
        if ("error" in outcome) {
          const code = reportError(outcome.error, { io, json: flags.json });
          exitCode = exitCode === 0 ? code : exitCode;
          if (code === EXIT_CODES.interrupted) return code;
        } else if (outcome.version.meta.type !== "folder") {
          await confirmFetched(context, outcome);
        }
      }
    } finally {
      meter.clear();
    }
    return exitCode;
  });
}

async function confirmFetched(
  context: Context,
  fetched: { version: VersionInfo; path: string },
): Promise<void> {
  const { version, path } = fetched;
  const key = formatKey(version.key);
  const size = version.meta.type === "link" ? "link" : formatBytes(version.size);
  await confirm(context, {
    json: { key: version.key, ...versionDocument(version), path },
    text: `fetched ${key}  version ${version.version}  ${size}  to ${formatKey(path)}\n`,
  });
}
