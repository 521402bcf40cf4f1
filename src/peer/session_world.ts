/**
 * What all parts of a node's sessions share: the world around them, a session, and what replication brings in.
 *
 * @module
 */

import {
  type Clock,
  type Ed25519Signer,
  HASH_BYTES,
  NEWS_BURST,
  NEWS_PER_SECOND,
  type NodeId,
  type Random,
  type Timers,
} from "../base/mod.ts";
import type {
  Channel,
  Credentials,
  LogHead,
  Presence,
  RequestName,
  Requests,
  Transport,
} from "../net/mod.ts";
import type { EventBus } from "./events.ts";
import type { MeshPeer } from "./mesh.ts";
import type { NetworkFile } from "./network_file.ts";
import type { SecretRef } from "./session_secrets.ts";

/** The world around a node's sessions. */
export interface SessionWorld {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly file: NetworkFile;
  /** The node's key. */
  readonly signer: Ed25519Signer;
  /** The signing key of the node's vault; counts only if that is the network's authority. */
  readonly vaultSigner: Ed25519Signer | null;
  readonly credentials: Credentials;
  readonly events: EventBus;
}

/** Requests that sessions answer themselves; all others go to the {@link SessionDelegate}. */
export type SessionRequest = "ping" | "roster" | "mail" | "rekey";

/** Who answers what is about records and objects. */
export interface SessionDelegate {
  /** @param from the member that asks */
  request<N extends Exclude<RequestName, SessionRequest>>(
    from: NodeId,
    name: N,
    ask: Requests[N]["ask"],
    options: { signal: AbortSignal },
  ): Promise<Requests[N]["reply"]>;
  event(from: NodeId, name: "advance", head: LogHead): void;
  /** What this node says of itself about records and objects. */
  presence(): Pick<Presence, "headsDigest" | "missing" | "missingBytes" | "storedBytes">;
}

/** What a node says that has no delegate yet. */
export const NOTHING_STORED: ReturnType<SessionDelegate["presence"]> = {
  headsDigest: new Uint8Array(HASH_BYTES),
  missing: 0n,
  missingBytes: 0n,
  storedBytes: 0n,
};

/** A session with one member. */
export class PeerSession implements MeshPeer {
  readonly node: NodeId;
  /** Whether this node dialled. */
  readonly isDialled: boolean;
  /** `host:port` of the connection's other end. */
  readonly remote: string;
  /** When it began, milliseconds since 1970. */
  readonly since: number;
  readonly channel: Channel;
  /** 0 until it was measured. */
  rttMs = 0;
  presence: Presence | null = null;
  /** When the other end said so. */
  presenceMs = 0;
  /** The newest secret that the other end is known to have. */
  newest: SecretRef;
  isPinging = false;
  isPulling = false;
  /** When rosters were last exchanged in full. */
  pulledMs = -Infinity;
  refusedStatements = 0;
  #newsLeft = NEWS_BURST;
  #newsMs: number;

  constructor(options: {
    node: NodeId;
    isDialled: boolean;
    remote: string;
    newest: SecretRef;
    nowMs: number;
    /** Makes the channel, whose handler may be called at once. */
    open: (session: PeerSession) => Channel;
  }) {
    this.node = options.node;
    this.isDialled = options.isDialled;
    this.remote = options.remote;
    this.newest = options.newest;
    this.since = this.#newsMs = options.nowMs;
    this.channel = options.open(this);
  }

  /** How many of `count` new statements may be taken now. */
  takeNews(count: number, nowMs: number): number {
    const refill = Math.max(0, nowMs - this.#newsMs) * NEWS_PER_SECOND / 1000;
    this.#newsMs = nowMs;
    this.#newsLeft = Math.min(NEWS_BURST, this.#newsLeft + refill);
    const taken = Math.min(count, Math.floor(this.#newsLeft));
    this.#newsLeft -= taken;
    return taken;
  }
}
