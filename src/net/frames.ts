/**
 * Frames: messages cut into pieces that take turns on one connection (docs/protocol.md, "Frames"). The reader puts
 * them together again, and allocates only in proportion to what has arrived.
 *
 * @module
 */

import {
  type Bytes,
  CHANNEL_INTERLEAVED_MAX,
  MESSAGE_BYTES_MAX,
  spareBuffer,
  VaultError,
  WIRE_FRAME_BYTES_MAX,
} from "../base/mod.ts";

/** What a message is, by its number in a frame's header. */
const MESSAGE_TYPES = {
  ask: 1,
  reply: 2,
  refusal: 3,
  event: 4,
  cancel: 5,
  end: 6,
  nudge: 7,
} as const;

export type MessageType = keyof typeof MESSAGE_TYPES;

const TYPE_OF_NUMBER: readonly (MessageType | undefined)[] = [
  undefined,
  ...Object.keys(MESSAGE_TYPES) as MessageType[],
];

/** More pieces of this message follow. */
const MORE = 0x80;
/** Pieces of this message came before. */
const LATER = 0x40;

/** Bytes of a frame before its piece: u32 length of the piece ‖ u8 type and flags ‖ u8 tag ‖ u32 id. */
const WIRE_HEADER_BYTES = 10;
/** Bytes before the first of several pieces: the header ‖ u32 length of the message. */
export const WIRE_FIRST_HEADER_BYTES = WIRE_HEADER_BYTES + 4;

/** What is known of a message before its bytes. */
export interface MessageHead {
  readonly type: MessageType;
  /** Number of the request or event in the message table; 0 for the others. */
  readonly tag: number;
  /** Number of the request, 1 and up, chosen by the asker; 0 for `event`, `end` and `nudge`. */
  readonly id: number;
  /** Bytes of the whole message. */
  readonly length: number;
}

/** Where a piece stands in its message. */
export interface Piece {
  readonly length: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Writes a frame's header at `at`; returns its length. */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  { type, tag, id, length }: MessageHead,
  piece: Piece,
): number {
  const view = new DataView(into.buffer, into.byteOffset);
  const flags = (piece.isLast ? 0 : MORE) | (piece.isFirst ? 0 : LATER);
  view.setUint32(at, piece.length);
  view.setUint8(at + 4, MESSAGE_TYPES[type] | flags);
  view.setUint8(at + 5, tag);
  view.setUint32(at + 6, id);
  if (!piece.isFirst || piece.isLast) return WIRE_HEADER_BYTES;
  view.setUint32(at + WIRE_HEADER_BYTES, length);
  return WIRE_FIRST_HEADER_BYTES;
}

/** Takes messages as they come in. Whatever throws a VaultError refuses the other end for good. */
export interface MessageSink {
  /** A message begins; asked before a byte of it is kept. `false`: nobody wants its bytes. */
  begins(head: MessageHead): boolean;
  /** It is whole. The bytes are the callee's own. */
  complete(head: MessageHead, bytes: Bytes): void;
  /** It is whole, and nobody wanted its bytes. */
  passed(head: MessageHead): void;
}

/** A message's buffer begins with up to so many bytes … */
const FIRST_BYTES = 64 * 1024;
/** … and then has up to so many times what has arrived. */
const GROWTH = 8;
/** Frames' headers and small frames are read in here. */
const BUFFER_BYTES = 64 * 1024;
/** A segment of TCP on loopback, 64 KiB, and the records of TLS that it may leave incomplete. */
const HELD_BACK_MAX = 96 * 1024;
/** From so many missing bytes on they are read right into the message. */
const DIRECT_BYTES = 8 * 1024;

/** A message of which not all bytes are there yet. */
class Partial {
  readonly head: MessageHead;
  readonly isKept: boolean;
  received = 0;
  #bytes: Bytes = new Uint8Array(0);

  constructor(head: MessageHead, isKept: boolean) {
    this.head = head;
    this.isKept = isKept;
  }

  /** Room for at least one and up to `length` of the next bytes. */
  room(length: number): Bytes {
    if (this.#bytes.length === 0) {
      // Memory that is there anyway is not allocated because somebody claims a length.
      const spare = spareBuffer(this.head.length);
      if (spare !== null) this.#bytes = new Uint8Array(spare, 0, this.head.length);
    }
    if (this.received === this.#bytes.length) {
      const capacity = Math.max(FIRST_BYTES, this.received * GROWTH);
      const larger = this.#bytes.buffer.transfer(Math.min(this.head.length, capacity));
      this.#bytes = new Uint8Array(larger);
    }
    return this.#bytes.subarray(this.received, this.received + length);
  }

  append(bytes: Uint8Array): void {
    if (!this.isKept) {
      this.received += bytes.length;
      return;
    }
    let at = 0;
    while (at < bytes.length) {
      const room = this.room(bytes.length - at);
      room.set(bytes.subarray(at, at + room.length));
      this.received += room.length;
      at += room.length;
    }
  }

  finish(): Bytes {
    return this.#bytes;
  }
}

