/**
 * Whether a segment goes on from what is known of its node's log. Pure: the answer is a value, and what follows from
 * it is the caller's business.
 *
 * @module
 */

import { equalBytes, type RecordId } from "../base/mod.ts";
import { NO_RECORD, type Segment } from "./segment.ts";

/** The last known record of a log. */
export interface LogHead {
  readonly sequence: bigint;
  readonly id: RecordId;
}

/** What is known of one node's log: all records from 1 to the head. */
export interface KnownLog {
  /** `null` if nothing is known. */
  readonly head: LogHead | null;
  /** Id of the record with this sequence number; only asked for 1 … the head's. */
  idAt(sequence: bigint): RecordId;
}

/** The closed list of answers of {@link checkFollows}. */
export type Follows =
  /** The records from index `from` on (0 unless segments overlap) come right after the head. */
  | { readonly kind: "ok"; readonly from: number }
  /** Records are missing in between, from this sequence number on: ask for them first. */
  | { readonly kind: "gap"; readonly missingFrom: bigint }
  /** Nothing in it is new. */
  | { readonly kind: "known" }
  /** The node signed two different records with this sequence number: keep the segment as evidence. */
  | { readonly kind: "fork"; readonly sequence: bigint };

/**
 * Holds a segment against its node's log. As every id hangs on all before it, two logs that agree on one record agree
 * on all before.
 *
 * @param log what is known of the log of `segment.nodeId`
 */
export function checkFollows(
  log: KnownLog,
  segment: Pick<Segment, "firstSequence" | "previous" | "ids">,
): Follows {
  const headSequence = log.head?.sequence ?? 0n;
  const { firstSequence, previous, ids } = segment;
  if (firstSequence > headSequence + 1n) return { kind: "gap", missingFrom: headSequence + 1n };

  const before = firstSequence - 1n;
  const idBefore = before === 0n
    ? NO_RECORD
    : before === headSequence
    ? log.head!.id
    : log.idAt(before);
  if (!equalBytes(idBefore, previous)) return { kind: "fork", sequence: before };

  const overlap = Math.min(ids.length, Number(headSequence - before));
  for (let i = 0; i < overlap; i++) {
    const sequence = firstSequence + BigInt(i);
    if (!equalBytes(log.idAt(sequence), ids[i]!)) return { kind: "fork", sequence };
  }
  return overlap === ids.length ? { kind: "known" } : { kind: "ok", from: overlap };
}
