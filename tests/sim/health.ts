/**
 * Whether all is well again: every member has a session with every other, all know the same, and of each object that a
 * version needs there are as many copies as the network is to keep, on disks, whole. Counted here, by what lies where, not
 * by what nodes say of themselves.
 *
 * @module
 */

import { type Address, equalBytes, sha256, toHex } from "../../src/base/mod.ts";
import type { SimNode } from "./node.ts";

/** What {@link examine} looks at. */
export interface Examined {
  /** Members that are to be in order; all run. */
  readonly nodes: readonly SimNode[];
  readonly replicas: number;
  /** Whether objects may be gone from everywhere. */
  readonly mayLack: boolean;
  /** Whether to read all bytes again. */
  readonly readsAll?: boolean;
}

/** What is not in order yet, in words; empty once all is. */
export async function examine(what: Examined): Promise<string[]> {
  const { nodes } = what;
  const down = nodes.filter(({ isUp }) => !isUp);
  if (down.length > 0) return down.map(({ name }) => `${name} is down`);
  const problems = [...sessions(nodes), ...records(nodes)];
  if (problems.length > 0) return problems;
  return await copies(what);
}

function sessions(nodes: readonly SimNode[]): string[] {
  return nodes.flatMap((node) =>
    nodes.filter((other) => other !== node).flatMap((other) => {
      const peers = node.running!.peers.view().peers;
      const state = peers.find((peer) => equalBytes(peer.node, other.id))?.state;
      return state === "up" ? [] : [`${node.name} has ${other.name} ${state ?? "unknown"}`];
    })
  );
}

function records(nodes: readonly SimNode[]): string[] {
  const { nodes: everybody } = nodes[0]!.world;
  // What an evicted node wrote behind its end some may have, and nobody else takes; owners all have the same of it.
  const counts = new Set(
    everybody.filter(({ isEvicted }) => !isEvicted).map(({ id }) => toHex(id)),
  );
  const textOf = (node: SimNode, isCounted: (author: string) => boolean) =>
    node.running!.vault.peerSide().ledger.heads()
      .filter(({ node }) => isCounted(toHex(node)))
      .map(({ node, last, digest }) => `${toHex(node)} ${last} ${toHex(digest)}`).sort().join();
  const owners = nodes.filter(({ isOwner }) => isOwner);
  const ofOwners = new Set(owners.map((node) => textOf(node, () => true)));
  if (ofOwners.size > 1) return ["records of owners differ"];
  const groups = Map.groupBy(nodes, (node) => textOf(node, (author) => counts.has(author)));
  if (groups.size === 1) return [];
  const names = Array.from(groups.values(), (group) => group.map(({ name }) => name).join("+"));
  return [`records differ: ${names.join(" / ")}`];
}

async function copies(
  { nodes, replicas, mayLack, readsAll = false }: Examined,
): Promise<string[]> {
  const problems: string[] = [];
  const wanted = Math.min(replicas, nodes.length);
  for (const [name, { address, isPublic, isInherited }] of liveObjects(nodes[0]!)) {
    const holders = [];
    for (const node of nodes) {
      const { store } = node.running!.vault.peerSide();
      if (store.stat(address) === null) continue;
      if (readsAll && !equalBytes(sha256((await store.get(address))!), address)) continue;
      holders.push(node.name);
    }
    // A dropped version needed it. Whether one that is kept does, nobody can say without the key: it shows when all are read.
    if (holders.length === 0 && (mayLack || isInherited)) continue;
    const enough = isPublic ? nodes.length : wanted;
    if (holders.length >= enough) continue;
    const kind = isPublic ? "public object" : "object";
    problems.push(
      `${kind} ${name.slice(0, 8)} is on ${holders.length} of ${enough}: ${holders.join(" ")}`,
    );
  }
  return problems;
}

/** What is live as a node sees it, by address in hex; inherited if no list says that it is needed for sure. */
function liveObjects(node: SimNode) {
  const found = new Map<string, { address: Address; isPublic: boolean; isInherited: boolean }>();
  for (const { entries, ...how } of node.running!.vault.peerSide().ledger.live()) {
    for (let i = 0; i < entries.count; i++) {
      const address = entries.address(i).slice();
      const known = found.get(toHex(address));
      if (known === undefined) found.set(toHex(address), { address, ...how });
      else known.isInherited &&= how.isInherited;
    }
  }
  return found;
}

/** How many live objects each node holds that are placed, to be compared with its fair share. */
export function shares(nodes: readonly SimNode[]): { objects: number; held: Map<SimNode, number> } {
  const held = new Map(nodes.map((node) => [node, 0]));
  const checked = new Set<string>();
  for (const { entries, isPublic } of nodes[0]!.running!.vault.peerSide().ledger.live()) {
    if (isPublic) continue;
    for (let i = 0; i < entries.count; i++) {
      const address = entries.address(i).slice();
      if (checked.has(toHex(address))) continue;
      checked.add(toHex(address));
      for (const node of nodes) {
        if (node.running!.vault.peerSide().store.stat(address) === null) continue;
        held.set(node, held.get(node)! + 1);
      }
    }
  }
  return { objects: checked.size, held };
}
