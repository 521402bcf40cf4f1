/**
 * Our half of a channel's requests: their turns, their numbers, their time.
 *
 * @module
 */

import {
  asVaultError,
  type Bytes,
  CHANNEL_ASK_BYTES_MAX,
  CHANNEL_BULK_REQUESTS_MAX,
  CHANNEL_REQUESTS_MAX,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import type { ChannelLoad } from "./channel_types.ts";
import { type Codec, decodeAll, encodeAll } from "./codec.ts";
import type { MessageHead } from "./frames.ts";
import { type Priority, type RequestEntry, REQUESTS } from "./message_table.ts";
import type { RequestName, Requests } from "./messages.ts";
import type { Outbox, Outgoing } from "./outbox.ts";
import { refusalCodec } from "./refusal.ts";

/** A request from its call to its answer; where time is over before, to the answer that nobody waits for any more. */
interface Asked {
  readonly name: RequestName;
  readonly outgoing: Outgoing;
  isSettled: boolean;
  resolve(reply: unknown): void;
  reject(error: VaultError): void;
}

/** Requests of one end. */
export class Asking {
  readonly #outbox: Outbox;
  readonly #timers: Timers;
  readonly #remote: string;
  readonly #onProgress: () => void;
  /** Those that wait for their turn, first come first served within a priority. */
  readonly #waiting: Readonly<Record<Priority, Asked[]>> = { control: [], bulk: [] };
  /** Those that the other end knows of, or is about to. */
  readonly #underWay = new Map<number, Asked>();
  #bulkUnderWay = 0;
  #bytesUnderWay = 0;
  #unsettled = 0;
  #lastId = 0;
  #over: string | null = null;

  constructor(
    options: { outbox: Outbox; timers: Timers; remote: string; onProgress: () => void },
  ) {
    this.#outbox = options.outbox;
    this.#timers = options.timers;
    this.#remote = options.remote;
    this.#onProgress = options.onProgress;
  }

  /** Requests that somebody waits for. */
  get pending(): number {
    return this.#unsettled;
  }

  /** See {@link ChannelLoad}. */
  get load(): Pick<ChannelLoad, "asks" | "bulkAsks" | "askBytes"> {
    return {
      asks: this.#underWay.size,
      bulkAsks: this.#bulkUnderWay,
      askBytes: this.#bytesUnderWay,
    };
  }

  /** As `Channel.request`. */
  request<N extends RequestName>(
    name: N,
    ask: Requests[N]["ask"],
    options: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<Requests[N]["reply"]> {
    return new Promise((resolve, reject) => {
      if (this.#over !== null) throw this.#error(name, this.#over);
      const { signal } = options;
      if (signal?.aborted) throw this.#interrupted(name, signal);
      const entry: RequestEntry<N> = REQUESTS[name];
      const { pieces, length } = encodeAll(entry.ask, ask, name);
      if (length > CHANNEL_ASK_BYTES_MAX) throw this.#error(name, `${length} bytes are too many`);

      const timeoutMs = options.timeoutMs ?? entry.timeoutMs;
      const giveUp = (error: VaultError) => {
        settle();
        this.#abandon(asked);
        reject(error);
      };
      const stopTimer = this.#timers.after(
        timeoutMs,
        () => giveUp(this.#error(name, `no answer within ${timeoutMs / 1000} s`)),
      );
      const onAbort = () => giveUp(this.#interrupted(name, signal!));
      signal?.addEventListener("abort", onAbort, { once: true });
      const settle = () => {
        stopTimer();
        signal?.removeEventListener("abort", onAbort);
        asked.isSettled = true;
        this.#unsettled--;
      };
      const asked: Asked = {
        name,
        outgoing: {
          head: { type: "ask", tag: entry.tag, id: this.#freeId(), length },
          pieces,
        },
        isSettled: false,
        resolve: (reply) => {
          if (asked.isSettled) return;
          settle();
          resolve(reply as Requests[N]["reply"]);
        },
        reject: (error) => {
          if (asked.isSettled) return;
          settle();
          reject(error);
        },
      };
      this.#unsettled++;
      this.#waiting[entry.priority].push(asked);
      this.#takeTurns();
    });
  }

  /** An answer begins: whether anybody waits for it. @throws VaultError `damaged` if it was never asked for */
  answerBegins({ type, tag, id, length }: MessageHead): boolean {
    const asked = this.#underWay.get(id);
    if (asked === undefined) throw broken(`an answer to request ${id}, which was not asked`);
    const entry = REQUESTS[asked.name];
    if (tag !== entry.tag) throw broken(`an answer ${tag} to request ${id}, ${asked.name}`);
    const max = type === "reply" ? entry.reply.bytesMax : refusalCodec.bytesMax;
    if (length > max) throw broken(`${length} bytes answer ${asked.name}, the limit is ${max}`);
    return !asked.isSettled;
  }

  /** An answer is there. @throws VaultError `damaged` if it can't be read */
  answered({ type, id }: MessageHead, bytes: Bytes): void {
    const asked = this.#underWay.get(id)!;
    if (type === "refusal") {
      const { code, message } = decodeAll(refusalCodec, bytes, "refusal");
      asked.reject(new VaultError(code, message));
    } else {
      const codec: Codec<unknown> = REQUESTS[asked.name].reply;
      asked.resolve(decodeAll(codec, bytes, `answer to ${asked.name}`));
    }
    this.#free(asked);
  }

  /** An answer that nobody waits for has gone by. */
  answerPassed({ id }: MessageHead): void {
    this.#free(this.#underWay.get(id)!);
  }

  /** Refuses further requests. */
  refuse(reason: string): void {
    this.#over ??= reason;
  }

  /** Refuses further requests and those that wait for an answer. */
  end(reason: string): void {
    this.#over = reason;
    const { control, bulk } = this.#waiting;
    const all = [...control.splice(0), ...bulk.splice(0), ...this.#underWay.values()];
    this.#underWay.clear();
    for (const asked of all) asked.reject(this.#error(asked.name, reason));
  }

  #freeId(): number {
    // Requests that wait have their id already; there are never 2³² of them.
    this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    return this.#underWay.has(this.#lastId) ? this.#freeId() : this.#lastId;
  }

  #takeTurns(): void {
    for (const priority of ["control", "bulk"] as const) {
      const waiting = this.#waiting[priority];
      while (waiting.length > 0 && this.#hasTurn(waiting[0]!)) {
        const asked = waiting.shift()!;
        const { outgoing } = asked;
        this.#underWay.set(outgoing.head.id, asked);
        if (priority === "bulk") this.#bulkUnderWay++;
        this.#bytesUnderWay += outgoing.head.length;
        this.#outbox.add(outgoing, priority);
      }
    }
  }

  #hasTurn(asked: Asked): boolean {
    if (this.#underWay.size >= CHANNEL_REQUESTS_MAX) return false;
    if (this.#bytesUnderWay + asked.outgoing.head.length > CHANNEL_ASK_BYTES_MAX) return false;
    return !isBulk(asked) || this.#bulkUnderWay < CHANNEL_BULK_REQUESTS_MAX;
  }

  /** Nobody waits for this one any more. Its place stays taken until the other end, which is told so, has answered. */
  #abandon(asked: Asked): void {
    const waiting = this.#waiting[REQUESTS[asked.name].priority];
    const at = waiting.indexOf(asked);
    const { outgoing } = asked;
    if (at >= 0) {
      waiting.splice(at, 1);
      this.#onProgress();
    } else if (this.#outbox.remove(outgoing)) {
      this.#free(asked);
    } else {
      const head = { type: "cancel", tag: 0, id: outgoing.head.id, length: 0 } as const;
      this.#outbox.add({ head, pieces: [] }, "control");
      this.#onProgress();
    }
  }

  #free(asked: Asked): void {
    const { id, length } = asked.outgoing.head;
    this.#underWay.delete(id);
    if (isBulk(asked)) this.#bulkUnderWay--;
    this.#bytesUnderWay -= length;
    this.#takeTurns();
    this.#onProgress();
  }

  #error(name: RequestName, state: string): VaultError {
    return new VaultError("failed", `Cannot ask ${this.#remote} for ${name}: ${state}`);
  }

  #interrupted(name: RequestName, signal: AbortSignal): VaultError {
    const reason: unknown = signal.reason;
    if (reason instanceof VaultError) return reason;
    const error = asVaultError(reason, `Cannot ask ${this.#remote} for ${name}`);
    if (error.code === "interrupted") return error;
    return new VaultError("interrupted", error.message, { cause: reason });
  }
}

function isBulk(asked: Asked): boolean {
  return REQUESTS[asked.name].priority === "bulk";
}

function broken(state: string): VaultError {
  return new VaultError("damaged", `Cannot take answer: ${state}`);
}
