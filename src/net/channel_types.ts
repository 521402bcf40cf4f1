/**
 * A channel: many requests at once over one connection, control before bulk, everything bounded.
 *
 * @module
 */

import type { ErrorCode } from "../base/mod.ts";
import type { EventName, Events, RequestName, Requests } from "./messages.ts";

/** Answers what the other end asks. A thrown VaultError travels as a refusal with its code and message. */
export interface ChannelHandler {
  request<N extends RequestName>(
    name: N,
    ask: Requests[N]["ask"],
    options: { signal: AbortSignal },
  ): Promise<Requests[N]["reply"]>;
  event<N extends EventName>(name: N, event: Events[N]): void;
}

/** Why a channel ended. */
export interface ChannelEnd {
  /** `closed`: by either end, in good order; `broken`: the connection; `violation`: the other end broke the protocol. */
  readonly kind: "closed" | "broken" | "violation";
  readonly reason: string;
}

/** What a channel has in memory at one moment. Each of these has its limit in base/limits.ts. */
export interface ChannelLoad {
  /** Requests of ours that the other end knows of, or is about to. */
  readonly asks: number;
  /** Those of them that may be slow or large. */
  readonly bulkAsks: number;
  /** Bytes of all requests of ours that the other end knows of. */
  readonly askBytes: number;
  /** Requests of the other end that are not answered. */
  readonly answers: number;
  /** Bytes of these requests. */
  readonly answeredAskBytes: number;
  /** Bytes of answers that wait to be sent, and the most that those in the making can have. */
  readonly answerBytes: number;
  /** Bytes of events that wait to be sent. */
  readonly eventBytes: number;
  /** Bytes of all messages that wait to be sent, as far as they have not been. */
  readonly queuedBytes: number;
}

/** One end of a channel. */
export interface Channel {
  /**
   * Asks and waits for the answer. At most `CHANNEL_REQUESTS_MAX` are under way; others wait for their turn.
   *
   * @throws VaultError: the other end's refusal; `failed` when the channel ended or time was over; `interrupted`
   */
  request<N extends RequestName>(
    name: N,
    ask: Requests[N]["ask"],
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Requests[N]["reply"]>;
  /** Says something; dropped silently if the channel has ended. */
  notify<N extends EventName>(name: N, event: Events[N]): void;
  /** Ends the channel: refuses new work, gives what is under way `drainMs` to finish, closes the connection. */
  close(reason: string, options?: { drainMs?: number }): Promise<void>;
  /** Resolves when it has ended. Never rejects. */
  readonly ended: Promise<ChannelEnd>;
  /** Requests of ours under way. */
  readonly pending: number;
  /** What it has in memory, for who watches over its bounds. */
  readonly load: ChannelLoad;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds since the last byte came in. */
  idleMs(): number;
}

/** A refusal as it travels. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}