/** Puts frames together again. */
export class FrameReader {
  readonly #sink: MessageSink;
  readonly #buffer: Bytes = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  #end = 0;
  /** Messages begun whose frame is not the last. */
  readonly #partials = new Map<number, Partial>();
  /** The message that the frame being read belongs to, and how much of the frame is missing. */
  #current: Partial | null = null;
  #missing = 0;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Where the next bytes are to be read into. Valid until {@link FrameReader.arrived}. */
  space(): Bytes {
    if (this.#isDirect()) return this.#current!.room(this.#missing);
    return this.#buffer.subarray(this.#end);
  }

  /** Whether little is missing of a message that has begun: so little that TCP may hold it back. */
  get isNearEnd(): boolean {
    if (this.#end > 0) return true;
    const parts = this.#current === null ? this.#partials.values() : [this.#current];
    for (const { head, received } of parts) if (head.length - received < HELD_BACK_MAX) return true;
    return false;
  }

  #isDirect(): boolean {
    return this.#current?.isKept === true && this.#missing >= DIRECT_BYTES && this.#end === 0;
  }

  /**
   * So many bytes were read into {@link FrameReader.space}.
   *
   * @throws VaultError `damaged` if they break the rules of frames, and whatever the sink throws
   */
  arrived(count: number): void {
    if (this.#isDirect()) {
      this.#current!.received += count;
      this.#missing -= count;
      if (this.#missing === 0) this.#frameEnds();
      return;
    }
    this.#end += count;
    let at = 0;
    while (at < this.#end) {
      if (this.#current !== null) {
        const length = Math.min(this.#missing, this.#end - at);
        this.#current.append(this.#buffer.subarray(at, at + length));
        this.#missing -= length;
        at += length;
        if (this.#missing === 0) this.#frameEnds();
        continue;
      }
      const taken = this.#frameBegins(at);
      if (taken === 0) break;
      at += taken;
    }
    this.#buffer.copyWithin(0, at, this.#end);
    this.#end -= at;
  }

  /** Reads a header at `at`; returns how many bytes were taken: 0 if it is not all there. */
  #frameBegins(at: number): number {
    const available = this.#end - at;
    if (available < WIRE_HEADER_BYTES) return 0;
    const length = this.#view.getUint32(at);
    const typeAndFlags = this.#view.getUint8(at + 4);
    const type = TYPE_OF_NUMBER[typeAndFlags & ~(MORE | LATER)];
    if (type === undefined) throw badFrame(`unknown type ${typeAndFlags}`);
    if (length > WIRE_FRAME_BYTES_MAX) {
      throw badFrame(`${length} bytes, the limit is ${WIRE_FRAME_BYTES_MAX}`);
    }
    const [tag, id] = [this.#view.getUint8(at + 5), this.#view.getUint32(at + 6)];
    const isFirst = (typeAndFlags & LATER) === 0;
    const isLast = (typeAndFlags & MORE) === 0;
    if (!isFirst) {
      this.#continue({ type, tag, id, length }, isLast);
      return WIRE_HEADER_BYTES;
    }
    if (isLast) return WIRE_HEADER_BYTES + this.#whole(at, { type, tag, id, length });
    if (available < WIRE_FIRST_HEADER_BYTES) return 0;
    const total = this.#view.getUint32(at + WIRE_HEADER_BYTES);
    this.#begin({ type, tag, id, length: total }, length);
    return WIRE_FIRST_HEADER_BYTES;
  }

  /** A message in one frame; returns how many bytes of it were taken. */
  #whole(headerAt: number, head: MessageHead): number {
    const at = headerAt + WIRE_HEADER_BYTES;
    const isKept = this.#sink.begins(head);
    if (this.#end - at < head.length) {
      this.#current = new Partial(head, isKept);
      this.#missing = head.length;
      return 0;
    }
    if (isKept) this.#sink.complete(head, this.#buffer.slice(at, at + head.length));
    else this.#sink.passed(head);
    return head.length;
  }

  /** The first of several pieces. */
  #begin(head: MessageHead, length: number): void {
    if (length === 0 || length >= head.length || head.length > MESSAGE_BYTES_MAX) {
      throw badFrame(`a first piece of ${length} bytes of a message of ${head.length}`);
    }
    if (this.#partials.has(keyOf(head))) throw badFrame(`two messages with id ${head.id}`);
    // One control message may be under way beside those that take turns.
    if (this.#partials.size > CHANNEL_INTERLEAVED_MAX) {
      throw badFrame(`more than ${CHANNEL_INTERLEAVED_MAX + 1} unfinished messages`);
    }
    this.#current = new Partial(head, this.#sink.begins(head));
    this.#missing = length;
    this.#partials.set(keyOf(head), this.#current);
  }

  /** A later piece; `piece.length` is its own length. */
  #continue(piece: MessageHead, isLast: boolean): void {
    const partial = this.#partials.get(keyOf(piece));
    if (partial === undefined || partial.head.tag !== piece.tag) {
      throw badFrame(`a later piece of a message that did not begin, id ${piece.id}`);
    }
    const left = partial.head.length - partial.received;
    const fits = isLast ? piece.length === left : piece.length < left;
    if (!fits || piece.length === 0) {
      throw badFrame(`a piece of ${piece.length} bytes where ${left} are missing`);
    }
    this.#current = partial;
    this.#missing = piece.length;
  }

  #frameEnds(): void {
    const partial = this.#current!;
    this.#current = null;
    if (partial.received < partial.head.length) return;
    this.#partials.delete(keyOf(partial.head));
    if (partial.isKept) this.#sink.complete(partial.head, partial.finish());
    else this.#sink.passed(partial.head);
  }
}

/** Ids of asks and of answers are different numbers with the same values. */
function keyOf({ type, id }: MessageHead): number {
  return id * 8 + MESSAGE_TYPES[type];
}

function badFrame(state: string): VaultError {
  return new VaultError("damaged", `Cannot take frame: ${state}`);
}
