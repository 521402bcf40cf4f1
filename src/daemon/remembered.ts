/**
 * What a home remembers of its network while no node runs from it.
 *
 * @module
 */

import { join } from "@std/path";
import { equalBytes } from "../base/mod.ts";
import { NetworkFile } from "../peer/mod.ts";
import type { Vault } from "../vault/mod.ts";
import type { NetworkView } from "./peer_surface.ts";

/** The file in a home that holds it. */
export function networkPath(home: string): string {
  return join(home, "network.json");
}

/** The network as it was known when a node ran last; `null` if none ever did. */
export function rememberedNetwork(vault: Vault): NetworkView | null {
  const { node, nodeId } = vault.peerSide();
  const file = NetworkFile.load(networkPath(vault.home), node.publicKey);
  if (file === null) return null;
  const { network, roster } = file.state;
  const others = roster.everyone().filter((member) => !equalBytes(member.node, nodeId));
  return {
    network: network.networkId,
    address: null,
    peers: others.map((member) => ({
      node: member.node,
      name: member.name,
      address: member.addresses[0] ?? "",
      role: member.role,
      state: member.evictedAfter === null ? "down" : "evicted",
      rttMs: null,
      bytesIn: 0,
      bytesOut: 0,
      lastSeen: null,
      missing: 0,
    })),
    underReplicated: 0,
    etaSeconds: null,
    replicas: roster.replicas,
  };
}
