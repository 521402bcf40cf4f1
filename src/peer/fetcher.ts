/**
 * Finding an object on other nodes: from the nearest holder that isn't busy, from another one too when that takes long,
 * and never used before its hash has been checked.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  type Clock,
  equalBytes,
  FETCH_MS_MAX,
  FETCH_UP_WAIT_MS,
  FRAME_BYTES_MAX,
  HEDGE_MS_MIN,
  HEDGE_PEERS_MAX,
  isVaultError,
  LIAR_MS,
  type NodeId,
  type Timers,
} from "../base/mod.ts";
import type { WireKind } from "../net/mod.ts";
import { matchesAddressHere } from "../store/mod.ts";
import { keyOf } from "./address_map.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Placement } from "./placement.ts";

/** What became of a search. */
export type Found =
  | {
    readonly kind: "found";
    readonly object: WireKind;
    readonly bytes: Bytes;
    readonly from: NodeId;
  }
  /** Everyone who is up says that it is not there. */
  | { readonly kind: "absent" }
  /** Someone who is up gave no answer, or a wrong one. */
  | { readonly kind: "unreachable" };

/** How to search. */
export interface FindOptions {
  signal?: AbortSignal;
  /** Asked first. */
  prefer?: NodeId;
  /** Whether the caller finds out by itself if the bytes are others than asked for. */
  isUnchecked?: boolean;
  /** Whether to wait a little for members whose session is just not up. */
  waitsForPeers?: boolean;
}

/** What a {@link Fetcher} works with. */
export interface FetcherOptions {
  mesh: Mesh;
  placement: () => Placement;
  clock: Clock;
  timers: Timers;
  /** Told of a peer that sent other bytes than the address says. */
  onLiar: (node: NodeId, address: Address) => void;
}

/** What is known of a peer as a source. */
interface Source {
  inFlight: number;
  /** Milliseconds that one object takes when it is asked for alone, smoothed. */
  serviceMs: number;
  /** Since then its word counts less, milliseconds since 1970; 0 for an honest one. */
  liarUntil: number;
}

/** Fetches objects from the peers that are up. */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #sources = new Map<string, Source>();

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  #sourceOf(peer: MeshPeer): Source {
    const key = keyOf(peer.node);
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = { inFlight: 0, serviceMs: peer.rttMs + 5, liarUntil: 0 };
      this.#sources.set(key, source);
    }
    return source;
  }

  /** Objects that are asked for, of all peers. */
  get inFlight(): number {
    let count = 0;
    for (const source of this.#sources.values()) count += source.inFlight;
    return count;
  }

  /** Forgets what is known of nodes that are no members. */
  keepOnly(nodes: Iterable<NodeId>): void {
    const kept = new Set(Array.from(nodes, keyOf));
    for (const key of this.#sources.keys()) if (!kept.has(key)) this.#sources.delete(key);
  }

  /** When we may expect an object from a peer, in milliseconds. */
  #expectedMs(peer: MeshPeer): number {
    const { inFlight, serviceMs } = this.#sourceOf(peer);
    return Math.max(peer.rttMs, (inFlight + 1) * serviceMs);
  }

  /** The peers that are up, best first, without those that were asked. */
  #best(address: Address, asked: ReadonlySet<string>, prefer?: NodeId): MeshPeer | null {
    const now = this.#options.clock.now();
    const placement = this.#options.placement();
    let best: MeshPeer | null = null;
    let bestRank: readonly number[] = [];
    for (const peer of this.#options.mesh.peers()) {
      if (asked.has(keyOf(peer.node))) continue;
      const rank = [
        this.#sourceOf(peer).liarUntil > now ? 1 : 0,
        prefer !== undefined && equalBytes(peer.node, prefer) ? 0 : 1,
        placement.isHolder(peer.node, address) ? 0 : 1,
        this.#expectedMs(peer),
      ];
      if (best === null || isBelow(rank, bestRank)) [best, bestRank] = [peer, rank];
    }
    return best;
  }

  /**
   * One object from one peer, checked, unless the caller does that.
   *
   * @throws VaultError as the request; `damaged` if the bytes are others than asked for
   */
  async getFrom(
    peer: MeshPeer,
    address: Address,
    signal?: AbortSignal,
    isUnchecked = false,
  ): Promise<{ kind: WireKind; bytes: Bytes } | null> {
    const source = this.#sourceOf(peer);
    const { clock } = this.#options;
    const share = ++source.inFlight;
    const beganMs = clock.now();
    try {
      const { object } = await peer.channel.request("get", { address }, {
        timeoutMs: FETCH_MS_MAX,
        ...(signal ? { signal } : {}),
      });
      if (object !== null) this.#learn(source, (clock.now() - beganMs) / share);
      if (object === null) return null;
      const { bytes } = object;
      if (bytes.length <= FRAME_BYTES_MAX && (isUnchecked || matchesAddressHere(address, bytes))) {
        return object;
      }
      source.liarUntil = clock.now() + LIAR_MS;
      this.#options.onLiar(peer.node, address);
      return null;
    } finally {
      source.inFlight--;
    }
  }

  #learn(source: Source, sampleMs: number): void {
    source.serviceMs += (sampleMs - source.serviceMs) / 8;
  }

  /**
   * Looks for an object at the peers that are up, those first that placement names. Ends within `FETCH_MS_MAX`, by the
   * answer of the last one that could be asked.
   *
   * @throws the signal's reason once it fires
   */
  find(address: Address, options: FindOptions = {}): Promise<Found> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const { mesh, timers } = this.#options;
      const search = new Search({
        options,
        mesh,
        timers,
        next: (asked) => this.#best(address, asked, options.prefer),
        hedgeAfterMs: (peer) => Math.max(HEDGE_MS_MIN, 3 * peer.rttMs, 4 * this.#expectedMs(peer)),
        ask: (peer, abort) => this.getFrom(peer, address, abort, options.isUnchecked),
        isLiar: (peer) => this.#sourceOf(peer).liarUntil > this.#options.clock.now(),
        onSlow: (peer, afterMs) => {
          const source = this.#sourceOf(peer);
          source.serviceMs = Math.max(source.serviceMs, afterMs / Math.max(1, source.inFlight));
        },
        settle: (found) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(found);
        },
      });
      const onAbort = () => {
        search.cancel();
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      search.begin();
    });
  }
}

