/**
 * Fetching a tree. Nothing is written outside the destination, whatever keys and links the vault holds: each folder on the
 * way is looked at before it is entered, and a link is never followed.
 *
 * @module
 */

import { join } from "@std/path";
import { asVaultError, parsePrefix, quoteKey, VaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import { applyMeta, lstat, openContent, type OpenedVersion, writeEntry } from "./get.ts";
import { inOrder, type Task } from "./in_order.ts";
import { type Listed, listKeys } from "./list.ts";
import { ENTRIES_IN_WORK, ENTRY_BYTES, LARGE_FILE_BYTES, TreeProgress } from "./tree_work.ts";
import type { VersionInfo, WorkOptions } from "./types.ts";
import { contentOf, nameKey } from "./versions.ts";

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
  const places = keys.map((listed) => placeOf(listed, { prefix, folder }));
  const tree = new SafeTree(folder);
  const folders = places.filter(({ listed }) => listed.info.meta.type === "folder");
  const made: Place[] = [];
  for (const place of folders) {
    options.signal?.throwIfAborted();
    const outcome = await attempt(place, () => {
      tree.enter(place.parts);
      made.push(place);
    });
    yield outcome;
  }
  const progress = new TreeProgress(
    options.onProgress,
    keys.reduce((sum, { info }) => sum + info.size, 0),
  );
  // Links come last, so that none of them can be on the way to a file.
  for (const type of ["file", "link"] as const) {
    const ofType = places.filter(({ listed }) => listed.info.meta.type === type);
    yield* inOrder(tasks(context, ofType, { ...options, tree, progress }), ENTRIES_IN_WORK);
  }
  // Last, and the deepest first: writing into a folder changes its time, and its mode may forbid it.
  for (const { path, listed } of made.sort((a, b) => b.parts.length - a.parts.length)) {
    await applyMeta(path, listed.info.meta);
  }
}

/** Where an entry goes. */
interface Place {
  listed: Listed;
  /** Parts of its key below the prefix; none for the prefix itself. */
  parts: readonly string[];
  path: string;
}

function placeOf(listed: Listed, { prefix, folder }: { prefix: string; folder: string }): Place {
  const { key } = listed.info;
  const parts = key === prefix ? [] : key.slice(prefix === "" ? 0 : prefix.length + 1).split("/");
  return { listed, parts, path: join(folder, ...parts) };
}

function* tasks(
  context: VaultContext,
  places: readonly Place[],
  options: GetTreeOptions & { tree: SafeTree; progress: TreeProgress },
): Generator<Task<GetOutcome>> {
  for (const place of places) {
    options.signal?.throwIfAborted();
    const { listed } = place;
    const onProgress = options.progress.of(listed.info.key);
    yield {
      bytes: ENTRY_BYTES + Math.min(listed.info.size, LARGE_FILE_BYTES),
      start: () =>
        attempt(place, async () => {
          const { isNew } = place.parts.length > 0
            ? options.tree.enter(place.parts.slice(0, -1))
            : { isNew: false };
          checkPart(place.parts.at(-1) ?? "");
          const opened = await openListed(context, listed);
          // Where two names may be one file, "a" can be in the way of "A" even in a new folder.
          const isVacant = isNew && Deno.build.os === "linux";
          await writeEntry(context, opened, place.path, { ...options, onProgress, isVacant });
        }),
    };
  }
}

function openListed(context: VaultContext, { info, version }: Listed): Promise<OpenedVersion> {
  const key = nameKey(context, info.key);
  // The row number of a segment may be another after a rebuild, so the version is looked up anew with its body.
  const found = context.database.guard(() =>
    contentOf(context, key, context.index.knownVersion(version.id))
  );
  return openContent(context, { key, ...found });
}

/** Makes what goes wrong with one entry an outcome; an interruption and a full disk end everything. */
async function attempt(
  { listed, path }: Place,
  work: () => void | Promise<void>,
): Promise<GetOutcome> {
  try {
    await work();
    return { path, version: listed.described };
  } catch (error) {
    const wrapped = asVaultError(error, `Cannot write ${path}`);
    if (wrapped.code === "interrupted" || wrapped.code === "no_space") throw wrapped;
    return { path, error: wrapped };
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
  readonly #entered = new Map<string, { isNew: boolean }>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes sure that these folders are there and are folders. Says whether the last of them is new, and so empty. */
  enter(parts: readonly string[]): { isNew: boolean } {
    const folder = join(this.#root, ...parts);
    const known = this.#entered.get(folder);
    if (known !== undefined) return known;
    const entered = {
      isNew: parts.length === 0 ? this.#enterRoot() : this.#enterBelow(parts, folder),
    };
    this.#entered.set(folder, entered);
    return entered;
  }

  /** The root itself may be a link: the user named it. */
  #enterRoot(): boolean {
    Deno.mkdirSync(this.#root, { recursive: true });
    return false;
  }

  #enterBelow(parts: readonly string[], folder: string): boolean {
    this.enter(parts.slice(0, -1));
    checkPart(parts.at(-1)!);
    const there = lstat(folder);
    if (there === null) {
      Deno.mkdirSync(folder);
      return true;
    }
    if (there.isDirectory) return false;
    const what = there.isSymlink ? "a link" : "a file";
    throw new VaultError(
      "exists",
      `Cannot write into ${folder}: ${what} is in the way of a folder`,
    );
  }
}
