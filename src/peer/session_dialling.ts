/**
 * Whom a node looks for: every member without a session, at the addresses it states, and every address that it was
 * given and that leads to nobody who is up.
 *
 * @module
 */

import {
  type Bytes,
  compareIds,
  DIAL_ADDRESSES_MAX,
  DIAL_POLITENESS_MS,
  equalBytes,
  MEMBERS_MAX,
  type NodeId,
  sha256,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { Dialer, type DialResult } from "./dialer.ts";
import type { Roster } from "./roster.ts";
import type { Connector } from "./session_connect.ts";
import type { PeerSession, SessionWorld } from "./session_world.ts";

/** What dialling needs of the table of sessions. */
export interface DiallingHooks {
  readonly connector: Connector;
  isRunning(): boolean;
  session(node: NodeId): PeerSession | null;
}

/** See the module. */
export class Dialling {
  readonly #world: SessionWorld;
  readonly #hooks: DiallingHooks;
  readonly #dialer: Dialer;
  readonly #self: NodeId;
  /** Addresses to try beside those that members state. */
  readonly #addresses = new Set<string>();
  /** Which member an address was found to lead to. */
  readonly #reached = new Map<string, NodeId>();

  constructor(world: SessionWorld, hooks: DiallingHooks) {
    this.#world = world;
    this.#hooks = hooks;
    this.#dialer = new Dialer(world);
    this.#self = sha256(world.signer.publicKey);
  }

  get #roster(): Roster {
    return this.#world.file.state.roster;
  }

  /** One more address to try. */
  addAddress(address: string): void {
    if (this.#addresses.size < DIAL_ADDRESSES_MAX) this.#addresses.add(address);
    this.dialMissing();
  }

  /** Whether a member is being dialled right now. */
  isDialling(node: NodeId): boolean {
    return this.#dialer.isDialling(nodeKey(node));
  }

  /** Gives all attempts up. */
  stop(): void {
    this.#dialer.stop();
  }

  /** Dials everyone who is wanted and not up, and gives up the others. */
  dialMissing(): void {
    if (!this.#hooks.isRunning()) return;
    const wanted = new Set<string>();
    if (this.#roster.stateOf(this.#self) !== "evicted") {
      for (const { node } of this.#roster.members()) this.#wantMember(node, wanted);
      for (const address of this.#addresses) this.#wantAddress(address, wanted);
    }
    for (const name of this.#dialer.wanted()) {
      // An attempt under way may be the session that both ends settle on: it is let finish.
      if (!wanted.has(name) && !this.#dialer.isDialling(name)) this.#dialer.drop(name);
    }
  }

  #wantMember(node: NodeId, wanted: Set<string>): void {
    if (equalBytes(node, this.#self) || this.#hooks.session(node) !== null) return;
    const name = nodeKey(node);
    wanted.add(name);
    const afterMs = compareIds(this.#self, node) < 0 ? 0 : DIAL_POLITENESS_MS;
    this.#dialer.want(name, (signal) => this.#dialMember(node, signal), afterMs);
  }

  #wantAddress(address: string, wanted: Set<string>): void {
    const reached = this.#reached.get(address);
    if (reached !== undefined && this.#hooks.session(reached) !== null) return;
    const isStated = this.#roster.members().some(({ addresses }) => addresses.includes(address));
    if (isStated || this.#hooks.connector.isOwn(address)) return;
    const name = `address ${address}`;
    wanted.add(name);
    this.#dialer.want(name, async (signal) => {
      await this.dial(address, null, signal);
      return "done";
    });
  }

  async #dialMember(node: NodeId, signal: AbortSignal): Promise<DialResult> {
    for (const address of this.#roster.member(node)?.addresses ?? []) {
      const member = this.#roster.member(node);
      if (signal.aborted || member === null || this.#hooks.session(node) !== null) return "done";
      if (this.#hooks.connector.isOwn(address)) continue;
      const { certificate } = member;
      await this.dial(address, certificate, signal).catch((error) => {
        if (!(error instanceof VaultError)) throw error;
      });
    }
    return this.#hooks.session(node) === null ? "again" : "done";
  }

  /** Connects to an address once. @throws VaultError as {@link Connector.dial} */
  async dial(
    address: string,
    certificate: Bytes | null,
    signal: AbortSignal,
  ): Promise<NodeId> {
    const node = await this.#hooks.connector.dial(address, { certificate, signal });
    if (this.#reached.size < MEMBERS_MAX) this.#reached.set(address, node);
    return node;
  }
}

function nodeKey(node: NodeId): string {
  return `node ${toHex(node)}`;
}
