/**
 * Fetching a tree. Nothing is written outside the destination, whatever keys and links the vault holds: each folder on the
 * way is looked at before it is entered, and a link is never followed.
 *
 * @module
 */

import { join } from "@std/path";
import { asVaultError, hasPrefix, parsePrefix, quoteKey, VaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import { applyMeta, lstat, openVersion, writeEntry } from "./get.ts";
import { listKeys } from "./list.ts";
import { toHex } from "../base/mod.ts";
import type { KeyInfo, VersionInfo, WorkOptions } from "./types.ts";
import { describeId } from "./versions.ts";

/** Options of {@link getTree}. */
export interface GetTreeOptions extends WorkOptions {
  /** As it was at this time, milliseconds since 1970. */
  at?: number;
  /** Replaces files even if their bytes are not in the vault. */
  force?: boolean;
}

/** What became of one entry. */
export type GetOutcome = { path: string; version: VersionInfo } | {
  path: string;
  error: VaultError;
};

/**
 * Fetches all keys at or under a prefix into `folder`, which takes the prefix's place: `photos/a.jpg` of the prefix
 * `photos` becomes `folder/a.jpg`. One entry that fails is an outcome and does not end the rest.
 *
 * @throws VaultError `not_found` if there is no such key, `interrupted`
 */
export async function* getTree(
  context: VaultContext,
  prefixText: string,
  folder: string,
  options: GetTreeOptions,
): AsyncGenerator<GetOutcome> {
  const prefix = parsePrefix(prefixText).replace(/\/$/, "");
  const keys = listKeys(context, {
    prefix,
    ...(options.at !== undefined ? { at: options.at } : {}),
  });
  if (keys.length === 0) {
    throw new VaultError(
      "not_found",
      `Cannot get ${quoteKey(prefixText)}: there is no key at or under it`,
      {
        hint: "`govault ls` lists the keys",
      },
    );
  }
  const tree = new SafeTree(folder);
  const folders: { path: string; info: KeyInfo }[] = [];
  const totalBytes = keys.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  // Links come last, so that none of them can be on the way to a file.
  const ordered = [
    ...keys.filter(({ meta }) => meta.type !== "link"),
    ...keys.filter(({ meta }) => meta.type === "link"),
  ];
  for (const info of ordered) {
    options.signal?.throwIfAborted();
    const parts = hasPrefix(info.key, prefix) && info.key !== prefix
      ? info.key.slice(prefix === "" ? 0 : prefix.length + 1).split("/")
      : [];
    const path = join(folder, ...parts);
    try {
      const id = toHex(info.id);
      if (info.meta.type === "folder") {
        tree.enter(parts);
        folders.push({ path, info });
      } else {
        if (parts.length > 0) tree.enter(parts.slice(0, -1));
        checkPart(parts.at(-1) ?? "");
        const opened = await openVersion(context, info.key, { kind: "id", prefix: id });
        await writeEntry(context, opened, path, {
          ...options,
          onProgress: (progress) =>
            options.onProgress?.({
              ...progress,
              doneBytes: doneBytes + progress.doneBytes,
              totalBytes,
            }),
        });
      }
      doneBytes += info.size;
      yield { path, version: describeId(context, info.key, info.id) };
    } catch (error) {
      const wrapped = asVaultError(error, `Cannot write ${path}`);
      if (wrapped.code === "interrupted" || wrapped.code === "no_space") throw wrapped;
      yield { path, error: wrapped };
    }
  }
  // Last, and the deepest first: writing into a folder changes its time, and its mode may forbid it.
  for (const { path, info } of folders.sort((a, b) => b.path.length - a.path.length)) {
    await applyMeta(path, info.meta);
  }
}

/** Refuses parts that mean something else to this system than to the vault. */
function checkPart(part: string): void {
  if (Deno.build.os === "windows" && (/[\\:*?"<>|]/.test(part) || /[. ]$/.test(part))) {
    throw new VaultError(
      "failed",
      `Cannot write ${quoteKey(part)}: Windows does not allow such a name`,
    );
  }
}

/** Makes folders under a root and goes into none that is a link. */
class SafeTree {
  readonly #root: string;
  readonly #entered = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  enter(parts: readonly string[]): void {
    // The root itself may be a link: the user named it.
    if (!this.#entered.has(this.#root)) {
      Deno.mkdirSync(this.#root, { recursive: true });
      this.#entered.add(this.#root);
    }
    let path = this.#root;
    for (const part of parts) {
      checkPart(part);
      path = join(path, part);
      if (this.#entered.has(path)) continue;
      const there = lstat(path);
      if (there === null) Deno.mkdirSync(path);
      else if (!there.isDirectory) {
        const what = there.isSymlink ? "a link" : "a file";
        throw new VaultError(
          "exists",
          `Cannot write into ${path}: ${what} is in the way of a folder`,
        );
      }
      this.#entered.add(path);
    }
  }
}
