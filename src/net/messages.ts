/**
 * What nodes say to one another once a session stands: requests with their replies, and events. The table that encodes
 * and decodes them is in {@link "./message_table.ts"}.
 *
 * @module
 */

import type { Address, Bytes, NodeId } from "../base/mod.ts";

/** How far a node knows the log of one node. */
export interface LogHead {
  /** Whose log. */
  readonly node: NodeId;
  /** Highest sequence number known, with all below it. */
  readonly last: bigint;
  /** XOR of the addresses of all segments known of this log: two logs that end alike and differ in it have forked. */
  readonly digest: Bytes;
}

/** What a node says of itself all the time. */
export interface Presence {
  /** SHA-256 over the heads of all logs it knows, in order of node; of an evicted node's all that counts, or less. */
  readonly headsDigest: Bytes;
  /** SHA-256 over the ids of all statements it knows of the network, ascending. */
  readonly rosterDigest: Bytes;
  /** Objects that placement gives it and that it lacks, and their bytes. */
  readonly missing: bigint;
  readonly missingBytes: bigint;
  /** Bytes of all it stores. */
  readonly storedBytes: bigint;
  /** Members it has heard of, and how many seconds ago. */
  readonly heard: readonly { readonly node: NodeId; readonly secondsAgo: number }[];
}

/** An object that some version needs. */
export interface Need {
  readonly address: Address;
  /** Its length in bytes. */
  readonly length: number;
}

/** Kinds of stored objects as they travel; numbers as in the packs. */
export type WireKind = "sealed" | "public" | "segment";

/** Requests by name: what is asked, what is answered. */
export interface Requests {
  /** Are you there, and how are you. */
  ping: { ask: Presence; reply: Presence };
  /** Statements of the network (members, tickets, evictions …) that the asker lacks, by the ids that it has. */
  roster: { ask: { known: readonly Bytes[] }; reply: { statements: readonly Bytes[] } };
  /** Heads of all logs. */
  heads: { ask: { heads: readonly LogHead[] }; reply: { heads: readonly LogHead[] } };
  /** Segments of a log whose last record is above `after`, in order of their first; at most some MiB of them. */
  segments: {
    ask: { node: NodeId; after: bigint };
    reply: { segments: readonly Bytes[] };
  };
  /** Addresses of all segments of a log, ascending and above `after`: for logs that have forked. */
  segmentList: {
    ask: { node: NodeId; after: Address };
    reply: { addresses: readonly Address[]; isAll: boolean };
  };
  /** One object. */
  get: { ask: { address: Address }; reply: { object: { kind: WireKind; bytes: Bytes } | null } };
  /**
   * Which of these are held durably, bit by bit. `isBehind`: the one who answers does not know all records behind
   * `heads` yet, so what it holds may be garbage to it tomorrow.
   */
  have: {
    ask: { addresses: readonly Address[]; heads: readonly LogHead[] };
    reply: { held: readonly boolean[]; isBehind: boolean };
  };
  /**
   * Hold these, fetching what is missing from the asker, once all records of `log` up to its `last` are entered; the
   * answer says which are durable here now. May take long.
   */
  keep: {
    ask: { log: { node: NodeId; last: bigint } | null; needs: readonly Need[] };
    reply: { held: readonly boolean[] };
  };
  /** An object on offer, ahead of the record that will name it. Not durable when answered; `false`: not wanted. */
  push: {
    /** `head`: of one that is sent the first bytes, if they lie apart from the others. */
    ask: { kind: WireKind; address: Address; head?: Bytes; bytes: Bytes };
    reply: { isTaken: boolean };
  };
  /** A message between people or scripts, signed by its sender. */
  mail: { ask: { letter: Bytes }; reply: Record<string, never> };
  /** The network's newest secret, signed by its authority. */
  rekey: { ask: { secret: Bytes }; reply: Record<string, never> };
}

/** Events by name: said without an answer. */
export interface Events {
  /** A log that the sender knows has grown. */
  advance: LogHead;
  /** Statements that are new to the sender. */
  news: { statements: readonly Bytes[] };
  /** The sender goes away on purpose. */
  bye: { reason: string };
}

export type RequestName = keyof Requests;
export type EventName = keyof Events;
