/**
 * Storing what lies on the disk: a file, a link, or a folder with all that is in it. Several small files are in work at
 * once, so that their records share segments and syncs; outcomes come in the order of the walk.
 *
 * @module
 */

import { basename, join, resolve } from "@std/path";
import { asVaultError, CHUNK_BYTES_MIN, parseKey, quoteKey, VaultError } from "../base/mod.ts";
import { type ByteSource, sourceOf, sourceOfFile } from "./byte_source.ts";
import type { VaultContext } from "./context.ts";
import { countCopies } from "./copies.ts";
import { inOrder, type Task } from "./in_order.ts";
import { putContent } from "./put.ts";
import { putSmall, type SmallEntry } from "./put_small.ts";
import {
  BATCH_BYTES,
  BATCH_ENTRIES,
  BATCH_ENTRY_BYTES,
  ENTRIES_IN_WORK,
  ENTRY_BYTES,
  LARGE_FILE_BYTES,
  TreeProgress,
} from "./tree_work.ts";
import type {
  CopyOptions,
  EntryType,
  FileMeta,
  OnProgress,
  PutResult,
  WorkOptions,
} from "./types.ts";

/** Options of {@link putPath}. */
export interface PutPathOptions extends WorkOptions, CopyOptions {
  /** The key; the path's last name if not given. Of a folder: what its files' keys begin with. */
  key?: string;
  /** Whether a folder may be stored, with all that is in it. */
  recursive?: boolean;
}

/** What became of one entry. */
export type PutOutcome = { path: string; result: PutResult } | { path: string; error: VaultError };

interface Entry {
  path: string;
  key: string;
  info: Deno.FileInfo;
  type: EntryType;
  /** Whether it is what the user named, and no folder: the only one there is, and perhaps a pipe. */
  isNamed?: boolean;
}

/**
 * Stores a path. One entry that can't be stored is an outcome and does not end the rest; an interruption does.
 *
 * @throws VaultError `interrupted`, `no_space`, and whatever else stops the vault as a whole
 */
export async function* putPath(
  context: VaultContext,
  path: string,
  options: PutPathOptions,
): AsyncGenerator<PutOutcome> {
  for await (const outcomes of inOrder(tasks(context, path, options), ENTRIES_IN_WORK)) {
    yield* outcomes;
  }
}

/** A tree's small entries go in batches, any other on its own. */
function* tasks(
  context: VaultContext,
  path: string,
  options: PutPathOptions,
): Generator<Task<PutOutcome[]>> {
  const keys = new Map<string, string>();
  let progress: TreeProgress | null = null;
  let batch: Entry[] = [];
  let batchBytes = 0;
  const takeBatch = (): Task<PutOutcome[]> => {
    const entries = batch;
    const bytes = batchBytes + entries.length * BATCH_ENTRY_BYTES;
    [batch, batchBytes] = [[], 0];
    const start = () => putBatch(context, entries, { ...options, progress: progress! });
    return { bytes, start: async () => await withCopies(context, await start(), options) };
  };
  for (const found of walk(context, path, options)) {
    options.signal?.throwIfAborted();
    const refused = "error" in found ? found : checkTwin(keys, found);
    if (refused !== null || "error" in found) {
      if (batch.length > 0) yield takeBatch();
      yield { bytes: 0, start: () => Promise.resolve([refused!]) };
      continue;
    }
    // Of a tree nobody knows the size before it has been walked.
    progress ??= new TreeProgress(
      options.onProgress,
      found.type === "file" ? found.info.size : undefined,
    );
    if (isSmall(found)) {
      batch.push(found);
      batchBytes += contentBytes(found);
      if (batch.length >= BATCH_ENTRIES || batchBytes >= BATCH_BYTES) yield takeBatch();
      continue;
    }
    if (batch.length > 0) yield takeBatch();
    const entryOptions = { ...options, onProgress: progress.of(found.key) };
    yield {
      bytes: ENTRY_BYTES + Math.min(found.info.size, LARGE_FILE_BYTES),
      start: async () => {
        const outcome = await putEntry(context, found, entryOptions);
        return await withCopies(context, [outcome], options);
      },
    };
  }
  if (batch.length > 0) yield takeBatch();
}

/** Waits for the copies that were asked for; the results tell how many there are. */
async function withCopies(
  context: VaultContext,
  outcomes: PutOutcome[],
  options: PutPathOptions,
): Promise<PutOutcome[]> {
  const versions = outcomes.flatMap((each) => "result" in each ? [each.result.id] : []);
  if ((options.copies ?? 1) <= 1 || versions.length === 0) return outcomes;
  const copies = await countCopies(context, { versions }, options);
  return outcomes.map((each) =>
    "result" in each ? { ...each, result: { ...each.result, copies } } : each
  );
}

/** Whether an entry goes with others in a batch. */
function isSmall({ type, info, isNamed }: Entry): boolean {
  return !isNamed && (type !== "file" || info.size <= CHUNK_BYTES_MIN);
}

function contentBytes({ type, info }: Entry): number {
  return type === "file" ? info.size : 0;
}

/** Stores small entries together, and those that can't be had so one by one. */
async function putBatch(
  context: VaultContext,
  entries: readonly Entry[],
  options: PutPathOptions & { progress: TreeProgress },
): Promise<PutOutcome[]> {
  const { progress } = options;
  const small = entries.map((entry) => smallEntry(entry));
  const wanted = small.filter((entry) => entry !== null);
  const results = await putSmall(context, wanted, options);
  let next = 0;
  return await Promise.all(entries.map((entry, i) => {
    const onProgress = progress.of(entry.key);
    const result = small[i] === null ? null : results[next++]!;
    if (result === null) return putEntry(context, entry, { ...options, onProgress });
    onProgress({ doneBytes: result.size, totalBytes: undefined });
    return { path: entry.path, result };
  }));
}

