/**
 * The table of sessions: one with every other member, as far as they can be reached. It dials, accepts, keeps one of two, pings, lets go of the
 * dead, and is the {@link Mesh} that replication sees.
 *
 * @module
 */

import {
  type Bytes,
  compareIds,
  DOWN_AFTER_MS,
  equalBytes,
  formatHostPort,
  type NodeId,
  OUTCAST_MS,
  parseHostPort,
  PING_MS,
  routineMs,
  SESSION_DRAIN_MS,
  SESSIONS_MAX,
  sha256,
  SILENCE_MS_MAX,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { type ChannelEnd, type Listener, openChannel } from "../net/mod.ts";
import { Gossip } from "./gossip.ts";
import { Mailbox } from "./mail_box.ts";
import type { Mesh, MeshView } from "./mesh.ts";
import { absentMembers } from "./presence.ts";
import type { Roster } from "./roster.ts";
import { isDialAddress } from "./session_address.ts";
import { type Connected, Connector } from "./session_connect.ts";
import { Membership, ownAddresses, type OwnClaim, SeenAt } from "./session_membership.ts";
import { Dialling } from "./session_dialling.ts";
import { listPeers, type PeerInfo } from "./session_peers.ts";
import { Talk } from "./session_talk.ts";
import { keyOfView, viewOf } from "./session_view.ts";
import { PeerSession, type SessionDelegate, type SessionWorld } from "./session_world.ts";
import type { Statement } from "./statements.ts";

/** What a {@link SessionTable} is made of. */
export interface SessionTableOptions extends SessionWorld {
  /** What the node says of itself. */
  readonly claim: OwnClaim;
  /** Milliseconds after which a member that nobody has heard of is absent. */
  readonly downAfterMs?: number;
  /** Addresses of the machine's interfaces, for a node that listens on all of them. */
  readonly interfaces?: () => readonly string[];
}

/** Where to listen and whom to find. */
export interface StartOptions {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** `host:port` of nodes to try. */
  readonly peers?: readonly string[];
  /** `host` or `host:port` by which others reach this node, if it can't know itself. */
  readonly advertise?: string | null;
}

type Listeners<A extends unknown[]> = Set<(...args: A) => void>;

function subscribe<A extends unknown[]>(
  listeners: Listeners<A>,
  listener: (...args: A) => void,
): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** See the module. Make it, {@link SessionTable.serve} it, start it. */
export class SessionTable implements Mesh {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly mailbox: Mailbox;
  readonly #options: SessionTableOptions;
  readonly #gossip: Gossip;
  readonly #connector: Connector;
  readonly #dialling: Dialling;
  readonly #talk: Talk;
  readonly #seen = new SeenAt();
  readonly #sessions = new Map<string, PeerSession>();
  /** Hex of members that broke the rules, until when. */
  readonly #outcasts = new Map<string, number>();
  readonly #bytesBefore = new Map<string, { in: number; out: number }>();
  readonly #onUp: Listeners<[PeerSession]> = new Set();
  readonly #onDown: Listeners<[NodeId]> = new Set();
  readonly #onView: Listeners<[MeshView]> = new Set();
  #listener: Listener | null = null;
  #advertise: string | null = null;
  #startedMs: number;
  #view: MeshView;
  #viewKey = "";
  #stopTick: () => void = () => {};
  #isRunning = false;

  constructor(options: SessionTableOptions) {
    this.#options = options;
    this.self = sha256(options.signer.publicKey);
    this.membership = new Membership(options, options.claim);
    const sessions = () => this.#sessions.values();
    this.mailbox = new Mailbox(options, { sessions, session: (node) => this.session(node) });
    this.#gossip = new Gossip(options, {
      sessions,
      onStatements: (added) => this.#onStatements(added),
      onHostile: (session, reason) => this.#castOut(session, reason),
    });
    this.#connector = new Connector(options, {
      ownStatement: () => this.membership.ownStatement(),
      isFull: () => this.#sessions.size >= SESSIONS_MAX,
      isUp: (node) => this.session(node) !== null,
      onConnected: (connected) => this.#enter(connected),
      onEvicted: (eviction) => this.#tell(this.#roster.merge([eviction]).added),
    });
    this.#dialling = new Dialling(options, {
      connector: this.#connector,
      isRunning: () => this.#isRunning,
      session: (node) => this.session(node),
    });
    this.#talk = new Talk(options, {
      gossip: this.#gossip,
      mailbox: this.mailbox,
      sessions,
      onFault: (error) => this.#onFault(error),
    });
    this.#startedMs = options.clock.now();
    this.#view = this.#computeView();
  }

  get #roster(): Roster {
    return this.#options.file.state.roster;
  }

  /** Who answers about records and objects. To be said once, before `start`. */
  serve(delegate: SessionDelegate): void {
    this.#talk.delegate = delegate;
  }

  /**
   * Listens, states where this node is, and begins to look for the others.
   *
   * @throws VaultError `failed` if the address can't be had, `usage` for peers or an own address that nobody can dial
   */
  async start(options: StartOptions): Promise<{ host: string; port: number }> {
    const { transport, credentials, file, clock } = this.#options;
    const { host, port, peers = [], advertise = null } = options;
    for (const address of peers) parseHostPort(address);
    const whole = formatHostPort({ host: advertise ?? "any", port: 1 });
    if (advertise !== null && !isDialAddress(advertise) && !isDialAddress(whole)) {
      throw new VaultError("usage", `Cannot advertise "${advertise}": it is not HOST or HOST:PORT`);
    }
    this.#advertise = advertise;
    this.#startedMs = clock.now();
    this.#listener = await transport.listen({ host, port, credentials });
    this.#isRunning = true;
    file.state.port = this.#listener.port;
    for (const address of [...peers, ...file.state.addresses]) this.addAddress(address);
    this.stateOwn();
    await file.save();
    this.#connector.accept(this.#listener);
    this.#checkView();
    this.#dialling.dialMissing();
    this.#tickLater();
    return { host: this.#listener.host, port: this.#listener.port };
  }

  /** Says goodbye, gives what is under way `drainMs` to finish, and lets go of everything. */
  async stop(drainMs = SESSION_DRAIN_MS): Promise<void> {
    this.#isRunning = false;
    this.#stopTick();
    this.#dialling.stop();
    this.#listener?.close();
    for (const { channel } of this.#sessions.values()) {
      channel.notify("bye", { reason: "the node stops" });
    }
    const closing = [...this.#sessions.values()]
      .map(({ channel }) => channel.close("the node stops", { drainMs }));
    await Promise.all([...closing, this.#connector.stop()]);
    await this.#gossip.stop();
  }

  /** Has everyone know where this node is and by what it is a member, if that has changed. */
  stateOwn(): void {
    if (this.#listener === null) return;
    const { host, port } = this.#listener;
    const { file, interfaces = () => [] } = this.#options;
    // What only asks to be known has nothing to say before it is.
    if (file.state.admission === null && this.membership.ownStatement() === null && !this.#owns()) {
      return;
    }
    this.#tell(this.membership.state(ownAddresses({
      advertise: this.#advertise,
      host,
      port,
      seen: this.#seen.best(),
      interfaces: interfaces(),
    })));
  }

  /** Connections that others began and that are in handshake. */
  get shaking(): number {
    return this.#connector.shaking;
  }

  /** One more address to try, from the user or from the local network. */
  addAddress(address: string): void {
    this.#dialling.addAddress(address);
  }

  /**
   * Connects to an address once, at once.
   *
   * @returns who is there; a session with them stands
   * @throws VaultError `failed` if nobody is, `denied` if they or this node refuse, saying why
   */
  async connect(address: string, signal: AbortSignal): Promise<NodeId> {
    return await this.#dialling.dial(address, null, signal);
  }

  // The mesh.

  peers(): PeerSession[] {
    return [...this.#sessions.values()];
  }

  peer(node: NodeId): PeerSession | null {
    return this.session(node);
  }

  session(node: NodeId): PeerSession | null {
    return this.#sessions.get(toHex(node)) ?? null;
  }

  view(): MeshView {
    return this.#view;
  }

  onUp(listener: (peer: PeerSession) => void): () => void {
    return subscribe(this.#onUp, listener);
  }

  onDown(listener: (node: NodeId) => void): () => void {
    return subscribe(this.#onDown, listener);
  }

  onViewChange(listener: (view: MeshView) => void): () => void {
    return subscribe(this.#onView, listener);
  }

  /** All other members, and those that were evicted. */
  list(): PeerInfo[] {
    return listPeers(this.#roster.everyone(), {
      self: this.self,
      session: (node) => this.session(node),
      isDialling: (node) => this.#dialling.isDialling(node),
      lastHeard: (node) => this.#talk.heard.last(node),
      bytesBefore: (node) => this.#bytesBefore.get(toHex(node)) ?? { in: 0, out: 0 },
      nowMs: this.#options.clock.now(),
    });
  }

  // What the authority decides.

  /** Evicts a node: {@link Membership.evict}. All that are up know when it returns, as far as they answer. */
  async evict(node: NodeId, lastSequence: bigint): Promise<void> {
    this.#tell(await this.membership.evict(node, lastSequence));
    await this.#gossip.rekeyAll();
  }

  /** Has more of an evicted node's log count: {@link Membership.extendEviction}. */
  async extendEviction(node: NodeId, lastSequence: bigint): Promise<void> {
    this.#tell(await this.membership.extendEviction(node, lastSequence));
  }

  /** Sets the number of copies: {@link Membership.setReplicas}. */
  async setReplicas(replicas: number): Promise<void> {
    this.#tell(await this.membership.setReplicas(replicas));
  }

  // Sessions come and go.

  #enter({ connection, isDialled, outcome }: Connected): void {
    const { node, newest, news, seen } = outcome;
    const key = toHex(node);
    if (!this.#isRunning || this.#isOutcast(key) || this.#roster.stateOf(node) !== "member") {
      connection.close();
      return;
    }
    const old = this.#sessions.get(key);
    if (old !== undefined && old.isDialled !== isDialled && !this.#isPreferred(node, isDialled)) {
      connection.close();
      // Its dialler may know better than we do that the old one is dead.
      this.#talk.checkAlive(old);
      return;
    }
    const session = new PeerSession({
      node,
      isDialled,
      remote: connection.remote,
      newest,
      nowMs: this.#options.clock.now(),
      open: (session) => openChannel(connection, this.#talk.handler(() => session), this.#options),
    });
    this.#sessions.set(key, session);
    if (old !== undefined) {
      this.#wentDown(old);
      old.channel.close("another session takes its place", { drainMs: SESSION_DRAIN_MS })
        .catch(this.#onFault);
    }
    session.channel.ended.then((end) => this.#leave(session, end)).catch(this.#onFault);
    if (seen !== null) this.#seen.note(key, seen);
    this.#talk.heard.note(node, this.#options.clock.now());
    for (const listener of this.#onUp) listener(session);
    this.#options.events.emit({ kind: "peer", node, state: "up" });
    if (news !== null) this.#tellBut(session, news);
    this.#checkView();
    this.#dialling.dialMissing();
    this.#talk.begin(session).catch(this.#onFault);
  }

  /** Of two sessions that both ends began, the one that the smaller id dialled stays. */
  #isPreferred(node: NodeId, isDialled: boolean): boolean {
    return isDialled === compareIds(this.self, node) < 0;
  }

  #leave(session: PeerSession, end: ChannelEnd): void {
    const key = toHex(session.node);
    const before = this.#bytesBefore.get(key) ?? { in: 0, out: 0 };
    const { bytesIn, bytesOut } = session.channel;
    this.#bytesBefore.set(key, { in: before.in + bytesIn, out: before.out + bytesOut });
    if (end.kind === "violation") this.#castOut(session, end.reason);
    if (this.#sessions.get(key) !== session) return;
    this.#sessions.delete(key);
    this.#wentDown(session);
    this.#checkView();
    this.#dialling.dialMissing();
  }

  #wentDown({ node }: PeerSession): void {
    for (const listener of this.#onDown) listener(node);
    this.#options.events.emit({ kind: "peer", node, state: "down" });
  }

  /** A member broke the rules: it is sent away for a while. */
  #castOut(session: PeerSession, reason: string): void {
    const key = toHex(session.node);
    this.#outcasts.set(key, this.#options.clock.now() + OUTCAST_MS);
    this.#connector.tellRefused({ remote: session.remote, node: session.node, reason });
    session.channel.close(reason).catch(this.#onFault);
  }

  #isOutcast(key: string): boolean {
    const until = this.#outcasts.get(key);
    if (until === undefined) return false;
    if (until > this.#options.clock.now()) return true;
    this.#outcasts.delete(key);
    return false;
  }

  readonly #onFault = (error: unknown): void => {
    if (error instanceof VaultError) return; // a peer that went away, or refused
    const text = error instanceof Error ? error.message : String(error);
    this.#options.events.emit({ kind: "notice", text: `fault in a session: ${text}` });
  };

  // Time goes on.

  #tickLater(): void {
    const { timers } = this.#options;
    this.#stopTick = timers.after(routineMs(timers, PING_MS), () => {
      if (!this.#isRunning) return;
      this.#tickLater();
      this.#tick();
    });
  }

  #tick(): void {
    const silenceMsMax = routineMs(this.#options.timers, SILENCE_MS_MAX);
    for (const session of this.#sessions.values()) {
      if (session.channel.idleMs() >= silenceMsMax) {
        session.channel.close(`silent for ${silenceMsMax / 1000} s`).catch(this.#onFault);
      } else {
        this.#talk.ping(session).catch(this.#onFault);
      }
    }
    this.stateOwn();
    this.#checkView();
    this.#dialling.dialMissing();
  }

  #owns(): boolean {
    const { vaultSigner, file } = this.#options;
    return vaultSigner !== null && equalBytes(vaultSigner.publicKey, file.state.network.authority);
  }

  /** Statements that were entered here are told to everyone. */
  #tell(added: readonly Statement[]): void {
    if (added.length > 0) this.#gossip.spread(added, null);
  }

  /** A member statement that came with a handshake. */
  #tellBut(session: PeerSession, news: Bytes): void {
    for (const other of this.#sessions.values()) {
      if (other !== session) other.channel.notify("news", { statements: [news] });
    }
    this.#onStatements([]);
    this.#gossip.saveSoon();
  }

  #onStatements(added: readonly Statement[]): void {
    for (const statement of added) {
      if (statement.kind !== "eviction") continue;
      this.#options.events.emit({ kind: "peer", node: statement.node, state: "evicted" });
    }
    for (const session of this.#sessions.values()) {
      if (this.#roster.stateOf(session.node) === "member") continue;
      session.channel.close("evicted").catch(this.#onFault);
    }
    if (this.#roster.stateOf(this.self) === "evicted") {
      for (const { channel } of this.#sessions.values()) {
        channel.close("this node was evicted").catch(this.#onFault);
      }
    }
    this.#checkView();
    this.#dialling.dialMissing();
  }

  #computeView(): MeshView {
    const { clock, downAfterMs = DOWN_AFTER_MS } = this.#options;
    const members = this.#roster.members().map(({ node }) => node)
      .filter((node) => !equalBytes(node, this.self));
    const absent = absentMembers(clock.now(), members, {
      lastHeard: (node) => this.session(node) === null ? this.#talk.heard.last(node) : clock.now(),
      startedMs: this.#startedMs,
      downAfterMs,
    });
    this.#talk.heard.keepOnly(members);
    return viewOf(this.#roster, absent, {
      version: (this.#view?.version ?? 0) + 1,
      changedAtMs: clock.now(),
    });
  }

  #checkView(): void {
    const view = this.#computeView();
    const key = keyOfView(view);
    if (key === this.#viewKey) return;
    this.#viewKey = key;
    this.#view = view;
    for (const listener of this.#onView) listener(view);
  }
}
