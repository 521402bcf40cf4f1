/**
 * Appending frames: one pack, and above it the end of the store, which goes on from pack to pack.
 *
 * @module
 */

import {
  asVaultError,
  type Bytes,
  type DiskFile,
  FRAME_BYTES_MAX,
  PACK_BUFFER_BYTES,
  PACK_BYTES_TARGET,
  VaultError,
} from "../base/mod.ts";
import type { NewObject } from "./chunk_store.ts";
import { encodeFrameHeader, FRAME_HEADER_BYTES, PACK_HEADER_BYTES } from "./frame.ts";
import type { PackRow } from "./frame_index.ts";
import type { PackFolder } from "./pack_files.ts";

/** Pieces from this size on are written from where they are; smaller ones are gathered in the buffer first. */
const DIRECT_BYTES_MIN = 64 * 1024;

/** Appends frames to one pack; small ones are gathered so that many go to the disk in one write. */
export class PackWriter {
  readonly number: number;
  readonly #file: DiskFile;
  readonly #buffer = new Uint8Array(PACK_BUFFER_BYTES);
  #buffered = 0;
  #written: number;
  #durable: number;

  /** @param length bytes that are in the file and durable; always a frame's end */
  constructor(file: DiskFile, number: number, length: number) {
    this.#file = file;
    this.number = number;
    this.#written = length;
    this.#durable = length;
  }

  /** Length of the pack, with what is still in the buffer. */
  get length(): number {
    return this.#written + this.#buffered;
  }

  /** Up to where a power cut takes nothing. */
  get durable(): number {
    return this.#durable;
  }

  get isFull(): boolean {
    return this.length >= PACK_BYTES_TARGET;
  }

