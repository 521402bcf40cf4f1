/** Nodes in one process, on a network of fakes that carry every message through its codec. */

import { assert } from "@std/assert";
import {
  type Address,
  ByteReader,
  type Bytes,
  type Clock,
  concatBytes,
  equalBytes,
  type NodeId,
  type RecordId,
  sha256,
  type Timers,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import type { InventoryEntry } from "../../src/log/mod.ts";
import { EVENTS, REQUESTS } from "../../src/net/message_table.ts";
import type {
  EventName,
  Events,
  LogHead,
  Presence,
  RequestName,
  Requests,
} from "../../src/net/mod.ts";
import {
  type Mesh,
  type MeshMember,
  type MeshPeer,
  type MeshView,
  Replication,
  type ReplicationEvent,
  type ReplicationRequest,
} from "../../src/peer/mod.ts";
import type { ObjectKind } from "../../src/store/mod.ts";
import { LogWriter, TestLedger, TestStore, TestUpkeep } from "./doubles.ts";
import { realTimers } from "./test_time.ts";

/** A way to stand in for what a node answers. `undefined` leaves it to the node. */
export type Tamper = (
  name: ReplicationRequest,
  ask: unknown,
  signal: AbortSignal,
) => unknown | Promise<unknown>;

/** A node of a {@link TestNet}. */
export class TestNode {
  readonly writer: LogWriter;
  readonly store = new TestStore();
  readonly ledger = new TestLedger(this.store);
  readonly upkeep = new TestUpkeep(this.store, this.ledger);
  readonly events: ReplicationEvent[] = [];
  readonly replication: Replication;
  readonly mesh: Mesh;
  readonly up = new Set<(peer: MeshPeer) => void>();
  readonly down = new Set<(node: NodeId) => void>();
  readonly viewed = new Set<(view: MeshView) => void>();
  tamper: Tamper = () => undefined;
  /** Requests answered, by name. */
  readonly asked = new Map<string, number>();
  isStarted = false;

  constructor(readonly name: string, readonly net: TestNet) {
    this.writer = new LogWriter(name);
    this.mesh = {
      self: this.id,
      peers: () => net.peersOf(this),
      peer: (node) => net.peersOf(this).find((peer) => equalBytes(peer.node, node)) ?? null,
      view: () => net.view(),
      onUp: (listener) => listen(this.up, listener),
      onDown: (listener) => listen(this.down, listener),
      onViewChange: (listener) => listen(this.viewed, listener),
    };
    this.replication = new Replication({
      mesh: this.mesh,
      ledger: this.ledger,
      store: this.store,
      upkeep: this.upkeep,
      clock: net.clock,
      timers: net.timers,
      ...(net.capacityBytes === undefined ? {} : { capacityBytes: net.capacityBytes }),
      onEvent: (event) => this.events.push(event),
    });
  }

  get id(): NodeId {
    return this.writer.node;
  }

  start(ready?: Promise<void>): void {
    this.isStarted = true;
    this.replication.start(ready);
  }

  /** Stores objects and a record that needs them, as a vault does. */
  async put(contents: readonly Bytes[]): Promise<InventoryEntry[]> {
    const needs = await this.storeObjects(contents);
    await this.write([needs]);
    return needs;
  }

  async storeObjects(contents: readonly Bytes[], kind: ObjectKind = "sealed") {
    const needs: InventoryEntry[] = [];
    for (const bytes of contents) {
      const address = sha256(bytes);
      await this.store.put({ kind, address, pieces: [bytes] });
      needs.push({ address, length: bytes.length });
    }
    await this.store.flush();
    return needs;
  }

  /** Writes one segment of records. */
  async write(puts: readonly (readonly InventoryEntry[])[]): Promise<RecordId> {
    const { address, bytes, objects, id } = this.writer.segment(puts, {
      nowMs: this.net.clock.now(),
    });
    for (const object of objects) {
      await this.store.put({ kind: "public", address: object.address, pieces: [object.bytes] });
    }
    await this.ledger.enter([{ address, bytes }]);
    return id;
  }

  holds(address: Address): boolean {
    return this.store.stat(address) !== null;
  }

  eventsOf<K extends ReplicationEvent["kind"]>(kind: K) {
    return this.events.filter((event): event is ReplicationEvent & { kind: K } =>
      event.kind === kind
    );
  }
}

function listen<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What a test net is like. */
export interface TestNetOptions {
  clock?: Clock;
  timers?: Timers;
  replicas?: number;
  /** What each node holds at most. */
  capacityBytes?: number;
}

/** Nodes, and which of them can talk to one another. */
export class TestNet {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly nodes: TestNode[] = [];
  readonly #links = new Map<string, { peer: MeshPeer; ended: AbortController }>();
  #members: MeshMember[] = [];
  #version = 1;
  #changedAtMs = 0;
  /** What nodes said of themselves, by name; `null` while what is so is known at once. */
  #said: Map<string, { presence: Presence; ms: number }> | null = null;
  replicas: number;
  readonly capacityBytes: number | undefined;
  /** Bytes of all messages. */
  bytes = 0;
  /** Bytes of objects in answers and pushes. */
  objectBytes = 0;

  constructor({ clock, timers, replicas = 3, capacityBytes }: TestNetOptions = {}) {
    this.clock = clock ?? { now: () => Date.now() };
    this.timers = timers ?? realTimers;
    this.replicas = replicas;
    this.capacityBytes = capacityBytes;
  }

  /** Adds members; nobody is connected or started yet. */
  add(...names: string[]): TestNode[] {
    const added = names.map((name) => new TestNode(name, this));
    this.nodes.push(...added);
    this.setMembers([
      ...this.#members,
      ...added.map(({ id }) => ({ node: id, weight: 100, isPresent: true, evictedAfter: null })),
    ]);
    return added;
  }

  view(): MeshView {
    return {
      version: this.#version,
      members: this.#members,
      replicas: this.replicas,
      changedAtMs: this.#changedAtMs,
    };
  }

  setMembers(members: MeshMember[]): void {
    this.#members = members;
    this.#version++;
    this.#changedAtMs = this.clock.now();
    for (const node of this.nodes) for (const listener of node.viewed) listener(this.view());
  }

  change(node: NodeId, change: Partial<MeshMember>): void {
    this.setMembers(
      this.#members.map((member) =>
        equalBytes(member.node, node) ? { ...member, ...change } : member
      ),
    );
  }

  startAll(): void {
    for (const node of this.nodes) if (!node.isStarted) node.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.replication.stop()));
  }

  #presenceOf({ replication }: TestNode) {
    const rest = { rosterDigest: new Uint8Array(32), heard: [] };
    return { presence: { ...replication.presence(), ...rest }, ms: this.clock.now() };
  }

  /** Has all say of themselves what is so now, and nothing new until this is called again. */
  ping(): void {
    this.#said = new Map(this.nodes.map((node) => [node.name, this.#presenceOf(node)]));
  }

  connect(a: TestNode, b: TestNode): void {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const key = `${from.name} ${to.name}`;
      if (this.#links.has(key)) continue;
      const ended = new AbortController();
      const said = () => this.#said?.get(to.name) ?? this.#presenceOf(to);
      const peer: MeshPeer = {
        node: to.id,
        rttMs: 1,
        get presenceMs() {
          return said().ms;
        },
        get presence() {
          return said().presence;
        },
        channel: {
          request: (name, ask, options) => this.#request(from, to, name, ask, ended, options),
          notify: (name, event) => this.#notify(from, to, name, event, ended),
        },
      };
      this.#links.set(key, { peer, ended });
    }
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const { peer } = this.#links.get(`${from.name} ${to.name}`)!;
      for (const listener of from.up) listener(peer);
    }
  }

  connectAll(): void {
    for (const a of this.nodes) for (const b of this.nodes) if (a.name < b.name) this.connect(a, b);
  }

  disconnect(a: TestNode, b: TestNode): void {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const link = this.#links.get(`${from.name} ${to.name}`);
      if (link === undefined) continue;
      this.#links.delete(`${from.name} ${to.name}`);
      link.ended.abort();
      for (const listener of from.down) listener(to.id);
    }
  }

  /** Cuts a node off, as if it had died. */
  isolate(node: TestNode): void {
    for (const other of this.nodes) if (other !== node) this.disconnect(node, other);
  }

  peersOf(node: TestNode): MeshPeer[] {
    return this.nodes.flatMap((other) => {
      const link = this.#links.get(`${node.name} ${other.name}`);
      return link === undefined ? [] : [link.peer];
    });
  }

  async #request<N extends RequestName>(
    from: TestNode,
    to: TestNode,
    name: N,
    ask: Requests[N]["ask"],
    link: AbortController,
    options: { signal?: AbortSignal } = {},
  ): Promise<Requests[N]["reply"]> {
    const ended = new VaultError("failed", "Cannot ask: the session has ended");
    const { signal } = options;
    if (link.signal.aborted) throw ended;
    if (signal?.aborted) throw new VaultError("interrupted", "Cannot ask: interrupted");
    const answer = (async () => {
      const heard = this.#carry(REQUESTS[name].ask, ask);
      await Promise.resolve();
      const abort = AbortSignal.any([link.signal, ...(signal ? [signal] : [])]);
      to.asked.set(name, (to.asked.get(name) ?? 0) + 1);
      const asked = name as unknown as ReplicationRequest;
      const forged = await to.tamper(asked, heard, abort) as Requests[N]["reply"] | undefined;
      const reply = forged ??
        await to.replication.handler.request(from.id, asked, heard as never, { signal: abort });
      return this.#carry(REQUESTS[name].reply, reply as Requests[N]["reply"]);
    })();
    answer.catch(() => {});
    return await new Promise((resolve, reject) => {
      const onEnd = () => reject(ended);
      const onAbort = () => reject(new VaultError("interrupted", "Cannot ask: interrupted"));
      link.signal.addEventListener("abort", onEnd);
      signal?.addEventListener("abort", onAbort);
      answer.then(resolve, reject).finally(() => {
        link.signal.removeEventListener("abort", onEnd);
        signal?.removeEventListener("abort", onAbort);
      });
    });
  }

  #notify<N extends EventName>(
    from: TestNode,
    to: TestNode,
    name: N,
    event: Events[N],
    link: AbortController,
  ): void {
    assert(name === "advance");
    const heard = this.#carry(EVENTS[name].event, event);
    queueMicrotask(() => {
      if (!link.signal.aborted) to.replication.handler.event(from.id, "advance", heard as LogHead);
    });
  }

  /** A message as the other end gets it. */
  #carry<T>(
    codec: { encode: (value: T) => readonly Uint8Array[]; decode: (reader: ByteReader) => T },
    value: T,
  ): T {
    const bytes = concatBytes(codec.encode(value));
    this.bytes += bytes.length + 10;
    const reader = new ByteReader(bytes, "message");
    const carried = codec.decode(reader);
    reader.end();
    return carried;
  }
}

/** Connected nodes that run, and are stopped at the end. */
export async function withNet(
  names: readonly string[],
  test: (net: TestNet, ...nodes: TestNode[]) => Promise<void>,
  options: TestNetOptions = {},
): Promise<void> {
  const net = new TestNet(options);
  const nodes = net.add(...names);
  net.connectAll();
  net.startAll();
  try {
    await test(net, ...nodes);
  } finally {
    await net.stop();
  }
}

/** Whether nodes know the same records. */
export function areEqual(nodes: readonly TestNode[]): boolean {
  const digests = nodes.map(({ ledger }) => toHex(ledger.headsDigest()));
  return new Set(digests).size === 1;
}
