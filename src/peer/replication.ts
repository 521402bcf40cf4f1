/**
 * All that a node does about records and objects of the network, put together: what it answers, what it does for its own
 * vault, what it does by itself.
 *
 * @module
 */

import {
  type Clock,
  equalBytes,
  KEEP_BYTES_IN_FLIGHT,
  KEEP_OBJECTS_IN_FLIGHT,
  type NodeId,
  shortHex,
  type Timers,
} from "../base/mod.ts";
import type { LogHead, Presence, RequestName, Requests } from "../net/mod.ts";
import { Caretaker } from "./caretaker.ts";
import { CountedHeads } from "./counted.ts";
import { Exchange } from "./exchange.ts";
import { Fetcher } from "./fetcher.ts";
import { Gate } from "./gate.ts";
import { Health } from "./health.ts";
import { Incoming } from "./incoming.ts";
import { LogSync } from "./log_sync.ts";
import type { Mesh } from "./mesh.ts";
import { Pins, type PinSets } from "./pins.ts";
import { Draws, Placement } from "./placement.ts";
import type { Ledger, ObjectStore, Upkeep } from "./ports.ts";
import { Pusher } from "./pusher.ts";
import type { RemoteObjects } from "./remote_objects.ts";
import { Repair } from "./repair.ts";
import { Replicator } from "./replicator.ts";
import { SegmentEntry } from "./segment_entry.ts";
import { matchesAddressHere } from "../store/mod.ts";
import { Surplus } from "./surplus.ts";
import { Tasks } from "./tasks.ts";

/** Requests that replication answers. */
const REPLICATION_REQUESTS = [
  "heads",
  "segments",
  "segmentList",
  "get",
  "have",
  "keep",
  "push",
] as const satisfies readonly RequestName[];

export type ReplicationRequest = typeof REPLICATION_REQUESTS[number];

/** The part of a channel's handler that is about records and objects. */
export interface ReplicationHandler {
  /** @param from the member that asks */
  request<N extends ReplicationRequest>(
    from: NodeId,
    name: N,
    ask: Requests[N]["ask"],
    options: { signal: AbortSignal },
  ): Promise<Requests[N]["reply"]>;
  event(from: NodeId, name: "advance", head: LogHead): void;
}

/** What happens that others may want to hear of. */
export type ReplicationEvent =
  /** Two records of one node have one number. */
  | { readonly kind: "fork"; readonly node: NodeId; readonly sequence: bigint }
  /** A peer sent what may not be used. */
  | { readonly kind: "refused"; readonly node: NodeId; readonly reason: string }
  /** How healing goes here: what is still missing, and what came since this was last told. */
  | {
    readonly kind: "repair";
    readonly missing: number;
    readonly missingBytes: number;
    readonly healed: number;
  }
  /** Anything else that people should know. */
  | { readonly kind: "notice"; readonly text: string }
  /** Something in the background went wrong; it goes on or is tried again. */
  | { readonly kind: "failed"; readonly action: string; readonly error: unknown };

/** What replication has in memory at one moment; the limits of these stand in base/limits.ts. */
export interface ReplicationLoad {
  /** Missing objects that are remembered. */
  readonly missing: number;
  /** Bytes of missing objects on their way. */
  readonly repairBytes: number;
  /** Objects that peers are asked for, whoever wants them. */
  readonly fetches: number;
  /** Objects that are pushed or wait for it, to the one peer for which they are the most. */
  readonly pushObjects: number;
  /** Bytes of those that wait, of which none are in memory. */
  readonly pushQueueBytes: number;
  /** Bytes of those on their way. */
  readonly pushBytes: number;
  /** Answers to `keep` that are remembered. */
  readonly kept: number;
  /** Objects that are pinned. */
  readonly pins: number;
  /** Logs that others know more of. */
  readonly wantedLogs: number;
  /** Logs that are being pulled. */
  readonly pulledLogs: number;
  /** What is remembered of each log of each peer. */
  readonly rememberedLogs: number;
}

/** What {@link Replication} works with. */
export interface ReplicationOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: ObjectStore;
  upkeep: Upkeep;
  clock: Clock;
  timers: Timers;
  /** Bytes that this node may store in all and still take others' objects; no bound if not given. */
  capacityBytes?: number;
  /** Bytes a second that are read again in the background. */
  scrubRate?: number;
  onEvent: (event: ReplicationEvent) => void;
}

