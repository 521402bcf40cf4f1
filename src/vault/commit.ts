/**
 * The last steps of everything that changes a vault: make the data durable, append signed records to the node's log, make
 * those durable, and only then say so. Changes that wait at the same time go into one segment.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  type Clock,
  concatBytes,
  type Ed25519Signer,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  INLINE_INVENTORY_ENTRIES_MAX,
  type RecordId,
  SEGMENT_BODY_BYTES_MAX,
  SEGMENT_RECORDS_MAX,
  sha256,
  toHex,
  VaultError,
  VERSION_PARENTS_MAX,
} from "../base/mod.ts";
import {
  type Body,
  encodeBodies,
  ENTRY_BYTES,
  hasBody,
  nextClock,
  NO_RECORD,
  type RecordPublic,
  SegmentBuilder,
} from "../log/mod.ts";
import { paddedLength, type VaultKeys } from "../seal/mod.ts";
import type { PackStore } from "../store/mod.ts";
import type { IndexedSegment, SegmentContent } from "./record_index.ts";

/** A record on its way into the log. */
export interface Draft {
  /** The record's public part, once its clock is known. */
  record: (clock: bigint) => RecordPublic;
  body: Body;
}

/** A record that is durable. */
export interface Committed {
  id: RecordId;
  clock: bigint;
}

/** The largest public part of a record: all parents it may have, and an inline inventory that is full. */
const RECORD_BYTES_MAX = 64 + VERSION_PARENTS_MAX * HASH_BYTES +
  INLINE_INVENTORY_ENTRIES_MAX * ENTRY_BYTES;

interface Waiting {
  draft: Draft;
  /** Its body, encoded; the encodings of several bodies, joined, are that of all. */
  encoded: Bytes;
  resolve: (committed: Committed) => void;
  reject: (error: unknown) => void;
}

/** What a {@link Committer} needs of the vault. */
export interface CommitterOptions {
  keys: VaultKeys;
  node: Ed25519Signer;
  clock: Clock;
  store: Pick<PackStore, "put" | "sync" | "flush">;
  /**
   * Where what a segment holds is left while it is being written, by its address (hex): whoever enters it into the index need
   * not decode what was encoded just before.
   */
  written: Map<string, SegmentContent>;
  /** The segment of our own log with the highest number that is known, and the highest clock seen. */
  position: () => { last: IndexedSegment | null; clock: bigint };
  /** Whether the index knows a segment. */
  isEntered: (address: Address) => boolean;
}

/** Appends records to this node's log. */
export class Committer {
  readonly #options: CommitterOptions;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /**
   * Returns once the record, and all that was put into the store before this call, is durable. Everything the record
   * names must have been put already.
   */
  commit(draft: Draft): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ draft, encoded: encodeBodies([draft.body]), resolve, reject });
      this.#running ??= this.#run().finally(() => this.#running = null);
    });
  }

  /** As {@link Committer.commit}, of several records; they come in their order, though not always in one segment. */
  commitAll(drafts: readonly Draft[]): Promise<Committed[]> {
    return Promise.all(drafts.map((draft) => this.commit(draft)));
  }

  /** Waits until nothing is being committed. */
  async settle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // Whoever calls commit in the same turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = takeBatch(this.#waiting);
      try {
        const committed = await this.#write(batch);
        batch.forEach(({ resolve }, i) => resolve(committed[i]!));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  async #write(batch: readonly Waiting[]): Promise<Committed[]> {
    const { keys, node, store, clock } = this.#options;
    await store.sync();
    const { last, clock: highest } = this.#options.position();
    const sealed = batch.some(({ draft }) => hasBody(draft.body.kind))
      ? keys.body.sealSync(concatBytes(batch.map(({ encoded }) => encoded)))
      : null;
    const sealedBodies = new Uint8Array(sealed?.length ?? 0);
    if (sealed !== null) {
      sealedBodies.set(sealed.header);
      sealedBodies.set(sealed.body, sealed.header.length);
    }
    const header = {
      vaultKey: keys.signer.publicKey,
      nodeKey: node.publicKey,
      firstSequence: BigInt(last === null ? 1 : last.first + last.count),
      previous: last?.lastId ?? NO_RECORD,
      sealedBodies,
    };
    const builder = new SegmentBuilder(header);
    const records: RecordPublic[] = [];
    let time = highest;
    const committed = batch.map(({ draft }) => {
      time = nextClock(time, clock.now());
      const record = draft.record(time);
      records.push(record);
      return { id: builder.add(record), clock: time };
    });
    const { address, bytes, ids } = builder.finish({ vault: keys.signer, node });
    const owners = { vaultId: keys.vaultId, nodeId: sha256(node.publicKey) };
    const segment = { ...header, ...owners, records, ids };
    const sizes = batch.map(({ draft: { body } }) => "size" in body ? body.size : 0);
    const { written } = this.#options;
    const name = toHex(address);
    // The lists of a prune are read from the store.
    if (records.every(({ kind }) => kind !== "prune")) {
      written.set(name, { address, segment, sizes, prunes: new Map() });
    }
    try {
      await store.put({ kind: "segment", address, pieces: [bytes] });
      await store.flush();
    } finally {
      written.delete(name);
    }
    if (!this.#options.isEntered(address)) {
      throw new VaultError("failed", "Cannot commit: what was written was not found again", {
        hint: "run `govault doctor`",
      });
    }
    return committed;
  }
}

/** Takes off the front what fits one segment: at least one. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && count < SEGMENT_RECORDS_MAX) {
    bytes += waiting[count]!.encoded.length;
    const segmentBytes = paddedLength(bytes) + (count + 1) * RECORD_BYTES_MAX;
    if (count > 0 && (bytes > SEGMENT_BODY_BYTES_MAX || segmentBytes > FRAME_BYTES_MAX)) break;
    count++;
  }
  return waiting.splice(0, count);
}
