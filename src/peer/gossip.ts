/**
 * How statements and secrets get around: rosters are exchanged when their digests differ, what is new is told to all
 * others at once, and who has an old secret is given the newest. What one member can make others do is bounded.
 *
 * @module
 */

import {
  type Bytes,
  compareBytes,
  isVaultError,
  REFUSED_STATEMENTS_MAX,
  ROSTER_AGAIN_MS,
  ROSTER_REPLY_BYTES_MAX,
  ROSTER_ROUNDS_MAX,
  ROSTER_SAVE_MS,
  VaultError,
} from "../base/mod.ts";
import { compareSecretRefs, decodeSecret, encodeSecret, secretRef } from "./session_secrets.ts";
import type { PeerSession, SessionWorld } from "./session_world.ts";
import type { Statement } from "./statements.ts";

/** Statements that are checked before it is asked whether they were worth it. */
const SLICE_STATEMENTS = 64;

/** What gossip needs of the table of sessions. */
export interface GossipHooks {
  sessions(): Iterable<PeerSession>;
  /** Statements were entered, from others or from here. */
  onStatements(added: readonly Statement[]): void;
  /** A member broke the rules: its session is to be closed. */
  onHostile(session: PeerSession, reason: string): void;
}

/** See the module. */
export class Gossip {
  readonly #world: SessionWorld;
  readonly #hooks: GossipHooks;
  #stopSaving: (() => void) | null = null;

  constructor(world: SessionWorld, hooks: GossipHooks) {
    this.#world = world;
    this.#hooks = hooks;
  }

  /** The answer to `roster`: what the asker lacks, or the first part of it. */
  missingFrom(known: readonly Bytes[]): Bytes[] {
    return this.#world.file.state.roster.missingFrom(known, ROSTER_REPLY_BYTES_MAX);
  }

  /** The event `news`. What is too much at a time is left to the next exchange of rosters. */
  heardNews(session: PeerSession, statements: readonly Bytes[]): void {
    const count = session.takeNews(statements.length, this.#world.clock.now());
    this.#absorb(session, statements.slice(0, count));
  }

  /** Exchanges rosters with a peer whose digest differs, not too often if it stays so. */
  async pull(session: PeerSession): Promise<void> {
    const { clock, file } = this.#world;
    const isEqual = () =>
      session.presence === null ||
      compareBytes(session.presence.rosterDigest, file.state.roster.digest()) === 0;
    if (isEqual() || session.isPulling) return;
    if (clock.now() - session.pulledMs < ROSTER_AGAIN_MS) return;
    session.isPulling = true;
    try {
      for (let round = 0; round < ROSTER_ROUNDS_MAX; round++) {
        const known = file.state.roster.ids();
        const { statements } = await session.channel.request("roster", { known });
        const added = this.#absorb(session, statements);
        // It was behind, not we, if nothing came: then it pulls. Only without any effect is there a reason to wait.
        if (added === 0) session.pulledMs = clock.now();
        if (added === 0 || isEqual()) break;
      }
    } finally {
      session.isPulling = false;
    }
  }

  /** Returns how many were new. Goes no further than to where the other end is found to break the rules. */
  #absorb(session: PeerSession, statements: readonly Bytes[]): number {
    const added: Statement[] = [];
    for (let at = 0; at < statements.length; at += SLICE_STATEMENTS) {
      const slice = statements.slice(at, at + SLICE_STATEMENTS);
      const result = this.#world.file.state.roster.merge(slice);
      added.push(...result.added);
      const hostility = this.#hostility(session, result.refused);
      if (hostility === null) continue;
      this.#hooks.onHostile(session, hostility);
      break;
    }
    if (added.length > 0) this.spread(added, session);
    return added.length;
  }

  /** What is hostile about statements that were refused: one that is forged, or too many. */
  #hostility(session: PeerSession, refused: readonly VaultError[]): string | null {
    session.refusedStatements += refused.length;
    const forged = refused.find((error) => isVaultError(error, "damaged"));
    if (forged !== undefined) return forged.message;
    const isMuch = session.refusedStatements > REFUSED_STATEMENTS_MAX && refused.length > 0;
    return isMuch ? `${refused.at(-1)!.message}, and so on` : null;
  }

  /** Tells others what was just entered. @param except the session that it came over */
  spread(added: readonly Statement[], except: PeerSession | null): void {
    const statements = added.map(({ bytes }) => bytes);
    for (const session of this.#hooks.sessions()) {
      if (session !== except) session.channel.notify("news", { statements });
    }
    this.saveSoon();
    this.#hooks.onStatements(added);
  }

  /** What others said is kept, but they would say it again: no need to hurry. */
  saveSoon(): void {
    this.#stopSaving ??= this.#world.timers.after(ROSTER_SAVE_MS, () => {
      this.#stopSaving = null;
      this.#world.file.save().catch((error) => {
        this.#world.events.emit({ kind: "notice", text: String(error.message ?? error) });
      });
    });
  }

  /** Saves what is still to be saved. */
  async stop(): Promise<void> {
    this.#stopSaving?.();
    this.#stopSaving = null;
    await this.#world.file.save();
  }

  /** The request `rekey`: durable when answered. */
  async rekeyed(session: PeerSession, bytes: Bytes): Promise<void> {
    const { file } = this.#world;
    let secret;
    try {
      secret = decodeSecret(bytes, file.state.network);
    } catch (error) {
      if (isVaultError(error)) this.#hooks.onHostile(session, error.message);
      throw error;
    }
    const ref = secretRef(secret);
    if (compareSecretRefs(ref, session.newest) > 0) session.newest = ref;
    if (!file.state.secrets.add(secret)) return;
    await file.save();
    await this.rekeyAll();
  }

  /** Gives the newest secret to a peer that lacks it. */
  async rekey(session: PeerSession): Promise<void> {
    const { network, secrets } = this.#world.file.state;
    const { newest, newestRef } = secrets;
    if (compareSecretRefs(session.newest, newestRef) >= 0) return;
    await session.channel.request("rekey", { secret: encodeSecret(network, newest) });
    if (compareSecretRefs(session.newest, newestRef) < 0) session.newest = newestRef;
  }

  /** Gives the newest secret to all that lack it. Who can't be told gets it with the next session. */
  async rekeyAll(): Promise<void> {
    const all = [...this.#hooks.sessions()].map((session) =>
      this.rekey(session).catch((error) => {
        if (!(error instanceof VaultError)) throw error;
      })
    );
    await Promise.all(all);
  }
}
