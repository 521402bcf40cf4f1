/**
 * From bytes to references: a file is read into buffers, cut into chunks, and every chunk that the store lacks is
 * compressed, sealed and put. A few chunks are in work at once; their references come out in order.
 *
 * Where the new bytes follow the old version, no cutting is needed: as a cut depends on nothing but the chunk's own
 * bytes, a stretch whose id is that of the old chunk would be cut just there. So the old chunk's length is tried
 * first, and only where the id differs does the chunker look for itself, until it meets a known chunk again.
 *
 * @module
 */

import {
  type Bytes,
  CHUNK_BYTES_MAX,
  CHUNKS_IN_FLIGHT,
  equalBytes,
  freeBytes,
  READ_BYTES,
  toHex,
} from "../base/mod.ts";
import { ReferenceBuilder, type ReferenceFields, type References } from "../content/mod.ts";
import type { ByteSource } from "./byte_source.ts";
import type { VaultContext } from "./context.ts";
import { putSealed } from "./manifests.ts";

const BUFFERS_MAX = 3;
/** A guess is trusted for at most so many chunks behind the last one that was met again. */
const GUESS_CHUNKS_MAX = 16;
/** Old chunks that are tried at once. */
const TRIED_CHUNKS_MAX = 8;

/** What writing a content did. */
export interface WrittenContent {
  references: References;
  size: number;
  newChunks: number;
  /** Bytes of the new sealed chunks. */
  addedBytes: number;
}

/** Options of {@link writeContent}. */
export interface WriteContentOptions {
  /** References of the version before; empty or null if there is none. */
  previous: References | null;
  /** Bytes to expect, if known: a small file gets a small buffer. */
  sizeHint?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes done so far. */
  onBytes?: ((done: number) => void) | undefined;
}

/**
 * A buffer, and how many chunks still need what is in it. What is read goes behind a margin, into which the rest of the
 * buffer before is copied: so reading need not wait until that one has been cut.
 */
class Buffer {
  readonly bytes: Bytes;
  readonly margin: number;
  #users = 0;
  #whenFree: (() => void) | null = null;

  constructor({ margin, room }: { margin: number; room: number }) {
    this.bytes = new Uint8Array(margin + room);
    this.margin = margin;
  }

  hold(): void {
    this.#users++;
  }

  release(): void {
    if (--this.#users === 0) this.#whenFree?.();
  }

  free(): Promise<void> {
    return this.#users === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#whenFree = resolve);
  }
}

/** A buffer that has been filled: bytes from its margin up to `end`. */
interface Filled {
  buffer: Buffer;
  end: number;
  /** Whether the source has no more. */
  ended: boolean;
}

/** Stores the bytes of a source and closes it. The chunks are not durable before the store is flushed. */
export async function writeContent(
  context: VaultContext,
  source: ByteSource,
  options: WriteContentOptions,
): Promise<WrittenContent> {
  const writer = new ContentWriter(context, options);
  try {
    return await writer.write(source);
  } finally {
    await source.close();
  }
}

class ContentWriter {
  readonly #context: VaultContext;
  readonly #options: WriteContentOptions;
  readonly #builder = new ReferenceBuilder();
  /** Chunks in work, oldest first. */
  readonly #working: Promise<ReferenceFields>[] = [];
  /** New chunks in work by id, so that a twin waits instead of being sealed again. */
  readonly #sealing = new Map<string, Promise<ReferenceFields>>();
  readonly #guess: Guess;
  readonly #buffers: Buffer[] = [];
  #turn = 0;
  #failure: { error: unknown } | null = null;
  #ordinal = 0;
  #size = 0;
  #newChunks = 0;
  #addedBytes = 0;

  constructor(context: VaultContext, options: WriteContentOptions) {
    this.#context = context;
    this.#options = options;
    this.#guess = new Guess(options.previous);
    context.ciphers.expect(options.sizeHint ?? 0);
  }

