/**
 * Many small entries of a tree at once: their keys are looked up together, their files read and sealed in one batch, their
 * records committed together. What is out of the ordinary (a name that is no key, a file that changes, a key with several
 * heads) is left to `putContent`, one by one.
 *
 * @module
 */

import { type Bytes, equalBytes, freeBytes, isVaultError, leaveFiles, toHex } from "../base/mod.ts";
import { decodeManifest, encodeManifest, ReferenceBuilder, References } from "../content/mod.ts";
import {
  type ContentBody,
  makeInventory,
  nextVersion,
  NO_ENTRIES,
  packEntries,
} from "../log/mod.ts";
import type { Draft } from "./commit.ts";
import type { VaultContext } from "./context.ts";
import { type Before, isUnchanged } from "./put.ts";
import type { IndexedKey } from "./record_index.ts";
import type { SealedFile, SealJob } from "./small_work.ts";
import { JOB_FILES } from "./tree_work.ts";
import type { FileMeta, PutResult } from "./types.ts";
import { latestOf, type NamedKey, nameKey, readBody } from "./versions.ts";

/** A file of at most one chunk, a folder or a link. */
export interface SmallEntry {
  path: string;
  key: string;
  size: number;
  meta: FileMeta;
}

/** What a put of an entry gives, with the tag of its key. */
export interface SmallResult {
  result: PutResult;
  tag: Bytes;
}

/** An entry with what goes before it. */
interface Placed {
  entry: SmallEntry;
  key: NamedKey;
  before: Before;
}

/** What the index knows of the sealed files. */
type KnownObjects = ReturnType<VaultContext["store"]["lookAhead"]>;

/** What is to be said and recorded of an entry; `null` if it is left to `putContent`. */
type Described = SmallResult & { draft: Draft | null } | null;

/** What an entry's bytes are. */
interface Content {
  references: References;
  addedBytes: number;
}

/**
 * Stores entries as the newest versions of their keys; `null` for each that is left to `putContent`, of which nothing is
 * stored.
 */
export async function putSmall(
  context: VaultContext,
  entries: readonly SmallEntry[],
  { signal }: { signal?: AbortSignal | undefined },
): Promise<(SmallResult | null)[]> {
  const keys = nameKeys(context, entries);
  const names = keys.flatMap((key) => key === null ? [] : [toHex(key.tag)]);
  return await context.turns.take(names, () =>
    context.gate.share(async () => {
      const arrive = context.committer.expect();
      let described;
      try {
        described = await store(context, place(context, entries, keys), signal);
      } finally {
        arrive();
      }
      return await record(context, described);
    }));
}

/** Puts the chunks of entries into the store, and says what is to be recorded of each. */
async function store(
  context: VaultContext,
  placed: readonly (Placed | null)[],
  signal: AbortSignal | undefined,
): Promise<Described[]> {
  const files = await sealAll(context, placed);
  signal?.throwIfAborted();
  await context.store.room();
  const sealed = files.flatMap((file) => file?.what === "sealed" ? [file] : []);
  const known = context.store.lookAhead({
    labels: sealed.map(({ id }) => id),
    addresses: sealed.map(({ address }) => address),
  });
  const described = placed.map((each, i) => {
    return each === null ? null : describe(context, each, { file: files[i] ?? null, known });
  });
  freeAll(files);
  leaveFiles(placed.length);
  return described;
}

/** The keys of entries; `null` for a name that is none, and for one that is taken already. */
function nameKeys(
  context: VaultContext,
  entries: readonly SmallEntry[],
): (NamedKey | null)[] {
  const taken = new Set<string>();
  return entries.map(({ key }) => {
    try {
      const named = nameKey(context, key);
      if (taken.has(named.name)) return null;
      taken.add(named.name);
      return named;
    } catch (error) {
      if (isVaultError(error, "bad_key")) return null;
      throw error;
    }
  });
}

function place(
  context: VaultContext,
  entries: readonly SmallEntry[],
  keys: readonly (NamedKey | null)[],
): (Placed | null)[] {
  return context.database.guard(() => {
    const rows = context.index.keysOf(keys.flatMap((key) => key === null ? [] : [key.tag]));
    return entries.map((entry, i) => {
      const key = keys[i]!;
      const row = key === null ? null : rows.get(toHex(key.tag)) ?? null;
      const before = key === null ? null : lookBefore(context, row);
      return key === null || before === null ? null : { entry, key, before };
    });
  });
}

/** What a new version follows, if that is one version with its manifest at hand, or none. */
function lookBefore(context: VaultContext, row: IndexedKey | null): Before | null {
  const found = latestOf(context, row);
  if (found === null) {
    return { ...nextVersion({ heads: [] }), latest: null, body: null, manifest: null };
  }
  const { latest, heads } = found;
  if (heads.length > 1) return null;
  const next = nextVersion({ heads: [latest] });
  const body = readBody(context, latest);
  if (body === null) return null;
  if (body.kind === "delete") return { ...next, latest, body: null, manifest: null };
  if (!("inline" in body.manifest)) return null;
  const manifest = decodeManifest(body.manifest.inline);
  if (manifest.kind !== "full") return null;
  const { references } = manifest;
  return {
    ...next,
    latest,
    body,
    manifest: { references, objects: [], reference: null, depth: 0 },
  };
}

