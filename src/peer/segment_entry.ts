/**
 * The way of a segment from a peer's answer into the ledger: decoded with its signatures, judged, its public objects
 * stored, entered.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  type Clock,
  equalBytes,
  isVaultError,
  type NodeId,
  SEGMENTS_REPLY_BYTES,
  sha256,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import { decodeSegment, type Segment } from "../log/mod.ts";
import type { Fetcher } from "./fetcher.ts";
import { forEachInGate, type Gate } from "./gate.ts";
import type { Mesh, MeshPeer } from "./mesh.ts";
import type { Ledger, ObjectStore } from "./ports.ts";
import {
  cannotAccept,
  GrowingLog,
  isWellFormed,
  judgeSegment,
  memberOf,
  type PublicNeed,
  publicNeeds,
} from "./segment_check.ts";
import type { Tasks } from "./tasks.ts";

/** What {@link SegmentEntry} works with. */
export interface SegmentEntryOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: Pick<ObjectStore, "put" | "stat">;
  fetcher: Fetcher;
  clock: Clock;
  tasks: Tasks;
  /** Shared by all that fetches for the logs. */
  gate: Gate;
  onFork: (node: NodeId, sequence: bigint) => void;
  /** Told of segments that a peer gave and that may not enter. */
  onRefused: (peer: NodeId, reason: string) => void;
}

/** A segment that may enter. */
interface Accepted {
  address: Address;
  bytes: Bytes;
  segment: Segment;
  fork: bigint | null;
}

/** Enters what peers send. */
export class SegmentEntry {
  readonly #options: SegmentEntryOptions;

  constructor(options: SegmentEntryOptions) {
    this.#options = options;
  }

  /**
   * Enters segments of one log, in order of their first record. What may not enter ends the row: the peer that sent it
   * is told of by `onRefused`.
   *
   * @returns how many entered, and whether any is of another branch than the one we know
   */
  async enter(
    peer: MeshPeer,
    node: NodeId,
    segments: readonly Bytes[],
    signal: AbortSignal,
  ): Promise<{ entered: number; hasForked: boolean }> {
    const { accepted, hasForked } = await this.#accept(peer, node, segments);
    const ready: Accepted[] = [];
    for (const candidate of accepted) {
      if (!await this.#storePublic(peer, candidate.segment, signal)) break;
      ready.push(candidate);
    }
    if (ready.length === 0) return { entered: 0, hasForked };
    await this.#options.ledger.enter(ready.map(({ address, bytes }) => ({ address, bytes })));
    for (const { fork } of ready) if (fork !== null) this.#options.onFork(node, fork);
    return { entered: ready.length, hasForked };
  }

  /** Fetches segments by their addresses and enters them. Those that nobody gives are left out. */
  async fetchAndEnter(
    peer: MeshPeer,
    node: NodeId,
    addresses: readonly Address[],
    signal: AbortSignal,
  ): Promise<void> {
    let batch: Bytes[] = [];
    let batchBytes = 0;
    const enter = async () => {
      const segments = batch;
      [batch, batchBytes] = [[], 0];
      if (segments.length > 0) await this.enter(peer, node, inOrder(segments), signal);
    };
    const { gate } = this.#options;
    // A fork's segments name no order by their addresses; within a batch they enter in that of their records.
    for (let start = 0; start < addresses.length; start += 256) {
      await forEachInGate(
        addresses.slice(start, start + 256),
        { gate, bytesOf: () => 64 * 1024, signal },
        async (address) => {
          const found = await this.#options.fetcher.find(address, { prefer: peer.node, signal });
          if (found.kind !== "found") return;
          batch.push(found.bytes);
          batchBytes += found.bytes.length;
        },
      );
      if (batchBytes >= 4 * SEGMENTS_REPLY_BYTES) await enter();
    }
    await enter();
  }

  async #accept(
    peer: MeshPeer,
    node: NodeId,
    segments: readonly Bytes[],
  ): Promise<{ accepted: Accepted[]; hasForked: boolean }> {
    const { mesh, ledger, store, clock, tasks } = this.#options;
    const slices = tasks.slices();
    const log = new GrowingLog(node, ledger);
    const member = memberOf(mesh.view().members, node);
    const accepted: Accepted[] = [];
    let hasForked = false;
    for (const bytes of segments) {
      if (slices.isOver()) await slices.next();
      const segment = this.#decode(peer, node, bytes);
      if (segment === null) break;
      const verdict = judgeSegment(segment, { member, log, nowMs: clock.now() });
      if (verdict.kind === "refused") {
        this.#options.onRefused(peer.node, cannotAccept(node, verdict.reason));
        break;
      }
      if (verdict.kind === "gap") break; // what is missing before it is asked for next
      if (verdict.kind === "known") continue;
      hasForked ||= verdict.kind === "fork";
      const address = sha256(bytes);
      if (verdict.kind === "fork" && store.stat(address) !== null) continue;
      log.add(segment);
      const fork = verdict.kind === "fork" ? verdict.sequence : null;
      accepted.push({ address, bytes, segment, fork });
    }
    return { accepted, hasForked };
  }

  #decode(peer: MeshPeer, node: NodeId, bytes: Bytes): Segment | null {
    try {
      const segment = decodeSegment(bytes);
      if (equalBytes(segment.nodeId, node)) return segment;
      throw new VaultError("damaged", cannotAccept(node, "it is another node's"));
    } catch (error) {
      if (!isVaultError(error, "damaged")) throw error;
      this.#options.onRefused(peer.node, error.message);
      return null;
    }
  }

  /**
   * Stores what every node holds of what a segment names. An inventory that nobody has any more belongs to versions that
   * were pruned, by records yet to come; a prune list stays as long as its record.
   *
   * @returns whether the segment may enter
   */
  async #storePublic(peer: MeshPeer, segment: Segment, signal: AbortSignal): Promise<boolean> {
    const { store, gate } = this.#options;
    const missing = publicNeeds(segment).filter(({ address }) => store.stat(address) === null);
    if (missing.length === 0) return true;
    let isComplete = true;
    await forEachInGate(missing, { gate, bytesOf, signal }, async (need) => {
      if (isComplete && !await this.#fetchPublic(peer, need, signal)) isComplete = false;
    });
    return isComplete;
  }

  async #fetchPublic(peer: MeshPeer, need: PublicNeed, signal: AbortSignal): Promise<boolean> {
    const { fetcher, store } = this.#options;
    const found = await fetcher.find(need.address, { prefer: peer.node, signal });
    if (found.kind !== "found") return found.kind === "absent" && need.kind === "inventory";
    if (!isWellFormed(need, found.bytes)) {
      const reason = `its ${need.kind} ${shortHex(need.address)} can't be read`;
      this.#options.onRefused(peer.node, `Cannot accept a segment: ${reason}`);
      return false;
    }
    await store.put({ kind: "public", address: need.address, pieces: [found.bytes] });
    return true;
  }
}

/** What an object will take, at most about. */
function bytesOf({ count }: PublicNeed): number {
  return count === 0 ? 1024 * 1024 : 36 * count;
}

/** By the number of their first record, as far as they can be read at all. */
function inOrder(segments: readonly Bytes[]): Bytes[] {
  const first = (bytes: Bytes) => {
    try {
      return decodeSegment(bytes, { signatures: "checked before" }).firstSequence;
    } catch {
      return 0n;
    }
  };
  return segments.map((bytes) => ({ bytes, at: first(bytes) }))
    .sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0)
    .map(({ bytes }) => bytes);
}
