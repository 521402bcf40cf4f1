/**
 * Walking what a put names: a file, or a folder with all that is in it.
 *
 * @module
 */

import { basename, join, resolve } from "@std/path";
import { asVaultError, parseKey, quoteKey, VaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import { type Met, SeenFolder } from "./seen.ts";
import type { EntryType } from "./types.ts";

/** What is to be stored under one key. */
export interface Entry {
  path: string;
  key: string;
  info: Deno.FileInfo;
  type: EntryType;
  /** Whether it is what the user named, and no folder: the only one there is, and perhaps a pipe. */
  isNamed?: boolean;
  /** Of a file or folder in a tree: whether it was met before. */
  met?: Met;
}

/** What to walk, beside its path. */
export interface WalkOptions {
  /** The key; the path's last name if not given. */
  key?: string;
  /** Whether a folder may be entered. */
  recursive?: boolean;
  /** Whether files count as new that look as they did when they were stored. */
  reread?: boolean;
}

/** The entries at and under a path, each folder before what is in it; and what can't be had. */
export function* walk(
  context: VaultContext,
  path: string,
  { key, recursive, reread = false }: WalkOptions,
): Generator<Entry | { path: string; error: VaultError }> {
  const root = resolve(path);
  const info = tryLocal(root, () => Deno.statSync(root)); // a link that is named is followed
  if (info instanceof VaultError) return yield { path, error: info };
  if (info.isDirectory && !recursive) {
    const error = new VaultError("usage", `Cannot store ${quoteKey(path)}: it is a folder`, {
      hint: "store it with all that is in it: --recursive (-r)",
    });
    return yield { path, error };
  }
  if (key === undefined && /^[/\\]?$/.test(basename(root))) {
    const error = new VaultError("usage", `Cannot store ${quoteKey(path)}: it has no name`, {
      hint: "give it one with --key",
    });
    return yield { path, error };
  }
  const name = (key ?? basename(root)).replace(/(.)\/+$/, "$1");
  if (!info.isDirectory) return yield { path, key: name, info, type: "file", isNamed: true };
  const badKey = tryLocal(root, () => parseKey(name)); // one answer, not one for each file in it
  if (badKey instanceof VaultError) return yield { path, error: badKey };
  const home = Deno.realPathSync(context.home);
  if (Deno.realPathSync(root) === home) {
    const error = new VaultError("usage", `Cannot store ${quoteKey(path)}: it is the vault's home`);
    return yield { path, error };
  }
  yield* walkFolder({ context, home, reread }, { path: root, key: name, info, type: "folder" });
}

/** A folder, then what is in it, by name. The vault's own home is left out. */
function* walkFolder(
  tree: { context: VaultContext; home: string; reread: boolean },
  folder: Entry,
): Generator<Entry | { path: string; error: VaultError }> {
  const names = tryLocal(folder.path, () => {
    if (Deno.realPathSync(folder.path) === tree.home) return null;
    return Array.from(Deno.readDirSync(folder.path), ({ name }) => name);
  });
  if (names === null) return;
  if (names instanceof VaultError) return yield { path: folder.path, error: names };
  const seen = new SeenFolder(tree.context, folder);
  yield { ...folder, met: seen.meetItself(folder.info, tree) };
  const above = join(folder.path, "x").slice(0, -1); // with its separator, unless it is the root's already
  for (const name of names.sort()) {
    const path = above + name;
    const info = tryLocal(path, () => Deno.lstatSync(path));
    if (info instanceof VaultError) {
      yield { path, error: info };
      continue;
    }
    const entry = { path, key: `${folder.key}/${name}`, info };
    if (info.isDirectory) yield* walkFolder(tree, { ...entry, type: "folder" });
    else if (info.isSymlink) yield { ...entry, type: "link" };
    else if (info.isFile) yield { ...entry, type: "file", met: seen.meet(name, info, tree) };
    else {
      const error = new VaultError(
        "failed",
        `Cannot store ${quoteKey(path)}: it is neither file, folder nor link`,
      );
      yield { path, error };
    }
  }
  seen.end();
}

/** What `work` gives, or the reason why a local file can't be had. */
function tryLocal<T>(path: string, work: () => T): T | VaultError {
  try {
    return work();
  } catch (error) {
    return localError(error, path);
  }
}

/** A local file that is not there is no missing key: exit code 3 is for the vault. */
export function localError(error: unknown, path: string): VaultError {
  const wrapped = asVaultError(error, `Cannot read ${quoteKey(path)}`);
  if (wrapped.code !== "not_found") return wrapped;
  return new VaultError("failed", wrapped.message, { cause: error });
}
