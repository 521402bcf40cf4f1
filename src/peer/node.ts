/**
 * A node among others: its sessions and what it does over them, put together. Everything of the machine is given to it,
 * so that the same node runs on a network and a clock of a test's own.
 *
 * @module
 */

import { type Bytes, type NodeId, toHex } from "../base/mod.ts";
import { clockMs, type RecordKind } from "../log/mod.ts";
import type { RequestName, Requests } from "../net/mod.ts";
import type { NetworkEvent } from "./events.ts";
import type { EnteredSegment, Ledger, ObjectStore, Upkeep } from "./ports.ts";
import type { RemoteObjects } from "./remote_objects.ts";
import { Replication, type ReplicationEvent, type ReplicationRequest } from "./replication.ts";
import type { PeerInfo } from "./session_peers.ts";
import { SessionTable, type SessionTableOptions, type StartOptions } from "./sessions.ts";

/** What a node is made of. */
export interface PeerNodeOptions extends SessionTableOptions {
  readonly ledger: Ledger;
  readonly store: ObjectStore;
  readonly upkeep: Upkeep;
  /** See `ReplicationOptions.capacityBytes`. */
  readonly capacityBytes?: number;
}

/** One node of a network. */
export class PeerNode {
  readonly sessions: SessionTable;
  readonly replication: Replication;
  readonly #options: PeerNodeOptions;
  #unsubscribe: () => void = () => {};

  constructor(options: PeerNodeOptions) {
    const { ledger, store, upkeep, clock, timers, capacityBytes } = options;
    this.#options = options;
    this.sessions = new SessionTable(options);
    this.replication = new Replication({
      ...{ mesh: this.sessions, ledger, store, upkeep, clock, timers },
      ...(capacityBytes === undefined ? {} : { capacityBytes }),
      onEvent: (event) => this.#onReplication(event),
    });
    const { handler } = this.replication;
    this.sessions.serve({
      request: <N extends RequestName>(
        from: NodeId,
        name: N,
        ask: Requests[N]["ask"],
        context: { signal: AbortSignal },
      ) => handler.request(from, name as ReplicationRequest, ask as never, context) as never,
      event: (from, name, head) => handler.event(from, name, head),
      presence: () => this.replication.presence(),
    });
  }

  /** What the vault of this node asks of the others. */
  get remote(): RemoteObjects {
    return this.replication.remote;
  }

  /** Begins to listen, to look for the others, and to do its share. @throws VaultError `failed` */
  async start(options: StartOptions): Promise<{ host: string; port: number }> {
    const leaving = [
      this.#options.ledger.onEntered((segment) => {
        this.#tellEntered(segment);
        this.#keepWhatCounted();
      }),
      this.sessions.onViewChange(() => this.#keepWhatCounted()),
    ];
    this.#unsubscribe = () => leaving.forEach((leave) => leave());
    const listening = Promise.withResolvers<void>();
    this.replication.start(listening.promise);
    try {
      const bound = await this.sessions.start(options);
      this.#keepWhatCounted();
      return bound;
    } finally {
      listening.resolve();
    }
  }

  /**
   * Whoever evicts a node says how much of its log counts, and may have had less of it than we: versions that were
   * acknowledged would then be in some histories and not in others.
   */
  #keepWhatCounted(): void {
    for (const { node, evictedAfter } of this.sessions.view().members) {
      if (evictedAfter === null) continue;
      const last = this.#options.ledger.head(node)?.last ?? 0n;
      if (last <= evictedAfter) continue;
      this.sessions.extendEviction(node, last).catch((error) =>
        this.#onReplication({ kind: "failed", action: "Cannot extend an eviction", error })
      );
    }
  }

  /** Ends what is under way, says goodbye. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.replication.stop();
    await this.sessions.stop();
  }

  /** All other members, and those that were evicted. */
  peers(): PeerInfo[] {
    return this.sessions.list();
  }

  /** See `Membership.invite`. */
  invite(masterKey: Bytes | null): string {
    return this.sessions.membership.invite(masterKey);
  }

  /** Evicts a node; of its log what is known here still counts. See `Membership.evict`. */
  async evict(node: NodeId): Promise<void> {
    await this.sessions.evict(node, this.#options.ledger.head(node)?.last ?? 0n);
  }

  #emit(event: NetworkEvent): void {
    this.#options.events.emit(event);
  }

  /** One event for each kind of record in a segment. */
  #tellEntered({ node, records }: EnteredSegment): void {
    const kinds = new Map<RecordKind, { count: number; time: number }>();
    for (const { kind, clock } of records) {
      const { count } = kinds.get(kind) ?? { count: 0 };
      kinds.set(kind, { count: count + 1, time: clockMs(clock) });
    }
    for (const [kind, { count, time }] of kinds) this.#emit({ kind, node, time, count });
  }

  #onReplication(event: ReplicationEvent): void {
    switch (event.kind) {
      case "refused":
        return this.#emit({ ...event, remote: this.#remoteOf(event.node) });
      case "failed": {
        const text = event.error instanceof Error ? event.error.message : String(event.error);
        return this.#emit({ kind: "notice", text: `${event.action}: ${text}` });
      }
      default:
        return this.#emit(event);
    }
  }

  #remoteOf(node: NodeId): string {
    return this.sessions.session(node)?.remote ?? toHex(node).slice(0, 12);
  }
}
