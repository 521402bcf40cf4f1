/**
 * Storing what lies on the disk: a file, a link, or a folder with all that is in it. Several small files are in work at
 * once, so that their records share segments and syncs; outcomes come in the order of the walk.
 *
 * @module
 */

import { asVaultError, type Bytes, CHUNK_BYTES_MIN, quoteKey, VaultError } from "../base/mod.ts";
import { type ByteSource, sourceOf, sourceOfFile } from "./byte_source.ts";
import type { VaultContext } from "./context.ts";
import { countCopies } from "./copies.ts";
import { inOrder, type Task } from "./in_order.ts";
import { putContent } from "./put.ts";
import { putSmall, type SmallEntry } from "./put_small.ts";
import { stillLatest } from "./seen.ts";
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
import type { CopyOptions, FileMeta, OnProgress, PutResult, WorkOptions } from "./types.ts";
import { type Entry, localError, walk } from "./walk.ts";

/** Options of {@link putPath}. */
export interface PutPathOptions extends WorkOptions, CopyOptions {
  /** The key; the path's last name if not given. Of a folder: what its files' keys begin with. */
  key?: string;
  /** Whether a folder may be stored, with all that is in it. */
  recursive?: boolean;
  /** Reads files too that look as they did when they were stored. */
  reread?: boolean;
}

/** What became of one entry. */
export type PutOutcome = { path: string; result: PutResult } | { path: string; error: VaultError };

/**
 * Stores a path; outcomes come some at a time. One entry that can't be stored is an outcome and does not end the rest; an
 * interruption does.
 *
 * @throws VaultError `interrupted`, `no_space`, and whatever else stops the vault as a whole
 */
export function putPath(
  context: VaultContext,
  path: string,
  options: PutPathOptions,
): AsyncGenerator<PutOutcome[]> {
  return inOrder(tasks(context, path, options), ENTRIES_IN_WORK);
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
  let files = 0;
  const takeBatch = (): Task<PutOutcome[]> => {
    const entries = batch;
    const bytes = batchBytes / BATCH_HELD_DIVISOR + entries.length * BATCH_ENTRY_BYTES;
    [batch, batchBytes] = [[], 0];
    const start = () => putBatch(context, entries, { ...options, progress: progress! });
    return {
      bytes,
      start: async () => await withCopies(context, await start(), options),
      pauses: true,
    };
  };
  for (const found of walk(context, path, options)) {
    options.signal?.throwIfAborted();
    const refused = "error" in found ? found : checkTwin(keys, found);
    if (refused !== null || "error" in found) {
      if (!("error" in found)) found.met?.folder.leave(found.met, null);
      if (batch.length > 0) yield takeBatch();
      yield { bytes: 0, start: () => Promise.resolve([refused!]) };
      continue;
    }
    // Of a tree nobody knows the size before it has been walked.
    progress ??= new TreeProgress(
      options.onProgress,
      found.type === "file" ? found.info.size : undefined,
    );
    if (isBatched(found)) {
      batch.push(found);
      batchBytes += heldBytes(found);
      if (heldBytes(found) > 0) context.smallFiles.expect(++files);
      if (batch.length >= BATCH_ENTRIES || batchBytes >= BATCH_BYTES) yield takeBatch();
      continue;
    }
    if (batch.length > 0) yield takeBatch();
    const entryOptions = { ...options, onProgress: progress.of(found.key) };
    yield {
      bytes: ENTRY_BYTES + Math.min(found.info.size, LARGE_FILE_BYTES),
      start: async () => {
        const outcome = await putEntry(context, found, entryOptions);
        found.met?.folder.leave(found.met, "result" in outcome ? outcome.result : null);
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

/** Whether an entry goes with others in a batch: it is small, or looks as if it need not be read. */
function isBatched({ isNamed, met, ...entry }: Entry): boolean {
  return !isNamed && (contentBytes(entry) <= CHUNK_BYTES_MIN || (met?.before ?? null) !== null);
}

function contentBytes({ type, info }: Pick<Entry, "type" | "info">): number {
  return type === "file" ? info.size : 0;
}

/** Bytes that have to be held of an entry of a batch. */
function heldBytes({ met, ...entry }: Entry): number {
  return (met?.before ?? null) === null ? contentBytes(entry) : 0;
}

/** Stores entries together: first those that need not be read, then the small ones, then what is left one by one. */
async function putBatch(
  context: VaultContext,
  entries: readonly Entry[],
  options: PutPathOptions & { progress: TreeProgress },
): Promise<PutOutcome[]> {
  const results = resultsOfSeen(context, entries);
  const small = entries.flatMap((entry, i) => {
    const taken = results[i] === null && contentBytes(entry) <= CHUNK_BYTES_MIN
      ? smallEntry(entry)
      : null;
    return taken === null ? [] : [{ i, entry: taken }];
  });
  const put = await putSmall(context, small.map(({ entry }) => entry), options);
  const tags = new Array<Bytes | null>(entries.length).fill(null);
  put.forEach((each, j) => {
    const { i } = small[j]!;
    results[i] = each && each.result;
    tags[i] = each && each.tag;
  });

  const outcomes = new Array<PutOutcome>(entries.length);
  const left: Task<PutOutcome>[] = [];
  const places: number[] = [];
  entries.forEach((entry, i) => {
    const onProgress = options.progress.of(entry.key);
    const result = results[i]!;
    if (result !== null) {
      onProgress({ doneBytes: result.size, totalBytes: undefined });
      outcomes[i] = { path: entry.path, result };
      return;
    }
    places.push(i);
    left.push({
      bytes: ENTRY_BYTES + Math.min(entry.info.size, LARGE_FILE_BYTES),
      start: () => putEntry(context, entry, { ...options, onProgress }),
    });
  });
  let next = 0;
  for await (const outcome of inOrder(left, LEFT_IN_WORK)) outcomes[places[next++]!] = outcome;
  entries.forEach(({ met }, i) => {
    const outcome = outcomes[i]!;
    met?.folder.leave(met, "result" in outcome ? outcome.result : null, tags[i]!);
  });
  return outcomes;
}

/** The results of those entries that have not changed since they were stored. */
function resultsOfSeen(
  context: VaultContext,
  entries: readonly Entry[],
): (PutResult | null)[] {
  const results = new Array<PutResult | null>(entries.length).fill(null);
  const places: number[] = [];
  const files = entries.flatMap(({ met, key, type, info: { size } }, i) => {
    if (met === undefined || met.before === null) return [];
    places.push(i);
    return { met, key, size: type === "file" ? size : 0, type };
  });
  stillLatest(context, files).forEach((result, j) => results[places[j]!] = result);
  return results;
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
