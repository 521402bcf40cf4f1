/**
 * What waits to be sent on a channel: control before bulk, and large bulk messages in turns, frame by frame.
 *
 * @module
 */

import { type Bytes, CHANNEL_INTERLEAVED_MAX, WIRE_FRAME_BYTES_MAX } from "../base/mod.ts";
import type { Encoded } from "./codec.ts";
import { type MessageHead, WIRE_FIRST_HEADER_BYTES, writeFrameHeader } from "./frames.ts";
import type { Priority } from "./message_table.ts";

/** A message on its way out. */
export interface Outgoing {
  readonly head: MessageHead;
  /** The message's bytes; nobody changes them until `onTaken`. */
  readonly pieces: Encoded;
  /** Called when its last byte is about to be written: the pieces are no longer needed, and it no longer counts. */
  readonly onTaken?: () => void;
}

/** Bulk messages up to this many bytes go with the control messages. */
const SMALL_BYTES = 4 * 1024;
/**
 * Frames are put together up to this many bytes: a write takes a turn of the event loop, which is long while a put runs,
 * and copying takes next to nothing beside the cipher.
 */
const GATHER_BYTES = 2 * (WIRE_FRAME_BYTES_MAX + WIRE_FIRST_HEADER_BYTES);
/** The gathering begins with room for so many: most sessions never say much. */
const GATHER_BYTES_FIRST = 16 * 1024;

/** A message and how far it has been taken. */
class Sending {
  readonly outgoing: Outgoing;
  taken = 0;
  #piece = 0;
  #offset = 0;

  constructor(outgoing: Outgoing) {
    this.outgoing = outgoing;
  }

  get left(): number {
    return this.outgoing.head.length - this.taken;
  }

  /** The next bytes, at most so many, that lie together. */
  take(lengthMax: number): Uint8Array {
    let bytes = this.outgoing.pieces[this.#piece]!;
    while (this.#offset === bytes.length) {
      bytes = this.outgoing.pieces[++this.#piece]!;
      this.#offset = 0;
    }
    const next = bytes.subarray(this.#offset, this.#offset + lengthMax);
    this.#offset += next.length;
    this.taken += next.length;
    return next;
  }
}

/** Queues of messages, and the frames they go as. */
export class Outbox {
  readonly #control: Sending[] = [];
  /** Bulk messages that take turns, the next one first. */
  readonly #turns: Sending[] = [];
  readonly #bulk: Sending[] = [];
  #gathered: Bytes = new Uint8Array(GATHER_BYTES_FIRST);
  #onMore: (() => void) | null = null;

  get isEmpty(): boolean {
    return this.#control.length + this.#turns.length + this.#bulk.length === 0;
  }

  /** Bytes of messages that wait to be sent, as far as they have not been taken. */
  get bytes(): number {
    let bytes = 0;
    for (const queue of [this.#control, this.#turns, this.#bulk]) {
      for (const { left } of queue) bytes += left;
    }
    return bytes;
  }

  /** Queues a message. */
  add(outgoing: Outgoing, priority: Priority): void {
    const isBulk = priority === "bulk" && outgoing.head.length > SMALL_BYTES;
    (isBulk ? this.#bulk : this.#control).push(new Sending(outgoing));
    this.#onMore?.();
    this.#onMore = null;
  }

  /** Takes a message back; `false` if some of it has been sent or it isn't there. */
  remove(outgoing: Outgoing): boolean {
    for (const queue of [this.#control, this.#turns, this.#bulk]) {
      const at = queue.findIndex((sending) => sending.outgoing === outgoing);
      if (at < 0) continue;
      if (queue[at]!.taken > 0) return false;
      queue.splice(at, 1);
      return true;
    }
    return false;
  }

  /** Queues the last message: what is bulk is forgotten, the control messages before it still go. */
  addLast(last: Outgoing): void {
    this.#turns.length = 0;
    this.#bulk.length = 0;
    this.add(last, "control");
  }

  /** Resolves when there is something to send. One waits at a time. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isEmpty) this.#onMore = resolve;
      else resolve();
    });
  }

  /**
   * Bytes to write next: whole frames, as many as there are and fit; none if nothing waits. Valid until the next call;
   * control messages that come in between go before what is left.
   */
  take(): Bytes {
    let length = 0;
    for (;;) {
      const sending = this.#control[0] ?? this.#nextTurn();
      if (sending === undefined) break;
      const pieceLength = Math.min(sending.left, WIRE_FRAME_BYTES_MAX);
      const end = length + WIRE_FIRST_HEADER_BYTES + pieceLength;
      if (end > GATHER_BYTES) break;
      this.#makeRoom(end, length);
      length += writeFrameHeader(this.#gathered, length, sending.outgoing.head, {
        length: pieceLength,
        isFirst: sending.taken === 0,
        isLast: pieceLength === sending.left,
      });
      for (const frameEnd = length + pieceLength; length < frameEnd;) {
        const bytes = sending.take(frameEnd - length);
        this.#gathered.set(bytes, length);
        length += bytes.length;
      }
      this.#advance(sending);
    }
    return this.#gathered.subarray(0, length);
  }

  /** Room for so many bytes, of which some are there. */
  #makeRoom(bytes: number, taken: number): void {
    if (bytes <= this.#gathered.length) return;
    const larger = new Uint8Array(GATHER_BYTES);
    larger.set(this.#gathered.subarray(0, taken));
    this.#gathered = larger;
  }

  #nextTurn(): Sending | undefined {
    while (this.#turns.length < CHANNEL_INTERLEAVED_MAX && this.#bulk.length > 0) {
      this.#turns.push(this.#bulk.shift()!);
    }
    return this.#turns[0];
  }

  #advance(sending: Sending): void {
    const isDone = sending.left === 0;
    if (sending === this.#control[0]) {
      if (isDone) this.#control.shift();
    } else {
      this.#turns.shift();
      if (!isDone) this.#turns.push(sending);
    }
    if (isDone) sending.outgoing.onTaken?.();
  }
}
