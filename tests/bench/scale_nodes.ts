/**
 * What one more key costs each node of a network, by the number of nodes: not measured but worked out, as a thousand nodes
 * don't fit one machine. The sizes are those of the real encoders; who says what to whom is that of `peer/log_sync.ts`, which
 * see, with a full mesh in which everybody is up and nothing else happens.
 */

import { HASH_BYTES, HEADS_COMPARED_MAX, PARTITIONS } from "../../src/base/mod.ts";
import { encodeAll } from "../../src/net/codec.ts";
import { EVENTS, REQUESTS } from "../../src/net/message_table.ts";
import type { LogHead } from "../../src/net/mod.ts";
import { Placement } from "../../src/peer/placement.ts";

/** Bytes of a frame's header and of the reply's, and of TLS's record: what goes around each message. */
const ENVELOPE_BYTES = 14 + 22;
/** A segment with one record of a small file: measured. */
const SEGMENT_BYTES = 800;

/** Bytes that a node sends and gets. */
export interface NodeBytes {
  nodes: number;
  /** The node that put the key: it tells all, and all ask it for the segment. */
  writer: number;
  /** Any other node, if everybody has heard of it before they tell one another. */
  other: number;
  /** Any other node, if nobody has: each tells each. */
  otherAtMost: number;
  /** The lists of heads that two nodes exchange whose digests differ. */
  comparison: number;
  /**
   * The most that a node sends and gets for comparing heads in each `HEADS_CHECK_MS` in which digests differ though there was time
   * to hear of what is new: as many peers as it may ask, and as many that ask it. Nothing, where a record reaches all in time.
   */
  comparing: number;
  /** Milliseconds to place all partitions anew, as each change of the members asks for. */
  placementMs: number;
}

/** Works it out for a network of so many nodes. */
export function oneKeyAmong(nodes: number): NodeBytes {
  const head: LogHead = {
    node: new Uint8Array(HASH_BYTES),
    last: 1n,
    digest: new Uint8Array(HASH_BYTES),
  };
  const heads = Array.from({ length: nodes }, (_, i) => {
    const node = new Uint8Array(HASH_BYTES);
    new DataView(node.buffer).setUint32(0, i);
    return { ...head, node };
  });
  const advance = encodeAll(EVENTS.advance.event, head, "advance").length + ENVELOPE_BYTES;
  const segments = [new Uint8Array(SEGMENT_BYTES)];
  const pull = encodeAll(REQUESTS.segments.ask, { node: head.node, after: 0n }, "ask").length +
    encodeAll(REQUESTS.segments.reply, { segments }, "reply").length + 2 * ENVELOPE_BYTES;
  const comparison = encodeAll(REQUESTS.heads.ask, { heads }, "ask").length +
    encodeAll(REQUESTS.heads.reply, { heads }, "reply").length + 2 * ENVELOPE_BYTES;
  const began = performance.now();
  const members = heads.map(({ node }) => {
    return { node, weight: 1, isPresent: true, evictedAfter: null };
  });
  const placement = new Placement({ version: 1, members, replicas: 3 });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    placement.holdersOfPartition(partition);
  }
  return {
    nodes,
    writer: (nodes - 1) * (advance + pull),
    other: advance + pull,
    otherAtMost: advance + pull + 2 * (nodes - 2) * advance,
    comparison,
    comparing: 2 * Math.min(nodes - 1, HEADS_COMPARED_MAX) * comparison,
    placementMs: performance.now() - began,
  };
}