/** An entry as a batch takes it; `null` for a link that can't be read. */
function smallEntry(entry: Entry): SmallEntry | null {
  try {
    return { path: entry.path, key: entry.key, size: contentBytes(entry), meta: metaOf(entry) };
  } catch {
    return null;
  }
}

/** Two names that differ only in their Unicode form are one key: the second must not hide the first. */
function checkTwin(keys: Map<string, string>, entry: Entry): PutOutcome | null {
  const name = entry.key.normalize("NFC");
  const twin = keys.get(name);
  keys.set(name, entry.path);
  if (twin === undefined) return null;
  return {
    path: entry.path,
    error: new VaultError(
      "bad_key",
      `Cannot store ${quoteKey(entry.path)}: ${quoteKey(twin)} has the same key, ${quoteKey(name)}`,
      { hint: "rename one of them; the names differ only in their Unicode form" },
    ),
  };
}

function* walk(
  context: VaultContext,
  path: string,
  { key, recursive }: PutPathOptions,
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
  yield* walkFolder(home, { path: root, key: name, info, type: "folder" });
}

/** A folder, then what is in it, by name. The vault's own home is left out. */
function* walkFolder(
  home: string,
  folder: Entry,
): Generator<Entry | { path: string; error: VaultError }> {
  const names = tryLocal(folder.path, () => {
    if (Deno.realPathSync(folder.path) === home) return null;
    return Array.from(Deno.readDirSync(folder.path), ({ name }) => name);
  });
  if (names === null) return;
  if (names instanceof VaultError) return yield { path: folder.path, error: names };
  yield folder;
  for (const name of names.sort()) {
    const path = join(folder.path, name);
    const info = tryLocal(path, () => Deno.lstatSync(path));
    if (info instanceof VaultError) {
      yield { path, error: info };
      continue;
    }
    const entry = { path, key: `${folder.key}/${name}`, info };
    if (info.isDirectory) yield* walkFolder(home, { ...entry, type: "folder" });
    else if (info.isSymlink) yield { ...entry, type: "link" };
    else if (info.isFile) yield { ...entry, type: "file" };
    else {
      const error = new VaultError(
        "failed",
        `Cannot store ${quoteKey(path)}: it is neither file, folder nor link`,
      );
      yield { path, error };
    }
  }
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
function localError(error: unknown, path: string): VaultError {
  const wrapped = asVaultError(error, `Cannot read ${quoteKey(path)}`);
  if (wrapped.code !== "not_found") return wrapped;
  return new VaultError("failed", wrapped.message, { cause: error });
}

/** Errors of one entry; all others end the whole work. */
const ENTRY_ERRORS = new Set(["failed", "bad_key", "denied", "changed", "usage"]);

async function putEntry(
  context: VaultContext,
  entry: Entry,
  options: { signal?: AbortSignal; onProgress?: OnProgress },
): Promise<PutOutcome> {
  const { path, info } = entry;
  try {
    return { path, result: await putOne(context, entry, options) };
  } catch (error) {
    if (options.signal?.aborted) {
      throw asVaultError(options.signal.reason, `Cannot store ${quoteKey(path)}`);
    }
    const wrapped = localError(error, path);
    const ofStore = /^Cannot write/.test(wrapped.message);
    if (ofStore || !ENTRY_ERRORS.has(wrapped.code) || info === null) throw wrapped;
    return { path, error: wrapped };
  }
}

async function putOne(
  context: VaultContext,
  entry: Entry,
  options: { signal?: AbortSignal; onProgress?: OnProgress },
): Promise<PutResult> {
  const { path, key, info, type } = entry;
  const meta = metaOf(entry);
  if (type !== "file") {
    return await putContent(context, key, sourceOf(new Uint8Array(0)), { ...options, meta });
  }
  // Opening a pipe waits for whoever writes to it; that must not hold up everything else.
  const file = info.isFile ? Deno.openSync(path) : await Deno.open(path);
  let source: ByteSource = sourceOfFile(file, path, info.size);
  if (info.isFile) source = unchanging(source, { file, path, before: info });
  return await putContent(context, key, source, {
    ...options,
    meta,
    ...(info.isFile ? { sizeHint: info.size } : {}),
  });
}

function metaOf({ path, info, type }: Entry): FileMeta {
  return {
    type,
    mode: (info.mode ?? 0o644) & 0o7777,
    mtime: info.mtime?.getTime() ?? 0,
    target: type === "link" ? Deno.readLinkSync(path) : "",
  };
}

/**
 * A source that fails at its end if the file was changed while it was read: what was read then is a state the file never
 * had. Size and time of change are compared, and the bytes that came are counted.
 */
function unchanging(
  source: ByteSource,
  { file, path, before }: { file: Deno.FsFile; path: string; before: Deno.FileInfo },
): ByteSource {
  let count = 0;
  return {
    async read(into) {
      const read = await source.read(into);
      count += read;
      if (read > 0) return read;
      const after = file.statSync();
      const same = after.size === before.size && after.mtime?.getTime() === before.mtime?.getTime();
      if (same && count === before.size) return 0;
      const state = count < before.size || after.size < before.size
        ? "it shrank while it was read"
        : after.size > before.size || count > before.size
        ? "it grew while it was read"
        : "it was changed while it was read";
      throw new VaultError("changed", `Cannot store ${quoteKey(path)}: ${state}`, {
        hint: "store it again when it rests, or store a copy",
      });
    },
    close: () => source.close(),
  };
}
