/**
 * `govault put`: stores files, folders and standard input.
 *
 * @module
 */

import { asVaultError, parseKey, quoteKey, VaultError } from "../../base/mod.ts";
import type { PutResult } from "../../vault/types.ts";
import type { Vault } from "../../vault/mod.ts";
import { type Context, defineCommand } from "../command.ts";
import { formatBytes, formatKey, plural } from "../format.ts";
import { putDocument } from "../json.ts";
import { confirm } from "../output.ts";
import { type Meter, withMeter } from "../progress.ts";
import { inTypedWords, reportError } from "../report.ts";
import { chosenHome, withVault } from "../session.ts";
import { readCount } from "../values.ts";

export const put = defineCommand({
  name: "put",
  summary: "store files and folders",
  usage: ["put FILE… [-r] [--copies N]", "put FILE --key KEY [-r]", "put - --key KEY"],
  about: [
    "Stores each FILE as a new version of a key: the file's name, unless --key gives another. " +
    "What has not changed since the latest version makes no new one, and bytes that the vault " +
    "already has take up no new space.",
    "A folder needs -r; the files in it are stored under FOLDER/…, with their modes, times and " +
    "links. FILE - is standard input. Makes the vault if there is none, and prints its recovery " +
    "phrase.",
    "A running node copies what is stored to its peers by itself, after the put has returned. " +
    "--copies N waits for that, and exits with 5 if N nodes can't be reached.",
    "A file that can't be stored is reported, and the others are stored all the same.",
  ],
  flags: {
    key: {
      kind: "value",
      alias: "k",
      value: "KEY",
      read: parseKey,
      help: "the key to store it under",
    },
    recursive: { kind: "switch", alias: "r", help: "store folders with all that is in them" },
    reread: { kind: "switch", help: "read files too that look as they did when they were stored" },
    copies: {
      kind: "value",
      value: "N",
      read: readCount,
      help: "return only when N nodes hold it durably",
    },
  },
  operands: [{ name: "FILE", many: true, complete: "file" }],
  examples: [
    ["put report.pdf", "store report.pdf"],
    ["put -r photos", "store a folder as photos/…"],
    ["put report.pdf --copies 2", "wait until a second node has it"],
    ["put - --key db.sql < dump.sql", "store what another program writes"],
  ],
  async run(context) {
    const { operands, flags } = context;
    if (flags.key !== undefined && operands.length > 1) {
      throw new VaultError("usage", "Cannot use --key: there are several files", {
        hint: "put them one by one, or in a folder with -r",
      });
    }
    if (flags.key === undefined && operands.includes("-")) {
      throw new VaultError("usage", "Cannot store standard input: it has no name", {
        hint: "give it one with --key KEY",
      });
    }
    await refuseVain(context);
    return await withVault(
      context,
      (vault) =>
        withMeter(context.io, flags, (meter) => putAll(context, { vault, meter, ...flags })),
      { create: true },
    );
  },
});

/** A slip in a file's name must not leave a new vault behind. */
async function refuseVain(context: Context): Promise<void> {
  if (context.node !== undefined) return;
  const { defaultHome, hasVault } = await import("../../vault/mod.ts");
  if (hasVault(chosenHome(context) ?? defaultHome())) return;
  for (const path of context.operands) {
    if (path === "-") continue;
    try {
      await Deno.stat(context.io.path(path));
    } catch (error) {
      throw new VaultError("failed", asVaultError(error, `Cannot read ${quoteKey(path)}`).message, {
        hint: "no vault was made",
        cause: error,
      });
    }
  }
}

type Outcome = { path: string; result: PutResult } | { path: string; error: VaultError };

/** What was done with how many entries, folders apart. */
interface Totals {
  stored: number;
  unchanged: number;
  failed: number;
  size: number;
  addedBytes: number;
}

interface PutWork {
  vault: Vault;
  meter: Meter;
  key: string | undefined;
  recursive: boolean;
  reread: boolean;
  copies: number | undefined;
}

