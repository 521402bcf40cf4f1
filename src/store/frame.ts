/**
 * Frames: how objects lie in a pack (docs/format.md §7), and how a pack is read from its bytes alone.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  crc32,
  type DiskFile,
  encodeUtf8,
  equalBytes,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  sha256,
} from "../base/mod.ts";
import { OBJECT_KINDS, type ObjectKind } from "./chunk_store.ts";

const PACK_MAGIC = encodeUtf8("GVPACK01");
const FRAME_MAGIC = encodeUtf8("GVF1");

/** Bytes before the first frame of a pack. */
export const PACK_HEADER_BYTES = 16;
/** Bytes of a frame before its payload. */
export const FRAME_HEADER_BYTES = 48;
/** How much of each payload labels are taken from, and a scan hands out for that. */
const PREFIX_BYTES = 64;

const KIND_OF_NUMBER = new Map<number, ObjectKind>(
  Object.entries(OBJECT_KINDS).map(([kind, number]) => [number, kind as ObjectKind]),
);

/** What a frame's header says. */
export interface FrameHeader {
  kind: ObjectKind;
  address: Address;
  /** Bytes of the payload. */
  length: number;
}

/** The first bytes of an object that is still in pieces, as a scan would hand them out; in an array of their own. */
export function prefixOf(pieces: readonly Uint8Array[]): Bytes {
  const prefix = new Uint8Array(PREFIX_BYTES);
  let filled = 0;
  for (const piece of pieces) {
    if (filled === PREFIX_BYTES) break;
    const part = piece.subarray(0, PREFIX_BYTES - filled);
    prefix.set(part, filled);
    filled += part.length;
  }
  return prefix.subarray(0, filled);
}

/** The first bytes of a pack. */
export function encodePackHeader(number: number): Bytes {
  const bytes = new Uint8Array(PACK_HEADER_BYTES);
  bytes.set(PACK_MAGIC);
  new DataView(bytes.buffer).setBigUint64(8, BigInt(number));
  return bytes;
}

/** The number in a pack's header, or null if these bytes are none. */
export function decodePackHeader(bytes: Bytes): number | null {
  if (bytes.length < PACK_HEADER_BYTES || !equalBytes(bytes.subarray(0, 8), PACK_MAGIC)) {
    return null;
  }
  const number = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8);
  return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : null;
}

/** Writes a frame's header at `offset` of `into`. */
export function encodeFrameHeader(
  { kind, address, length }: FrameHeader,
  into: Bytes,
  offset: number,
): void {
  const view = new DataView(into.buffer, into.byteOffset + offset, FRAME_HEADER_BYTES);
  into.set(FRAME_MAGIC, offset);
  view.setUint32(4, OBJECT_KINDS[kind] << 24);
  view.setUint32(8, length);
  into.set(address, offset + 12);
  view.setUint32(44, crc32(into.subarray(offset, offset + 44)));
}

