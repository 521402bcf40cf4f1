/**
 * The other members, as replication sees them: who is in the network, whom it can talk to. The table of sessions fills
 * this; tests fill it with nodes in one process.
 *
 * @module
 */

import type { NodeId } from "../base/mod.ts";
import type { Channel, Presence } from "../net/mod.ts";

/** A member that a session stands with. */
export interface MeshPeer {
  readonly node: NodeId;
  readonly channel: Pick<Channel, "request" | "notify">;
  /** Round-trip time, milliseconds. */
  readonly rttMs: number;
  /** What it last said of itself. */
  readonly presence: Presence | null;
  /** When it said so: milliseconds since 1970. */
  readonly presenceMs: number;
}

/** A member, ourselves and evicted ones included. */
export interface MeshMember {
  readonly node: NodeId;
  /** Its share of the objects, relative to the others'; 0 for one that holds none. */
  readonly weight: number;
  /** Whether anyone has heard of it lately: who is not present holds no copies that count. */
  readonly isPresent: boolean;
  /** `null` for a member; for an evicted one the last record of its log that counts. */
  readonly evictedAfter: bigint | null;
}

/** Who is in the network, at one moment. */
export interface MeshView {
  /** Grows with every change. */
  readonly version: number;
  readonly members: readonly MeshMember[];
  /** How many members hold each object. */
  readonly replicas: number;
  /** When it last changed: milliseconds since 1970. */
  readonly changedAtMs: number;
}

/** The network around this node. */
export interface Mesh {
  readonly self: NodeId;
  /** Members that a session stands with, this node not among them. */
  peers(): MeshPeer[];
  peer(node: NodeId): MeshPeer | null;
  view(): MeshView;
  /** Called for every session that begins; returns how to stop that. So do the others. */
  onUp(listener: (peer: MeshPeer) => void): () => void;
  onDown(listener: (node: NodeId) => void): () => void;
  onViewChange(listener: (view: MeshView) => void): () => void;
}