/** Records and objects of the network, on one node. */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #tasks: Tasks;
  readonly #draws = new Draws();
  readonly #incoming: Incoming;
  readonly #fetcher: Fetcher;
  readonly #pusher: Pusher;
  readonly #replicator: Replicator;
  readonly #counted: CountedHeads;
  readonly #logs: LogSync;
  readonly #repair: Repair;
  readonly #surplus: Surplus;
  readonly #caretaker: Caretaker;
  readonly #health: Health;
  readonly #pins: PinSets;
  #placement: Placement;
  #unsubscribes: (() => void)[] = [];
  /** What peers ask. */
  readonly handler: ReplicationHandler;
  /** What the vault asks. */
  readonly remote: RemoteObjects;

  constructor(options: ReplicationOptions) {
    const { mesh, ledger, store, upkeep, capacityBytes, clock, timers, onEvent } = options;
    this.#options = options;
    this.#placement = new Placement(mesh.view(), this.#draws);
    const placement = () => this.#placement;
    const onFailure = (action: string, error: unknown) =>
      onEvent({ kind: "failed", action, error });
    const notice = (text: string) => onEvent({ kind: "notice", text });
    const onHealed = (address: Uint8Array) =>
      notice(`object ${shortHex(address)} was damaged and is whole again`);
    const tasks = this.#tasks = new Tasks({ clock, timers, onFailure });
    const onLiar = (node: NodeId, address: Uint8Array) =>
      onEvent({ kind: "refused", node, reason: `wrong bytes for object ${shortHex(address)}` });
    const incoming = this.#incoming = new Incoming(
      store,
      () => capacityBytes === undefined ? Infinity : capacityBytes - upkeep.storedBytes(),
    );
    const pins = this.#pins = { coming: new Pins(clock), promised: new Pins(clock) };
    const fetcher = this.#fetcher = new Fetcher({ mesh, placement, clock, timers, onLiar });
    const bounds = { countMax: KEEP_OBJECTS_IN_FLIGHT, bytesMax: KEEP_BYTES_IN_FLIGHT };
    const entry = new SegmentEntry({
      ...{ mesh, ledger, store, fetcher, clock, tasks },
      gate: new Gate(() => bounds),
      onFork: (node, sequence) => onEvent({ kind: "fork", node, sequence }),
      onRefused: (node, reason) => onEvent({ kind: "refused", node, reason }),
    });
    const counted = this.#counted = new CountedHeads(ledger, () => mesh.view());
    const logs = this.#logs = new LogSync({
      ...{ mesh, ledger, store, clock, timers, tasks, entry, counted },
      mend: async (address) => {
        const isWhole = await upkeep.mend(address);
        if (isWhole) onHealed(address);
        return isWhole;
      },
    });
    const exchange = new Exchange({
      ...{ mesh, ledger, store, placement, incoming, fetcher, logs, pins, onLiar },
      onKept: (addresses) => this.#repair.noteHere(addresses),
    });
    this.#pusher = new Pusher({ mesh, placement, store, tasks });
    this.#replicator = new Replicator({
      ...{ mesh, placement, store, clock, timers },
      pusher: this.#pusher,
    });
    const repair = this.#repair = new Repair({
      ...{ mesh, ledger, store, placement, fetcher, incoming, clock, timers, tasks },
      onHealed,
    });
    this.#surplus = new Surplus({
      ...{ mesh, ledger, store, upkeep, placement, clock, tasks },
      pins: pins.promised,
      onDropped: (objects) => notice(`${objects} objects that others hold were dropped`),
    });
    this.#caretaker = new Caretaker({
      ...{ mesh, ledger, upkeep, clock, tasks },
      pins: pins.coming,
      ...(options.scrubRate === undefined ? {} : { scrubRate: options.scrubRate }),
      isEqual: (peer) => logs.isEqual(peer),
      onDamaged: (addresses) => repair.addDamaged(addresses),
      onMended: onHealed,
    });
    this.#health = new Health({
      ...{ mesh, placement, repair, tasks, clock },
      onProgress: (progress) => onEvent({ kind: "repair", ...progress }),
    });
    this.handler = makeHandler(exchange, logs);
    this.remote = this.#makeRemote();
  }

  /** @param ready what going through all that is live waits for, as that takes the machine for long */
  start(ready?: Promise<void>): void {
    const { mesh } = this.#options;
    this.#unsubscribes = [
      mesh.onViewChange((view) => {
        this.#placement = new Placement(view, this.#draws);
        const nodes = view.members.map(({ node }) => node);
        this.#draws.keepOnly(nodes);
        this.#fetcher.keepOnly(nodes);
      }),
      mesh.onDown((node) => {
        this.#pusher.forget(node);
        this.#replicator.forget(node);
      }),
    ];
    this.#placement = new Placement(mesh.view(), this.#draws);
    this.#logs.start();
    this.#repair.start(ready);
    this.#surplus.start();
    this.#caretaker.start();
    this.#health.start();
  }

  /** Ends all that is under way and waits for it. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#logs.stop();
    this.#repair.stop();
    this.#caretaker.stop();
    await this.#tasks.stop();
  }

  /** What is in memory of all that is under way, for who watches over its bounds. */
  load(): ReplicationLoad {
    const push = this.#pusher.load;
    const repair = this.#repair.load;
    const logs = this.#logs.load;
    return {
      missing: repair.missing,
      repairBytes: repair.bytesInFlight,
      fetches: this.#fetcher.inFlight,
      pushObjects: push.objects,
      pushQueueBytes: push.queueBytes,
      pushBytes: push.bytesInFlight,
      kept: this.#replicator.remembered,
      pins: Math.max(this.#pins.coming.size, this.#pins.promised.size),
      wantedLogs: logs.wanted,
      pulledLogs: logs.pulling,
      rememberedLogs: logs.remembered,
    };
  }

  /** What this node says of itself about records and objects. */
  presence(): Pick<Presence, "headsDigest" | "missing" | "missingBytes" | "storedBytes"> {
    const { upkeep } = this.#options;
    return {
      headsDigest: this.#counted.digest(),
      missing: BigInt(this.#repair.missing),
      missingBytes: BigInt(this.#repair.missingBytes),
      storedBytes: BigInt(upkeep.storedBytes()),
    };
  }

  /** Whether every peer that is up knows the records that this node knows, and no others; `false` if none is up. */
  isSynced(): boolean {
    const peers = this.#options.mesh.peers();
    const own = this.#counted.digest();
    return peers.length > 0 &&
      peers.every(({ presence }) => presence !== null && equalBytes(presence.headsDigest, own));
  }

  #makeRemote(): RemoteObjects {
    const { mesh } = this.#options;
    return {
      fetch: async (address, { signal, isUnchecked = false } = {}) => {
        const isPlacedHere = this.#placement.isHolder(mesh.self, address);
        const found = await this.#fetcher.find(address, {
          waitsForPeers: true,
          isUnchecked: isUnchecked && !isPlacedHere,
          ...(signal ? { signal } : {}),
        });
        if (found.kind !== "found") return null;
        const { object: kind, bytes } = found;
        const isOurs = kind === "sealed" ? isPlacedHere : kind === "public" &&
          (!isUnchecked || isPlacedHere || matchesAddressHere(address, bytes));
        if (isOurs) await this.#incoming.keepCopy(address, { kind, bytes }, this.#tasks);
        return bytes;
      },
      offer: (object) => this.#pusher.offer(object),
      replicate: (request) => this.#replicator.replicate(request),
      underReplicated: () => this.#health.underReplicated(),
      replicas: () => mesh.view().replicas,
    };
  }
}

function makeHandler(exchange: Exchange, logs: LogSync): ReplicationHandler {
  const answers: {
    [N in ReplicationRequest]: (
      from: NodeId,
      ask: Requests[N]["ask"],
      signal: AbortSignal,
    ) => Requests[N]["reply"] | Promise<Requests[N]["reply"]>;
  } = {
    heads: (from, ask) => logs.heads(from, ask),
    segments: (_from, ask) => logs.segments(ask),
    segmentList: (_from, ask) => logs.segmentList(ask),
    get: (_from, ask) => exchange.get(ask),
    have: (_from, ask) => exchange.have(ask),
    keep: (from, ask, signal) => exchange.keep(from, ask, signal),
    push: (from, ask) => exchange.push(from, ask),
  };
  return {
    request: async (from, name, ask, { signal }) => await answers[name](from, ask, signal),
    event: (from, _name, head) => logs.advance(from, head),
  };
}