  async write(source: ByteSource): Promise<WrittenContent> {
    let next: Promise<Filled> | null = this.#fill(source);
    try {
      let rest: Bytes = new Uint8Array(0);
      while (next !== null) {
        const { buffer, end, ended }: Filled = await next;
        this.#options.signal?.throwIfAborted();
        next = ended ? null : this.#fill(source);
        next?.catch(() => {/* thrown above, in its turn */});
        const start = buffer.margin - rest.length;
        buffer.bytes.set(rest, start);
        if (this.#options.sizeHint === undefined) this.#context.ciphers.expect(end - buffer.margin);
        rest = await this.#consume(buffer, { start, end, ended });
      }
      while (this.#working.length > 0) await this.#collect();
    } finally {
      await Promise.allSettled([...this.#working, next]);
      for (const { bytes } of this.#buffers) freeBytes(bytes);
    }
    return {
      references: this.#builder.finish(),
      size: this.#size,
      newChunks: this.#newChunks,
      addedBytes: this.#addedBytes,
    };
  }

  /** Reads the next piece of the source into the buffer whose turn it is. */
  async #fill(source: ByteSource): Promise<Filled> {
    const buffer = await this.#nextBuffer();
    const { bytes, margin } = buffer;
    let end = margin;
    while (end < bytes.length) {
      const read = await source.read(bytes.subarray(end));
      if (read === 0) return { buffer, end, ended: true };
      end += read;
    }
    return { buffer, end, ended: false };
  }

  /** The first buffer is no larger than a small file needs; all others have the usual size. */
  async #nextBuffer(): Promise<Buffer> {
    const { sizeHint } = this.#options;
    const turn = this.#turn++ % BUFFERS_MAX;
    if (this.#buffers.length === 0 && sizeHint !== undefined && sizeHint < READ_BYTES) {
      // One byte more, so that the end shows without another buffer.
      return this.#buffers[turn] = new Buffer({ margin: 0, room: sizeHint + 1 });
    }
    const buffer = this.#buffers[turn];
    if (buffer !== undefined) await buffer.free();
    if (buffer !== undefined && buffer.margin > 0) return buffer;
    return this.#buffers[turn] = new Buffer({ margin: CHUNK_BYTES_MAX, room: READ_BYTES });
  }

  /** Cuts what can be cut of a buffer; returns the rest, which the next buffer has to begin with. */
  async #consume(
    buffer: Buffer,
    { start, end, ended }: { start: number; end: number; ended: boolean },
  ): Promise<Bytes> {
    while (ended ? start < end : end - start >= CHUNK_BYTES_MAX) {
      const met = await this.#tryOld(buffer, { start, end, ended });
      if (met > 0) {
        start += met;
        continue;
      }
      const length = this.#context.chunker.cut(buffer.bytes, start, end);
      const chunk = buffer.bytes.subarray(start, start + length);
      // Here and now: its bytes are still in the processor's cache, and no thread needs a copy of them.
      await this.#submit(buffer, chunk, this.#context.keys.chunk.id(chunk));
      start += length;
    }
    return buffer.bytes.subarray(start, end);
  }

  /**
   * Takes over old chunks that lie just here, and new ones of the same lengths between them, as an edit in place makes
   * them; returns how many bytes they make.
   */
  async #tryOld(
    buffer: Buffer,
    { start, end, ended }: { start: number; end: number; ended: boolean },
  ): Promise<number> {
    const tried = this.#guess.run(this.#ordinal, { room: end - start, ended });
    if (tried.length === 0) return 0;
    let next = start;
    const chunks = tried.map((old) => buffer.bytes.subarray(next, next += old.length));
    const ids = await Promise.all(chunks.map((chunk) => this.#context.keys.chunk.idBeside(chunk)));
    let at = start;
    for (const [i, old] of tried.entries()) {
      const id = ids[i]!;
      if (equalBytes(id, old.id) && await this.#context.store.has(old.address)) {
        await this.#enqueue(Promise.resolve(old));
      } else if (this.#isCut(buffer.bytes, { start: at, end, ended, length: old.length })) {
        await this.#submit(buffer, chunks[i]!, id);
      } else {
        this.#guess.failed(this.#ordinal);
        break;
      }
      at += old.length;
    }
    return at - start;
  }

  /** Whether the next chunk is cut just so long; false too where more bytes would have to be read to tell. */
  #isCut(
    bytes: Bytes,
    { start, end, ended, length }: { start: number; end: number; ended: boolean; length: number },
  ): boolean {
    return (ended || end - start >= CHUNK_BYTES_MAX) &&
      this.#context.chunker.cut(bytes, start, end) === length;
  }

  async #submit(buffer: Buffer, chunk: Bytes, id: Bytes): Promise<void> {
    buffer.hold();
    const ordinal = this.#ordinal;
    const work = this.#process(chunk, id, ordinal).finally(() => buffer.release());
    await this.#enqueue(work);
  }

  async #enqueue(work: Promise<ReferenceFields>): Promise<void> {
    work.catch((error) => this.#failure ??= { error });
    this.#working.push(work);
    this.#ordinal++;
    while (this.#working.length >= CHUNKS_IN_FLIGHT) await this.#collect();
  }

  /** Waits for the oldest chunk in work. */
  async #collect(): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    this.#options.signal?.throwIfAborted();
    const fields = await this.#working.shift()!;
    this.#builder.add(fields);
    this.#size += fields.length;
    this.#options.onBytes?.(this.#size);
  }

  async #store(chunk: Bytes, id: Bytes): Promise<ReferenceFields> {
    const { length } = chunk;
    const sealed = await this.#context.ciphers.seal(chunk, id);
    const { fields, addedBytes } = await putSealed(this.#context, sealed, { id, length });
    freeBytes(sealed.body);
    this.#newChunks++;
    this.#addedBytes += addedBytes;
    return fields;
  }

  async #process(
    chunk: Bytes,
    id: Bytes,
    ordinal: number,
  ): Promise<ReferenceFields> {
    this.#guess.met(ordinal, id);
    const known = this.#context.store.findLabel(id);
    if (known !== null) {
      return { id, address: known.address, length: chunk.length, sealedLength: known.length };
    }
    const name = toHex(id);
    const twin = this.#sealing.get(name);
    if (twin !== undefined) return await twin;
    const work = this.#store(chunk, id);
    this.#sealing.set(name, work);
    try {
      return await work;
    } finally {
      this.#sealing.delete(name);
    }
  }
}

/** Where in the old version the new bytes probably are. */
class Guess {
  readonly #old: References | null;
  #places: Map<number, number> | null = null;
  /** The new chunk `ordinal` was the old chunk `index`. */
  #last: { ordinal: number; index: number } | null;
  #failedAt = -1;