/** Reads and seals the files among the entries; `null` for all others. */
async function sealAll(
  context: VaultContext,
  placed: readonly (Placed | null)[],
): Promise<(SealedFile | null)[]> {
  const files = new Array<SealedFile | null>(placed.length).fill(null);
  const places: number[] = [];
  placed.forEach((each, i) => {
    if (each?.entry.meta.type === "file") places.push(i);
  });
  const jobs: Promise<void>[] = [];
  for (let start = 0; start < places.length; start += JOB_FILES) {
    const some = places.slice(start, start + JOB_FILES);
    jobs.push(
      context.smallFiles.seal(jobOf(some.map((i) => placed[i]!))).then((sealed) => {
        sealed.forEach((file, i) => files[some[i]!] = file);
      }),
    );
  }
  await Promise.all(jobs);
  return files;
}

/** Frees what the files' bytes are views of, or keeps it for others: all is in the store. */
function freeAll(files: readonly (SealedFile | null)[]): void {
  for (const file of files) {
    if (file?.what !== "sealed") continue;
    const { buffer } = file.bytes;
    if (buffer.byteLength > 0) freeBytes(new Uint8Array(buffer)); // once for all files of a job
  }
}

function jobOf(placed: readonly Placed[]): SealJob {
  return {
    paths: placed.map(({ entry }) => entry.path),
    sizes: placed.map(({ entry }) => entry.size),
    mtimes: placed.map(({ entry }) => entry.meta.mtime),
    known: placed.map(({ before }) => {
      const references = before.manifest?.references;
      return references?.count === 1 ? references.id(0).slice() : null;
    }),
  };
}

/** What is to be said of an entry, after putting its chunk into the store; `null` if its file can't be had so. */
function describe(
  context: VaultContext,
  { entry, key, before }: Placed,
  { file, known }: { file: SealedFile | null; known: KnownObjects },
): Described {
  const { tag } = key;
  const old = before.manifest?.references ?? null;
  const content = contentOf(context, entry, { file, old, known });
  if (content === null) return null;
  const { references, addedBytes } = content;
  const { meta, size } = entry;
  const result = {
    key: key.name,
    size,
    chunks: references.count,
    copies: 1,
    type: meta.type,
    newChunks: Number(addedBytes > 0),
    addedBytes,
    version: before.depth,
    id: tag, // until the record has one
    unchanged: false,
  };
  if (isUnchanged(before, references, meta)) {
    const { id, depth: version } = before.latest!;
    return { result: { ...result, id, version, unchanged: true }, tag, draft: null };
  }
  const body: ContentBody = {
    kind: "put",
    key: key.name,
    ...meta,
    size,
    addedBytes,
    chunks: references.count,
    manifest: { inline: encodeManifest({ kind: "full", size, references }) },
  };
  const { inventory } = makeInventory(newNeeds(references, before));
  const { depth, parents } = before;
  const draft: Draft = {
    record: (clock) => ({ kind: "put", clock, keyTag: tag, depth, parents, inventory }),
    body,
  };
  return { result, tag, draft };
}

function contentOf(
  context: VaultContext,
  { meta, size }: SmallEntry,
  { file, old, known: { byLabel, byAddress } }: {
    file: SealedFile | null;
    old: References | null;
    known: KnownObjects;
  },
): Content | null {
  if (meta.type !== "file") return { references: References.none, addedBytes: 0 };
  if (file === null) return null;
  if (file.what === "empty") return { references: References.none, addedBytes: 0 };
  const { store } = context;
  if (file.what === "same") {
    return old !== null && store.hasSync(old.address(0))
      ? { references: old, addedBytes: 0 }
      : null;
  }
  const { id } = file;
  const known = store.findLabel(id, byLabel.get(toHex(id)) ?? null);
  const address = known?.address ?? file.address;
  const sealedLength = known?.length ?? file.bytes.length;
  if (known === null) {
    const indexed = byAddress.get(toHex(address)) ?? null;
    store.putSync({ kind: "sealed", address, pieces: [file.bytes] }, indexed);
  }
  const references = new ReferenceBuilder(1).add({ id, address, length: size, sealedLength });
  return { references: references.finish(), addedBytes: known === null ? sealedLength : 0 };
}

/** What the first reference needs, unless the version before needed it. */
function newNeeds(references: References, { manifest }: Before) {
  if (references.count === 0) return NO_ENTRIES;
  const address = references.address(0);
  for (let i = 0; i < (manifest?.references.count ?? 0); i++) {
    if (equalBytes(manifest!.references.address(i), address)) return NO_ENTRIES;
  }
  return packEntries([{ address, length: references.sealedLength(0) }]);
}

/** Commits what is new. */
async function record(
  context: VaultContext,
  described: Described[],
): Promise<(SmallResult | null)[]> {
  const changed = described.filter((each) => each !== null && each.draft !== null);
  const committing = context.committer.commitAll(changed.map((each) => each!.draft!));
  for (const each of changed) each!.draft = null; // its body is encoded: it need not wait along
  const committed = await committing;
  changed.forEach((each, i) => each!.result.id = committed[i]!.id);
  return described;
}
