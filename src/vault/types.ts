/**
 * What a user of a vault sees: the values that go in and come out. No effects here.
 *
 * @module
 */

import type { ErrorCode, KeyName, NodeId, RecordId } from "../base/mod.ts";

/** What a version is of. */
export type EntryType = "file" | "folder" | "link";

/** What made a version. */
export type VersionOp = "put" | "delete" | "restore";

/** What is kept of a file beside its bytes. */
export interface FileMeta {
  /** File, folder or link. */
  type: EntryType;
  /** Permission bits (0o7777). */
  mode: number;
  /** Time of last change, milliseconds since 1970. */
  mtime: number;
  /** Where a link points, as it was written; empty for files and folders. */
  target: string;
}

/** One version of a key, as `history` shows it. */
export interface VersionInfo {
  /** The key it is a version of. */
  key: KeyName;
  /** Causal depth: 1 for the first, one more than the deepest parent after that. */
  version: number;
  /** Its record's id. */
  id: RecordId;
  /** What made it. */
  op: VersionOp;
  /** When it was made, milliseconds since 1970. */
  time: number;
  /** Bytes of plaintext; 0 for a delete. */
  size: number;
  /** The node that made it. */
  node: NodeId;
  /** Whether `get` without a version gives this one. */
  latest: boolean;
  /** Whether it is one of several heads: two writers did not know of each other. */
  conflict: boolean;
  /** Bytes of store this version added when it was made. */
  addedBytes: number;
  /** The file's metadata as it was put. */
  meta: FileMeta;
  /** Its record can't be read: metadata and added bytes are unknown. */
  damaged: boolean;
}

/** One key, as `ls` shows it. */
export interface KeyInfo {
  /** Its name. */
  key: KeyName;
  /** The latest version's number. */
  version: number;
  /** The latest version's id. */
  id: RecordId;
  /** Bytes of plaintext; 0 for a deleted key. */
  size: number;
  /** When the latest version was made, milliseconds since 1970. */
  time: number;
  /** The node that made it. */
  node: NodeId;
  /** Whether the latest version is a delete. */
  deleted: boolean;
  /** Whether there are several heads. */
  conflict: boolean;
  /** The latest version's metadata. */
  meta: FileMeta;
}

/** What a put did. */
export interface PutResult {
  /** The key, checked and normalised. */
  key: KeyName;
  /** The version's number. */
  version: number;
  /** The version's id. */
  id: RecordId;
  /** Bytes of plaintext. */
  size: number;
  /** Chunks the version consists of. */
  chunks: number;
  /** Chunks that the store did not have. */
  newChunks: number;
  /** Bytes appended to the store for them and for the manifest. */
  addedBytes: number;
  /** Nodes that are known to hold it durably: 1 if copies were not waited for. */
  copies: number;
  /** Nothing had changed since the latest version: no version was made, these are its figures. */
  unchanged: boolean;
  /** What was stored. */
  type: EntryType;
}

/** Which version of a key is meant. */
export type VersionSelector =
  | { kind: "latest" }
  /** By number; if two heads share it, the one that `latest` would choose. */
  | { kind: "number"; number: number }
  /** By the first hex digits of its id. */
  | { kind: "id"; prefix: string }
  /** The latest at that time, milliseconds since 1970. */
  | { kind: "time"; time: number };

/** How far a long piece of work has come. */
export interface Progress {
  /** Bytes of plaintext (or of store, for verify and prune) done. */
  doneBytes: number;
  /** Bytes in all, if known. */
  totalBytes: number | undefined;
  /** What is being worked on, for people. */
  item?: string;
}

/** Called now and then during long work. */
export type OnProgress = (progress: Progress) => void;

/** Options of everything slow. */
export interface WorkOptions {
  /** Stops the work, which then throws `interrupted`. */
  signal?: AbortSignal;
  /** Told now and then how far it has come. */
  onProgress?: OnProgress;
}

/** Options of everything that makes records. */
export interface CopyOptions {
  /**
   * Returns only once so many nodes hold it durably, this one included; else `too_few_peers` is thrown, and it is stored
   * here all the same. Without it, a running node makes the copies in the background.
   */
  copies?: number;
  /** How long to wait for them, milliseconds; 30 s if not given. */
  copiesTimeoutMs?: number;
}

/** Options of {@link Vault.put}. */
export interface PutOptions extends WorkOptions, CopyOptions {
  /** Metadata to keep; a plain file of mode 0644 made now if not given. */
  meta?: Partial<FileMeta>;
  /** Expected size, for progress only. */
  sizeHint?: number;
}