  constructor(old: References | null) {
    this.#old = old !== null && old.count > 0 ? old : null;
    this.#last = this.#old === null ? null : { ordinal: -1, index: -1 };
  }

  /** The old chunks that may come next and fit. The last one was cut by the end of the file, so it counts only there. */
  run(ordinal: number, { room, ended }: { room: number; ended: boolean }): ReferenceFields[] {
    const old = this.#old;
    const last = this.#last;
    if (old === null || last === null || last.ordinal < this.#failedAt) return [];
    const tried: ReferenceFields[] = [];
    if (ordinal - last.ordinal > GUESS_CHUNKS_MAX) return tried;
    for (
      let i = last.index + ordinal - last.ordinal;
      i < old.count && tried.length < TRIED_CHUNKS_MAX;
      i++
    ) {
      const length = old.length(i);
      if (length > room || (i === old.count - 1 && !(ended && length === room))) break;
      room -= length;
      tried.push(old.fields(i));
    }
    if (tried.length > 0) {
      this.#last = {
        ordinal: ordinal + tried.length - 1,
        index: last.index + (ordinal - last.ordinal) + tried.length - 1,
      };
    }
    return tried;
  }

  /** The guess for this chunk was wrong: guess again only behind one that is met after it. */
  failed(ordinal: number): void {
    this.#failedAt = ordinal;
    this.#last = null;
  }

  /** Notes that a new chunk is an old one, if it is. */
  met(ordinal: number, id: Bytes): void {
    if (this.#old === null || ordinal < this.#failedAt || ordinal <= (this.#last?.ordinal ?? -1)) {
      return;
    }
    const index = this.#find(id);
    if (index !== null) this.#last = { ordinal, index };
  }

  #find(id: Bytes): number | null {
    const old = this.#old!;
    if (this.#places === null) {
      this.#places = new Map();
      for (let i = 0; i < old.count; i++) this.#places.set(firstSixBytes(old.id(i)), i);
    }
    const index = this.#places.get(firstSixBytes(id));
    return index !== undefined && equalBytes(old.id(index), id) ? index : null;
  }
}

/** Six bytes of an id as a number: enough to find it by, and no string to make. */
function firstSixBytes(id: Bytes): number {
  const view = new DataView(id.buffer, id.byteOffset, 6);
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2);
}
