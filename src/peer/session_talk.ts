/**
 * What is said over sessions about the network itself: pings with presence, rosters, secrets, letters. The rest goes to
 * the delegate.
 *
 * @module
 */

import {
  ALIVE_CHECK_MS,
  equalBytes,
  type NodeId,
  sha256,
  SILENCE_MS_MAX,
  VaultError,
} from "../base/mod.ts";
import type { Events, Presence, RequestName, Requests } from "../net/mod.ts";
import type { Gossip } from "./gossip.ts";
import type { Mailbox } from "./mail_box.ts";
import { Heard } from "./presence.ts";
import type { Roster } from "./roster.ts";
import {
  NOTHING_STORED,
  type PeerSession,
  type SessionDelegate,
  type SessionWorld,
} from "./session_world.ts";

/** What talking needs of the table of sessions. */
export interface TalkHooks {
  readonly gossip: Gossip;
  readonly mailbox: Mailbox;
  sessions(): Iterable<PeerSession>;
  onFault(error: unknown): void;
}

/** See the module. */
export class Talk {
  readonly #world: SessionWorld;
  readonly #hooks: TalkHooks;
  readonly #self: NodeId;
  readonly heard = new Heard();
  delegate: SessionDelegate | null = null;

  constructor(world: SessionWorld, hooks: TalkHooks) {
    this.#world = world;
    this.#hooks = hooks;
    this.#self = sha256(world.signer.publicKey);
  }

  get #roster(): Roster {
    return this.#world.file.state.roster;
  }

  /** What comes first in a session. */
  async begin(session: PeerSession): Promise<void> {
    try {
      await this.#hooks.gossip.rekey(session);
    } finally {
      await this.ping(session);
    }
  }

  /** Closes a session that gives no sign of life. */
  checkAlive(session: PeerSession): void {
    session.channel.request("ping", this.#presence(), { timeoutMs: ALIVE_CHECK_MS }).catch(() =>
      session.channel.close("no sign of life")
    ).catch(this.#hooks.onFault);
  }

  /** Answers one session. */
  handler(session: () => PeerSession) {
    return {
      request: async <N extends RequestName>(
        name: N,
        ask: Requests[N]["ask"],
        options: { signal: AbortSignal },
      ): Promise<Requests[N]["reply"]> =>
        await this.#answer(session(), name, ask, options) as Requests[N]["reply"],
      event: (name: keyof Events, event: Events[keyof Events]) =>
        this.#hear(session(), name, event),
    };
  }

  async #answer(
    session: PeerSession,
    name: RequestName,
    ask: Requests[RequestName]["ask"],
    options: { signal: AbortSignal },
  ): Promise<unknown> {
    switch (name) {
      case "ping":
        this.#notePresence(session, ask as Presence);
        return this.#presence();
      case "roster":
        return {
          statements: this.#hooks.gossip.missingFrom((ask as Requests["roster"]["ask"]).known),
        };
      case "rekey":
        await this.#hooks.gossip.rekeyed(session, (ask as Requests["rekey"]["ask"]).secret);
        return {};
      case "mail":
        this.#hooks.mailbox.receive(session, (ask as Requests["mail"]["ask"]).letter);
        return {};
      default:
        if (this.delegate === null) throw new VaultError("failed", `Cannot answer ${name} yet`);
        return await this.delegate.request(session.node, name, ask as never, options);
    }
  }

  #hear(session: PeerSession, name: keyof Events, event: Events[keyof Events]): void {
    switch (name) {
      case "news":
        return this.#hooks.gossip.heardNews(session, (event as Events["news"]).statements);
      case "bye":
        session.channel.close("the other node goes away").catch(this.#hooks.onFault);
        return;
      case "advance":
        this.delegate?.event(session.node, name, event as Events["advance"]);
    }
  }

  #presence(): Presence {
    const { clock } = this.#world;
    const nodes = this.#roster.members().map(({ node }) => node);
    const now = clock.now();
    for (const { node, channel } of this.#hooks.sessions()) {
      this.heard.note(node, now - channel.idleMs());
    }
    return {
      ...(this.delegate?.presence() ?? NOTHING_STORED),
      rosterDigest: this.#roster.digest(),
      heard: this.heard.toTell(nodes.filter((node) => !equalBytes(node, this.#self)), now),
    };
  }

  #notePresence(session: PeerSession, presence: Presence): void {
    const now = this.#world.clock.now();
    session.presence = presence;
    session.presenceMs = now;
    this.heard.note(session.node, now);
    this.heard.noteAll(presence.heard, now, (node) => this.#roster.stateOf(node) === "member");
    this.#hooks.gossip.pull(session).catch(this.#hooks.onFault);
  }

  /** Says and hears how things are. */
  async ping(session: PeerSession): Promise<void> {
    if (session.isPinging) return;
    session.isPinging = true;
    try {
      const { clock } = this.#world;
      const sent = clock.now();
      const reply = await session.channel.request("ping", this.#presence(), {
        timeoutMs: SILENCE_MS_MAX,
      });
      session.rttMs = Math.max(0, clock.now() - sent);
      this.#notePresence(session, reply);
    } finally {
      session.isPinging = false;
    }
  }
}