/** How often versions are kept. Each rule keeps versions; what no rule keeps goes. */
export interface Retention {
  /** The newest so many versions of each key. */
  keepLast?: number;
  /** The last version of each of so many hours. */
  keepHourly?: number;
  /** The last version of each of so many days. */
  keepDaily?: number;
  /** The last version of each of so many weeks. */
  keepWeekly?: number;
  /** The last version of each of so many months. */
  keepMonthly?: number;
  /** The last version of each of so many years. */
  keepYearly?: number;
  /** Everything younger than this many milliseconds is kept. */
  keepWithinMs?: number;
}

/** What a prune did, or would do. */
export interface PruneResult {
  /** Whether it only looked. */
  dryRun: boolean;
  /** Versions looked at. */
  versions: number;
  /** Versions that a rule or a tag keeps. */
  keptVersions: number;
  /** Versions that no rule keeps. */
  droppedVersions: number;
  /** Sealed objects that nothing needs any more. */
  removedChunks: number;
  /** Bytes of those objects. */
  freedBytes: number;
  /** Bytes that nothing needs either and that stay for now: there are too few of them in their packs to write these anew. */
  leftBytes: number;
  /** What was or would be dropped, oldest first. */
  dropped: { key: KeyName; version: number; id: RecordId; time: number; size: number }[];
}

/** Outcome of a verify. */
export interface VerifyResult {
  /** Stored objects read and checked. */
  checked: number;
  /** Objects whose bytes are not what their address, tag or id says. */
  damaged: number;
  /** Damaged or missing objects that are whole again. */
  repaired: number;
  /** Objects that a version needs and the store lacks. */
  missing: number;
  /** Objects that a version needs, that are not here, and that other members of the network should have. */
  elsewhere: number;
  /** What is wrong, in words; versions that can't be read are named. */
  problems: string[];
}

/** What `status` tells. */
export interface StatusInfo {
  /** This node's id. */
  node: NodeId;
  /** The vault's id. */
  vault: NodeId;
  /** The network's id. */
  network: NodeId;
  /** Keys that are not deleted. */
  keys: number;
  /** Versions of all keys. */
  versions: number;
  /** Sealed objects in the store. */
  chunks: number;
  /** Plaintext bytes of all versions. */
  logicalBytes: number;
  /** Bytes on disk. */
  storedBytes: number;
  /** Objects with fewer copies than wished for; 0 while no node runs. */
  underReplicated: number;
  /** In how many seconds that is 0; `null` if nobody can tell. */
  underReplicatedSeconds: number | null;
  /** The vault's folder. */
  home: string;
  /** Whether the key file asks for a passphrase. */
  protected: boolean;
  /** Whether what this home seals is padded. */
  padding: boolean;
}

/** A byte range, end excluded. */
export interface ByteRange {
  /** Offset of the first byte. */
  start: number;
  /** Offset after the last byte. */
  end: number;
}

/** What differs between two versions. */
export interface DiffResult {
  /** The key whose versions they are. */
  key: KeyName;
  /** The first version. */
  a: VersionInfo;
  /** The second version. */
  b: VersionInfo;
  /** Ranges of `a` that `b` does not have; aligned by content, to the byte. */
  onlyInA: ByteRange[];
  /** Ranges of `b` that `a` does not have. */
  onlyInB: ByteRange[];
  /** Chunks that both consist of. */
  sharedChunks: number;
  /** Chunks of `a`. */
  chunksA: number;
  /** Chunks of `b`. */
  chunksB: number;
  /** Whether mode, time, type or target differ. */
  metaChanged: boolean;
}

/** A tag: a moment that prune leaves alone. */
export interface TagInfo {
  /** Its name. */
  name: string;
  /** The moment it keeps, milliseconds since 1970. */
  time: number;
  /** The node that made it. */
  node: NodeId;
}

/** One finding of `doctor`. */
export interface DoctorFinding {
  /** What was looked at. */
  check: string;
  /** Whether it is as it should be. */
  ok: boolean;
  /** What kind of error it is if it isn't. */
  code?: ErrorCode;
  /** What was found. */
  detail: string;
  /** What to do about it. */
  hint?: string;
}

/** What bringing a whole vault here did. */
export interface FetchAllResult {
  /** Objects that came. */
  objects: number;
  /** Their bytes. */
  bytes: number;
  /** Objects that nobody in reach has; each version of which that is the record or the manifest counts as one. */
  missing: number;
}
