/**
 * What the peer layer needs of the node it runs in. The store and the index of records behind these shapes belong to
 * the vault's side; a peer sees only addresses, lengths and public records through them.
 *
 * @module
 */

import type { Address, Bytes, NodeId, RecordId } from "../base/mod.ts";
import type { PackedEntries, RecordPublic } from "../log/mod.ts";
import type { LogHead } from "../net/mod.ts";
import type { ObjectKind } from "../store/mod.ts";

/** The node's own objects. */
export interface ObjectStore {
  has(address: Address): Promise<boolean>;
  /** Unchecked bytes, the caller's own; `null` if not there. */
  get(address: Address): Promise<Bytes | null>;
  /** What an object is and how long, `null` if not there. */
  stat(address: Address): { kind: ObjectKind; length: number } | null;
  /** The bytes must have been checked against the address. Durable after {@link ObjectStore.flush}. */
  put(
    object: { kind: ObjectKind; address: Address; pieces: readonly Uint8Array[] },
  ): Promise<boolean>;
  flush(): Promise<void>;
  /** Whether an object is there and survives a power cut now. */
  isDurable(address: Address): boolean;
}

/** A segment that the ledger knows. */
export interface LedgerSegment {
  /** SHA-256 of its bytes. */
  readonly address: Address;
  /** Number of its first record in its node's log. */
  readonly first: bigint;
  /** How many records it has. */
  readonly count: number;
}

/** A segment that was just entered, by a put here or from a peer. */
export interface EnteredSegment {
  /** SHA-256 of its bytes. */
  readonly address: Address;
  /** Whose log it is of. */
  readonly node: NodeId;
  /** Id of the vault that its records are of. */
  readonly vault: Bytes;
  /** Number of its first record. */
  readonly first: bigint;
  /** What anyone may read of its records. */
  readonly records: readonly RecordPublic[];
}

/** All logs of all nodes and vaults, as far as this node knows them, and what their versions need. */
export interface Ledger {
  /** Heads of all logs, ascending by node. */
  heads(): LogHead[];
  /** Head of one log; `null` if nothing of it is known. */
  head(node: NodeId): LogHead | null;
  /** SHA-256 over {@link Ledger.heads}, kept up to date. */
  headsDigest(): Bytes;
  /** Id of a record, on the branch that ends in the head; `null` if it is not known. */
  idAt(node: NodeId, sequence: bigint): RecordId | null;
  /** Segments of a log with a record above `after`, by their first record. */
  segmentsAfter(node: NodeId, after: bigint, countMax: number): LedgerSegment[];
  /** Addresses of all segments of a log, ascending. */
  segmentAddresses(node: NodeId): Address[];
  /**
   * Enters segments whose signatures, membership and order have been checked, and whose public objects are all stored.
   * Durable and entered when it returns.
   */
  enter(segments: readonly { address: Address; bytes: Bytes }[]): Promise<void>;
  /** Logs of which two records with one number are known. */
  forks(): readonly { readonly node: NodeId; readonly sequence: bigint }[];
  /**
   * Everything that live versions of all vaults need, as lists in no order; some objects stand in several. The lists of
   * one call are those of one moment since then, and may be read on over many turns; some may be empty. `isPublic` objects
   * are held by every node, the others by those that placement names. What stands in a list that is lost is left out; the
   * list itself is among the public objects. The length is 1 where nobody can tell it. Of what is `isInherited` nobody
   * knows without a key whether it is needed: a version that was dropped needed it, and one follows it of which the prune
   * did not know.
   */
  live(): Iterable<
    {
      readonly entries: PackedEntries;
      readonly isPublic: boolean;
      readonly isInherited?: boolean;
    }
  >;
  /** Called after a segment was entered, whoever wrote it; returns how to stop that. */
  onEntered(listener: (segment: EnteredSegment) => void): () => void;
}

/** What only the vault's side can do safely. */
export interface Upkeep {
  /**
   * Collects what no version of any vault needs any more, but for what `isPinned` names. `isDone`: false if someone was
   * writing, so that it is worth trying again.
   */
  collect(options: { isPinned: (address: Address) => boolean; signal: AbortSignal }): Promise<
    { freedBytes: number; isDone: boolean }
  >;
  /** Forgets objects that others hold, while nobody writes. `stillSurplus` is asked again, once alone. */
  dropSurplus(
    addresses: readonly Address[],
    stillSurplus: (address: Address) => boolean,
  ): Promise<number>;
  /**
   * Reads stored objects from `cursor` on and checks their bytes, about `bytesMax` of them; damaged ones are forgotten, so
   * that they can be fetched again, but for those that could be made whole here: they are `mended`. `next` is `null` at the end.
   */
  scrub(
    cursor: string | null,
    bytesMax: number,
  ): Promise<
    { next: string | null; checkedBytes: number; damaged: Address[]; mended: readonly Address[] }
  >;
  /** Makes a record that is damaged here whole, where it can be done without others; says whether it is. */
  mend(address: Address): Promise<boolean>;
  /** Bytes of all packs. */
  storedBytes(): number;
}
