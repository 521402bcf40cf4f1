/**
 * Values as scripts read them: the shapes of `--json`. Sizes in bytes, times in ISO 8601 UTC, ids in full. The
 * names are a contract; adding one is fine, changing one is not.
 *
 * @module
 */

import { toHex, type VaultError } from "../base/mod.ts";
import type { NetworkView, PeerInfo } from "../daemon/types.ts";
import type {
  DiffResult,
  KeyInfo,
  PruneResult,
  PutResult,
  StatusInfo,
  TagInfo,
  VersionInfo,
} from "../vault/types.ts";

/** One document on one line. */
export function jsonLine(document: unknown): string {
  return JSON.stringify(document) + "\n";
}

/** A time as ISO 8601 UTC; `null` for one that no calendar holds. */
export function jsonTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** Permission bits as `ls` and `chmod` write them: `"0644"`. */
function jsonMode(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/** What a put did. */
export function putDocument(result: PutResult): Record<string, unknown> {
  return {
    key: result.key,
    version: result.version,
    id: toHex(result.id),
    size: result.size,
    chunks: result.chunks,
    newChunks: result.newChunks,
    addedBytes: result.addedBytes,
    copies: result.copies,
    type: result.type,
    unchanged: result.unchanged,
  };
}

/** One version, without its key. */
export function versionDocument(info: VersionInfo): Record<string, unknown> {
  return {
    version: info.version,
    id: toHex(info.id),
    op: info.op,
    time: jsonTime(info.time),
    size: info.size,
    node: toHex(info.node),
    latest: info.latest,
    conflict: info.conflict,
    damaged: info.damaged,
    addedBytes: info.addedBytes,
    type: info.meta.type,
    mode: jsonMode(info.meta.mode),
  };
}

/** One key of a listing. */
export function keyDocument(info: KeyInfo): Record<string, unknown> {
  return {
    key: info.key,
    version: info.version,
    id: toHex(info.id),
    size: info.size,
    time: jsonTime(info.time),
    node: toHex(info.node),
    deleted: info.deleted,
    conflict: info.conflict,
    type: info.meta.type,
    mode: jsonMode(info.meta.mode),
  };
}

/** How two versions differ. Ranges are in bytes, the end excluded. */
export function diffDocument(diff: DiffResult): Record<string, unknown> {
  const { key, a, b, ...rest } = diff;
  return { key, a: versionDocument(a), b: versionDocument(b), ...rest };
}

/** What a prune did, or would do. */
export function pruneDocument(result: PruneResult): Record<string, unknown> {
  return {
    ...result,
    dropped: result.dropped.map(({ key, version, id, time, size }) => ({
      key,
      version,
      id: toHex(id),
      time: jsonTime(time),
      size,
    })),
  };
}

/** A tag. */
export function tagDocument(tag: TagInfo): Record<string, unknown> {
  return { name: tag.name, time: jsonTime(tag.time), node: toHex(tag.node) };
}

/** The state of a vault, and of its network as far as it is known. */
export function statusDocument(
  status: StatusInfo,
  network: NetworkView | null,
): Record<string, unknown> {
  return {
    node: toHex(status.node),
    vault: toHex(status.vault),
    network: toHex(network?.network ?? status.network),
    address: network?.address ?? null,
    peers: network?.peers.map(peerDocument) ?? [],
    keys: status.keys,
    versions: status.versions,
    chunks: status.chunks,
    logicalBytes: status.logicalBytes,
    storedBytes: status.storedBytes,
    underReplicated: network?.underReplicated ?? 0,
    healedInSeconds: network?.etaSeconds ?? null,
    replicas: network?.replicas ?? null,
    dedupRatio: dedupRatio(status),
    home: status.home,
    protected: status.protected,
    padding: status.padding,
  };
}

/** A peer. */
export function peerDocument(peer: PeerInfo): Record<string, unknown> {
  return {
    node: toHex(peer.node),
    name: peer.name,
    address: peer.address,
    role: peer.role,
    state: peer.state,
    rttMs: peer.rttMs,
    bytesIn: peer.bytesIn,
    bytesOut: peer.bytesOut,
    lastSeen: peer.lastSeen === null ? null : jsonTime(peer.lastSeen),
    missing: peer.missing,
  };
}

/** How many bytes of files one byte on disk stands for; `null` while there is nothing to compare. */
export function dedupRatio(status: StatusInfo): number | null {
  if (status.storedBytes === 0 || status.logicalBytes === 0) return null;
  return Math.round(status.logicalBytes / status.storedBytes * 100) / 100;
}

/** An error. */
export function errorDocument(error: VaultError): Record<string, unknown> {
  return {
    error: { code: error.code, message: error.message, hint: error.hint ?? null },
  };
}
