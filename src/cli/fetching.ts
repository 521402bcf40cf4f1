/**
 * Fetching trees, and telling of what was fetched.
 *
 * @module
 */

import { join } from "@std/path";
import type { VersionInfo } from "../vault/types.ts";
import type { Context } from "./command.ts";
import { formatBytes, formatKey } from "./format.ts";
import { versionDocument } from "./json.ts";
import { confirm } from "./output.ts";
import { withMeter } from "./progress.ts";
import { inTypedWords, reportError } from "./report.ts";
import { withVault } from "./session.ts";

/** Fetches a tree, telling of each file; the exit code of the first failure. */
export async function fetchTree(
  context: Context,
  options: {
    prefix: string;
    folder: string;
    at?: number | undefined;
    /** Only what this node made. */
    node?: string | undefined;
    force: boolean;
  },
): Promise<number> {
  const { io, flags, signal } = context;
  const { prefix, folder, at, node, force } = options;
  const how = {
    force,
    signal,
    ...(at === undefined ? {} : { at }),
    ...(node === undefined ? {} : { node }),
  };
  const place = { typed: folder, path: io.path(folder) };
  // What begins the path of a file as the user typed it, and how long it is in full: there are many files.
  const above = join(folder, "x").slice(0, -1);
  const below = join(place.path, "x").length - 1;
  return await withVault(context, (vault) =>
    withMeter(io, flags, async ({ onProgress, clear }) => {
      let exitCode = 0;
      for await (const outcome of vault.getTree(prefix, place.path, { ...how, onProgress })) {
        clear();
        if ("error" in outcome) {
          const error = inTypedWords(outcome.error, place);
          const code = reportError(error, { io, json: flags.json });
          exitCode = exitCode === 0 ? code : exitCode;
        } else if (outcome.version.meta.type !== "folder") {
          const path = outcome.path.length < below
            ? join(folder)
            : above + outcome.path.slice(below);
          await confirmFetched(context, { version: outcome.version, path });
        }
      }
      return exitCode;
    }));
}

/** Tells of one file or link that is there. */
export async function confirmFetched(
  context: Context,
  fetched: { version: VersionInfo; path: string },
): Promise<void> {
  const { version, path } = fetched;
  await confirm(context, {
    get json() {
      return { key: version.key, ...versionDocument(version), path };
    },
    get text() {
      const size = version.meta.type === "link" ? "link" : formatBytes(version.size);
      const key = formatKey(version.key);
      return `fetched ${key}  version ${version.version}  ${size}  to ${formatKey(path)}\n`;
    },
  });
}
