/**
 * With whom heads are exchanged next. Two nodes whose digests differ exchange the heads of all logs; if each did that with each
 * whenever a record is new, a thousand nodes would send one another a hundred megabytes for it. So who differs only because
 * something is on its way is left alone, and of the others some are asked at a time: what one of them knows, all of them tell.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  HEADS_AGAIN_MS,
  HEADS_SETTLE_MS,
  type NodeId,
} from "../base/mod.ts";
import { keyOf } from "./address_map.ts";
import type { MeshPeer } from "./mesh.ts";

type Peer = Pick<MeshPeer, "node" | "presence" | "presenceMs">;

/** Decides whose turn it is. */
export class HeadTurns {
  /** When each peer was asked last, or was seen to say the same: of those whose session stands. */
  readonly #asked = new Map<string, number>();
  /** When something was entered here last. */
  #changedMs = -Infinity;

  /** Something was entered here. */
  noteChange(now: number): void {
    this.#changedMs = now;
  }

  noteAsked({ node }: Pick<Peer, "node">, now: number): void {
    this.#asked.set(keyOf(node), now);
  }

  /** The session with it has ended. */
  forget(node: NodeId): void {
    this.#asked.delete(keyOf(node));
  }

  /**
   * The peers with whom heads are to be exchanged, the most urgent first: who said something else than our digest when there was
   * time to hear of all that is here; who was never asked; who has said something else for long, though there was no time;
   * and of `all`, those who say the same too. Equally urgent are asked in turn.
   *
   * @param which `new`: only those who were never asked, and may know something else
   */
  choose<P extends Peer>(
    peers: readonly P[],
    { which, digest, now }: { which: "all" | "new" | "different"; digest: Bytes; now: number },
  ): P[] {
    // A clock that was put back must not keep anyone waiting.
    if (this.#changedMs > now) this.#changedMs = now;
    const askedMs = ({ node }: P) => {
      const asked = this.#asked.get(keyOf(node));
      return asked === undefined || asked > now ? -Infinity : asked;
    };
    const urgency = (peer: P): number => {
      const isNew = !this.#asked.has(keyOf(peer.node));
      const differs = peer.presence !== null && !equalBytes(peer.presence.headsDigest, digest);
      if (peer.presence !== null && !differs) this.noteAsked(peer, now);
      if (isNew && (differs || peer.presence === null)) return 3;
      if (which === "new") return 0;
      if (differs && peer.presenceMs >= this.#changedMs + HEADS_SETTLE_MS) return 4;
      if (differs && now - askedMs(peer) >= HEADS_AGAIN_MS) return 2;
      return which === "all" ? 1 : 0;
    };
    return peers
      .map((peer) => ({ peer, asked: askedMs(peer), urgency: urgency(peer) }))
      .filter(({ urgency }) => urgency > 0)
      .sort((a, b) => b.urgency - a.urgency || (a.asked < b.asked ? -1 : Number(a.asked > b.asked)))
      .map(({ peer }) => peer);
  }
}
