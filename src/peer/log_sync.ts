/**
 * Keeping the logs of all nodes the same everywhere: what a peer has beyond ours is pulled, checked, and entered after the
 * public objects that it names. Costs what is missing, not what there is; two logs that have forked exchange both branches.
 *
 * @module
 */

import {
  type Address,
  ANNOUNCE_DELAY_MS,
  type Bytes,
  type Clock,
  compareIds,
  equalBytes,
  HEADS_CHECK_MS,
  HEADS_COMPARED_MAX,
  isVaultError,
  LOG_AGAIN_MS,
  LOG_PULLS_MAX,
  type NodeId,
  SEGMENT_LIST_AGAIN_MS,
  SEGMENT_LIST_MAX,
  SEGMENTS_MAX,
  SEGMENTS_REPLY_BYTES,
  sha256,
  shortHex,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import type { LogHead, Requests } from "../net/mod.ts";
import { keyOf } from "./address_map.ts";
import type { CountedHeads } from "./counted.ts";
import { HeadTurns } from "./head_turns.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Ledger, ObjectStore } from "./ports.ts";
import { isClosed, memberOf } from "./segment_check.ts";
import type { SegmentEntry } from "./segment_entry.ts";
import type { Tasks } from "./tasks.ts";

/** What {@link LogSync} works with. */
export interface LogSyncOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: Pick<ObjectStore, "get" | "stat">;
  clock: Clock;
  timers: Timers;
  tasks: Tasks;
  entry: SegmentEntry;
  counted: CountedHeads;
  /** Makes a segment that is damaged here whole, if that can be done. */
  mend: (address: Address) => Promise<boolean>;
}

/** What a peer said of a log. `digest` is `null` if it did not say. */
interface Claim {
  readonly last: bigint;
  readonly digest: Bytes | null;
}

/** A log that someone knows more of than we do. */
interface Wanted {
  readonly node: NodeId;
  /** Who, and how far; by key of the peer's id. */
  readonly sources: Map<string, { peer: NodeId; claim: Claim }>;
}

/** Pulls what others have, answers what they ask, and tells them what is new. */
export class LogSync {
  readonly #options: LogSyncOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #pulling = new Set<string>();
  /** What each peer knows of each log, as far as we know: only ever too little. By peer, then by log. */
  readonly #peerHeads = new Map<string, Map<string, Claim>>();
  /** Segment lists that were asked for: by peer and log, with both digests and when. */
  readonly #listed = new Map<string, { digests: string; atMs: number }>();
  /** Until when a peer isn't asked for a log again, as what it gave was of no use: by peer and log. */
  readonly #uselessUntil = new Map<string, number>();
  /** Whether no log is pulled for a while, as what came could not be entered. */
  #isResting = false;
  readonly #comparing = new Set<string>();
  readonly #turns = new HeadTurns();
  readonly #toAnnounce = new Map<string, NodeId>();
  #announceAt: { ms: number; stop: () => void } | null = null;
  #unsubscribes: (() => void)[] = [];

  constructor(options: LogSyncOptions) {
    this.#options = options;
  }

