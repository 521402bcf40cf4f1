/**
 * Get: a version as a stream of bytes, as a file, as a tree of files. At the destination stands the whole file or nothing.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import {
  asInterruption,
  asVaultError,
  type Bytes,
  equalBytes,
  quoteKey,
  toHex,
  VaultError,
} from "../base/mod.ts";
import type { References } from "../content/mod.ts";
import type { ContentBody } from "../log/mod.ts";
import { readContent } from "./content_reader.ts";
import type { VaultContext } from "./context.ts";
import { fillFile } from "./get_large.ts";
import { loadManifest } from "./manifests.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { OnProgress, VersionInfo, VersionSelector, WorkOptions } from "./types.ts";
import {
  contentOf,
  describeId,
  keptVersions,
  type NamedKey,
  nameKey,
  selectContent,
} from "./versions.ts";

/** A version that is about to be read. */
export interface OpenedVersion {
  key: NamedKey;
  version: IndexedVersion;
  body: ContentBody;
  references: References;
}

/** Finds a version and its references. @throws VaultError `not_found`, `damaged` */
export async function openVersion(
  context: VaultContext,
  keyText: string,
  { select, signal }: { select: VersionSelector; signal?: AbortSignal | undefined },
): Promise<OpenedVersion> {
  const key = nameKey(context, keyText);
  const { version, body } = await selectContent(context, key, { select, signal });
  return await openContent(context, { key, version, body });
}

/** Reads the references of a version that has been found. @throws VaultError `damaged` */
export async function openContent(
  context: VaultContext,
  found: Omit<OpenedVersion, "references">,
): Promise<OpenedVersion> {
  const { references } = await loadManifest(context, found.body.manifest);
  return { ...found, references };
}

/** A version's bytes, as a stream that reads on only as fast as it is read. */
export function streamVersion(
  context: VaultContext,
  opened: OpenedVersion,
  options: WorkOptions,
): ReadableStream<Bytes> {
  const chunks = readContent(context, opened.references, options.signal);
  let doneBytes = 0;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) return controller.close();
        doneBytes += value.length;
        options.onProgress?.({ doneBytes, totalBytes: opened.body.size, item: opened.key.name });
        controller.enqueue(value);
      } catch (error) {
        const told = asInterruption(error, { action: nameOf(opened), signal: options.signal });
        controller.error(nameDamage(opened, told));
      }
    },
    async cancel() {
      await chunks.return(undefined);
    },
  }, { highWaterMark: 0 });
}

/** Says which version can't be read, and that the others may. */
function nameDamage(opened: OpenedVersion, error: unknown): unknown {
  if (!isUnreadable(error)) return error;
  const hint = error.hint ?? "`govault verify` tells what is damaged; other versions may be whole";
  return new VaultError(
    error.code,
    `${nameOf(opened)}: ${lowerFirst(error.message)}`,
    { hint, cause: error },
  );
}

