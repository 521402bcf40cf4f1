/**
 * From addresses and incoming connections to handshakes that succeeded. Who comes in without being a member is kept
 * short: so many at a time, so long each, told of once.
 *
 * @module
 */

import {
  type Bytes,
  DIAL_TIMEOUT_MS,
  HANDSHAKES_MAX,
  isVaultError,
  type NodeId,
  REFUSAL_AGAIN_MS,
  REFUSALS_REMEMBERED_MAX,
  VaultError,
} from "../base/mod.ts";
import type { Connection, Listener } from "../net/mod.ts";
import {
  describeRefusal,
  type HandshakeOutcome,
  type HandshakeSelf,
  shakeHandsAsDialler,
  shakeHandsAsListener,
} from "./handshake.ts";
import { hostOf } from "./session_address.ts";
import type { SessionWorld } from "./session_world.ts";

/** A handshake that succeeded. */
export interface Connected {
  readonly connection: Connection;
  readonly isDialled: boolean;
  readonly outcome: Extract<HandshakeOutcome, { kind: "session" }>;
}

/** What the connector needs of the table of sessions. */
export interface ConnectorHooks {
  /** This node's member statement. */
  ownStatement(): Bytes | null;
  isFull(): boolean;
  isUp(node: NodeId): boolean;
  /** A handshake succeeded; the connection belongs to the table. */
  onConnected(connected: Connected): void;
  /** A peer showed that this node was evicted. */
  onEvicted(eviction: Bytes): void;
}

/** Tells of each refusal once, to the same remote host for the same reason. */
class Refusals {
  readonly #world: SessionWorld;
  readonly #told = new Map<string, number>();

  constructor(world: SessionWorld) {
    this.#world = world;
  }

  tell(refusal: { remote: string; node: NodeId | null; reason: string }): void {
    const now = this.#world.clock.now();
    const key = `${hostOf(refusal.remote)} ${refusal.reason}`;
    const last = this.#told.get(key);
    if (last !== undefined && now - last < REFUSAL_AGAIN_MS) return;
    this.#told.delete(key);
    this.#told.set(key, now);
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= REFUSALS_REMEMBERED_MAX) break;
      this.#told.delete(oldest);
    }
    this.#world.events.emit({ kind: "refused", ...refusal });
  }
}

/** See the module. */
export class Connector {
  readonly #world: SessionWorld;
  readonly #hooks: ConnectorHooks;
  readonly #refusals: Refusals;
  /** Connections that others began and that are in handshake, the oldest first. */
  readonly #shaking = new Set<Connection>();
  /** Addresses that lead here. */
  readonly #own = new Set<string>();
  #accepting: Promise<void> | null = null;

  constructor(world: SessionWorld, hooks: ConnectorHooks) {
    this.#world = world;
    this.#hooks = hooks;
    this.#refusals = new Refusals(world);
  }

  /** Connections that others began and that are in handshake. */
  get shaking(): number {
    return this.#shaking.size;
  }

  /** Whether an address was found to lead to this node itself. */
  isOwn(address: string): boolean {
    return this.#own.has(address);
  }

  /** Tells that somebody was not let in, or was sent away. */
  tellRefused(refusal: { remote: string; node: NodeId | null; reason: string }): void {
    this.#refusals.tell(refusal);
  }

  #self(): HandshakeSelf {
    const { file, signer } = this.#world;
    const { network, secrets, roster } = file.state;
    const { isUp, ownStatement } = this.#hooks;
    return { network, signer, secrets, roster, member: ownStatement(), isUp };
  }

  /**
   * Connects to an address, and hands over the session that comes of it, unless one stands with who is there.
   *
   * @param certificate of the member that should be there, if one should
   * @returns whom it leads to
   * @throws VaultError `failed` if nobody is there, `denied` for a refusal, `interrupted`
   */
  async dial(
    address: string,
    { certificate, signal }: { certificate: Bytes | null; signal: AbortSignal },
  ): Promise<NodeId> {
    const { connection, shown } = await this.#open(address, certificate, signal);
    const onAbort = () => connection.close();
    signal.addEventListener("abort", onAbort, { once: true });
    let outcome: HandshakeOutcome;
    try {
      outcome = await shakeHandsAsDialler(connection, {
        self: this.#self(),
        certificate: shown,
        tools: this.#world,
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    if (outcome.kind === "session") {
      this.#hooks.onConnected({ connection, isDialled: true, outcome });
      return outcome.node;
    }
    if (outcome.reason === "up") return outcome.node!;
    if (outcome.reason === "self") this.#noteOwn(address);
    else {this.#refusals.tell({
        remote: address,
        node: outcome.node,
        reason: describeRefusal(outcome),
      });}
    if (outcome.eviction !== null) this.#hooks.onEvicted(outcome.eviction);
    const isOutsider = outcome.by === "them" && ["secret", "member"].includes(outcome.reason);
    throw new VaultError(
      "denied",
      `Cannot join the node at ${address}: ${describeRefusal(outcome)}`,
      isOutsider ? { hint: "join with a new token: `govault invite` on an owner's node" } : {},
    );
  }

  #noteOwn(address: string): void {
    if (this.#own.size < HANDSHAKES_MAX) this.#own.add(address);
  }

  /** With a certificate that is not the one shown there any more, whoever is there may still be a member. */
  async #open(address: string, certificate: Bytes | null, signal: AbortSignal) {
    const { transport } = this.#world;
    const options = { timeoutMs: DIAL_TIMEOUT_MS, signal };
    if (certificate !== null) {
      try {
        const connection = await transport.dial(address, { ...options, certificate });
        return { connection, shown: certificate };
      } catch (error) {
        if (!isVaultError(error, "denied")) throw error;
      }
    }
    const shown = await transport.probe(address, options);
    return { connection: await transport.dial(address, { ...options, certificate: shown }), shown };
  }

  /** Takes connections until the listener is closed. */
  accept(listener: Listener): void {
    this.#accepting = this.#acceptAll(listener).catch((error) => {
      const text = error instanceof Error ? error.message : String(error);
      this.#world.events.emit({ kind: "notice", text: `Cannot take connections: ${text}` });
    });
  }

  async #acceptAll(listener: Listener): Promise<void> {
    for await (const connection of listener.accept()) {
      this.#makeRoom();
      this.#shaking.add(connection);
      this.#welcome(connection).catch((error) => {
        // Who only hung up did nothing that is worth telling.
        if (!isVaultError(error) || error.code === "failed") return;
        this.#refusals.tell({ remote: connection.remote, node: null, reason: error.message });
      }).finally(() => this.#shaking.delete(connection));
    }
  }

  #makeRoom(): void {
    for (const oldest of this.#shaking) {
      if (this.#shaking.size < HANDSHAKES_MAX) break;
      this.#shaking.delete(oldest);
      oldest.close();
    }
  }

  async #welcome(connection: Connection): Promise<void> {
    const outcome = await shakeHandsAsListener(connection, {
      self: this.#self(),
      certificate: this.#world.credentials.certificate,
      tools: this.#world,
      isFull: () => this.#hooks.isFull(),
    });
    if (outcome.kind === "session") {
      this.#hooks.onConnected({ connection, isDialled: false, outcome });
    } else {
      const reason = describeRefusal(outcome);
      this.#refusals.tell({ remote: connection.remote, node: outcome.node, reason });
    }
  }

  /** Hangs up on all that are in handshake. Returns once no more come; the listener must be closed. */
  async stop(): Promise<void> {
    for (const connection of this.#shaking) connection.close();
    await this.#accepting;
  }
}
