/**
 * Who is left outside of a network, by its rules, and how people let them in again. An eviction brings a new secret, and who has
 * only an old one must be known: whoever was invited just before and has come to nobody yet, and members that only those
 * had met who are gone. Their people see it, and have them join with a new token.
 *
 * @module
 */

import { isVaultError, type NodeId } from "../../src/base/mod.ts";
import { decodeNetworkFile, type NetworkState } from "../../src/peer/network_file.ts";
import { compareSecretRefs } from "../../src/peer/session_secrets.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

/** What a node knows of its network, by its disk; `null` if it is not up. */
function stateOf(node: SimNode): NetworkState | null {
  if (node.running === null) return null;
  const text = node.disk.text(`${node.home}/network.json`);
  return decodeNetworkFile(text, node.running.vault.peerSide().node.publicKey);
}

/** Whether a node that is up has another one as a member. */
export function knows(node: SimNode, other: NodeId): boolean {
  return stateOf(node)?.roster.stateOf(other) === "member";
}

/** Lets in again all that are shut out, on an owner that is up and has the newest secret; the next time if it can't be done. */
export async function letIn(world: World): Promise<void> {
  const members = world.members().map((node) => ({ node, state: stateOf(node) }))
    .filter((each): each is { node: SimNode; state: NetworkState } => each.state !== null);
  const newest = members.map(({ state }) => state.secrets.newestRef).toSorted(compareSecretRefs)
    .at(-1)!;
  const inside = members.filter(({ state }) => state.secrets.find(newest) !== null);
  const host = inside.find(({ node }) => node.isOwner)?.node;
  if (host === undefined) return;
  for (const { node, state } of members) {
    if (state.secrets.find(newest) !== null) continue;
    if (inside.some((each) => each.state.roster.stateOf(node.id) === "member")) continue;
    world.trace.note(node.name, `was left outside, joins again by ${host.name}`);
    try {
      const token = await world.invite(host, node.isOwner);
      await node.running?.peers.join(token);
    } catch (error) {
      if (!isVaultError(error)) throw error;
      world.trace.note(node.name, `join: ${error.code}, ${error.message}`);
    }
  }
}