function nameOf({ key, version }: OpenedVersion): string {
  return `Cannot get version ${version.depth} of ${quoteKey(key.name)}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Options of {@link getToFile}. */
export interface GetToFileOptions extends WorkOptions {
  select?: VersionSelector;
  /** Replaces a file even if its bytes are not in the vault. */
  force?: boolean;
}

/** Fetches a version of a file or link to a path. @throws VaultError `usage` for a folder */
export async function getToFile(
  context: VaultContext,
  keyText: string,
  destination: string,
  options: GetToFileOptions,
): Promise<{ version: VersionInfo; path: string }> {
  const { select = { kind: "latest" }, signal } = options;
  const opened = await openVersion(context, keyText, { select, signal });
  if (opened.body.type === "folder") {
    throw new VaultError("usage", `Cannot get ${quoteKey(opened.key.name)}: it is a folder`, {
      hint: "fetch it with all that is in it: get -r",
    });
  }
  await writeEntry(context, opened, destination, options);
  return { version: describeId(context, opened.key.name, opened.version.id), path: destination };
}

/** Puts the file or link that a version holds at `path`. */
export async function writeEntry(
  context: VaultContext,
  opened: OpenedVersion,
  path: string,
  options: {
    signal?: AbortSignal;
    onProgress?: OnProgress;
    force?: boolean;
    /** Nothing can be at that path: its folder was made just now. */
    isVacant?: boolean;
  },
): Promise<void> {
  const { body } = opened;
  const there = options.isVacant ? null : lstat(path);
  if (there?.isDirectory) {
    throw inTheWay(
      path,
      "it is a folder",
      `name a file in it: -o ${join(path, basename(opened.key.name))}`,
    );
  }
  if (there !== null && !options.force && !await isReplaceable(context, opened, path, there)) {
    throw inTheWay(
      path,
      "it exists, and what it holds is not in the vault",
      "`--force` replaces it; `-o PATH` writes elsewhere; `govault put` stores it first",
    );
  }
  const temporary = join(
    dirname(path),
    `.${basename(path).slice(0, 60)}.${toHex(context.random.bytes(6))}.govault`,
  );
  try {
    if (body.type === "link") await attempt(path, () => Deno.symlinkSync(body.target, temporary));
    else {
      const replaces = there !== null;
      await writeFile(context, opened, { path, temporary }, { ...options, replaces });
    }
    options.signal?.throwIfAborted();
    await attempt(path, () => Deno.renameSync(temporary, path));
  } catch (error) {
    await Deno.remove(temporary).catch(
      () => {/* it was never made, or the disk is gone with it */},
    );
    throw error;
  }
}

async function writeFile(
  context: VaultContext,
  opened: OpenedVersion,
  { path, temporary }: { path: string; temporary: string },
  options: { signal?: AbortSignal; onProgress?: OnProgress; replaces: boolean },
): Promise<void> {
  const file = await attempt(
    path,
    () => Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 }),
  );
  try {
    const { body: { size }, key, references } = opened;
    try {
      await fillFile(context, {
        references,
        file,
        path: temporary,
        signal: options.signal,
        attempt: (work) => attempt(path, work),
        onBytes: (doneBytes) =>
          options.onProgress?.({ doneBytes, totalBytes: size, item: key.name }),
      });
    } catch (error) {
      throw nameDamage(opened, error);
    }
    // Where a file is replaced, a power cut must not leave neither the old nor the new.
    if (options.replaces) await attempt(path, () => file.syncData());
  } finally {
    file.close();
  }
  await applyMeta(temporary, opened.body);
}

/** Sets mode and time. Bits that give rights to whoever runs the file are left out. */
export async function applyMeta(
  path: string,
  { mode, mtime }: { mode: number; mtime: number },
): Promise<void> {
  await attempt(path, () => {
    if (Deno.build.os !== "windows") Deno.chmodSync(path, mode & 0o777);
    Deno.utimeSync(path, new Date(mtime), new Date(mtime));
  });
}

/** Whether what stands at a path may be replaced: it is a file whose bytes some version of the key holds. */
async function isReplaceable(
  context: VaultContext,
  { key, body }: OpenedVersion,
  path: string,
  there: Deno.FileInfo,
): Promise<boolean> {
  if (there.isSymlink) return body.type === "link" && await Deno.readLink(path) === body.target;
  if (!there.isFile) return false;
  const candidates = context.database.guard(() =>
    keptVersions(context, key).ordered.filter(({ op, size }) =>
      op !== "delete" && size === there.size
    )
      .map((version) => contentOf(context, key, version).body)
  );
  for (const candidate of candidates.reverse()) {
    if (candidate.type !== "file") continue;
    const { references } = await loadManifest(context, candidate.manifest);
    if (await holdsContent(context, path, references)) return true;
  }
  return false;
}

/** Whether a file's bytes are just these chunks. */
async function holdsContent(
  context: VaultContext,
  path: string,
  references: References,
): Promise<boolean> {
  const file = await attempt(path, () => Deno.open(path));
  try {
    for (let i = 0; i < references.count; i++) {
      const chunk = new Uint8Array(references.length(i));
      for (let filled = 0; filled < chunk.length;) {
        const read = await file.read(chunk.subarray(filled));
        if (read === null) return false;
        filled += read;
      }
      if (!equalBytes(context.keys.chunk.id(chunk), references.id(i))) return false;
    }
    return await file.read(new Uint8Array(1)) === null;
  } finally {
    file.close();
  }
}

/** What stands at a path itself, links not followed; null if nothing. */
export function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw asVaultError(error, `Cannot write ${path}`);
  }
}

function inTheWay(path: string, state: string, hint?: string): VaultError {
  return new VaultError("exists", `Cannot write ${path}: ${state}`, hint ? { hint } : {});
}

async function attempt<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const wrapped = asVaultError(error, `Cannot write ${path}`);
    if (wrapped.code !== "not_found") throw wrapped;
    throw new VaultError("failed", `Cannot write ${path}: its folder does not exist`, {
      hint: `make it first: mkdir -p ${dirname(path)}`,
      cause: error,
    });
  }
}
