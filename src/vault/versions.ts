/**
 * Finding versions: from what a user names to what the index knows, and from there to what a user sees. Whoever calls
 * these does so inside `database.guard`, unless they say that they do it themselves.
 *
 * @module
 */

import {
  type Bytes,
  isVaultError,
  type KeyName,
  type NodeId,
  parseKey,
  quoteKey,
  type RecordId,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { clockMs, type ContentBody, foldHistory, latestAt, type VersionBody } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import type { FileMeta, VersionInfo, VersionSelector } from "./types.ts";
import { readRecords } from "./whole_records.ts";

/** A key's name, checked, with its tag. */
export interface NamedKey {
  name: KeyName;
  tag: Bytes;
}

/** Checks a key's name. @throws VaultError `bad_key` */
export function nameKey(context: Pick<VaultContext, "keys">, text: string): NamedKey {
  const name = parseKey(text);
  return { name, tag: context.keys.keyTag(name) };
}

/** The heads and the latest version of a key; `null` for a key that never was or that was purged whole. */
export function latestVersion(
  context: VaultContext,
  key: NamedKey,
): { latest: IndexedVersion; heads: readonly RecordId[] } | null {
  return latestOf(context, context.index.key(key.tag));
}

/** As {@link latestVersion}, of a key that has been looked up. */
export function latestOf(
  { index }: VaultContext,
  row: IndexedKey | null,
): { latest: IndexedVersion; heads: readonly RecordId[] } | null {
  if (row === null || row.latest === null) return null;
  return { latest: index.knownVersion(row.latest), heads: row.heads };
}

/** All versions of a key that are kept, oldest first. @throws VaultError `not_found` if there is none */
export function keptVersions(
  context: VaultContext,
  key: NamedKey,
): {
  ordered: readonly IndexedVersion[];
  heads: readonly IndexedVersion[];
  latest: IndexedVersion;
} {
  const { ordered, heads, latest } = foldHistory(context.index.versionsOf(key.tag));
  if (latest === null) throw noSuchKey(key.name);
  return { ordered, heads, latest };
}

function noSuchKey(name: KeyName): VaultError {
  return new VaultError("not_found", `Cannot find ${quoteKey(name)}: there is no such key`, {
    hint: "`govault ls` lists the keys",
  });
}

/** The version that is meant. @throws VaultError `not_found`, or `usage` for an ambiguous prefix of an id */
function selectVersion(
  context: VaultContext,
  key: NamedKey,
  select: VersionSelector,
): IndexedVersion {
  if (select.kind === "latest") {
    const found = latestVersion(context, key);
    if (found === null) throw noSuchKey(key.name);
    return found.latest;
  }
  const { ordered, heads } = keptVersions(context, key);
  const name = quoteKey(key.name);
  const missing = (what: string) =>
    new VaultError("not_found", `Cannot find ${what} of ${name}: there is none`, {
      hint: `\`govault history\` lists the versions`,
    });
  switch (select.kind) {
    case "number": {
      const candidates = ordered.filter((version) => version.depth === select.number);
      const isHead = (version: IndexedVersion) => heads.includes(version);
      const found = candidates.findLast(isHead) ?? candidates.at(-1);
      if (found === undefined) throw missing(`version ${select.number}`);
      return found;
    }
    case "id": {
      const found = ordered.filter((version) =>
        toHex(version.id).startsWith(select.prefix.toLowerCase())
      );
      if (found.length === 0) throw missing(`version ${select.prefix}`);
      if (found.length > 1) {
        throw new VaultError(
          "usage",
          `Cannot choose version ${select.prefix} of ${name}: ${found.length} ids begin so`,
          {
            hint: "type more of the id",
          },
        );
      }
      return found[0]!;
    }
    case "time": {
      const found = latestAt(ordered, select.time);
      if (found === null) {
        throw missing(`a version as old as ${new Date(select.time).toISOString()}`);
      }
      return found;
    }
  }
}

/**
 * As {@link selectVersion}, with the body; a delete is `not_found`, as there is nothing to be had. Guards itself; a damaged
 * record is taken from another node.
 */
export function selectContent(
  context: VaultContext,
  key: NamedKey,
  { select, signal }: { select: VersionSelector; signal: AbortSignal | undefined },
): Promise<{ version: IndexedVersion; body: ContentBody }> {
  const find = () => contentOf(context, key, selectVersion(context, key, select));
  return readRecords(context, () => context.database.guard(find), signal);
}

/** A version's body, if it has content. @throws VaultError `not_found` for a delete */
export function contentOf(
  context: VaultContext,
  key: NamedKey,
  version: IndexedVersion,
): { version: IndexedVersion; body: ContentBody } {
  const body = context.segments.versionBody(version);
  if (body.kind === "delete") {
    throw new VaultError(
      "not_found",
      `Cannot get ${quoteKey(key.name)}: version ${version.depth} is a delete`,
      {
        hint: "an older one comes with --version N; `govault restore` makes it the newest",
      },
    );
  }
  return { version, body };
}

/** Metadata of what has none. */
const NO_META: FileMeta = { type: "file", mode: 0, mtime: 0, target: "" };

/** What a body says of a file beside its bytes. */
export function metaOf(body: VersionBody): FileMeta {
  if (body.kind === "delete") return NO_META;
  const { type, mode, mtime, target } = body;
  return { type, mode, mtime, target };
}

/**
 * A version as users see it. One whose record is damaged is shown with what the index knows of it, so that it does not
 * hide the others.
 */
export function describeVersion(
  context: VaultContext,
  key: KeyName,
  version: IndexedVersion,
  marks: { latest: boolean; conflict: boolean },
): VersionInfo {
  const body = readBody(context, version);
  return {
    key,
    version: version.depth,
    id: version.id,
    op: version.op,
    time: clockMs(version.clock),
    size: version.size,
    node: nodeOf(context, version, body),
    latest: marks.latest,
    conflict: marks.conflict,
    addedBytes: body === null || body.kind === "delete" ? 0 : body.addedBytes,
    meta: body === null ? NO_META : metaOf(body),
    damaged: body === null,
  };
}

/** Who made a version: the open segment knows, and of a damaged one the index. */
function nodeOf(context: VaultContext, version: IndexedVersion, body: VersionBody | null): NodeId {
  return body === null
    ? context.index.segment(version.segment).node
    : context.segments.open(version.segment).segment.nodeId;
}

/** The body of a version, or null if its record is damaged. */
export function readBody(context: VaultContext, version: IndexedVersion): VersionBody | null {
  try {
    return context.segments.versionBody(version);
  } catch (error) {
    if (isVaultError(error, "damaged")) return null;
    throw error;
  }
}

/** The name of a key, from the record of one version or, if that is damaged, of any other; null if none can be read. */
export function nameOf(context: VaultContext, tag: Bytes, version: IndexedVersion): KeyName | null {
  const body = readBody(context, version);
  if (body !== null) return body.key;
  for (const other of context.index.versionsOf(tag)) {
    const otherBody = readBody(context, other);
    if (otherBody !== null) return otherBody.key;
  }
  return null;
}

/** A version the index knows by its id, as users see it. */
export function describeId(context: VaultContext, key: KeyName, id: RecordId): VersionInfo {
  return context.database.guard(() => {
    const version = context.index.knownVersion(id);
    const row = context.index.key(version.keyTag);
    const heads = (row?.heads ?? []).map(toHex);
    return describeVersion(context, key, version, {
      latest: row !== null && row.latest !== null && toHex(row.latest) === toHex(id),
      conflict: heads.length > 1 && heads.includes(toHex(id)),
    });
  });
}

/** Every version of a key, oldest first. Damaged records are taken from other nodes. @throws VaultError `not_found` */
export function historyOf(context: VaultContext, key: NamedKey): Promise<VersionInfo[]> {
  const read = () => {
    const { ordered, heads, latest } = keptVersions(context, key);
    return ordered.map((version) =>
      describeVersion(context, key.name, version, {
        latest: version === latest,
        conflict: heads.length > 1 && heads.includes(version),
      })
    );
  };
  return readRecords(context, () => context.database.guard(read));
}