/** Stores all operands, telling of each entry; the exit code of the first failure. */
async function putAll(context: Context, work: PutWork): Promise<number> {
  const { io, flags, operands } = context;
  const totals: Totals = { stored: 0, unchanged: 0, failed: 0, size: 0, addedBytes: 0 };
  let exitCode = 0;
  for (const path of operands) {
    for await (const outcome of putOne(context, { ...work, path })) {
      work.meter.clear();
      if ("error" in outcome) {
        const error = inTypedWords(outcome.error, { typed: path, path: io.path(path) });
        const code = reportError(error, { io, json: flags.json });
        totals.failed++;
        exitCode = exitCode === 0 ? code : exitCode;
        continue;
      }
      const { result } = outcome;
      if (result.type === "folder") continue;
      totals[result.unchanged ? "unchanged" : "stored"]++;
      totals.size += result.size;
      totals.addedBytes += result.unchanged ? 0 : result.addedBytes;
      await confirm(context, {
        get json() {
          return putDocument(result);
        },
        get text() {
          return putLine(result, work.copies);
        },
      });
      if (result.copies >= (work.copies ?? 1)) continue;
      const code = reportError(tooFewCopies(result, work.copies!), { io, json: flags.json });
      exitCode = exitCode === 0 ? code : exitCode;
    }
  }
  const entries = totals.stored + totals.unchanged + totals.failed;
  if (entries > 1 && !flags.json && !flags.quiet) await io.out(summaryLine(totals));
  return exitCode;
}

async function* putOne(
  { io, signal }: Context,
  work: PutWork & { path: string },
): AsyncIterable<Outcome> {
  const { vault, meter, key, recursive, reread, copies, path } = work;
  const wanted = copies === undefined ? {} : { copies };
  const { onProgress } = meter;
  if (path === "-" && key !== undefined) {
    yield {
      path,
      result: await vault.put(key, io.input(signal), { ...wanted, signal, onProgress }),
    };
    return;
  }
  const named = key === undefined ? {} : { key };
  const place = { typed: path, path: io.path(path) };
  try {
    yield* vault.putPath(place.path, {
      ...named,
      ...wanted,
      recursive,
      reread,
      signal,
      onProgress,
    });
  } catch (error) {
    throw inTypedWords(error, place);
  }
}

function tooFewCopies({ key, copies }: PutResult, wanted: number): VaultError {
  return new VaultError(
    "too_few_peers",
    `Cannot have ${wanted} copies of ${quoteKey(key)} yet: ${plural(copies, "node")} hold${
      copies === 1 ? "s" : ""
    } it`,
    { hint: "it is stored; a running node makes the other copies as soon as peers are up" },
  );
}

/** What was done with one file; with copies, if they were waited for. */
function putLine(result: PutResult, copies: number | undefined): string {
  const { unchanged, type, version } = result;
  const parts = [`${unchanged ? "unchanged" : "stored"} ${formatKey(result.key)}`];
  parts.push(`version ${version}`);
  if (type === "link" && !unchanged) parts.push("link");
  else if (!unchanged) {
    parts.push(
      formatBytes(result.size),
      `${result.newChunks} of ${plural(result.chunks, "chunk")} new`,
      `${formatBytes(result.addedBytes)} added`,
    );
  }
  if (copies !== undefined) parts.push(`on ${plural(result.copies, "node")}`);
  return `${parts.join("  ")}\n`;
}

function summaryLine(totals: Totals): string {
  const parts = [`${totals.stored} stored`];
  if (totals.unchanged > 0) parts.push(`${totals.unchanged} unchanged`);
  if (totals.failed > 0) parts.push(`${totals.failed} failed`);
  const bytes = `${formatBytes(totals.size)} in all, ${formatBytes(totals.addedBytes)} added`;
  return `${parts.join(", ")}; ${bytes}\n`;
}
