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
  type Segment,
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

/** So many records go in one round of syncs and into the index in one transaction, if so many are coming. */
const ROUND_RECORDS = 2048;

/** Drafts that were handed over together. */
interface Group {
  committed: Committed[];
  /** How many of them are not durable yet. */
  left: number;
  resolve: (committed: Committed[]) => void;
  reject: (error: unknown) => void;
}

interface Waiting {
  draft: Draft;
  /** Its body, encoded; the encodings of several bodies, joined, are that of all. */
  encoded: Bytes;
  group: Group;
  /** Its place among those of the group. */
  place: number;
}

/** Where the log goes on. */
interface LogEnd {
  sequence: bigint;
  previous: RecordId;
  clock: bigint;
}

/** A segment that is not written yet. */
interface MadeSegment {
  batch: readonly Waiting[];
  address: Address;
  bytes: Bytes;
  committed: Committed[];
  segment: Segment;
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
  /** Something that is the same as long as no segment is entered. */
  logs: () => unknown;
  /** The index's row of a segment, null if it knows none. */
  rowOf: (address: Address) => number | null;
  /** Told of segments that were entered, as whoever opens them would find them. */
  onEntered?: (row: number, opened: { segment: Segment; bodies: readonly Body[] }) => void;
}

/** Appends records to this node's log. */
export class Committer {
  readonly #options: CommitterOptions;
  #waiting: Waiting[] = [];
  /** How many will hand over drafts soon. */
  #coming = 0;
  /** Whether someone who waits can't be left to wait for others. */
  #isUrgent = false;
  #wake: () => void = () => {};
  #running: Promise<void> | null = null;
  /** Whether a round broke off: segments of it may be durable and wait for their rows in the index. */
  #isUnsure = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /**
   * Returns once the record, and all that was put into the store before this call, is durable. Everything the record
   * names must have been put already.
   */
  async commit(draft: Draft): Promise<Committed> {
    this.#isUrgent = true;
    const [committed] = await this.#add([draft]);
    return committed!;
  }

  /**
   * As {@link Committer.commit}, of several records; they come in their order, though not always in one segment. Waits for
   * those that were {@link Committer.expect expected}, up to some thousand records, so that all share the syncs.
   */
  commitAll(drafts: readonly Draft[]): Promise<Committed[]> {
    return drafts.length === 0 ? Promise.resolve([]) : this.#add(drafts);
  }

  /** Says that drafts are coming, for which nothing is waited that a commit holds up; what it returns says that they are there. */
  expect(): () => void {
    this.#coming++;
    return () => {
      this.#coming--;
      this.#wake();
    };
  }

  #add(drafts: readonly Draft[]): Promise<Committed[]> {
    return new Promise((resolve, reject) => {
      const group = { committed: [], left: drafts.length, resolve, reject };
      const added = drafts.map((draft, place): Waiting => {
        return { draft, encoded: encodeBodies([draft.body]), group, place };
      });
      for (const each of added) this.#waiting.push(each);
      this.#wake();
      this.#running ??= this.#run();
    });
  }

  /** Waits until nothing is being committed. */
  async settle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // Whoever calls commit in the same turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      while (this.#coming > 0 && !this.#isUrgent && this.#waiting.length < ROUND_RECORDS) {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      this.#isUrgent = false;
      const round = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(round);
      } catch (error) {
        for (const { group } of round) group.reject(error);
      }
    }
    // At once: whoever was told of the last round may have something for the next by the time this promise settles.
    this.#running = null;
  }

  async #write(round: readonly Waiting[]): Promise<void> {
    const { store, written, logs } = this.#options;
    const segments: MadeSegment[] = [];
    // Where the index has yet to take a segment of ours, the next one would get its numbers: the log would fork.
    const syncing = this.#isUnsure ? store.flush() : store.sync();
    syncing.catch(() => {/* thrown below */});
    try {
      await Promise.resolve(); // the disk has begun by then: they are made while it works on what they name
      for (let known: unknown = null; known !== logs();) {
        for (const { address } of segments.splice(0)) written.delete(toHex(address));
        known = logs();
        for (const segment of this.#makeAll(round)) segments.push(segment);
        await syncing;
      }
      this.#isUnsure = true;
      for (const { address, bytes } of segments) {
        await store.put({ kind: "segment", address, pieces: [bytes] });
      }
      await store.flush();
    } finally {
      for (const { address } of segments) written.delete(toHex(address));
    }
    for (const { address, segment, batch } of segments) {
      const row = this.#options.rowOf(address);
      if (row === null) {
        throw new VaultError("failed", "Cannot commit: what was written was not found again", {
          hint: "run `govault doctor`",
        });
      }
      this.#options.onEntered?.(row, { segment, bodies: batch.map(({ draft }) => draft.body) });
    }
    this.#isUnsure = false;
    for (const { batch, committed } of segments) {
      batch.forEach((each, i) => tell(each, committed[i]!));
    }
  }

  /** Makes segments of all these records, behind the end of the log. */
  *#makeAll(round: readonly Waiting[]): Generator<MadeSegment> {
    const { last, clock } = this.#options.position();
    let end: LogEnd = {
      sequence: BigInt(last === null ? 1 : last.first + last.count),
      previous: last?.lastId ?? NO_RECORD,
      clock,
    };
    for (const batch of segmentsOf(round)) {
      const segment = this.#make(batch, end);
      yield segment;
      const { id, clock } = segment.committed.at(-1)!;
      end = { sequence: end.sequence + BigInt(batch.length), previous: id, clock };
    }
  }

  /** Makes the segment of records that follow the end of the log. */
  #make(
    batch: readonly Waiting[],
    { sequence, previous, clock: highest }: LogEnd,
  ): MadeSegment {
    const { keys, node, clock, written } = this.#options;
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
      firstSequence: sequence,
      previous,
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
    // The lists of a prune are read from the store.
    if (records.every(({ kind }) => kind !== "prune")) {
      written.set(toHex(address), { address, segment, sizes, prunes: new Map() });
    }
    return { batch, address, bytes, committed, segment };
  }
}

/** Says that a record is durable; whoever handed it over hears of it with the last of the group. */
function tell({ group, place }: Waiting, committed: Committed): void {
  group.committed[place] = committed;
  if (--group.left === 0) group.resolve(group.committed);
}

/** Cuts records into what fits one segment each. */
function* segmentsOf(round: readonly Waiting[]): Generator<Waiting[]> {
  for (let start = 0; start < round.length;) {
    const end = endOfSegment(round, start);
    yield round.slice(start, end);
    start = end;
  }
}

/** Where a segment that begins with the record at `start` ends: it holds at least one. */
function endOfSegment(round: readonly Waiting[], start: number): number {
  let bytes = 0;
  let at = start;
  while (at < round.length && at - start < SEGMENT_RECORDS_MAX) {
    bytes += round[at]!.encoded.length;
    const segmentBytes = paddedLength(bytes) + (at - start + 1) * RECORD_BYTES_MAX;
    if (at > start && (bytes > SEGMENT_BODY_BYTES_MAX || segmentBytes > FRAME_BYTES_MAX)) break;
    at++;
  }
  return at;
}
