/**
 * The members as `peers` lists them.
 *
 * @module
 */

import { equalBytes, type NodeId } from "../base/mod.ts";
import type { RosterMember } from "./roster.ts";
import type { PeerSession } from "./session_world.ts";
import type { MemberRole } from "./statements_admission.ts";

/** A member, or an evicted one. */
export interface PeerInfo {
  readonly node: NodeId;
  readonly name: string;
  /** Where it is talked to, or else the first it states; `null` if it states none. */
  readonly address: string | null;
  readonly role: MemberRole;
  readonly state: "up" | "connecting" | "down" | "evicted";
  /** `null` unless it was measured. */
  readonly rttMs: number | null;
  /** Since this node started. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** When it was last heard of, by this node or another; milliseconds since 1970, `null` if never. */
  readonly lastSeen: number | null;
  /** Objects it lacks that placement gives it; `null` if it hasn't said. */
  readonly missing: number | null;
}

/** All but the node itself, ascending by node. */
export function listPeers(
  members: readonly RosterMember[],
  known: {
    self: NodeId;
    session: (node: NodeId) => PeerSession | null;
    isDialling: (node: NodeId) => boolean;
    lastHeard: (node: NodeId) => number | null;
    bytesBefore: (node: NodeId) => { in: number; out: number };
    nowMs: number;
  },
): PeerInfo[] {
  return members.filter(({ node }) => !equalBytes(node, known.self)).map((member) => {
    const { node, name, role, addresses } = member;
    const session = known.session(node);
    const before = known.bytesBefore(node);
    const state = member.evictedAfter !== null
      ? "evicted"
      : session !== null
      ? "up"
      : known.isDialling(node)
      ? "connecting"
      : "down";
    return {
      node,
      name,
      role,
      state,
      // Of an incoming connection the port is nobody's.
      address: session?.isDialled ? session.remote : addresses[0] ?? null,
      rttMs: session?.presence ? session.rttMs : null,
      bytesIn: before.in + (session?.channel.bytesIn ?? 0),
      bytesOut: before.out + (session?.channel.bytesOut ?? 0),
      lastSeen: session === null ? known.lastHeard(node) : known.nowMs - session.channel.idleMs(),
      missing: session?.presence ? Number(session.presence.missing) : null,
    };
  });
}
