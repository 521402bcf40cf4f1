/**
 * Bytes: the strict reader and writer that every format of ours is built on, and a few plain helpers.
 * All integers are big-endian and of fixed width, so that each value has exactly one encoding.
 *
 * @module
 */

import { VaultError } from "./errors.ts";

/** Bytes that own a plain (not shared) buffer: what WebCrypto and files take. */
export type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
const utf8Strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Texts up to this many characters are looked through here: a call of the encoder takes longer. */
const SHORT_TEXT_MAX = 256;

/** UTF-8 bytes of a string. */
export function encodeUtf8(text: string): Bytes {
  if (!isShortAscii(text)) return utf8.encode(text) as Bytes;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** How many bytes a string has in UTF-8. */
export function utf8Length(text: string): number {
  return isShortAscii(text) ? text.length : utf8.encode(text).length;
}

function isShortAscii(text: string): boolean {
  if (text.length > SHORT_TEXT_MAX) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** The pieces one after the other, in one new array. */
export function concatBytes(pieces: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    out.set(piece, offset);
    offset += piece.length;
  }
  return out;
}

/** Whether two arrays hold the same bytes. Not constant time: for public values. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Order of two arrays as if they were unsigned big-endian strings: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** What a writer writes into. */
interface Room {
  bytes: Bytes;
  view: DataView;
}

function makeRoom(length: number): Room {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Writers of few bytes write into rooms of this size, one after the other: making one takes longer than filling it. */
const ROOM_BYTES = 1024;
const ROOMS_MAX = 8;
const rooms: Room[] = [];
const NO_ROOM = makeRoom(0);

/** Appends values to a buffer that grows; `finish` gives the bytes. */
export class ByteWriter {
  #bytes: Bytes;
  #view: DataView;
  #length = 0;

  /** @param capacity bytes to begin with */
  constructor(capacity = 256) {
    const room = capacity <= ROOM_BYTES ? rooms.pop() : undefined;
    ({ bytes: this.#bytes, view: this.#view } = room ?? makeRoom(Math.max(capacity, ROOM_BYTES)));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  #room(extra: number): number {
    const at = this.#length;
    const needed = at + extra;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1); // may replace the view
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: bigint | number): this {
    const at = this.#room(8);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
      this.#view.setUint32(at, Math.floor(value / 2 ** 32));
      this.#view.setUint32(at + 4, value % 2 ** 32);
    } else this.#view.setBigUint64(at, BigInt(value));
    return this;
  }

  i64(value: bigint | number): this {
    if (value >= 0) return this.u64(value);
    const at = this.#room(8);
    this.#view.setBigInt64(at, BigInt(value));
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** UTF-8 behind its length in 16 bits. */
  text16(text: string): this {
    const bytes = encodeUtf8(text);
    return this.u16(bytes.length).raw(bytes);
  }

  /** The bytes written. The writer is done with. */
  finish(): Bytes {
    const [bytes, view] = [this.#bytes, this.#view];
    if (bytes.length > ROOM_BYTES) return bytes.subarray(0, this.#length);
    if (rooms.length < ROOMS_MAX) rooms.push({ bytes, view });
    ({ bytes: this.#bytes, view: this.#view } = NO_ROOM);
    return bytes.slice(0, this.#length);
  }
}

/**
 * Reads values off bytes that may come from anywhere: every read is bounds-checked before it happens, and
 * {@link ByteReader.end} refuses trailing bytes. All failures are `damaged`, naming what was being read.
 */
export class ByteReader {
  readonly #bytes: Bytes;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  /** @param what the thing being decoded, for messages: "manifest", "segment" … */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes as Bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** An error that names what is being decoded and where. */
  fail(state: string): VaultError {
    return new VaultError(
      "damaged",
      `Cannot decode ${this.#what} at byte ${this.#offset}: ${state}`,
    );
  }

  #take(length: number): number {
    if (length > this.remaining) throw this.fail(`${length} bytes wanted, ${this.remaining} left`);
    const at = this.#offset;
    this.#offset += length;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  /** A 64-bit count or size that must be a safe integer. */
  size64(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail(`size ${value} is out of range`);
    return Number(value);
  }

  /** The next `length` bytes, as a view: copy them to keep them past the buffer's life. */
  raw(length: number): Bytes {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A count that must not exceed `max` nor promise more than the bytes that are left can hold. */
  count(value: number, max: number, bytesEach: number): number {
    if (value > max) throw this.fail(`count ${value} is over the limit of ${max}`);
    if (value * bytesEach > this.remaining) throw this.fail(`count ${value} is more than there is`);
    return value;
  }

  /** UTF-8 behind its length in 16 bits; malformed UTF-8 is refused. */
  text16(): string {
    const bytes = this.raw(this.u16());
    try {
      return utf8Strict.decode(bytes);
    } catch {
      throw this.fail("malformed UTF-8");
    }
  }

  /** Refuses unless the next bytes are exactly these. */
  expect(magic: Uint8Array): void {
    if (!equalBytes(this.raw(magic.length), magic)) throw this.fail("unknown format");
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) throw this.fail(`${this.remaining} bytes too many`);
  }
}
