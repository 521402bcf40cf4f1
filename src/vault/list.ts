/**
 * Listing keys, now or at any moment of the past.
 *
 * @module
 */

import { clockMs, latestAt } from "../log/mod.ts";
import { hasPrefix, type KeyName, parsePrefix, toHex } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedKey, IndexedVersion } from "./record_index.ts";
import type { KeyInfo } from "./types.ts";
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

/** The keys of a vault, sorted by name. Names are sealed, so listing opens one record a key. */
export function listKeys(context: VaultContext, options: ListOptions): KeyInfo[] {
  const prefix = parsePrefix(options.prefix ?? "");
  return context.database.guard(() => {
    const found: KeyInfo[] = [];
    for (const { key, version } of candidates(context, options)) {
      const name = nameOf(context, key.tag, version);
      if (name === null || !hasPrefix(name, prefix)) continue;
      const info = describe(context, { key, version }, name);
      if (options.node !== undefined && !toHex(info.node).startsWith(options.node.toLowerCase())) {
        continue;
      }
      found.push(info);
    }
    return found.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
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

function describe(context: VaultContext, { key, version }: Candidate, name: KeyName): KeyInfo {
  const isLatest = key.latest !== null && toHex(key.latest) === toHex(version.id);
  const conflict = key.heads.length > 1 &&
    key.heads.some((head) => toHex(head) === toHex(version.id));
  const info = describeVersion(context, name, version, { latest: isLatest, conflict });
  return {
    key: name,
    version: info.version,
    id: info.id,
    size: info.size,
    time: clockMs(version.clock),
    node: info.node,
    deleted: version.op === "delete",
    conflict,
    meta: info.meta,
  };
}
