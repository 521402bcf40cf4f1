/**
 * The peer layer of an open vault on this machine: its clock, its network, its files, its name.
 *
 * @module
 */

import {
  type Bytes,
  type Clock,
  denoDisk,
  type Disk,
  equalBytes,
  formatHostPort,
  type NodeId,
  type Random,
  sleep,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import { type Credentials, makeCredentials, tlsTransport, type Transport } from "../net/mod.ts";
import {
  decodeToken,
  EventBus,
  foundNetwork,
  joinAgain,
  joinLan,
  joinNetwork,
  NetworkFile,
  type NetworkState,
  ownRole,
  PeerNode,
  type ReadToken,
} from "../peer/mod.ts";
import { networkId, type PeerSide, type Vault } from "../vault/mod.ts";
import type { NetworkEvent, NetworkView, PeerStart, PeerSurface } from "./peer_surface.ts";
import { networkPath } from "./remembered.ts";

/** How a node behaves among the others. */
export interface PeerOptions {
  /** Copies that the network is to keep; an owner's word. */
  readonly replicas?: number;
  /** After how long a member that is not heard of counts as gone. */
  readonly downAfterMs?: number;
  /** What its share of the objects is in proportion to, GiB. */
  readonly capacityGib?: number;
}

/** A node's share of the objects, relative to the others', if it names none. */
const CAPACITY_GIB_DEFAULT = 100;
/** How long joining waits for an answer. */
const JOIN_MS_MAX = 10_000;
/** How often it is looked whether all records are here. */
const SYNC_POLL_MS = 50;

/** What the peer layer takes of a machine. */
export interface PeerMachine {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  /** The certificate of a node and its key, of the node's seed. */
  makeCredentials(seed: Bytes): Promise<Credentials>;
  /** What the machine calls itself, for people. */
  hostName(): string;
  /** Addresses of the machine by which others might reach it. */
  interfaceAddresses(): string[];
}

/** The machine that this runs on. */
const systemPeerMachine: PeerMachine = {
  transport: tlsTransport,
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  disk: denoDisk,
  makeCredentials,
  hostName,
  interfaceAddresses,
};

/** What the peer layer needs of a vault. */
export type ServedVault = Pick<Vault, "home" | "peerSide" | "attach">;

/** The peer layer of a vault that is open, not yet listening. */
export async function openPeers(
  vault: ServedVault,
  options: PeerOptions,
  machine: PeerMachine = systemPeerMachine,
): Promise<Peers> {
  const { disk } = machine;
  const side = vault.peerSide();
  const path = networkPath(vault.home);
  const file = NetworkFile.load(path, side.node.publicKey, disk) ?? await NetworkFile.make(
    path,
    foundNetwork({
      networkId: networkId(side.networkSecret),
      secret: side.networkSecret,
      authority: side.vaultSigner,
      nodeKey: side.node.publicKey,
      nowMs: machine.clock.now(),
    }),
    disk,
  );
  const credentials = await machine.makeCredentials(side.nodeSeed);
  return new Peers({ vault, side, file, credentials, options, machine });
}

interface PeersParts {
  vault: ServedVault;
  side: PeerSide;
  file: NetworkFile;
  credentials: Credentials;
  options: PeerOptions;
  machine: PeerMachine;
}

/** The peer layer of one vault; joining another network makes its node anew. */
export class Peers implements PeerSurface {
  readonly #vault: ServedVault;
  readonly #side: PeerSide;
  readonly #credentials: Credentials;
  readonly #options: PeerOptions;
  readonly #machine: PeerMachine;
  readonly #events = new EventBus();
  #file: NetworkFile;
  #node: PeerNode;
  /** Where and how it was started; `null` while it is not. */
  #started: { options: PeerStart; bound: { host: string; port: number } } | null = null;
  /** Ends the discovery on the local network. */
  #leaveLan: () => Promise<void> = () => Promise.resolve();

  constructor({ vault, side, file, credentials, options, machine }: PeersParts) {
    this.#vault = vault;
    this.#side = side;
    this.#file = file;
    this.#credentials = credentials;
    this.#options = options;
    this.#machine = machine;
    this.#node = this.#makeNode();
  }

  /** The node itself. Another one after joining another network. */
  get node(): PeerNode {
    return this.#node;
  }

  #makeNode(): PeerNode {
    const { ledger, store, upkeep, node, vaultSigner } = this.#side;
    const { downAfterMs, capacityGib } = this.#options;
    const { transport, clock, timers, random, hostName, interfaceAddresses } = this.#machine;
    return new PeerNode({
      ...{ transport, clock, timers, random },
      file: this.#file,
      signer: node,
      vaultSigner,
      credentials: this.#credentials,
      events: this.#events,
      claim: { name: hostName(), weight: capacityGib ?? CAPACITY_GIB_DEFAULT },
      interfaces: interfaceAddresses,
      ...(downAfterMs === undefined ? {} : { downAfterMs }),
      ...(capacityGib === undefined ? {} : { capacityBytes: capacityGib * 1024 ** 3 }),
      ...{ ledger, store, upkeep },
    });
  }

  async start(options: PeerStart): Promise<{ host: string; port: number }> {
    const { replicas } = this.#options;
    if (replicas !== undefined) await this.#node.sessions.setReplicas(replicas);
    return await this.#listen(options);
  }

  async #listen(options: PeerStart): Promise<{ host: string; port: number }> {
    const { host, port, peers, advertise } = options;
    const bound = await this.#node.start({ host, port, peers, advertise: advertise ?? null });
    this.#started = { options, bound };
    await this.#vault.attach(this.#node.remote);
    if (options.lan) this.#leaveLan = await this.#joinLan(bound.port);
    return bound;
  }

  #joinLan(port: number): Promise<() => Promise<void>> {
    const { sessions } = this.#node;
    return joinLan({
      networkId: this.#file.state.network.networkId,
      node: this.#side.nodeId,
      port,
      timers: this.#machine.timers,
      onFound: (address) => sessions.addAddress(address),
      onNotice: (text) => this.#events.emit({ kind: "notice", text }),
    });
  }

  async stop(): Promise<void> {
    this.#started = null;
    await this.#leaveLan();
    this.#leaveLan = () => Promise.resolve();
    await this.#vault.attach(null);
    await this.#node.stop();
  }

  view(): NetworkView {
    const { network, roster } = this.#file.state;
    const { objects, etaSeconds } = this.#node.remote.underReplicated();
    return {
      network: network.networkId,
      address: this.#ownAddress(),
      peers: this.#node.peers().map((peer) => ({
        ...peer,
        address: peer.address ?? "",
        missing: peer.missing ?? 0,
      })),
      underReplicated: objects,
      etaSeconds,
      replicas: roster.replicas,
    };
  }

  /** The first that it tells others, `null` while it does not listen. */
  #ownAddress(): string | null {
    if (this.#started === null) return null;
    const { bound } = this.#started;
    const stated = this.#file.state.roster.member(this.#side.nodeId)?.addresses[0];
    return stated ?? formatHostPort(bound);
  }

  // deno-lint-ignore require-await -- asynchronous, so that an error is a rejection
  async invite({ masterKey }: { masterKey?: Bytes }): Promise<string> {
    if (masterKey !== undefined && ownRole(this.#file.state) !== "owner") {
      throw new VaultError("denied", "Cannot invite an owner: this node does not own the network");
    }
    return this.#node.invite(masterKey ?? null);
  }

  async join(text: string): Promise<void> {
    const token = decodeToken(text);
    const { node, vaultSigner } = this.#side;
    const { state } = this.#file;
    const joining = {
      nodeKey: node.publicKey,
      nowMs: this.#machine.clock.now(),
      authority: vaultSigner,
    };
    if (!equalBytes(token.network.networkId, state.network.networkId)) {
      this.#refuseToLeave();
      await this.#enter(joinNetwork(token, joining));
    } else {
      joinAgain(state, token, joining);
      this.#node.sessions.stateOwn();
      await this.#file.save();
    }
    await this.#greet(token);
  }

  /** Who has others around that count on it does not just go. */
  #refuseToLeave(): void {
    const others = this.#node.peers().filter(({ state }) => state !== "evicted");
    if (others.length === 0) return;
    throw new VaultError(
      "exists",
      `Cannot join: this node is in a network already, with ${others.length} others`,
      { hint: "join from another home, with --home" },
    );
  }

  /** Goes into another network with the same vault. */
  async #enter(state: NetworkState): Promise<void> {
    const started = this.#started;
    if (started !== null) await this.stop();
    this.#file = await NetworkFile.make(networkPath(this.#side.home), state, this.#machine.disk);
    this.#node = this.#makeNode();
    if (started !== null) await this.#listen({ ...started.options, port: started.bound.port });
  }

  /** A first word with who invited, while this node runs; if they are out of reach now, they are tried again later. */
  async #greet(token: ReadToken): Promise<void> {
    if (this.#started === null) return;
    const late = new AbortController();
    const stop = this.#machine.timers.after(
      JOIN_MS_MAX,
      () => late.abort(new DOMException("nobody answered in time", "TimeoutError")),
    );
    try {
      for (const address of token.member.addresses) {
        try {
          await this.#node.sessions.connect(address, late.signal);
          return;
        } catch (error) {
          if (error instanceof VaultError && error.code === "denied") throw error;
        }
      }
    } finally {
      stop();
    }
  }

  async evict(node: NodeId): Promise<void> {
    await this.#node.evict(node);
  }

  send(to: NodeId | "all", text: string): Promise<{ delivered: number }> {
    return this.#node.sessions.mailbox.send(to, text);
  }

  events(signal: AbortSignal): AsyncIterable<NetworkEvent> {
    return this.#named(this.#events.listen(signal));
  }

  async *#named(events: ReturnType<EventBus["listen"]>): AsyncGenerator<NetworkEvent> {
    for await (const event of events) {
      if (event.kind !== "peer") yield event;
      else yield { ...event, name: this.#file.state.roster.member(event.node)?.name ?? "" };
    }
  }

  async synced(
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<boolean> {
    const { clock, timers } = this.#machine;
    const deadline = clock.now() + timeoutMs;
    while (clock.now() < deadline) {
      if (this.#node.replication.isSynced()) return true;
      await sleep(timers, SYNC_POLL_MS, signal);
    }
    return false;
  }
}

/** What this machine calls itself, for people. */
function hostName(): string {
  try {
    return Deno.hostname();
  } catch {
    return "node"; // not permitted
  }
}

/** Addresses of this machine by which others might reach it. */
function interfaceAddresses(): string[] {
  try {
    return Deno.networkInterfaces()
      .filter(({ address }) => !address.startsWith("fe80:"))
      .map(({ address }) => address);
  } catch {
    return []; // not permitted
  }
}
