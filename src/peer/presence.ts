/**
 * Who is there: when each member was last heard of, by this node or by those it talks to, and which members have been
 * away for so long that others must take their place.
 *
 * @module
 */

import { HEARD_MAX, type NodeId, toHex } from "../base/mod.ts";
import type { Presence } from "../net/mod.ts";

/** When members were last heard of, milliseconds since 1970. */
export class Heard {
  readonly #at = new Map<string, number>();

  /** The time a member was last heard of, `null` if never. */
  last(node: NodeId): number | null {
    return this.#at.get(toHex(node)) ?? null;
  }

  /** It was heard at that time. */
  note(node: NodeId, atMs: number): void {
    const key = toHex(node);
    this.#at.set(key, Math.max(atMs, this.#at.get(key) ?? 0));
  }

  /** What another one says it has heard, of members only. */
  noteAll(heard: Presence["heard"], nowMs: number, isMember: (node: NodeId) => boolean): void {
    for (const { node, secondsAgo } of heard) {
      if (isMember(node)) this.note(node, nowMs - 1000 * Math.max(0, secondsAgo));
    }
  }

  /**
   * As it is told to others. Rounded up: of what goes from node to node and back nothing must get younger on the way.
   */
  toTell(nodes: readonly NodeId[], nowMs: number): Presence["heard"] {
    const heard: { node: NodeId; secondsAgo: number }[] = [];
    for (const node of nodes) {
      const at = this.last(node);
      if (at === null || heard.length >= HEARD_MAX) continue;
      const secondsAgo = Math.min(0xffffffff, Math.max(0, Math.ceil((nowMs - at) / 1000)));
      heard.push({ node, secondsAgo });
    }
    return heard;
  }

  /** Forgets all others. */
  keepOnly(nodes: readonly NodeId[]): void {
    const keys = new Set(nodes.map(toHex));
    for (const key of this.#at.keys()) if (!keys.has(key)) this.#at.delete(key);
  }
}

/**
 * Members that nobody has heard of for `downAfterMs`. Who was never heard of counts as heard when this node started: after a
 * restart everyone has time to come back.
 *
 * @returns hex of their ids
 */
export function absentMembers(
  nowMs: number,
  members: readonly NodeId[],
  { lastHeard, startedMs, downAfterMs }: {
    lastHeard: (node: NodeId) => number | null;
    startedMs: number;
    downAfterMs: number;
  },
): Set<string> {
  const absent = new Set<string>();
  for (const node of members) {
    const heard = Math.max(startedMs, lastHeard(node) ?? startedMs);
    if (nowMs - heard >= downAfterMs) absent.add(toHex(node));
  }
  return absent;
}