/** The header in these 48 bytes, or null if they are none: wrong magic, CRC, kind or length. */
export function decodeFrameHeader(bytes: Bytes): FrameHeader | null {
  if (bytes.length < FRAME_HEADER_BYTES) return null;
  if (!equalBytes(bytes.subarray(0, 4), FRAME_MAGIC)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  if (view.getUint32(44) !== crc32(bytes.subarray(0, 44))) return null;
  const kindWord = view.getUint32(4);
  const kind = KIND_OF_NUMBER.get(kindWord >>> 24);
  const length = view.getUint32(8);
  if (kind === undefined || (kindWord & 0xffffff) !== 0 || length > FRAME_BYTES_MAX) return null;
  return { kind, address: bytes.slice(12, 12 + HASH_BYTES), length };
}

/** What a scan comes upon. */
export type Scanned =
  /** A frame whose header is right. `prefix` is the beginning of its payload; `payload` all of it where it was read. */
  | { what: "frame"; header: FrameHeader; offset: number; prefix: Bytes; payload: Bytes | null }
  /**
   * A frame whose payload is not what its address says, up to the next one. Only from a verifying scan, and for
   * segments.
   */
  | { what: "damaged"; header: FrameHeader; offset: number; length: number }
  /** Bytes that are no frame, up to the next one or the end. */
  | { what: "junk"; offset: number; length: number }
  /** A frame that the end of the file cuts off. Always the last. */
  | { what: "torn"; offset: number };

const WINDOW_BYTES = 256 * 1024;
/** Bytes read after a leap over a large payload, of which nothing else may be wanted. */
const GLANCE_BYTES = 4 * 1024;

/** Reads small pieces of a file through one window, so that a walk over small frames is not a system call each. */
class WindowReader {
  readonly #file: DiskFile;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Up to `length` bytes at `offset`; fewer only at the end of the file. Valid until the next call. */
  at(offset: number, length: number): Bytes {
    const end = this.#start + this.#length;
    if (offset < this.#start || offset + length > end) {
      const wanted = offset > end ? Math.max(length, GLANCE_BYTES) : WINDOW_BYTES;
      this.#start = offset;
      this.#length = this.#file.readAt(offset, this.#window.subarray(0, wanted));
    }
    const from = offset - this.#start;
    return this.#window.subarray(from, Math.min(from + length, this.#length));
  }
}

/** Offset of the next valid header in `[from, end)`, or `end`; of the file nothing behind `limit` is looked at. */
function findFrame(
  reader: WindowReader,
  { from, end, limit }: { from: number; end: number; limit: number },
): number {
  let at = from;
  while (at < end) {
    // One byte more than it has to begin in, as a header is known by two.
    const bytes = reader.at(at, Math.min(WINDOW_BYTES / 2, end + 1 - at, limit - at));
    if (bytes.length === 0) return end;
    let i = 0;
    while (i < bytes.length && (bytes[i] !== FRAME_MAGIC[0] || bytes[i + 1] !== FRAME_MAGIC[1])) {
      i++;
    }
    if (i < bytes.length) {
      if (decodeFrameHeader(reader.at(at + i, FRAME_HEADER_BYTES)) !== null) return at + i;
      at += i + 1;
    } else {
      // The two bytes that begin a header may be split between two windows.
      at += Math.max(1, bytes.length - 1);
    }
  }
  return end;
}

/**
 * Walks the frames of a pack in `[from, end)`. Headers tell where the next frame begins; payloads are read only
 * if `verify` is set, and for segments always, as nothing else tells what they say.
 */
export function* scanFrames(
  file: DiskFile,
  range: { from: number; end: number },
  options: { verify: boolean },
): Generator<Scanned> {
  const reader = new WindowReader(file);
  const frameIn = (from: number, end: number) => findFrame(reader, { from, end, limit: range.end });
  let offset = range.from;
  // Payloads that were read in vain. Frames don't overlap, so much more than all there is are claims made to waste time.
  let wastedBytes = 0;
  const wastedBytesMax = range.end - range.from + 8 * FRAME_BYTES_MAX;
  const ahead = new Uint8Array(FRAME_HEADER_BYTES);
  const isFollowed = (end: number) =>
    end === range.end ||
    decodeFrameHeader(ahead.subarray(0, file.readAt(end, ahead))) !== null;
  while (offset < range.end) {
    const header = decodeFrameHeader(reader.at(offset, FRAME_HEADER_BYTES));
    if (header === null) {
      const next = frameIn(offset + 1, range.end);
      if (next === range.end && range.end - offset < FRAME_HEADER_BYTES) {
        yield { what: "torn", offset };
      } else yield { what: "junk", offset, length: next - offset };
      offset = next;
      continue;
    }
    const start = offset + FRAME_HEADER_BYTES;
    if (start + header.length > range.end) {
      // Either the file ends early, or a header was torn over older bytes: look for a frame behind before giving up.
      const next = frameIn(offset + 1, range.end);
      if (next === range.end) yield { what: "torn", offset };
      else yield { what: "junk", offset, length: next - offset };
      offset = next;
      continue;
    }
    const end = start + header.length;
    if (wastedBytes > wastedBytesMax && !isFollowed(end)) {
      const next = frameIn(start, range.end);
      yield { what: "junk", offset, length: next - offset };
      offset = next;
      continue;
    }
    const prefix = reader.at(start, Math.min(PREFIX_BYTES, header.length)).slice();
    let payload: Bytes | null = null;
    if (options.verify || header.kind === "segment") {
      payload = new Uint8Array(header.length);
      file.readAt(start, payload);
    }
    if (payload !== null && !equalBytes(sha256(payload), header.address)) {
      // A frame right behind shows that its length is right, and then nothing in its payload is a frame of ours, whatever it
      // looks like: strangers choose what they send. Else the length may be wrong, and a whole frame be taken for its payload.
      const next = isFollowed(end) ? end : frameIn(start, end);
      wastedBytes += header.length;
      yield { what: "damaged", header, offset, length: next - offset };
      offset = next;
    } else {
      yield { what: "frame", header, offset, prefix, payload };
      offset = end;
    }
  }
}
