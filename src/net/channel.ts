/**
 * A channel over a connection: reads frames, writes frames, and ends in one place. What is asked is in
 * {@link "./asking.ts"}, what is answered in {@link "./answering.ts"}, what waits to be sent in {@link "./outbox.ts"}.
 *
 * @module
 */

import {
  type Bytes,
  CHANNEL_EVENT_BYTES_MAX,
  CHANNEL_FAREWELL_MS,
  type Clock,
  isVaultError,
  MESSAGE_BYTES_MAX,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import { Answering } from "./answering.ts";
import { Asking } from "./asking.ts";
import type { Channel, ChannelEnd, ChannelHandler, ChannelLoad } from "./channel_types.ts";
import { type Codec, decodeAll, encodeAll } from "./codec.ts";
import { FrameReader, type MessageHead } from "./frames.ts";
import { EVENT_OF_TAG, EVENTS } from "./message_table.ts";
import type { EventName, Events, RequestName, Requests } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { endCodec } from "./refusal.ts";
import type { Connection } from "./transport.ts";

/** Silence in the middle of a message after which the other end is nudged. */
const NUDGE_MS = 1;
const NUDGE: MessageHead = { type: "nudge", tag: 0, id: 0, length: 0 };

/** What a channel needs besides its connection and its handler. */
export interface ChannelOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told of what a handler throws that is no VaultError: a fault of ours. The other end hears only that there was one. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Makes a channel of a connection, which belongs to it from now on. Both ends begin as equals.
 *
 * @param handler called as soon as something comes in, which may be before anything else happens here
 */
export function openChannel(
  connection: Connection,
  handler: ChannelHandler,
  options: ChannelOptions,
): Channel {
  return new ConnectionChannel(connection, handler, options);
}

class ConnectionChannel implements Channel {
  readonly #connection: Connection;
  readonly #handler: ChannelHandler;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #onError: (error: unknown) => void;
  readonly #outbox = new Outbox();
  readonly #asking: Asking;
  readonly #answering: Answering;
  readonly ended: Promise<ChannelEnd>;
  readonly #resolveEnded: (end: ChannelEnd) => void;
  #end: ChannelEnd | null = null;
  /** Called whenever something got done. */
  readonly #watchers = new Set<() => void>();
  /** How it will have ended once the last word is said. */
  #leaving: ChannelEnd | null = null;
  #closing: Promise<void> | null = null;
  /** What the other end says is of no interest any more. */
  get #isDeaf(): boolean {
    return this.#leaving !== null || this.#end !== null;
  }
  #isWriting = false;
  #eventBytes = 0;
  #stopNudge: (() => void) | null = null;
  #lastIn: number;
  bytesIn = 0;
  bytesOut = 0;

  constructor(connection: Connection, handler: ChannelHandler, options: ChannelOptions) {
    this.#connection = connection;
    this.#handler = handler;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#onError = options.onError ?? (() => {});
    this.#lastIn = this.#clock.now();
    const { promise, resolve } = Promise.withResolvers<ChannelEnd>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    const shared = { outbox: this.#outbox, onProgress: () => this.#progress() };
    this.#asking = new Asking({ ...shared, timers: this.#timers, remote: connection.remote });
    this.#answering = new Answering({ ...shared, handler, onError: this.#onError });
    this.#readAll().catch((error) => this.#broken(error));
    this.#writeAll().catch((error) => this.#broken(error));
  }

  get pending(): number {
    return this.#asking.pending;
  }

  get load(): ChannelLoad {
    return {
      ...this.#asking.load,
      ...this.#answering.load,
      eventBytes: this.#eventBytes,
      queuedBytes: this.#outbox.bytes,
    };
  }

  idleMs(): number {
    return Math.max(0, this.#clock.now() - this.#lastIn);
  }

  request<N extends RequestName>(
    name: N,
    ask: Requests[N]["ask"],
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<Requests[N]["reply"]> {
    return this.#asking.request(name, ask, options);
  }

  notify<N extends EventName>(name: N, event: Events[N]): void {
    if (this.#isDeaf) return;
    const { tag, event: codec } = EVENTS[name];
    const { pieces, length } = encodeAll(codec as Codec<Events[N]>, event, name);
    if (this.#eventBytes + length > CHANNEL_EVENT_BYTES_MAX) return;
    this.#eventBytes += length;
    this.#outbox.add({
      head: { type: "event", tag, id: 0, length },
      pieces,
      onTaken: () => this.#eventBytes -= length,
    }, "control");
  }

  close(reason: string, options: { drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(reason, options.drainMs ?? 0);
    return this.#closing;
  }

  async #close(reason: string, drainMs: number): Promise<void> {
    this.#asking.refuse(reason);
    this.#answering.refuse(reason);
    const isDrained = () =>
      this.#asking.pending === 0 && this.#answering.isIdle && this.#isAllWritten();
    await this.#until(isDrained, drainMs);
    await this.#leave({ kind: "closed", reason });
    await this.ended;
  }

  /** Says why, if it can be said in time, and ends. */
  async #leave(end: ChannelEnd): Promise<void> {
    if (this.#isDeaf) return;
    this.#leaving = end;
    this.#stopWork(end.reason);
    const { pieces, length } = encodeAll(endCodec, end.reason, "the end");
    this.#outbox.addLast({ head: { type: "end", tag: 0, id: 0, length }, pieces });
    await this.#until(() => this.#isAllWritten(), CHANNEL_FAREWELL_MS);
    this.#finish(end);
  }

  #isAllWritten(): boolean {
    return this.#outbox.isEmpty && !this.#isWriting;
  }

  /** Waits until something is so, the channel has ended, or time is over. */
  #until(isSo: () => boolean, ms: number): Promise<void> {
    if (this.#end !== null || ms <= 0 || isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stop();
        this.#watchers.delete(look);
        resolve();
      };
      const look = () => {
        if (this.#end !== null || isSo()) done();
      };
      const stop = this.#timers.after(ms, done);
      this.#watchers.add(look);
    });
  }

  #progress(): void {
    for (const look of this.#watchers) look();
  }

  #stopWork(reason: string): void {
    this.#asking.end(reason);
    this.#answering.end(reason);
  }

  #finish(end: ChannelEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#stopWork(end.reason);
    this.#stopNudge?.();
    this.#connection.close();
    this.#resolveEnded(end);
    this.#progress();
  }

  #broken(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (isVaultError(error, "damaged")) {
      this.#leave({ kind: "violation", reason }).catch((error) => this.#onError(error));
    } else {
      this.#finish(this.#leaving ?? { kind: "broken", reason: `the connection broke: ${reason}` });
    }
  }

  async #readAll(): Promise<void> {
    const reader = new FrameReader({
      begins: (head) => this.#begins(head),
      complete: (head, bytes) => this.#complete(head, bytes),
      passed: (head) => this.#passed(head),
    });
    while (!this.#isDeaf) {
      const count = await this.#connection.read(reader.space());
      if (this.#isDeaf) return;
      if (count === null) {
        this.#finish({ kind: "broken", reason: "the other end closed the connection" });
        return;
      }
      this.bytesIn += count;
      this.#lastIn = this.#clock.now();
      reader.arrived(count);
      this.#nudgeSoon(reader);
    }
  }

  /**
   * Says nothing in particular when the rest of a message does not come. Deno can't turn Nagle's algorithm off where TLS
   * listens, so the last bytes of a message may wait there for our acknowledgement, which TCP puts off for 40 ms
   * unless there is something to send.
   */
  #nudgeSoon(reader: FrameReader): void {
    if (this.#stopNudge !== null || this.#isDeaf || !reader.isNearEnd) return;
    const { bytesIn } = this;
    this.#stopNudge = this.#timers.after(NUDGE_MS, () => {
      this.#stopNudge = null;
      if (this.#isDeaf || !reader.isNearEnd) return;
      if (this.bytesIn !== bytesIn) this.#nudgeSoon(reader);
      else this.#outbox.add({ head: NUDGE, pieces: [] }, "control");
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#end === null) {
      await this.#outbox.more();
      this.#isWriting = true;
      const bytes = this.#outbox.take();
      if (this.#end !== null) return;
      if (bytes.length > 0) await this.#connection.write(bytes);
      this.bytesOut += bytes.length;
      this.#isWriting = false;
      this.#progress();
    }
  }

  #begins(head: MessageHead): boolean {
    switch (head.type) {
      case "ask":
        return this.#answering.askBegins(head);
      case "reply":
      case "refusal":
        return this.#asking.answerBegins(head);
      case "event":
        return this.#eventBegins(head);
      case "cancel":
        if (head.tag !== 0 || head.length !== 0) throw broken("a cancel that says more");
        return true;
      case "end":
        if (head.tag !== 0 || head.id !== 0 || head.length > endCodec.bytesMax) {
          throw broken("an end that says more");
        }
        return true;
      case "nudge":
        if (head.tag !== 0 || head.id !== 0 || head.length !== 0) {
          throw broken("a nudge that says more");
        }
        return true;
    }
  }

  #complete(head: MessageHead, bytes: Bytes): void {
    if (this.#isDeaf) return;
    switch (head.type) {
      case "ask":
        return this.#answering.asked(head, bytes);
      case "reply":
      case "refusal":
        return this.#asking.answered(head, bytes);
      case "event":
        return this.#hear(EVENT_OF_TAG.get(head.tag)!, bytes);
      case "cancel":
        return this.#answering.cancel(head.id);
      case "end":
        return this.#finish({ kind: "closed", reason: decodeAll(endCodec, bytes, "the end") });
      case "nudge":
        return;
    }
  }

  #passed(head: MessageHead): void {
    if (this.#isDeaf) return;
    if (head.type === "ask") this.#answering.askPassed(head);
    else if (head.type !== "event") this.#asking.answerPassed(head);
  }

  /** Whether an event is known here. */
  #eventBegins({ tag, id, length }: MessageHead): boolean {
    if (id !== 0) throw broken(`an event with id ${id}`);
    const name = EVENT_OF_TAG.get(tag);
    const max = name === undefined ? MESSAGE_BYTES_MAX : EVENTS[name].event.bytesMax;
    if (length > max) throw broken(`${length} bytes of event ${tag}, the limit is ${max}`);
    return name !== undefined;
  }

  #hear(name: EventName, bytes: Bytes): void {
    const codec: Codec<unknown> = EVENTS[name].event;
    const event = decodeAll(codec, bytes, name) as Events[typeof name];
    try {
      this.#handler.event(name, event);
    } catch (error) {
      this.#onError(error);
    }
  }
}

function broken(state: string): VaultError {
  return new VaultError("damaged", `Cannot take message: ${state}`);
}
