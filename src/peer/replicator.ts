/**
 * Waiting for copies: asks those who are to hold the objects of a put to make them durable, and counts who has.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  equalBytes,
  HASH_BYTES,
  KEEP_BATCH_BYTES,
  KEEP_NEEDS_MAX,
  type NodeId,
  REPLICATE_UP_WAIT_MS,
  type Timers,
} from "../base/mod.ts";
import type { Need } from "../net/mod.ts";
import { keyOf } from "./address_map.ts";
import { isAnyoneAway } from "./fetcher.ts";
import { Gate } from "./gate.ts";
import { Kept } from "./kept.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import { partitionOf, type Placement } from "./placement.ts";
import type { ObjectStore } from "./ports.ts";
import type { Pusher } from "./pusher.ts";

/** Requests `keep` under way to one peer: while one is made durable, the next one's objects travel. */
const KEEPS_PER_PEER = 2;

/** What is to be replicated. */
export interface ReplicateRequest {
  /** The log whose records name the objects. */
  readonly log: { readonly node: NodeId; readonly last: bigint } | null;
  readonly needs: readonly Need[];
  /** How many durable copies are wanted, ours included. */
  readonly copies: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What a {@link Replicator} works with. */
export interface ReplicatorOptions {
  mesh: Mesh;
  placement: () => Placement;
  store: Pick<ObjectStore, "isDurable">;
  pusher: Pick<Pusher, "settled">;
  clock: Clock;
  timers: Timers;
}

/** Brings objects to where they belong and tells how far that got. */
export class Replicator {
  readonly #options: ReplicatorOptions;
  /** By peer: shared by all replications, so that a peer is never asked for more at once than it answers. */
  readonly #gates = new Map<string, Gate>();
  readonly #kept: Kept;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#kept = new Kept(options.clock);
  }

  /** Answers of peers that are remembered. */
  get remembered(): number {
    return this.#kept.size;
  }

  /** A session has ended. */
  forget(node: NodeId): void {
    this.#kept.forget(node);
  }

  /**
   * Resolves with the least number of durable copies over all objects (and of the records), ours included, as soon as
   * that is what was wanted or more can't come in time.
   *
   * @throws the signal's reason once it fires
   */
  replicate(request: ReplicateRequest): Promise<{ copies: number }> {
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const effort = new Effort({
        ...this.#options,
        request,
        kept: this.#kept,
        gateOf: (node) => this.#gateOf(node),
        settle: (copies) => {
          signal?.removeEventListener("abort", onAbort);
          resolve({ copies });
        },
      });
      const onAbort = () => {
        effort.cancel();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      effort.begin();
    });
  }

  #gateOf(node: NodeId): Gate {
    const key = keyOf(node);
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      const bounds = { countMax: KEEPS_PER_PEER, bytesMax: Infinity };
      this.#gates.set(key, gate = new Gate(() => bounds));
    }
    return gate;
  }
}

interface EffortOptions extends ReplicatorOptions {
  request: ReplicateRequest;
  kept: Kept;
  gateOf: (node: NodeId) => Gate;
  settle: (copies: number) => void;
}

/** Objects of one partition: they have the same holders, so that they are asked for and counted together. */
interface Group {
  readonly partition: number;
  readonly needs: readonly Need[];
  readonly bytes: number;
  copies: number;
  /** Who was asked; by key of the id. */
  readonly asked: Set<string>;
  running: number;
}

/** One request to one peer. */
interface Batch {
  readonly groups: Group[];
  needs: Need[];
  bytes: number;
}

/** One call of {@link Replicator.replicate}. */
class Effort {
  readonly #of: EffortOptions;
  readonly #groups: Group[];
  readonly #abort = new AbortController();
  readonly #stops: (() => void)[] = [];
  #isOver = false;
  #waiting: "not yet" | "now" | "over" = "not yet";

  constructor(of: EffortOptions) {
    this.#of = of;
    this.#groups = groupsOf(of.request, (address) => of.store.isDurable(address));
  }

