/**
 * Put, delete and restore: everything that gives a key a new version.
 *
 * @module
 */

import {
  compareBytes,
  equalBytes,
  quoteKey,
  type RecordId,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { References } from "../content/mod.ts";
import {
  type ContentBody,
  type InventoryEntry,
  makeInventory,
  type ManifestPlace,
  nextVersion,
  NO_ENTRIES,
  type PackedEntries,
  packEntries,
  type VersionBody,
  type VersionKind,
} from "../log/mod.ts";
import type { ByteSource } from "./byte_source.ts";
import { writeContent } from "./content_writer.ts";
import type { VaultContext } from "./context.ts";
import { hold } from "./hold.ts";
import { type LoadedManifest, loadManifest, needsOf, storeManifest } from "./manifests.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { FileMeta, PutOptions, PutResult, VersionInfo, VersionSelector } from "./types.ts";
import {
  describeId,
  latestVersion,
  type NamedKey,
  nameKey,
  readBody,
  selectContent,
} from "./versions.ts";

/** What a new version of a key follows. */
export interface Before {
  latest: IndexedVersion | null;
  /** The heads that the new version replaces, the latest first, and how deep it comes to lie. */
  parents: RecordId[];
  depth: number;
  /** The latest version's body; null if there is none, it is a delete, or its record is damaged. */
  body: ContentBody | null;
  /** Its manifest; null where it can't be had. What is new is then stated in full. */
  manifest: LoadedManifest | null;
}

/** Puts to one key go one after the other, so that each sees the one before; and none while garbage is collected. */
function inTurn<T>(context: VaultContext, key: NamedKey, work: () => Promise<T>): Promise<T> {
  return context.turns.take([toHex(key.tag)], () => context.gate.share(work));
}

async function lookBefore(context: VaultContext, key: NamedKey): Promise<Before> {
  const found = context.database.guard(() => {
    const heads = latestVersion(context, key);
    if (heads === null) return null;
    const { latest } = heads;
    const others = heads.heads.filter((id) => !equalBytes(id, latest.id))
      .map((id) => context.index.knownVersion(id));
    return { heads: [latest, ...others], latest, body: readBody(context, latest) };
  });
  const next = nextVersion({ heads: found?.heads ?? [] });
  if (found === null) return { ...next, latest: null, body: null, manifest: null };
  const { latest } = found;
  const body = found.body === null || found.body.kind === "delete" ? null : found.body;
  let manifest: LoadedManifest | null = null;
  if (body !== null) {
    try {
      manifest = await loadManifest(context, body.manifest);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  return { ...next, latest, body, manifest };
}

/** Entries of `all` that are not in `some`. */
function without(all: PackedEntries, some: PackedEntries): PackedEntries {
  if (some.count === 0) return all;
  return packEntries(function* (): Generator<InventoryEntry> {
    let j = 0;
    for (let i = 0; i < all.count; i++) {
      const address = all.address(i);
      let order = 1;
      while (j < some.count && (order = compareBytes(some.address(j), address)) < 0) j++;
      if (j === some.count || order !== 0) yield { address, length: all.length(i) };
    }
  }());
}

/** Makes a version durable and gives its id. */
async function commitVersion(
  context: VaultContext,
  key: NamedKey,
  version: { kind: VersionKind; before: Before; needs: PackedEntries; body: VersionBody },
): Promise<RecordId> {
  const { kind, before, needs, body } = version;
  const inherited = before.manifest === null ? NO_ENTRIES : needsOf(before.manifest);
  const { inventory, objects } = makeInventory(without(needs, inherited));
  for (const { address, bytes } of objects) {
    await context.store.put({ kind: "public", address, pieces: [bytes] });
    context.attachment.remote?.offer({ kind: "public", address, length: bytes.length });
  }
  const { parents, depth } = before;
  const { id } = await context.committer.commit({
    record: (clock) => ({ kind, clock, keyTag: key.tag, depth, parents, inventory }),
    body,
  });
  return id;
}

/** Stores the bytes of a source as the newest version of a key. Closes the source. */
export async function putContent(
  context: VaultContext,
  keyText: string,
  source: ByteSource,
  options: PutOptions,
): Promise<PutResult> {
  let key: NamedKey;
  try {
    key = nameKey(context, keyText);
  } catch (error) {
    await source.close();
    throw error;
  }
  return await inTurn(context, key, () => putInTurn(context, key, source, options));
}

async function putInTurn(
  context: VaultContext,
  key: NamedKey,
  source: ByteSource,
  options: PutOptions,
): Promise<PutResult> {
  const { signal, sizeHint, onProgress } = options;
  const before = await lookBefore(context, key);
  const written = await writeContent(context, source, {
    previous: before.manifest?.references ?? null,
    sizeHint,
    signal,
    onBytes: onProgress &&
      ((doneBytes) => onProgress({ doneBytes, totalBytes: sizeHint, item: key.name })),
  });
  const meta: FileMeta = {
    type: "file",
    mode: 0o644,
    mtime: context.clock.now(),
    target: "",
    ...options.meta,
  };
  const { references, size, newChunks } = written;
  const result = { key: key.name, size, chunks: references.count, copies: 1, type: meta.type };
  if (isUnchanged(before, references, options.meta ?? {})) {
    // What of it was lacking here has been stored: it is told to be stored once all of it is.
    if (written.newChunks > 0) {
      await hold(context, before.manifest!.objects, signal);
      await context.store.flush();
    }
    const { id, depth: version } = before.latest!;
    return { ...result, version, id, newChunks: 0, addedBytes: 0, unchanged: true };
  }
  signal?.throwIfAborted();
  const manifest = await storeManifest(context, references, before.manifest);
  await hold(context, manifest.objects, signal);
  const addedBytes = written.addedBytes + manifest.addedBytes;
  const body: ContentBody = {
    kind: "put",
    key: key.name,
    ...meta,
    size,
    addedBytes,
    chunks: references.count,
    manifest: manifest.place,
  };
  const needs = needsOf({ references, objects: manifest.objects });
  const id = await commitVersion(context, key, { kind: "put", before, needs, body });
  const version = before.depth;
  return { ...result, version, id, newChunks, addedBytes, unchanged: false };
}

/** Whether the newest version says the same already: the same bytes, and all metadata that the caller gave. */
export function isUnchanged(
  before: Before,
  references: References,
  meta: Partial<FileMeta>,
): boolean {
  const { body, manifest, parents } = before;
  if (body === null || manifest === null || parents.length > 1) return false;
  if (!sameBytes(manifest.references, references)) return false;
  return (Object.keys(meta) as (keyof FileMeta)[]).every((name) => meta[name] === body[name]);
}

function sameBytes(a: References, b: References): boolean {
  return a.count === b.count && compareBytes(a.bytes, b.bytes) === 0;
}

/** Makes a tombstone the newest version of a key. @throws VaultError `not_found` if there is nothing to delete */
export function deleteKey(context: VaultContext, keyText: string): Promise<VersionInfo> {
  const key = nameKey(context, keyText);
  return inTurn(context, key, async () => {
    const before = await lookBefore(context, key);
    if (before.latest === null || (before.latest.op === "delete" && before.parents.length === 1)) {
      const state = before.latest === null ? "there is no such key" : "it is deleted already";
      throw new VaultError("not_found", `Cannot delete ${quoteKey(key.name)}: ${state}`);
    }
    const body: VersionBody = { kind: "delete", key: key.name };
    const id = await commitVersion(context, key, {
      kind: "delete",
      before,
      needs: NO_ENTRIES,
      body,
    });
    return describeId(context, key.name, id);
  });
}

/** Makes an old version the newest, with all that it needs here. One that is the newest already is left as it is. */
export function restoreVersion(
  context: VaultContext,
  keyText: string,
  { select, signal }: { select: VersionSelector; signal: AbortSignal | undefined },
): Promise<VersionInfo> {
  const key = nameKey(context, keyText);
  return inTurn(context, key, async () => {
    const { version, body } = await selectContent(context, key, { select, signal });
    const before = await lookBefore(context, key);
    if (before.parents.length === 1 && toHex(before.parents[0]!) === toHex(version.id)) {
      return describeId(context, key.name, version.id);
    }
    const manifest = await loadManifest(context, body.manifest);
    const place: ManifestPlace = body.manifest;
    const restored: ContentBody = { ...body, kind: "restore", addedBytes: 0, manifest: place };
    const needs = needsOf(manifest);
    await hold(context, needs, signal);
    const id = await commitVersion(context, key, {
      kind: "restore",
      before,
      needs,
      body: restored,
    });
    return describeId(context, key.name, id);
  });
}
