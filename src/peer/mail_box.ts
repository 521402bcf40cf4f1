/**
 * Sends and takes letters. Each is sent once, whatever comes of it, so that none can arrive twice.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  isVaultError,
  MAIL_QUEUE_MAX,
  type NodeId,
  sha256,
  shortHex,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { decodeLetter, nextLetterCounter, signLetter } from "./mail.ts";
import type { PeerSession, SessionWorld } from "./session_world.ts";

/** Where letters go. */
export interface MailRoutes {
  sessions(): Iterable<PeerSession>;
  session(node: NodeId): PeerSession | null;
}

/** See the module. */
export class Mailbox {
  readonly #world: SessionWorld;
  readonly #routes: MailRoutes;
  /** Counter of the last letter taken from each node, by hex of its id. */
  readonly #last = new Map<string, bigint>();
  /** Letters go one after the other, so that they arrive in order. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(world: SessionWorld, routes: MailRoutes) {
    this.#world = world;
    this.#routes = routes;
  }

  /** Letters that wait to be sent, or for answers. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Sends a text, to a member or to all that are up.
   *
   * @returns how many took it
   * @throws VaultError `too_few_peers` if the member, or for `all` every member, is not up; `not_found` for a node that is no
   *   member; `usage` if the text is too long
   */
  async send(to: NodeId | "all", text: string): Promise<{ delivered: number }> {
    if (this.#waiting >= MAIL_QUEUE_MAX) {
      throw new VaultError("failed", `Cannot send the message: ${MAIL_QUEUE_MAX} others wait`);
    }
    this.#waiting++;
    const sent = this.#turn.then(() => this.#send(to, text));
    this.#turn = sent.catch(() => {});
    try {
      return await sent;
    } finally {
      this.#waiting--;
    }
  }

  async #send(to: NodeId | "all", text: string): Promise<{ delivered: number }> {
    const { file, clock, signer } = this.#world;
    const targets = this.#targets(to);
    const time = clock.now();
    const counter = nextLetterCounter(file.state.mailCounter, time);
    const letter = signLetter(file.state.network, { to, counter, time, text }, signer);
    file.state.mailCounter = counter;
    await file.save();
    const answers = await Promise.allSettled(
      targets.map(({ channel }) => channel.request("mail", { letter })),
    );
    const delivered = answers.filter(({ status }) => status === "fulfilled").length;
    const [failure] = answers.flatMap((each) => each.status === "rejected" ? [each.reason] : []);
    if (delivered > 0) return { delivered };
    if (!isVaultError(failure)) throw failure;
    throw new VaultError("too_few_peers", `Cannot send the message: ${failure.message}`, {
      cause: failure,
    });
  }

  #targets(to: NodeId | "all"): PeerSession[] {
    const tooFew = (state: string) =>
      new VaultError("too_few_peers", `Cannot send the message: ${state}`, {
        hint: "`govault peers` shows who is up",
      });
    if (to === "all") {
      const all = [...this.#routes.sessions()];
      if (all.length === 0) throw tooFew("no other node is up");
      return all;
    }
    if (equalBytes(to, sha256(this.#world.signer.publicKey))) {
      throw new VaultError("usage", "Cannot send the message: it is for this node itself");
    }
    const session = this.#routes.session(to);
    if (session !== null) return [session];
    const member = this.#world.file.state.roster.member(to);
    if (member === null || member.evictedAfter !== null) {
      throw new VaultError("not_found", `Cannot send the message: ${shortHex(to)} is no member`);
    }
    throw tooFew(`node ${shortHex(to)} (${member.name}) is not up`);
  }

  /**
   * Takes a letter that came over a session.
   *
   * @throws VaultError `damaged`, `denied` as {@link decodeLetter}; `failed` for one that came already, or late
   */
  receive(session: PeerSession, bytes: Bytes): void {
    const { file, signer, events } = this.#world;
    const { roster, network } = file.state;
    const sender = roster.member(session.node);
    if (sender === null) throw new VaultError("denied", "Cannot take a letter: of no member");
    const letter = decodeLetter(bytes, network, sender.publicKey);
    if (letter.to !== "all" && !equalBytes(letter.to, sha256(signer.publicKey))) {
      throw new VaultError("denied", "Cannot take a letter: it is for somebody else");
    }
    const key = toHex(letter.from);
    if (letter.counter <= (this.#last.get(key) ?? 0n)) {
      throw new VaultError("failed", "Cannot take a letter: it, or a later one, came already");
    }
    this.#last.set(key, letter.counter);
    const { from, to, time, text } = letter;
    events.emit({ kind: "message", from, to, time, text });
  }
}