  begin(): void {
    const { mesh, timers, request } = this.#of;
    this.#stops.push(
      timers.after(request.timeoutMs, () => this.#end()),
      mesh.onUp(() => this.#step()),
      mesh.onViewChange(() => this.#step()),
    );
    this.#step();
  }

  cancel(): void {
    this.#close();
    this.#abort.abort();
  }

  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    for (const stop of this.#stops) stop();
    return true;
  }

  /** What is still under way goes on: more copies than were waited for are wanted too. */
  #end(): void {
    const copies = Math.min(...this.#groups.map((group) => group.copies));
    if (this.#close()) this.#of.settle(copies);
  }

  /** Asks whoever can bring what is still wanted; ends when that is nobody. */
  #step(): void {
    if (this.#isOver) return;
    const { request, mesh, timers } = this.#of;
    if (this.#groups.every(({ copies }) => copies >= request.copies)) return this.#end();
    const batches = new Map<string, { peer: MeshPeer; batches: Batch[] }>();
    for (const group of this.#groups) this.#choose(group, batches);
    for (const { peer, batches: some } of batches.values()) {
      for (const batch of some) void this.#keep(peer, batch);
    }
    if (this.#groups.some(({ running }) => running > 0)) return;
    if (this.#waiting === "not yet" && isAnyoneAway(mesh)) {
      this.#waiting = "now";
      const waitMs = Math.min(REPLICATE_UP_WAIT_MS, request.timeoutMs);
      this.#stops.push(timers.after(waitMs, () => {
        this.#waiting = "over";
        this.#step();
      }));
    } else if (this.#waiting !== "now") {
      this.#end();
    }
  }

  /**
   * Everyone whom placement names is asked at once; of the others only as many as are wanted beyond those, as what they
   * hold will go again.
   */
  #choose(group: Group, batches: Map<string, { peer: MeshPeer; batches: Batch[] }>): void {
    const { mesh, placement, request } = this.#of;
    const view = placement();
    const holders = new Set(view.holdersOfPartition(group.partition).map(keyOf));
    for (const node of view.ranked(group.partition)) {
      const key = keyOf(node);
      const peer = equalBytes(node, mesh.self) ? null : mesh.peer(node);
      if (peer === null || group.asked.has(key)) continue;
      if (!holders.has(key) && group.copies + group.running >= request.copies) continue;
      group.asked.add(key);
      group.running++;
      let entry = batches.get(key);
      if (entry === undefined) batches.set(key, entry = { peer, batches: [] });
      addToBatch(entry.batches, group);
    }
  }

  async #keep(peer: MeshPeer, batch: Batch): Promise<void> {
    const { pusher, request, kept, gateOf } = this.#of;
    const { signal } = this.#abort;
    let held: readonly boolean[] | null = null;
    try {
      const leave = await gateOf(peer.node).enter(1, signal);
      try {
        await pusher.settled(peer.node, batch.needs.map(({ address }) => address));
        signal.throwIfAborted();
        const { log } = request;
        const { needs } = batch;
        if (kept.isKnown(peer.node, log, needs)) held = needs.map(() => true);
        else {
          const { timeoutMs } = request;
          const reply = await peer.channel.request("keep", { log, needs }, { signal, timeoutMs });
          held = reply.held;
          const isHeld = held.length === needs.length;
          if (isHeld) kept.note(peer.node, log, needs.filter((_, i) => held![i]));
        }
      } finally {
        leave();
      }
    } catch {
      // Full, gone, too slow: someone else is asked.
    }
    if (this.#isOver) return;
    let at = 0;
    for (const group of batch.groups) {
      group.running--;
      const end = at + group.needs.length;
      // Without objects it is the answer itself that says that the records are there.
      const isAnswer = held !== null && held.length === batch.needs.length;
      if (isAnswer && held!.slice(at, end).every((bit) => bit)) group.copies++;
      at = end;
    }
    this.#step();
  }
}

/** The objects by partition, in groups of bounded size. Without objects, one empty group stands for the records. */
function groupsOf(
  { log, needs }: ReplicateRequest,
  isHere: (address: Address) => boolean,
): Group[] {
  const groups: Group[] = [];
  const open = new Map<number, Group & { needs: Need[]; bytes: number }>();
  const add = (partition: number) => {
    const group = {
      partition,
      needs: [],
      bytes: 0,
      copies: 1,
      asked: new Set<string>(),
      running: 0,
    };
    groups.push(group);
    open.set(partition, group);
    return group;
  };
  for (const need of needs) {
    const partition = partitionOf(need.address);
    let group = open.get(partition) ?? add(partition);
    if (isFull(group, need.length)) group = add(partition);
    group.needs.push(need);
    group.bytes += need.length;
    if (!isHere(need.address)) group.copies = 0;
  }
  if (groups.length === 0) add(partitionOf(log?.node ?? new Uint8Array(HASH_BYTES)));
  return groups;
}

function isFull(
  batch: { needs: readonly Need[]; bytes: number },
  more: number,
  count = 1,
): boolean {
  return batch.needs.length > 0 &&
    (batch.needs.length + count > KEEP_NEEDS_MAX || batch.bytes + more > KEEP_BATCH_BYTES);
}

/** Puts a group into the last batch that has room for it, or into one of its own. */
function addToBatch(batches: Batch[], group: Group): void {
  let batch = batches.at(-1);
  if (batch === undefined || isFull(batch, group.bytes, group.needs.length)) {
    batches.push(batch = { groups: [], needs: [], bytes: 0 });
  }
  batch.groups.push(group);
  batch.needs.push(...group.needs);
  batch.bytes += group.bytes;
}
