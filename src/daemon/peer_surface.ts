/**
 * What the daemon and its commands need of the peer layer, as values that can be shown.
 *
 * @module
 */

import type { Bytes, NodeId } from "../base/mod.ts";
import type { NetworkEvent as HappenedEvent } from "../peer/mod.ts";

/** How a peer fares. */
export type PeerState = "up" | "connecting" | "down" | "evicted";

/** One other member of the network. */
export interface PeerInfo {
  readonly node: NodeId;
  /** What it calls itself: its host name, of its own choosing. */
  readonly name: string;
  /** `host:port`, the one that worked last; empty if none is known. */
  readonly address: string;
  /** Whether it holds the vault's key. */
  readonly role: "owner" | "storage";
  readonly state: PeerState;
  readonly rttMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds since 1970. */
  readonly lastSeen: number | null;
  /** Objects that it should hold and does not yet. */
  readonly missing: number;
}

type PeerEvent = Extract<HappenedEvent, { kind: "peer" }>;

/** Something that happened in the network, as `watch` shows it. */
export type NetworkEvent =
  | Exclude<HappenedEvent, { kind: "peer" }>
  | PeerEvent & { readonly name: string };

/** How the node takes part in its network. */
export interface PeerStart {
  readonly host: string;
  readonly port: number;
  /** `host:port` of nodes to look for. */
  readonly peers: readonly string[];
  readonly lan: boolean;
  readonly advertise?: string;
}

/** What is known of the network, by a running node or from what it wrote down. */
export interface NetworkView {
  /** The network's public id. */
  readonly network: Bytes;
  /** Where this node listens, as it tells others; `null` while it doesn't. */
  readonly address: string | null;
  readonly peers: readonly PeerInfo[];
  /** Objects with fewer copies than the network wants. */
  readonly underReplicated: number;
  /** In how many seconds that is over; `null` if nobody can tell. */
  readonly etaSeconds: number | null;
  /** Copies that the network wants. */
  readonly replicas: number;
}

/** The peer layer of a running node. */
export interface PeerSurface {
  /** Begins to accept and to dial. @throws VaultError `failed` if the port can't be had */
  start(options: PeerStart): Promise<{ host: string; port: number }>;
  stop(): Promise<void>;
  view(): NetworkView;
  /** A token that admits one more node, or several, for a week. With the vault's key it makes them owners. */
  invite(options: { masterKey?: Bytes }): Promise<string>;
  /** @throws VaultError `usage` for a damaged token, `denied` for one that is not let in any more */
  join(token: string): Promise<void>;
  evict(node: NodeId): Promise<void>;
  send(to: NodeId | "all", text: string): Promise<{ delivered: number }>;
  /** What happens from this call on. */
  events(signal: AbortSignal): AsyncIterable<NetworkEvent>;
  /** Waits until all records that a peer in reach has are here; `false` if time is over before. */
  synced(options: { timeoutMs: number; signal: AbortSignal }): Promise<boolean>;
}
