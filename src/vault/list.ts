/**
 * Listing keys, now or at any moment of the past.
 *
 * @module
 */

import { latestAt } from "../log/mod.ts";
import { hasPrefix, type KeyName, parsePrefix, toHex } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import type { KeyInfo, VersionInfo } from "./types.ts";
import { describeVersion, nameOf } from "./versions.ts";

/** Which keys to list. */
export interface ListOptions {
  /** Only keys at or under this one. */
  prefix?: string;
  /** As they were at this time, milliseconds since 1970. */
  at?: number;
  /** Only keys whose latest version this node made: the first hex digits of its id. */
  node?: string;
  /** Deleted keys too. */
  deleted?: boolean;
}

interface Candidate {
  key: IndexedKey;
  version: IndexedVersion;
}

/** A key with the version that counts. */
export interface Listed {
  info: KeyInfo;
  version: IndexedVersion;
  described: VersionInfo;
}

/** The keys of a vault, sorted by name. Names are sealed, so listing opens one record a key. */
export function listKeys(context: VaultContext, options: ListOptions): Listed[] {
  const prefix = parsePrefix(options.prefix ?? "");
  return context.database.guard(() => {
    const found: Listed[] = [];
    for (const candidate of candidates(context, options)) {
      const name = nameOf(context, candidate.key.tag, candidate.version);
      if (name === null || !hasPrefix(name, prefix)) continue;
      const listed = describe(context, candidate, name);
      if (
        options.node === undefined || toHex(listed.info.node).startsWith(options.node.toLowerCase())
      ) {
        found.push(listed);
      }
    }
    return found.sort((a, b) => a.info.key < b.info.key ? -1 : a.info.key > b.info.key ? 1 : 0);
  });
}

/** The version of each key that counts, in the order of their segments, so that each segment is opened once. */
function candidates(context: VaultContext, { at, deleted }: ListOptions): Candidate[] {
  const found: Candidate[] = [];
  for (const key of context.index.keys()) {
    let version: IndexedVersion | null = null;
    if (at !== undefined) version = latestAt(context.index.versionsOf(key.tag), at);
    else if (key.latest !== null && (deleted || !key.deleted)) {
      version = context.index.knownVersion(key.latest);
    }
    if (version === null || (version.op === "delete" && !deleted)) continue;
    found.push({ key, version });
  }
  return found.sort((a, b) => a.version.segment - b.version.segment);
}

function describe(context: VaultContext, { key, version }: Candidate, name: KeyName): Listed {
  const id = toHex(version.id);
  const latest = key.latest !== null && toHex(key.latest) === id;
  const conflict = key.heads.length > 1 && key.heads.some((head) => toHex(head) === id);
  const described = describeVersion(context, name, version, { latest, conflict });
  const { size, time, node, meta } = described;
  const deleted = version.op === "delete";
  const info = {
    key: name,
    version: version.depth,
    id: version.id,
    size,
    time,
    node,
    deleted,
    conflict,
    meta,
  };
  return { info, version, described };
}
