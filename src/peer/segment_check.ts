/**
 * Whether a segment that a peer sent may enter the ledger. Pure; that its signatures hold was decided by decoding it.
 *
 * @module
 */

import {
  type Address,
  CLOCK_AHEAD_MS_MAX,
  equalBytes,
  type NodeId,
  type RecordId,
  shortHex,
} from "../base/mod.ts";
import {
  checkFollows,
  clockMs,
  decodeInventory,
  decodePruneList,
  isVersionRecord,
  type KnownLog,
  NO_RECORD,
  type Segment,
} from "../log/mod.ts";
import type { MeshMember } from "./mesh.ts";
import type { Ledger } from "./ports.ts";

/** The closed list of answers of {@link judgeSegment}. */
export type Verdict =
  | { readonly kind: "enter" }
  /** All of it is known. */
  | { readonly kind: "known" }
  /** The node signed other records with these numbers before: it enters as evidence. */
  | { readonly kind: "fork"; readonly sequence: bigint }
  /** Records before it are missing. */
  | { readonly kind: "gap"; readonly missingFrom: bigint }
  /** It may not enter; `reason` completes "Cannot accept segment of node …". */
  | { readonly kind: "refused"; readonly reason: string };

/** What a segment is held against. */
export interface SegmentContext {
  /** The node that says it wrote it, as a member; `null` if it is none. */
  readonly member: Pick<MeshMember, "evictedAfter"> | null;
  readonly log: KnownLog;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** Decides about one segment. */
export function judgeSegment(segment: Segment, context: SegmentContext): Verdict {
  const { member, log, nowMs } = context;
  const refuse = (reason: string): Verdict => ({ kind: "refused", reason });
  if (member === null) return refuse("it is not a member");
  const last = segment.firstSequence + BigInt(segment.records.length) - 1n;
  if (member.evictedAfter !== null && last > member.evictedAfter) {
    return refuse(
      `record ${last} is later than its eviction, which is after ${member.evictedAfter}`,
    );
  }
  const latest = segment.records.reduce((max, { clock }) => clock > max ? clock : max, 0n);
  if (clockMs(latest) > nowMs + CLOCK_AHEAD_MS_MAX) {
    return refuse(`a record is of ${new Date(clockMs(latest)).toISOString()}, which is to come`);
  }
  const follows = checkFollows(log, segment);
  return follows.kind === "ok" ? { kind: "enter" } : follows;
}

/** An object that every node holds and that a segment names. */
export interface PublicNeed {
  readonly address: Address;
  readonly kind: "inventory" | "prune list";
  /** Entries of the inventory; 0 for a prune list. */
  readonly count: number;
}

/** The public objects that the records of a segment name, each once. */
export function publicNeeds(segment: Pick<Segment, "records">): PublicNeed[] {
  const needs = new Map<string, PublicNeed>();
  const add = (need: PublicNeed) => needs.set(String.fromCharCode(...need.address), need);
  for (const record of segment.records) {
    if (record.kind === "prune") {
      for (const address of record.lists) add({ address, kind: "prune list", count: 0 });
    } else if (isVersionRecord(record) && "parts" in record.inventory) {
      for (const { address, count } of record.inventory.parts) {
        add({ address, kind: "inventory", count });
      }
    }
  }
  return [...needs.values()];
}

/**
 * Whether bytes that have the right address are what the record says they are: what can't be read would be in the way of
 * everyone who asks what is live.
 */
export function isWellFormed(need: PublicNeed, bytes: Uint8Array): boolean {
  try {
    if (need.kind === "inventory") return decodeInventory(bytes).count === need.count;
    decodePruneList(bytes);
    return true;
  } catch {
    return false;
  }
}

/** A log as the ledger knows it, with segments on top that are about to enter. */
export class GrowingLog implements KnownLog {
  readonly #node: NodeId;
  readonly #ledger: Pick<Ledger, "head" | "idAt">;
  readonly #added = new Map<bigint, RecordId>();
  #last: bigint;

  constructor(node: NodeId, ledger: Pick<Ledger, "head" | "idAt">) {
    this.#node = node;
    this.#ledger = ledger;
    this.#last = ledger.head(node)?.last ?? 0n;
  }

  get head(): KnownLog["head"] {
    return this.#last === 0n ? null : { sequence: this.#last, id: this.idAt(this.#last) };
  }

  idAt(sequence: bigint): RecordId {
    // An id that is not known matches none: what follows on it is another branch.
    return this.#added.get(sequence) ?? this.#ledger.idAt(this.#node, sequence) ?? NO_RECORD;
  }

  /** Takes a segment in. The longer branch is the one to go on from. */
  add(segment: Pick<Segment, "firstSequence" | "ids">): void {
    const last = segment.firstSequence + BigInt(segment.ids.length) - 1n;
    if (last <= this.#last) return;
    segment.ids.forEach((id, i) => this.#added.set(segment.firstSequence + BigInt(i), id));
    this.#last = last;
  }
}

/** A member by its id, `null` if there is none. */
export function memberOf<M extends { node: NodeId }>(
  members: readonly M[],
  node: NodeId,
): M | null {
  return members.find((member) => equalBytes(member.node, node)) ?? null;
}

/** Whether a log is an evicted node's, of which we know all that counts. */
export function isClosed(
  { node, evictedAfter }: Pick<MeshMember, "node" | "evictedAfter">,
  ledger: Pick<Ledger, "head">,
): boolean {
  return evictedAfter !== null && (ledger.head(node)?.last ?? 0n) >= evictedAfter;
}

/** For messages. */
export function cannotAccept(node: NodeId, reason: string): string {
  return `Cannot accept segment of node ${shortHex(node)}: ${reason}`;
}
