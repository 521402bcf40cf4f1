/**
 * What a node answers about objects: gives them, says which it holds, takes those that it is to hold.
 *
 * @module
 */

import {
  type Address,
  AHEAD_BYTES_MAX,
  asVaultError,
  equalBytes,
  FRAME_BYTES_MAX,
  HAVE_ADDRESSES_MAX,
  isVaultError,
  KEEP_BYTES_IN_FLIGHT,
  KEEP_LOG_WAIT_MS,
  KEEP_NEEDS_MAX,
  KEEP_OBJECTS_IN_FLIGHT,
  KEEPS_PER_PEER_MAX,
  type NodeId,
  ownWhole,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import type { LogHead, Need, Requests } from "../net/mod.ts";
import { matchesAddressHere } from "../store/mod.ts";
import { keyOf } from "./address_map.ts";
import type { Fetcher } from "./fetcher.ts";
import { forEachInGate, Gate } from "./gate.ts";
import { type Incoming, wireKind } from "./incoming.ts";
import type { LogSync } from "./log_sync.ts";
import type { Mesh } from "./mesh.ts";
import type { PinSets } from "./pins.ts";
import type { Placement } from "./placement.ts";
import type { Ledger, ObjectStore } from "./ports.ts";
import { isClosed, memberOf } from "./segment_check.ts";

/** What {@link Exchange} works with. */
export interface ExchangeOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: ObjectStore;
  placement: () => Placement;
  incoming: Incoming;
  fetcher: Fetcher;
  logs: Pick<LogSync, "waitFor">;
  pins: PinSets;
  onLiar: (node: NodeId, address: Address) => void;
  /** Told of objects that are durable here because a peer wanted them to be kept. */
  onKept: (addresses: readonly Address[]) => void;
}

/** Answers requests about objects. */
export class Exchange {
  readonly #options: ExchangeOptions;
  /** Requests `keep` being worked on, by peer. */
  readonly #keeps = new Map<string, number>();
  /** Bytes that came from a peer since records of its that name objects were last known here. */
  readonly #ahead = new Map<string, number>();

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Gives an object, unchecked: whoever gets it checks it anyway. */
  async get({ address }: Requests["get"]["ask"]): Promise<Requests["get"]["reply"]> {
    const { store } = this.#options;
    const kind = store.stat(address)?.kind;
    const bytes = kind === undefined ? null : await store.get(address);
    if (kind === undefined || bytes === null) return { object: null };
    return { object: { kind: wireKind(kind), bytes: ownWhole(bytes) } }; // freed when they are sent
  }

  /** Says what is durable here. It stays for a while: the asker may be about to drop its own copy. */
  have({ addresses, heads }: Requests["have"]["ask"]): Requests["have"]["reply"] {
    const { store, ledger, pins } = this.#options;
    if (addresses.length > HAVE_ADDRESSES_MAX) throw tooMany("have", addresses.length);
    const held = addresses.map((address) => store.isDurable(address));
    // An asker that names no heads wants to send, not to drop.
    if (heads.length > 0) addresses.forEach((address, i) => held[i] && pins.promised.add(address));
    const { members } = this.#options.mesh.view();
    const isBehindOf = (head: LogHead) => {
      const member = memberOf(members, head.node);
      if (member !== null && isClosed(member, ledger)) return false;
      return isBehind(ledger.head(head.node), head);
    };
    return { held, isBehind: heads.some(isBehindOf) };
  }