  start(): void {
    const { mesh, ledger, tasks } = this.#options;
    this.#unsubscribes = [
      mesh.onUp(() => this.#compareSome("new")),
      mesh.onDown((node) => this.#forget(node)),
      mesh.onViewChange(() => this.#compareSome("all")),
      ledger.onEntered(({ node }) => {
        this.#turns.noteChange(this.#options.clock.now());
        this.#announceSoon(node);
      }),
    ];
    this.#compareSome("all");
    tasks.every("compare logs", HEADS_CHECK_MS, () => this.#compareSome("different"));
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#unsubscribes = [];
  }

  /** Whether a peer knew the same records that count as we do when it last spoke of itself. */
  isEqual(peer: MeshPeer): boolean {
    return peer.presence !== null &&
      equalBytes(peer.presence.headsDigest, this.#options.counted.digest());
  }

  /** Logs that are wanted, those being pulled, and what is remembered of the logs of all peers. */
  get load(): { wanted: number; pulling: number; remembered: number } {
    let remembered = this.#listed.size + this.#uselessUntil.size;
    for (const heads of this.#peerHeads.values()) remembered += heads.size;
    return { wanted: this.#wanted.size, pulling: this.#pulling.size, remembered };
  }

  // What peers ask and say.

  /** Answers with our heads, and looks at theirs. */
  heads(from: NodeId, { heads }: Requests["heads"]["ask"]): Requests["heads"]["reply"] {
    this.#learnAll(from, heads);
    return { heads: this.#options.ledger.heads() };
  }

  advance(from: NodeId, head: LogHead): void {
    this.#learnAll(from, [head]);
  }

  async segments(ask: Requests["segments"]["ask"]): Promise<Requests["segments"]["reply"]> {
    const { ledger, store, tasks, mend } = this.#options;
    const segments: Bytes[] = [];
    const slices = tasks.slices();
    let bytes = 0;
    for (const { address } of ledger.segmentsAfter(ask.node, ask.after, SEGMENTS_MAX)) {
      const length = store.stat(address)?.length ?? 0;
      if (segments.length > 0 && bytes + length > SEGMENTS_REPLY_BYTES) break;
      let segment = await this.#whole(address);
      if (segment === null) {
        if (segments.length > 0) break;
        if (await mend(address)) segment = await this.#whole(address);
      }
      if (segment === null) {
        throw new VaultError("damaged", `Cannot give segment ${shortHex(address)}: it is lost`);
      }
      segments.push(segment);
      bytes += segment.length;
      if (slices.isOver()) await slices.next();
    }
    return { segments };
  }

  async #whole(address: Address): Promise<Bytes | null> {
    const bytes = await this.#options.store.get(address);
    return bytes !== null && equalBytes(sha256(bytes), address) ? bytes : null;
  }

  segmentList(ask: Requests["segmentList"]["ask"]): Requests["segmentList"]["reply"] {
    const all = this.#options.ledger.segmentAddresses(ask.node);
    let start = 0;
    let end = all.length;
    while (start < end) {
      const middle = (start + end) >>> 1;
      if (compareIds(all[middle]!, ask.after) <= 0) start = middle + 1;
      else end = middle;
    }
    const addresses = all.slice(start, start + SEGMENT_LIST_MAX);
    return { addresses, isAll: start + addresses.length === all.length };
  }

  /**
   * Waits until all records of a log up to `last` are entered, asking `from` for them.
   *
   * @returns false if that did not happen in time
   */
  waitFor(
    from: NodeId,
    log: { node: NodeId; last: bigint },
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<boolean> {
    const { ledger, timers } = this.#options;
    const isKnown = () => (ledger.head(log.node)?.last ?? 0n) >= log.last;
    if (isKnown()) return Promise.resolve(true);
    this.#learn(from, log.node, { last: log.last, digest: null });
    return new Promise((resolve, reject) => {
      const end = () => {
        unsubscribe();
        stop();
        options.signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        end();
        reject(options.signal!.reason);
      };
      const unsubscribe = ledger.onEntered(({ node }) => {
        if (!equalBytes(node, log.node) || !isKnown()) return;
        end();
        resolve(true);
      });
      const stop = timers.after(options.timeoutMs, () => {
        end();
        resolve(isKnown());
      });
      if (options.signal?.aborted) onAbort();
      else options.signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  // Comparing heads.

  /** Exchanges heads with some of the peers, those first that most likely know something else. */
  #compareSome(which: "all" | "new" | "different"): void {
    const { mesh, clock } = this.#options;
    // When many sessions begin at once, some are enough to begin with; the others are seen to when these have spoken.
    const busy = which === "new" ? this.#comparing.size : 0;
    const peers = mesh.peers().filter(({ node }) => !this.#comparing.has(keyOf(node)));
    const digest = this.#options.counted.digest();
    this.#turns.choose(peers, { which, digest, now: clock.now() })
      .slice(0, Math.max(0, HEADS_COMPARED_MAX - busy))
      .forEach((peer) => this.#compare(peer));
  }

  #compare(peer: MeshPeer): void {
    const key = keyOf(peer.node);
    this.#comparing.add(key);
    this.#turns.noteAsked(peer, this.#options.clock.now());
    this.#options.tasks.start("compare logs", async (signal) => {
      try {
        const ours = this.#options.ledger.heads();
        const { heads } = await peer.channel.request("heads", { heads: ours }, { signal });
        this.#learnAll(peer.node, heads);
      } catch (error) {
        if (!isVaultError(error)) throw error; // the peer's next beat tries again
      } finally {
        this.#comparing.delete(key);
      }
    });
  }

  #forget(node: NodeId): void {
    const key = keyOf(node);
    this.#peerHeads.delete(key);
    this.#turns.forget(node);
    for (const wanted of this.#wanted.values()) wanted.sources.delete(key);
    for (const pairs of [this.#listed, this.#uselessUntil]) {
      for (const pair of pairs.keys()) if (pair.startsWith(key)) pairs.delete(pair);
    }
  }

  #learnAll(from: NodeId, heads: readonly LogHead[]): void {
    for (const head of heads) this.#learn(from, head.node, head);
  }

  #learn(from: NodeId, node: NodeId, claim: Claim): void {
    // Logs of strangers are none of ours, so that a peer's inventions take up no memory.
    const member = memberOf(this.#options.mesh.view().members, node);
    if (member === null) return;
    this.#noteKnown(from, node, claim);
    if (!this.#isOfUse(from, node, claim) || isClosed(member, this.#options.ledger)) return;
    const useless = this.#uselessUntil.get(keyOf(from) + keyOf(node)) ?? 0;
    if (this.#isResting || useless > this.#options.clock.now()) return;
    const key = keyOf(node);
    let wanted = this.#wanted.get(key);
    if (wanted === undefined) this.#wanted.set(key, wanted = { node, sources: new Map() });
    wanted.sources.set(keyOf(from), { peer: from, claim });
    this.#pullNext();
  }

  #noteKnown(peer: NodeId, node: NodeId, { last, digest }: Claim): void {
    const key = keyOf(peer);
    let heads = this.#peerHeads.get(key);
    if (heads === undefined) this.#peerHeads.set(key, heads = new Map());
    const known = heads.get(keyOf(node));
    if (known === undefined || last >= known.last) heads.set(keyOf(node), { last, digest });
  }

  /** Whether a peer knows all that we know of a log, or another branch of it that it tells of itself. */
  #knows(peer: NodeId, head: LogHead): boolean {
    const known = this.#peerHeads.get(keyOf(peer))?.get(keyOf(head.node));
    if (known === undefined || known.last !== head.last) return (known?.last ?? 0n) > head.last;
    return known.digest === null || equalBytes(known.digest, head.digest);
  }

  /** Whether a peer that says this of a log may have records that we lack. */
  #isOfUse(peer: NodeId, node: NodeId, { last, digest }: Claim): boolean {
    const ours = this.#options.ledger.head(node);
    if (last > (ours?.last ?? 0n)) return true;
    if (ours === null || last < ours.last || digest === null) return false;
    if (equalBytes(ours.digest, digest)) return false;
    const listed = this.#listed.get(keyOf(peer) + keyOf(node));
    return listed === undefined || listed.digests !== keyOf(ours.digest) + keyOf(digest) ||
      listed.atMs + SEGMENT_LIST_AGAIN_MS <= this.#options.clock.now();
  }

  // Pulling.

  /** Enters what came. Where it can't be, as the disk is full for one, nothing that anyone gives could. */
  async #entering<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.#isResting) {
        this.#isResting = true;
        this.#options.tasks.after(LOG_AGAIN_MS, "compare logs", () => {
          this.#isResting = false;
          this.#compareSome("all");
        });
      }
      throw error;
    }
  }

  #pullNext(): void {
    for (const [key, wanted] of this.#wanted) {
      if (this.#pulling.size >= LOG_PULLS_MAX) return;
      if (this.#pulling.has(key)) continue;
      this.#pulling.add(key);
      this.#options.tasks.start("pull a log", async (signal) => {
        try {
          await this.#pull(wanted, signal);
        } finally {
          this.#pulling.delete(key);
          if (wanted.sources.size === 0 || signal.aborted) this.#wanted.delete(key);
          this.#pullNext();
        }
      });
    }
  }

  /** Pulls from all who have something, in turn, until nobody has. */
  async #pull({ node, sources }: Wanted, signal: AbortSignal): Promise<void> {
    while (sources.size > 0) {
      const [key, { peer: id, claim }] = sources.entries().next().value!;
      sources.delete(key);
      const peer = this.#options.mesh.peer(id);
      if (peer === null || !this.#isOfUse(id, node, claim)) continue;
      let isWorthMore: boolean;
      try {
        isWorthMore = await this.#pullFrom(peer, node, claim, signal);
      } catch (error) {
        // That source is out; comparing finds it again. Sessions end all the time, anything else is worth telling.
        if (!isVaultError(error, "failed")) this.#options.tasks.fail("pull a log", error);
        if (this.#isResting) sources.clear();
        continue;
      }
      // Behind the others, so that they take turns; a newer claim that came meanwhile stands.
      if (isWorthMore && !sources.has(key)) sources.set(key, { peer: id, claim });
    }
  }

  /** One step. @returns whether the source may have more */
  async #pullFrom(
    peer: MeshPeer,
    node: NodeId,
    claim: Claim,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { ledger, entry } = this.#options;
    const after = ledger.head(node)?.last ?? 0n;
    if (claim.last <= after) return await this.#pullListed(peer, node, claim, signal);
    const { segments } = await peer.channel.request("segments", { node, after }, { signal });
    const { entered, hasForked } = await this.#entering(() =>
      entry.enter(peer, node, segments, signal)
    );
    // What follows on another branch than ours is of use only with all of that branch.
    if (hasForked) await this.#pullListed(peer, node, claim, signal);
    const isHigher = (ledger.head(node)?.last ?? 0n) > after;
    if (!isHigher) {
      const untilMs = this.#options.clock.now() + LOG_AGAIN_MS;
      this.#uselessUntil.set(keyOf(peer.node) + keyOf(node), untilMs);
    }
    return isHigher && entered > 0;
  }