  /** Appends an object's frame; returns the offset of its payload. */
  append(object: NewObject, length: number): number {
    if (this.#buffered + FRAME_HEADER_BYTES > this.#buffer.length) this.#writeBuffer();
    encodeFrameHeader(
      { kind: object.kind, address: object.address, length },
      this.#buffer,
      this.#buffered,
    );
    this.#buffered += FRAME_HEADER_BYTES;
    const offset = this.length;
    for (const piece of object.pieces) {
      const direct = piece.length >= DIRECT_BYTES_MIN;
      if (direct || this.#buffered + piece.length > this.#buffer.length) this.#writeBuffer();
      if (direct) this.#write(piece);
      else {
        this.#buffer.set(piece, this.#buffered);
        this.#buffered += piece.length;
      }
    }
    return offset;
  }

  /** Reads bytes of the pack, from the file and from what is still in the buffer. */
  readAt(offset: number, into: Bytes): number {
    const inFile = Math.max(0, Math.min(into.length, this.#written - offset));
    const read = inFile === 0 ? 0 : this.#file.readAt(offset, into.subarray(0, inFile));
    if (read < inFile) return read;
    const from = offset + inFile - this.#written;
    const rest = this.#buffer.subarray(from, Math.min(from + into.length - inFile, this.#buffered));
    into.set(rest, inFile);
    return inFile + rest.length;
  }

  #writeBuffer(): void {
    if (this.#buffered === 0) return;
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #write(bytes: Uint8Array): void {
    this.#file.writeAt(this.#written, bytes);
    this.#written += bytes.length;
  }

  /** Returns once all that was appended before the call is durable. */
  async sync(): Promise<void> {
    this.#writeBuffer();
    const length = this.#written;
    await this.#file.sync();
    this.#durable = Math.min(length, this.#written); // less if it was cut back meanwhile
  }

  /** Has it durable that the file ends where it was cut back to: what was cut away must not come back with a power cut. */
  async settleCut(): Promise<void> {
    this.#file.truncate(this.#durable);
    await this.#file.sync();
  }

  /** Throws away what is not durable: after a failed write or sync nobody knows what became of it. */
  cutBack(): void {
    this.#buffered = 0;
    this.#written = this.#durable;
    this.#file.truncate(this.#durable);
  }

  close(): void {
    this.#file.close();
  }
}

/** The end of the store: where the next frame goes. After a failure it takes nothing until it is revived. */
export class PackAppender {
  readonly #packs: PackFolder;
  readonly #lastPack: () => PackRow | null;
  #writer: PackWriter | null = null;
  /** Packs that are full and have something that is not durable. */
  #full: PackWriter[] = [];
  /** Whether a pack was created whose name may not be durable yet. */
  #hasNewPacks = false;
  /** Whether the next frame may go to the pack that was the last when the store was opened. */
  #mayReopen = true;
  #failure: VaultError | null = null;
  #isClosed = false;

  /** @param lastPack the last pack as the index knows it */
  constructor(packs: PackFolder, lastPack: () => PackRow | null) {
    this.#packs = packs;
    this.#lastPack = lastPack;
  }

  /** Number of the pack that is being appended to, if any. */
  get activePack(): number | null {
    return this.#writer?.number ?? null;
  }

  /** Whoever has this pack open for appending; its end may not be in the file yet. */
  writerOf(pack: number): PackWriter | null {
    if (this.#writer?.number === pack) return this.#writer;
    return this.#full.find((each) => each.number === pack) ?? null;
  }

  /** Whether a power cut would not take what lies there. */
  isDurable({ pack, offset, length }: { pack: number; offset: number; length: number }): boolean {
    const writer = this.writerOf(pack);
    return writer === null || offset + length <= writer.durable;
  }

  get hasFailed(): boolean {
    return this.#failure !== null;
  }

  /** @throws VaultError the first failure, if there was one: what is wrong is still the same */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Ends all writing, and cuts away what is not durable. Returns the error to throw. */
  fail(error: unknown): VaultError {
    const failure = asVaultError(error, "Cannot write to the store");
    this.#failure ??= failure;
    for (const writer of this.#writers()) {
      try {
        writer.cutBack();
      } catch {
        // The next open finds what is left of it.
      }
    }
    return failure;
  }

  /**
   * Takes frames again after a failure. Whoever put what was lost by it must have heard of it.
   *
   * @returns the packs that were cut back, and their lengths
   * @throws VaultError if the disk still refuses: then nothing has changed
   */
  async revive(): Promise<ReadonlyMap<number, number>> {
    if (this.#isClosed) throw this.#failure!;
    const writers = this.#writers();
    try {
      for (const writer of writers) await writer.settleCut();
    } catch (error) {
      throw asVaultError(error, "Cannot write to the store");
    }
    for (const writer of writers) writer.close();
    this.#writer = null;
    this.#full = [];
    // The sync of their names may be what failed.
    this.#hasNewPacks = true;
    this.#mayReopen = true;
    this.#failure = null;
    return new Map(writers.map(({ number, durable }) => [number, durable]));
  }

  #writers(): PackWriter[] {
    return this.#writer === null ? this.#full : [...this.#full, this.#writer];
  }

  /**
   * Appends an object's frame; says where its payload lies.
   *
   * @throws VaultError `no_space`, and any other with which the disk refuses
   */
  append(object: NewObject): { pack: number; offset: number; length: number } {
    this.check();
    const length = object.pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > FRAME_BYTES_MAX) {
      throw new VaultError(
        "failed",
        `Cannot store an object of ${length} bytes: the limit is ${FRAME_BYTES_MAX}`,
      );
    }
    try {
      const writer = this.#writable();
      return { pack: writer.number, offset: writer.append(object, length), length };
    } catch (error) {
      throw this.fail(error);
    }
  }

  #writable(): PackWriter {
    if (this.#writer !== null && !this.#writer.isFull) return this.#writer;
    if (this.#writer !== null) this.#full.push(this.#writer);
    this.#writer = null;
    this.#writer = this.#reopenLast() ?? this.#create();
    return this.#writer;
  }

  /**
   * The last pack, if it can be appended to: there is room, and nothing but whole frames is in it. Behind anything
   * else a frame could be swallowed: a torn header may claim as many bytes as are only now there.
   */
  #reopenLast(): PackWriter | null {
    if (!this.#mayReopen) return null;
    this.#mayReopen = false;
    const last = this.#lastPack();
    if (last === null || !last.isIntact || last.length >= PACK_BYTES_TARGET) return null;
    if (this.#packs.stat(last.number)?.size !== last.length) return null;
    const file = this.#packs.openForAppending(last.number);
    return new PackWriter(file, last.number, last.length);
  }

  /**
   * A new pack. A number is never given twice, so that an old copy of the index cannot take a pack for another: the
   * last pack is not removed before it has a successor.
   */
  #create(): PackWriter {
    const last = Math.max(0, this.#packs.numbers().at(-1) ?? 0, this.#lastPack()?.number ?? 0);
    const file = this.#packs.create(last + 1);
    this.#hasNewPacks = true;
    return new PackWriter(file, last + 1, PACK_HEADER_BYTES);
  }

  /**
   * Makes all durable that was appended before the call. Not to be called again before it has returned.
   *
   * @param meanwhile done while the disk works
   * @throws VaultError if the disk refuses: what was not durable is gone then; and what `meanwhile` throws
   */
  async sync(meanwhile: () => void = () => {}): Promise<void> {
    const syncing = this.#sync();
    try {
      meanwhile();
    } finally {
      await syncing;
    }
  }

  async #sync(): Promise<void> {
    this.check();
    const writers = this.#writers();
    try {
      if (this.#hasNewPacks) {
        this.#hasNewPacks = false;
        await this.#packs.sync();
      }
      for (const writer of writers) {
        if (writer.durable < writer.length) await writer.sync();
      }
    } catch (error) {
      throw this.fail(error);
    }
    this.check(); // A write that failed meanwhile has cut the packs back.
    this.#full = this.#full.filter((writer) => {
      if (writer.durable < writer.length) return true;
      writer.close();
      return false;
    });
  }

  /** Lets the next frame begin a new pack. Call it when all is durable. */
  rotate(): void {
    try {
      this.#writer ??= this.#reopenLast();
    } catch (error) {
      throw this.fail(error);
    }
    if (this.#writer === null || this.#writer.length === PACK_HEADER_BYTES) return;
    this.#writer.close();
    this.#writer = null;
  }

  /** Makes sure that a pack with a higher number exists. */
  outnumber(pack: number): void {
    if (pack < this.#packs.highest()) return;
    try {
      this.#writer ??= this.#create();
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** Closes the files. Nothing can be appended after it. */
  close(): void {
    this.#isClosed = true;
    this.#failure = new VaultError("failed", "Cannot use the store: it is closed");
    for (const writer of this.#writers()) writer.close();
    this.#writer = null;
    this.#full = [];
  }
}