  /** Takes an object ahead of the record that will name it. */
  async push(from: NodeId, ask: Requests["push"]["ask"]): Promise<Requests["push"]["reply"]> {
    const { store, incoming, pins, mesh, placement, onLiar } = this.#options;
    const { kind, address, bytes } = ask;
    const isOurs = kind === "public" ||
      (kind === "sealed" && placement().isHolder(mesh.self, address));
    if (!isOurs || store.stat(address) !== null) return { isTaken: false };
    if (!this.#takeAhead(from, bytes.length)) return { isTaken: false };
    if (bytes.length > FRAME_BYTES_MAX || !matchesAddressHere(address, bytes)) {
      onLiar(from, address);
      throw new VaultError(
        "damaged",
        `Cannot take object ${shortHex(address)}: its bytes do not match its address`,
      );
    }
    pins.coming.add(address); // before it is put: what is there may be about to be collected
    const isTaken = await asRefusal(
      "take an object",
      () => incoming.receive(address, () => Promise.resolve({ kind, bytes })),
    );
    if (!isTaken) pins.coming.delete(address);
    return { isTaken };
  }

  /** Makes durable here what a peer wants to be held. @throws VaultError `no_space`, `failed`, `interrupted` */
  async keep(
    from: NodeId,
    { log, needs }: Requests["keep"]["ask"],
    signal: AbortSignal,
  ): Promise<Requests["keep"]["reply"]> {
    if (needs.length > KEEP_NEEDS_MAX) throw tooMany("keep", needs.length);
    const { store, logs, pins, onKept } = this.#options;
    return await this.#countKeep(from, async () => {
      const bytes = needs.reduce((sum, { length }) => sum + length, 0);
      if (log === null && !this.#takeAhead(from, bytes)) {
        throw new VaultError("no_space", "Cannot keep objects: too many came that no record names");
      }
      for (const { address } of needs) pins.coming.add(address);
      // When one of the two fails, nobody waits for the other.
      const failed = new AbortController();
      const either = AbortSignal.any([signal, failed.signal]);
      const logIsKnown = log === null ||
        logs.waitFor(from, log, { timeoutMs: KEEP_LOG_WAIT_MS, signal: either });
      // The objects come while the log does: their addresses say what they are without it.
      const [isKnown] = await Promise.all([
        logIsKnown,
        asRefusal("keep objects", () => this.#receiveAll(from, needs, either)),
      ]).finally(() => failed.abort());
      if (log !== null && !isKnown) {
        throw new VaultError(
          "failed",
          `Cannot keep objects: the log of node ${
            shortHex(log.node)
          } did not come up to ${log.last}`,
        );
      }
      if (log !== null) this.#ahead.delete(keyOf(from));
      const held = needs.map(({ address }) => store.isDurable(address));
      needs.forEach(({ address }, i) => {
        if (held[i]) pins.promised.add(address);
        // The records are entered: what they need is live, and what they don't is nobody's.
        if (log !== null) pins.coming.delete(address);
      });
      onKept(needs.filter((_, i) => held[i]).map(({ address }) => address));
      return { held };
    });
  }

  /** Counts bytes that no record names yet; `false` if they are too many, so that no peer fills this node's disk. */
  #takeAhead(from: NodeId, bytes: number): boolean {
    const ahead = (this.#ahead.get(keyOf(from)) ?? 0) + bytes;
    if (ahead > AHEAD_BYTES_MAX) return false;
    this.#ahead.set(keyOf(from), ahead);
    return true;
  }

  async #countKeep<T>(from: NodeId, work: () => Promise<T>): Promise<T> {
    const key = keyOf(from);
    const under = this.#keeps.get(key) ?? 0;
    if (under >= KEEPS_PER_PEER_MAX) {
      throw new VaultError("failed", `Cannot keep objects: ${under} such requests are under way`);
    }
    this.#keeps.set(key, under + 1);
    try {
      return await work();
    } finally {
      const left = this.#keeps.get(key)! - 1;
      if (left === 0) this.#keeps.delete(key);
      else this.#keeps.set(key, left);
    }
  }

  async #receiveAll(from: NodeId, needs: readonly Need[], signal: AbortSignal): Promise<void> {
    const { store, incoming, fetcher, mesh } = this.#options;
    const missing = needs.filter(({ address }) => store.stat(address) === null);
    const bounds = { countMax: KEEP_OBJECTS_IN_FLIGHT, bytesMax: KEEP_BYTES_IN_FLIGHT };
    const gate = new Gate(() => bounds);
    let isCut = false;
    await forEachInGate(
      missing,
      { gate, bytesOf: ({ length }) => length, signal },
      async (need) => {
        if (isCut) return;
        await incoming.receive(need.address, async () => {
          const peer = mesh.peer(from);
          if (peer === null) {
            isCut = true;
            return null;
          }
          try {
            const object = await fetcher.getFrom(peer, need.address, signal);
            return object === null || object.kind === "segment" ? null : object;
          } catch (error) {
            // One that fails leaves the others; a session that is over leaves none.
            if (!isVaultError(error)) throw error;
            return null;
          }
        });
      },
    );
    if (needs.some(({ address }) => !store.isDurable(address))) await incoming.flush();
  }
}

/** Whether someone who knows `theirs` knows records that we don't. */
function isBehind(ours: LogHead | null, theirs: LogHead): boolean {
  if (ours === null || ours.last < theirs.last) return theirs.last > 0n;
  return ours.last === theirs.last && !equalBytes(ours.digest, theirs.digest);
}

function tooMany(request: string, count: number): VaultError {
  return new VaultError("usage", `Cannot answer ${request}: ${count} objects are too many`);
}

/** Failures of the disk under their own codes, for the asker. */
async function asRefusal<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asVaultError(error, `Cannot ${action}`);
  }
}
