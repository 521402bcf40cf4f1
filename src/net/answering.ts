/**
 * The other end's requests on a channel: counted, answered, called off. Answers take bounded memory however slowly they
 * are read: a request begins only when there is room for the largest answer that it can have.
 *
 * @module
 */

import {
  type Bytes,
  CHANNEL_ASK_BYTES_MAX,
  CHANNEL_CONTROL_REPLY_BYTES_MAX,
  CHANNEL_REPLY_BYTES_MAX,
  CHANNEL_REQUESTS_MAX,
  freeOwned,
  VaultError,
} from "../base/mod.ts";
import type { ChannelHandler, ChannelLoad, Refusal } from "./channel_types.ts";
import { type Codec, decodeAll, encodeAll, type Encoded } from "./codec.ts";
import type { MessageHead } from "./frames.ts";
import { REQUEST_OF_TAG, REQUESTS } from "./message_table.ts";
import type { RequestName, Requests } from "./messages.ts";
import type { Outbox, Outgoing } from "./outbox.ts";
import { refusalCodec, refusalOf } from "./refusal.ts";

/** A request from its first byte to the moment its answer is written. */
interface Answered {
  readonly head: MessageHead;
  /** `null`: a request that is not known here. */
  readonly name: RequestName | null;
  readonly stop: AbortController;
  /** Bytes that it takes of the room for answers. */
  reserved: number;
  /** Its answer, once it waits to be sent. */
  outgoing: Outgoing | null;
}

/** A request that is there and waits for room. */
interface Waiting {
  readonly answered: Answered;
  readonly ask: unknown;
}

/** Requests of the other end. */
export class Answering {
  readonly #outbox: Outbox;
  readonly #handler: ChannelHandler;
  readonly #onError: (error: unknown) => void;
  readonly #onProgress: () => void;
  readonly #underWay = new Map<number, Answered>();
  #waiting: Waiting[] = [];
  #askBytes = 0;
  #reserved = 0;
  #refused: string | null = null;
  #isOver = false;

  constructor(
    options: {
      outbox: Outbox;
      handler: ChannelHandler;
      onError: (error: unknown) => void;
      onProgress: () => void;
    },
  ) {
    this.#outbox = options.outbox;
    this.#handler = options.handler;
    this.#onError = options.onError;
    this.#onProgress = options.onProgress;
  }

  get isIdle(): boolean {
    return this.#underWay.size === 0;
  }

  /** See {@link ChannelLoad}. */
  get load(): Pick<ChannelLoad, "answers" | "answeredAskBytes" | "answerBytes"> {
    return {
      answers: this.#underWay.size,
      answeredAskBytes: this.#askBytes,
      answerBytes: this.#reserved,
    };
  }