  /** Pulls all that the peer's list names and we lack. */
  async #pullListed(
    peer: MeshPeer,
    node: NodeId,
    claim: Claim,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { ledger, store, entry, clock } = this.#options;
    const ours = ledger.head(node);
    if (ours === null || claim.digest === null) return false;
    this.#listed.set(keyOf(peer.node) + keyOf(node), {
      digests: keyOf(ours.digest) + keyOf(claim.digest),
      atMs: clock.now(),
    });
    let after: Address = new Uint8Array(32);
    for (let isAll = false; !isAll;) {
      const reply = await peer.channel.request("segmentList", { node, after }, { signal });
      const last = reply.addresses.at(-1);
      if (last === undefined || compareIds(last, after) <= 0) break;
      isAll = reply.isAll;
      after = last.slice();
      const missing = reply.addresses.filter((address) => store.stat(address) === null);
      await this.#entering(() => entry.fetchAndEnter(peer, node, missing, signal));
    }
    return false;
  }

  // Telling.

  #announceSoon(node: NodeId): void {
    const { mesh, clock, tasks } = this.#options;
    this.#toAnnounce.set(keyOf(node), node);
    const delayMs = equalBytes(node, mesh.self) ? 0 : ANNOUNCE_DELAY_MS;
    const atMs = clock.now() + delayMs;
    if (this.#announceAt !== null && this.#announceAt.ms <= atMs) return;
    this.#announceAt?.stop();
    const stop = tasks.after(delayMs, "announce records", () => {
      this.#announceAt = null;
      this.#announce();
    });
    this.#announceAt = { ms: atMs, stop };
  }

  #announce(): void {
    const { mesh, ledger } = this.#options;
    for (const node of this.#toAnnounce.values()) {
      const head = ledger.head(node);
      if (head === null) continue;
      for (const peer of mesh.peers()) {
        if (this.#knows(peer.node, head)) continue;
        peer.channel.notify("advance", head);
        this.#noteKnown(peer.node, node, head);
      }
    }
    this.#toAnnounce.clear();
  }
}
