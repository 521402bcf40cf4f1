/**
 * What every pipeline of the vault works with, put together once when a vault is opened.
 *
 * @module
 */

import type { Bytes, Clock, Disk, Ed25519Signer, NodeId, Random } from "../base/mod.ts";
import type { Chunker } from "../content/mod.ts";
import type { VaultKeys } from "../seal/mod.ts";
import type { IndexDatabase, PackStore } from "../store/mod.ts";
import type { ChunkCiphers } from "./chunk_cipher.ts";
import type { Committer } from "./commit.ts";
import type { Entrance } from "./entrance.ts";
import type { Pace } from "./machine.ts";
import type { RecordIndex } from "./record_index.ts";
import type { Attachment } from "./remote.ts";
import type { SegmentReader } from "./segments.ts";
import type { SmallFiles } from "./small_files.ts";
import type { Gate, Turns } from "./turns.ts";

/** The parts of an open vault. */
export interface VaultContext {
  readonly home: string;
  readonly keys: VaultKeys;
  readonly node: Ed25519Signer;
  readonly nodeId: NodeId;
  readonly networkId: Bytes;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly pace: Pace;
  readonly database: IndexDatabase;
  readonly store: PackStore;
  readonly index: RecordIndex;
  readonly segments: SegmentReader;
  readonly committer: Committer;
  /** Writers of one key, by its tag in hex. */
  readonly turns: Turns;
  /** Writers share it; who takes objects away is alone in it. */
  readonly gate: Gate;
  readonly chunker: Chunker;
  readonly ciphers: Pick<
    ChunkCiphers,
    "expect" | "seal" | "open" | "isFreeForRun" | "writeRun" | "place"
  >;
  readonly smallFiles: Pick<SmallFiles, "expect" | "seal" | "write">;
  readonly entrance: Entrance;
  readonly attachment: Attachment;
  /** Segments that were found and can't be read, in words. */
  readonly problems: string[];
}