  /** A request begins: whether its bytes are worth keeping. @throws VaultError `damaged` if it breaks a limit */
  askBegins(head: MessageHead): boolean {
    if (head.id === 0 || this.#underWay.has(head.id)) throw broken(`id ${head.id} is taken`);
    if (this.#underWay.size >= CHANNEL_REQUESTS_MAX) {
      throw broken(`more than ${CHANNEL_REQUESTS_MAX} at once`);
    }
    const name = REQUEST_OF_TAG.get(head.tag) ?? null;
    if (name !== null && head.length > REQUESTS[name].ask.bytesMax) {
      throw broken(`${head.length} bytes ask for ${name}`);
    }
    if (this.#askBytes + head.length > CHANNEL_ASK_BYTES_MAX) {
      throw broken(`more than ${CHANNEL_ASK_BYTES_MAX} bytes at once`);
    }
    this.#askBytes += head.length;
    const stop = new AbortController();
    this.#underWay.set(head.id, { head, name, stop, reserved: 0, outgoing: null });
    return name !== null;
  }

  /** A request is there. @throws VaultError `damaged` if it can't be read */
  asked({ id }: MessageHead, bytes: Bytes): void {
    const answered = this.#underWay.get(id)!;
    const codec: Codec<unknown> = REQUESTS[answered.name!].ask;
    const value = decodeAll(codec, bytes, answered.name!);
    if (this.#refused !== null) {
      this.#refuse(answered, {
        code: "failed",
        message: `Cannot answer ${answered.name}: ${this.#refused}`,
      });
    } else if (answered.stop.signal.aborted) {
      this.#refuse(answered, interrupted(answered.name!));
    } else {
      this.#waiting.push({ answered, ask: value });
      this.#beginWaiting();
    }
  }

  /** A request that is not known here has gone by. */
  askPassed({ id, tag }: MessageHead): void {
    const message = `Cannot answer: unknown request ${tag}`;
    this.#refuse(this.#underWay.get(id)!, { code: "usage", message });
  }

  /** The other end does not want the answer any more. It gets one all the same, as it counts them. */
  cancel(id: number): void {
    const answered = this.#underWay.get(id);
    if (answered === undefined) return; // its answer crossed this
    answered.stop.abort(new VaultError("interrupted", "The asker has called it off"));
    const waiting = this.#waiting.findIndex((one) => one.answered === answered);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
    const isUnsent = answered.outgoing !== null && this.#outbox.remove(answered.outgoing);
    if (waiting >= 0 || isUnsent) this.#refuse(answered, interrupted(answered.name!));
  }

  /** Refuses further requests. */
  refuse(reason: string): void {
    this.#refused ??= reason;
  }

  /** Calls everything off; nothing is answered any more. */
  end(reason: string): void {
    this.#isOver = true;
    this.#waiting = [];
    const all = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const { stop } of all) stop.abort(new VaultError("interrupted", reason));
  }

  #beginWaiting(): void {
    for (let i = 0; i < this.#waiting.length;) {
      const { answered, ask } = this.#waiting[i]!;
      if (this.#reserve(answered)) {
        this.#waiting.splice(i, 1);
        this.#begin(answered, ask);
      } else i++;
    }
  }

  #reserve(answered: Answered): boolean {
    const { reply, priority } = REQUESTS[answered.name!];
    const extra = priority === "control" ? CHANNEL_CONTROL_REPLY_BYTES_MAX : 0;
    if (this.#reserved + reply.bytesMax > CHANNEL_REPLY_BYTES_MAX + extra) return false;
    answered.reserved = reply.bytesMax;
    this.#reserved += reply.bytesMax;
    return true;
  }

  #begin(answered: Answered, ask: unknown): void {
    const name = answered.name!;
    const { signal } = answered.stop;
    // A handler that throws at once is one that rejects.
    new Promise<Requests[RequestName]["reply"]>((resolve) =>
      resolve(this.#handler.request(name, ask as Requests[typeof name]["ask"], { signal }))
    ).then((reply) => {
      if (this.#isOver) return;
      // The reply is of this very request, which the types can't tell of a name that is only known here.
      const codec: Codec<unknown> = REQUESTS[name].reply;
      this.#send(answered, "reply", encodeAll(codec, reply, name));
    }).catch((error) => {
      if (!(error instanceof VaultError)) this.#onError(error);
      if (!this.#isOver) this.#refuse(answered, refusalOf(error, name));
    });
  }

  #refuse(answered: Answered, refusal: Refusal): void {
    this.#send(answered, "refusal", encodeAll(refusalCodec, refusal, "refusal"));
  }

  #send(
    answered: Answered,
    type: "reply" | "refusal",
    { pieces, length }: { pieces: Encoded; length: number },
  ): void {
    const { head, name } = answered;
    this.#reserved += length - answered.reserved;
    answered.reserved = length;
    answered.outgoing = {
      head: { type, tag: head.tag, id: head.id, length },
      pieces,
      onTaken: () => {
        this.#taken(answered);
        pieces.forEach(freeOwned);
      },
    };
    this.#outbox.add(answered.outgoing, name === null ? "control" : REQUESTS[name].priority);
    this.#beginWaiting();
  }

  #taken(answered: Answered): void {
    if (this.#isOver) return;
    this.#underWay.delete(answered.head.id);
    this.#askBytes -= answered.head.length;
    this.#reserved -= answered.reserved;
    this.#beginWaiting();
    this.#onProgress();
  }
}

function interrupted(name: RequestName): Refusal {
  return { code: "interrupted", message: `Cannot answer ${name}: interrupted` };
}

function broken(state: string): VaultError {
  return new VaultError("damaged", `Cannot take request: ${state}`);
}
