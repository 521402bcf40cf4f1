/**
 * Who counts: the view of the network that placement works from, drawn from the roster and from who is absent.
 *
 * @module
 */

import { toHex } from "../base/mod.ts";
import type { MeshMember, MeshView } from "./mesh.ts";
import type { Roster } from "./roster.ts";

/** The view. @param absent hex of members that nobody has heard of for too long */
export function viewOf(
  roster: Pick<Roster, "everyone" | "evictions" | "replicas" | "member">,
  absent: ReadonlySet<string>,
  at: { version: number; changedAtMs: number },
): MeshView {
  const members: MeshMember[] = roster.everyone().map(({ node, weight, evictedAfter }) => ({
    node,
    weight,
    isPresent: evictedAfter === null && !absent.has(toHex(node)),
    evictedAfter,
  }));
  // Of some only the eviction is known; their logs count up to its cut all the same.
  for (const { node, lastSequence } of roster.evictions()) {
    if (roster.member(node) !== null) continue;
    members.push({ node, weight: 1, isPresent: false, evictedAfter: lastSequence });
  }
  return { ...at, members, replicas: roster.replicas };
}

/** What two views that say the same have in common. */
export function keyOfView({ members, replicas }: MeshView): string {
  const all = members.map(({ node, weight, isPresent, evictedAfter }) =>
    `${toHex(node)} ${weight} ${isPresent} ${evictedAfter}`
  );
  return [replicas, ...all].join("\n");
}
