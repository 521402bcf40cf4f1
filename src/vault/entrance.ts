/**
 * Where segments come into the index of records: those written here, those that peers gave, those found in the packs.
 *
 * @module
 */

import { type Address, type Bytes, isVaultError, type NodeId, toHex } from "../base/mod.ts";
import type { RecordPublic } from "../log/mod.ts";
import type { VaultKeys } from "../seal/mod.ts";
import type { IndexDatabase, StoredSegment } from "../store/mod.ts";
import type { RecordIndex, SegmentContent } from "./record_index.ts";
import { contentOfSegment, type ReadObject } from "./segments.ts";

/** A segment that has just been entered, whoever wrote it. */
export interface EnteredSegment {
  readonly address: Address;
  readonly node: NodeId;
  readonly vault: Bytes;
  /** Sequence number of its first record. */
  readonly first: bigint;
  readonly records: readonly RecordPublic[];
}

/** What an {@link Entrance} works with. */
export interface EntranceOptions {
  keys: VaultKeys;
  database: IndexDatabase;
  index: RecordIndex;
}

/** Enters segments, and tells of them once they are entered for good. */
export class Entrance {
  readonly #options: EntranceOptions;
  readonly #listeners = new Set<(segment: EnteredSegment) => void>();
  /** Entered in a transaction that may yet come to nothing. */
  #untold: EnteredSegment[] = [];
  /** What segments hold that were written here just now, by their address in hex: they need not be read again. */
  readonly written = new Map<string, SegmentContent>();
  /** Segments that were found and can't be read, in words. */
  readonly problems: string[] = [];

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  /** Enters what can be read; inside a transaction of the caller's. `read` gives stored objects. */
  enter(segments: readonly StoredSegment[], read: ReadObject): void {
    const { keys, database, index } = this.#options;
    const contents = segments.flatMap((segment) => {
      try {
        const known = this.written.get(toHex(segment.address));
        return [known ?? contentOfSegment(segment, { keys, read })];
      } catch (error) {
        if (!isVaultError(error, "damaged")) throw error;
        if (!this.problems.includes(error.message)) this.problems.push(error.message);
        return [];
      }
    });
    contents.sort((a, b) => Number(a.segment.firstSequence - b.segment.firstSequence));
    const entered = index.enter(contents);
    if (!database.isRebuilding) entered.forEach((content) => this.#noteEntered(content));
  }

  #noteEntered({ address, segment }: SegmentContent): void {
    if (this.#listeners.size === 0) return;
    const { nodeId: node, vaultId: vault, firstSequence: first, records } = segment;
    // A transaction is over by the end of the turn.
    if (this.#untold.length === 0) queueMicrotask(() => this.#tell());
    this.#untold.push({ address, node, vault, first, records });
  }

  #tell(): void {
    const { database, index } = this.#options;
    const untold = this.#untold;
    this.#untold = [];
    for (const entered of untold) {
      if (database.guard(() => index.findSegment(entered.address)) === null) continue;
      for (const listener of [...this.#listeners]) listener(entered);
    }
  }

  /** Has a listener called after each segment that is entered from now on; what it returns ends that. */
  onEntered(listener: (segment: EnteredSegment) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
