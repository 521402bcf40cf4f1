/**
 * Fetching a tree. Nothing is written outside the destination, whatever keys and links the vault holds: each folder on the
 * way is looked at before it is entered, and a link is never followed.
 *
 * @module
 */

import { join, SEPARATOR } from "@std/path";
import { asVaultError, CHUNK_BYTES_MIN, parsePrefix, quoteKey, VaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import { applyMeta, lstat, openContent, type OpenedVersion, writeEntry } from "./get.ts";
import { getSmall } from "./get_small.ts";
import { inOrder, type Task } from "./in_order.ts";
import { type Listed, type ListedPage, listPages, type Nameless, namelessError } from "./list.ts";
import {
  BATCH_BYTES,
  BATCH_ENTRIES,
  BATCH_ENTRY_BYTES,
  BATCH_HELD_DIVISOR,
  ENTRIES_IN_WORK,
  ENTRY_BYTES,
  LARGE_FILE_BYTES,
  LEFT_IN_WORK,
  TreeProgress,
} from "./tree_work.ts";
import type { VersionInfo, WorkOptions } from "./types.ts";
import { contentOf, nameKey } from "./versions.ts";
import { readRecords } from "./whole_records.ts";

/** Options of {@link getTree}. */
export interface GetTreeOptions extends WorkOptions {
  /** As it was at this time, milliseconds since 1970. */
  at?: number;
  /** Only keys that this node stored, each as it stored it last: the first hex digits of its id. */
  node?: string;
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
 * `photos` becomes `folder/a.jpg`. One entry that fails is an outcome and does not end the rest. Outcomes come some at a
 * time, files in about the order in which they were stored.
 *
 * @throws VaultError `not_found` if there is no such key, `interrupted`
 */
export async function* getTree(
  context: VaultContext,
  prefixText: string,
  folder: string,
  options: GetTreeOptions,
): AsyncGenerator<GetOutcome[]> {
  const prefix = parsePrefix(prefixText).replace(/\/$/, "");
  const { database, index, smallFiles } = context;
  smallFiles.expect(database.guard(() => index.totals().keys));
  const tree = new SafeTree(folder);
  const progress = new TreeProgress(options.onProgress);
  const made: Place[] = [];
  const links: Place[] = [];
  const { at, node } = options;
  const which = {
    prefix,
    ...(at !== undefined ? { at } : {}),
    ...(node !== undefined ? { node } : {}),
  };
  let total = 0;
  let nameless: Nameless[] = [];
  const places = function* (pages: Iterable<ListedPage>): Generator<Place[]> {
    nameless = [];
    for (const { keys, nameless: some, isLast } of pages) {
      nameless.push(...some);
      total += keys.reduce((sum, { info }) => sum + info.size, 0);
      if (isLast) progress.totalBytes = total;
      yield placesOf(keys, { prefix, folder });
    }
  };
  const how = { ...options, tree, progress };
  let isEmpty = true;
  const work = [
    () => tasks(context, places(listPages(context, which)), { ...how, made, links }),
    // What other nodes can tell the names of.
    async () => {
      const lost = nameless;
      const again = () => lost.length === 0 ? [] : [...listPages(context, which, lost)];
      const pages = await readRecords(context, again, options.signal);
      return tasks(context, places(pages), { ...how, made, links });
    },
    // Last, so that none of them can be on the way to a file.
    () => linkTasks(context, links, how),
  ];
  for (const some of work) {
    for await (const outcomes of inOrder(await some(), ENTRIES_IN_WORK)) {
      isEmpty &&= outcomes.length === 0;
      yield outcomes;
    }
  }
  if (nameless.length > 0) {
    isEmpty = false;
    yield [{ path: folder, error: namelessError("get", nameless.length) }];
  }
  if (isEmpty) {
    throw new VaultError(
      "not_found",
      `Cannot get ${quoteKey(prefixText)}: there is no key at or under it`,
      {
        hint: "`govault ls` lists the keys",
      },
    );
  }
  // At the very end, and the deepest first: writing into a folder changes its time, and its mode may forbid it.
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

function placesOf(
  keys: readonly Listed[],
  { prefix, folder }: { prefix: string; folder: string },
): Place[] {
  const root = join(folder);
  const above = join(folder, "x").slice(0, -1); // with its separator, unless it is the folder that we are in
  return keys.map((listed) => {
    const { key } = listed.info;
    if (key === prefix) return { listed, parts: [], path: root };
    const parts = key.slice(prefix === "" ? 0 : prefix.length + 1).split("/");
    return { listed, parts, path: above + parts.join(SEPARATOR) };
  });
}

interface WriteOptions extends GetTreeOptions {
  tree: SafeTree;
  progress: TreeProgress;
}

/**
 * A page's folders are made first, then small files go in batches, any other on its own. Which folders there are is noted in
 * `made`, and links in `links`, for what is to be done with them after all files.
 */
function* tasks(
  context: VaultContext,
  pages: Iterable<readonly Place[]>,
  { made, links, ...options }: WriteOptions & { made: Place[]; links: Place[] },
): Generator<Task<GetOutcome[]>> {
  let batch: Place[] = [];
  let batchBytes = 0;
  const takeBatch = (rebuilds: number): Task<GetOutcome[]> => {
    const some = batch;
    const bytes = batchBytes / BATCH_HELD_DIVISOR + some.length * BATCH_ENTRY_BYTES;
    [batch, batchBytes] = [[], 0];
    return { bytes, start: () => getBatch(context, some, { ...options, rebuilds }), pauses: true };
  };
  for (const page of pages) {
    if (page.length === 0) yield { bytes: 0, start: () => Promise.resolve([]), pauses: true };
    const rebuilds = context.database.rebuilds.count;
    const folders = page.filter(({ listed }) => listed.info.meta.type === "folder");
    const enter = (place: Place) =>
      attempt(place, () => {
        options.tree.enter(place.parts);
        made.push(place);
      });
    if (folders.length > 0) {
      const start = () => Promise.all(folders.map(enter));
      yield { bytes: folders.length * ENTRY_BYTES, start };
    }
    for (const place of page) {
      options.signal?.throwIfAborted();
      const { size, meta } = place.listed.info;
      if (meta.type === "folder") continue;
      if (meta.type === "link") {
        links.push(place);
        continue;
      }
      if (size <= CHUNK_BYTES_MIN) {
        batch.push(place);
        batchBytes += size;
        if (batch.length >= BATCH_ENTRIES || batchBytes >= BATCH_BYTES) yield takeBatch(rebuilds);
        continue;
      }
      if (batch.length > 0) yield takeBatch(rebuilds);
      yield {
        bytes: ENTRY_BYTES + Math.min(size, LARGE_FILE_BYTES),
        start: async () => [await getEntry(context, place, options)],
      };
    }
    if (batch.length > 0) yield takeBatch(rebuilds);
  }
}

function* linkTasks(
  context: VaultContext,
  links: readonly Place[],
  options: WriteOptions,
): Generator<Task<GetOutcome[]>> {
  for (const place of links) {
    options.signal?.throwIfAborted();
    const start = async () => [await getEntry(context, place, options)];
    yield { bytes: ENTRY_BYTES, start };
  }
}

/** Fetches small files together, and those that can't be had so one by one. */
async function getBatch(
  context: VaultContext,
  places: readonly Place[],
  { rebuilds, ...options }: WriteOptions & { rebuilds: number },
): Promise<GetOutcome[]> {
  const { tree, progress } = options;
  // After a rebuild of the index the row numbers of segments may be others.
  const isKnown = rebuilds === context.database.rebuilds.count;
  const done = await getSmall(
    context,
    places.map((place) => {
      const { version } = place.listed;
      return isKnown && isFree(tree, place) ? { path: place.path, version } : null;
    }),
  );
  const outcomes = places.map((place): GetOutcome => ({
    path: place.path,
    version: place.listed.described,
  }));
  const left: Task<GetOutcome>[] = [];
  const leftPlaces: number[] = [];
  places.forEach((place, i) => {
    const { size, key } = place.listed.info;
    if (done[i]) return progress.of(key)({ doneBytes: size, totalBytes: undefined });
    leftPlaces.push(i);
    left.push({ bytes: ENTRY_BYTES + size, start: () => getEntry(context, place, options) });
  });
  let next = 0;
  for await (const outcome of inOrder(left, LEFT_IN_WORK)) outcomes[leftPlaces[next++]!] = outcome;
  return outcomes;
}

/** Whether nothing stands where an entry goes, after making sure of the folders above it. */
function isFree(tree: SafeTree, place: Place): boolean {
  try {
    return isVacant(tree, place) || lstat(place.path) === null;
  } catch {
    return false; // said when it is fetched on its own
  }
}

/** Whether nothing can stand there, as the folder was made just now. */
function isVacant(tree: SafeTree, { parts }: Place): boolean {
  const { isNew } = parts.length > 0 ? tree.enter(parts.slice(0, -1)) : { isNew: false };
  checkPart(parts.at(-1) ?? "");
  // Where two names may be one file, "a" can be in the way of "A" even in a new folder.
  return isNew && Deno.build.os === "linux";
}

function getEntry(
  context: VaultContext,
  place: Place,
  options: WriteOptions,
): Promise<GetOutcome> {
  return attempt(place, async () => {
    const vacant = isVacant(options.tree, place);
    const onProgress = options.progress.of(place.listed.info.key);
    const opened = await openListed(context, place.listed, options.signal);
    await writeEntry(context, opened, place.path, { ...options, onProgress, isVacant: vacant });
  });
}

async function openListed(
  context: VaultContext,
  { info, version }: Listed,
  signal: AbortSignal | undefined,
): Promise<OpenedVersion> {
  const key = nameKey(context, info.key);
  // The row number of a segment may be another after a rebuild, so the version is looked up anew with its body.
  const find = () => contentOf(context, key, context.index.knownVersion(version.id));
  const found = await readRecords(context, () => context.database.guard(find), signal);
  return await openContent(context, { key, ...found });
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
    const name = parts.join("/");
    const known = this.#entered.get(name);
    if (known !== undefined) return known;
    const folder = join(this.#root, ...parts);
    const entered = {
      isNew: parts.length === 0 ? this.#enterRoot() : this.#enterBelow(parts, folder),
    };
    this.#entered.set(name, entered);
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