function isBelow(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return false;
}

interface SearchOptions {
  options: FindOptions;
  mesh: Mesh;
  timers: Timers;
  next: (asked: ReadonlySet<string>) => MeshPeer | null;
  hedgeAfterMs: (peer: MeshPeer) => number;
  ask: (
    peer: MeshPeer,
    abort: AbortSignal,
  ) => Promise<{ kind: WireKind; bytes: Bytes } | null>;
  isLiar: (peer: MeshPeer) => boolean;
  onSlow: (peer: MeshPeer, afterMs: number) => void;
  settle: (found: Found) => void;
}

/** One object being looked for. */
class Search {
  readonly #of: SearchOptions;
  readonly #asked = new Set<string>();
  readonly #race = new AbortController();
  readonly #stops: (() => void)[] = [];
  #stopHedge: () => void = () => {};
  #running = 0;
  #failed = false;
  #isOver = false;
  /** For members whose session isn't up. */
  #waiting: "not yet" | "now" | "over" = "not yet";

  constructor(of: SearchOptions) {
    this.#of = of;
  }

  begin(): void {
    this.#stops.push(
      this.#of.timers.after(FETCH_MS_MAX, () => this.#end({ kind: "unreachable" })),
    );
    if (!this.#askNext()) this.#exhausted();
  }

  cancel(): void {
    this.#close();
  }

  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#stopHedge();
    for (const stop of this.#stops) stop();
    this.#race.abort();
    return true;
  }

  #end(found: Found): void {
    if (this.#close()) this.#of.settle(found);
  }

  #askNext(): boolean {
    const peer = this.#of.next(this.#asked);
    if (peer === null) return false;
    this.#asked.add(keyOf(peer.node));
    this.#running++;
    this.#armHedge(peer);
    void this.#ask(peer);
    return true;
  }

  async #ask(peer: MeshPeer): Promise<void> {
    let object: { kind: WireKind; bytes: Bytes } | null = null;
    try {
      object = await this.#of.ask(peer, this.#race.signal);
      if (object === null && this.#of.isLiar(peer)) this.#failed = true;
    } catch (error) {
      // A refusal that says so is an answer; anything else may have hidden the object.
      if (!isVaultError(error, "not_found")) this.#failed = true;
    }
    this.#running--;
    if (this.#isOver) return;
    if (object !== null) {
      this.#end({ kind: "found", object: object.kind, bytes: object.bytes, from: peer.node });
    } else if (!this.#askNext() && this.#running === 0) {
      this.#exhausted();
    }
  }

  /** Asks another one too if this one doesn't answer in time. */
  #armHedge(peer: MeshPeer): void {
    this.#stopHedge();
    const afterMs = this.#of.hedgeAfterMs(peer);
    this.#stopHedge = this.#of.timers.after(afterMs, () => {
      this.#of.onSlow(peer, afterMs);
      if (this.#running < HEDGE_PEERS_MAX) this.#askNext();
    });
  }

  /** Everyone who is up has been asked. */
  #exhausted(): void {
    const { mesh, options, timers } = this.#of;
    if (this.#waiting === "now") return;
    if (this.#waiting === "not yet" && options.waitsForPeers && isAnyoneAway(mesh)) {
      this.#waiting = "now";
      this.#stops.push(
        mesh.onUp(() => {
          if (!this.#isOver) this.#askNext();
        }),
        timers.after(FETCH_UP_WAIT_MS, () => {
          this.#waiting = "over";
          if (this.#running === 0) this.#exhausted();
        }),
      );
      return;
    }
    this.#end({ kind: this.#failed ? "unreachable" : "absent" });
  }
}

/** Whether a session with a member that is present isn't up. */
export function isAnyoneAway(mesh: Mesh): boolean {
  return mesh.view().members.some(({ node, isPresent, evictedAfter }) =>
    isPresent && evictedAfter === null && !equalBytes(node, mesh.self) && mesh.peer(node) === null
  );
}
