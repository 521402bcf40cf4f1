/**
 * The store on disk: objects in append-only packs, found through an index that can be rebuilt from them.
 *
 * A put goes to the end of the last pack and into `pending`. A flush syncs the packs, and only then enters the pending
 * frames into the index: so a row of the index never points to bytes that a power cut could take. What was written
 * but not indexed is found again on the next open, by reading each pack from its last indexed byte on.
 *
 * @module
 */

import {
  type Address,
  asVaultError,
  type Bytes,
  type Disk,
  PACK_BYTES_TARGET,
  PENDING_FRAMES_MAX,
  shortHex,
  toHex,
  VaultError,
} from "../base/mod.ts";
import type { ChunkStore, NewObject, ObjectInfo } from "./chunk_store.ts";
import type { IndexDatabase } from "./database.ts";
import { FRAME_HEADER_BYTES, PACK_HEADER_BYTES, PREFIX_BYTES, scanFrames } from "./frame.ts";
import { FrameIndex, type FramePlace, type FrameRow, type PackRow } from "./frame_index.ts";
import { PackFolder, PackWriter, storeFailed } from "./pack_files.ts";

/** A segment of a log that has become durable, or was found again. */
export interface StoredSegment {
  address: Address;
  bytes: Bytes;
}

/** What a {@link PackStore} is made of. */
export interface PackStoreOptions {
  disk: Disk;
  /** Folder of the packs; made if there is none. */
  folder: string;
  database: IndexDatabase;
  /** The name that the owner looks a sealed object up by, taken from its first {@link PREFIX_BYTES} bytes. */
  labelOf: (prefix: Bytes) => Bytes | null;
  /**
   * Enters segments into the owner's index. Runs in the transaction that enters their frames; all objects that
   * they name and that the store has can be read by `read`. Called again for all segments when the index is rebuilt.
   */
  onSegments: (segments: StoredSegment[], read: (address: Address) => Bytes | null) => void;
}

/** What an open found beside whole frames. */
export interface RecoveryReport {
  /** Bytes that are no frames; left where they are. */
  junkBytes: number;
  /** Frames whose payload does not match their address. */
  damagedFrames: number;
  /** Bytes of a last frame that was never finished, cut away. */
  tornBytes: number;
}

interface Pending extends FramePlace {
  /** Kept for segments, which the owner's index wants to see at the flush. */
  bytes: Bytes | null;
}

/** Objects in packs. See {@link ChunkStore} for the contract. */
export class PackStore implements ChunkStore {
  readonly #options: PackStoreOptions;
  readonly index: FrameIndex;
  readonly packs: PackFolder;
  readonly recovery: RecoveryReport = { junkBytes: 0, damagedFrames: 0, tornBytes: 0 };
  readonly #pending = new Map<string, Pending>();
  readonly #pendingByLabel = new Map<string, Pending>();
  #writer: PackWriter | null = null;
  /** Packs that are full and not synced yet. */
  #full: PackWriter[] = [];
  /** Synced length of every pack that this process appended to. */
  readonly #synced = new Map<number, number>();
  #unflushedBytes = 0;
  #flushing: Promise<void> = Promise.resolve();
  #background: Promise<void> | null = null;
  #failure: unknown = null;
  /** Bytes appended since the store was opened. */
  appendedBytes = 0;

  private constructor(options: PackStoreOptions) {
    this.#options = options;
    this.index = new FrameIndex(options.database);
    this.packs = new PackFolder(options.disk, options.folder);
  }

  /**
   * Opens the packs of a folder and brings the index up to them.
   *
   * @throws VaultError `no_space`, `denied` if the disk refuses
   */
  static async open(options: PackStoreOptions): Promise<PackStore> {
    const store = new PackStore(options);
    options.disk.makeFolder(options.folder);
    options.database.onRebuild(() => store.#indexPacks(store.packs.numbers(), { verify: false }));
    if (options.database.isNew) options.database.rebuild("there was none");
    else await store.#catchUp();
    return store;
  }

  async #catchUp(): Promise<void> {
    const database = this.#options.database;
    const last = database.guard(() => this.index.lastPack());
    const behind: number[] = [];
    if (last !== null && (this.packs.stat(last.number)?.size ?? 0) > last.length) {
      behind.push(last.number);
    }
    for (let next = (last?.number ?? 0) + 1; this.packs.stat(next) !== null; next++) {
      behind.push(next);
    }
    if (behind.length === 0) return;
    // What is in the page cache may not be on the disk: the process that wrote it never got so far.
    for (const number of behind) await this.packs.file(number).sync();
    await this.packs.sync();
    database.guard(() => this.#indexPacks(behind, { verify: true }));
  }

  /** Enters what lies in these packs behind their indexed length. */
  #indexPacks(numbers: readonly number[], options: { verify: boolean }): void {
    const segments: StoredSegment[] = [];
    this.#options.database.transaction(() => {
      for (const number of numbers) this.#indexPack(number, options, segments);
      this.#options.onSegments(segments, (address) => this.getSync(address));
    });
  }

  #indexPack(number: number, options: { verify: boolean }, segments: StoredSegment[]): void {
    const file = this.packs.file(number);
    const pack: PackRow = this.index.pack(number) ??
      { number, length: Math.min(PACK_HEADER_BYTES, file.size()), objects: 0, bytes: 0 };
    // While this process appends to the pack, only what a flush has synced may be indexed.
    const size = this.#writer?.number === number ? this.#synced.get(number) ?? 0 : file.size();
    let end = size;
    for (const found of scanFrames(file, { from: pack.length, end: size }, options)) {
      if (found.what === "frame") {
        const { header, offset, prefix, payload } = found;
        const added = this.index.add({
          address: header.address,
          label: header.kind === "sealed" ? this.#options.labelOf(prefix) : null,
          kind: header.kind,
          pack: number,
          offset: offset + FRAME_HEADER_BYTES,
          length: header.length,
        });
        if (header.kind === "segment" && added) {
          segments.push({ address: header.address, bytes: payload! });
        }
        if (added) {
          pack.objects++;
          pack.bytes += header.length;
        }
      } else if (found.what === "junk") this.recovery.junkBytes += found.length;
      else if (found.what === "damaged") this.recovery.damagedFrames++;
      else {
        this.recovery.tornBytes += end - found.offset;
        end = found.offset;
        file.truncate(end);
      }
    }
    this.index.setPack({ ...pack, length: end });
  }

  #check(): void {
    if (this.#failure !== null) throw storeFailed(this.#failure);
  }

  #guard<T>(work: () => T): T {
    return this.#options.database.guard(work);
  }

  #lookUp(address: Address): FramePlace | null {
    return this.#pending.get(toHex(address)) ?? this.#guard(() => this.index.find(address));
  }

  put(object: NewObject): Promise<boolean> {
    try {
      this.#check();
      if (this.#lookUp(object.address) !== null) return Promise.resolve(false);
      this.#append(object);
      return this.#background === null || this.#unflushedBytes < 2 * PACK_BYTES_TARGET
        ? Promise.resolve(true)
        : this.#background.then(() => true);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #append(object: NewObject): void {
    let length = 0;
    for (const piece of object.pieces) length += piece.length;
    const writer = this.#writable();
    let offset: number;
    try {
      offset = writer.append(object, length);
    } catch (error) {
      throw this.#fail(error, writer);
    }
    const label = object.kind === "sealed" ? this.#options.labelOf(beginning(object.pieces)) : null;
    const place: Pending = {
      address: object.address,
      label,
      kind: object.kind,
      pack: writer.number,
      offset,
      length,
      bytes: object.kind === "segment" ? joined(object.pieces, length) : null,
    };
    this.#pending.set(toHex(object.address), place);
    if (label !== null) this.#pendingByLabel.set(toHex(label), place);
    this.appendedBytes += FRAME_HEADER_BYTES + length;
    this.#unflushedBytes += length;
    if (this.#unflushedBytes >= PACK_BYTES_TARGET / 2 || this.#pending.size >= PENDING_FRAMES_MAX) {
      this.#flushInBackground();
    }
  }

  /** Lets the disk work while more is being prepared. A failure shows at the next call. */
  #flushInBackground(): void {
    if (this.#background !== null) return;
    this.#background = this.flush().catch(() => {/* kept in #failure */}).finally(() => {
      this.#background = null;
    });
  }

  #writable(): PackWriter {
    if (this.#writer !== null && !this.#writer.isFull) return this.#writer;
    if (this.#writer !== null) this.#full.push(this.#writer);
    this.#writer = null;
    try {
      this.#writer = this.#openLast() ?? this.#createNext();
      return this.#writer;
    } catch (error) {
      throw this.#fail(error, null);
    }
  }

  /** The last pack, if it can be appended to: nothing but whole frames in it, and room for more. */
  #openLast(): PackWriter | null {
    const last = this.#guard(() => this.index.lastPack());
    if (last === null || this.#full.length > 0 || last.length >= PACK_BYTES_TARGET) return null;
    const file = this.packs.openForAppending(last.number);
    if (file.size() !== last.length || last.length < PACK_HEADER_BYTES) {
      file.close();
      return null;
    }
    this.#synced.set(last.number, last.length);
    return new PackWriter(file, last.number, last.length);
  }

  #createNext(): PackWriter {
    const last = this.#full.at(-1)?.number ?? this.#guard(() => this.index.lastPack())?.number ?? 0;
    let number = last + 1;
    while (this.packs.stat(number) !== null) number++;
    return new PackWriter(this.packs.create(number), number, PACK_HEADER_BYTES);
  }

  #fail(error: unknown, writer: PackWriter | null): VaultError {
    this.#failure = error;
    try {
      writer?.cutBack();
    } catch {
      // the next open finds the torn frame and cuts it away
    }
    return asVaultError(error, "Cannot write to the store");
  }

  get(address: Address): Promise<Bytes | null> {
    try {
      return Promise.resolve(this.getSync(address));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Like `get`, at once. */
  getSync(address: Address): Bytes | null {
    let place = this.#lookUp(address);
    if (
      place !== null && this.#writerOf(place.pack) === null && this.packs.stat(place.pack) === null
    ) {
      // An index that came back from before a collection names packs that are gone.
      if (!this.reindex(`pack ${place.pack} is gone`)) return null;
      place = this.#lookUp(address);
    }
    return place === null ? null : this.#read(place);
  }

  #writerOf(pack: number): PackWriter | null {
    if (this.#writer?.number === pack) return this.#writer;
    return this.#full.find((each) => each.number === pack) ?? null;
  }

  #read({ address, pack, offset, length }: FramePlace): Bytes {
    const bytes = new Uint8Array(length);
    let read: number;
    try {
      read = (this.#writerOf(pack) ?? this.packs.file(pack)).readAt(offset, bytes);
    } catch (error) {
      throw asVaultError(error, "Cannot read the store");
    }
    if (read < length) {
      throw new VaultError(
        "damaged",
        `Cannot read object ${shortHex(address)}: pack ${pack} ends early`,
      );
    }
    return bytes;
  }

  /**
   * Rebuilds the index because something that must be there was not found through it. Done once while a store
   * is open: what is missing after that is missing from the packs.
   *
   * @returns whether it was done, so that looking again makes sense
   */
  reindex(reason: string): boolean {
    const { rebuilds, inTransaction } = this.#options.database;
    if (rebuilds.count > 0 || inTransaction) return false;
    this.#options.database.rebuild(reason);
    return true;
  }

  has(address: Address): Promise<boolean> {
    try {
      return Promise.resolve(this.#lookUp(address) !== null);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The sealed object with this label, if the store has one. */
  findLabel(label: Bytes): FramePlace | null {
    return this.#pendingByLabel.get(toHex(label)) ??
      this.#guard(() => this.index.findByLabel(label));
  }

  /** Forgets where these objects lie; their space comes back when their packs are rewritten. */
  async remove(addresses: Iterable<Address>): Promise<void> {
    await this.flush();
    this.#guard(() =>
      this.#options.database.transaction(() => {
        for (const address of addresses) {
          const frame = this.index.find(address);
          if (frame !== null) this.forget(frame);
        }
      })
    );
  }

  /** Removes a frame's row. Call it inside a transaction. */
  forget(frame: FrameRow): void {
    this.index.remove(frame);
    const pack = this.index.pack(frame.pack);
    if (pack !== null) {
      this.index.setPack({ ...pack, objects: pack.objects - 1, bytes: pack.bytes - frame.length });
    }
  }

  async *list(): AsyncIterable<ObjectInfo> {
    await this.flush();
    for (const { number } of this.#guard(() => this.index.packs())) {
      for (const { address, kind, length } of this.#guard(() => this.index.inPack(number))) {
        yield { address, kind, length };
      }
    }
  }

  /** Flushes one after the other; each covers all that was put before it was called. */
  flush(): Promise<void> {
    const mine = this.#flushing.then(() => this.#flush());
    this.#flushing = mine.catch(
      () => {/* kept in #failure; reported to whoever waits for `mine` */},
    );
    return mine;
  }

  async #flush(): Promise<void> {
    this.#check();
    if (this.#pending.size === 0) return;
    const batch = [...this.#pending.values()];
    this.#unflushedBytes = 0;
    await this.#sync();
    this.#guard(() => this.#options.database.transaction(() => this.#enter(batch)));
    for (const place of batch) {
      this.#pending.delete(toHex(place.address));
      if (place.label !== null) this.#pendingByLabel.delete(toHex(place.label));
    }
  }

  /** Makes all that was appended before the call durable. */
  async #sync(): Promise<void> {
    const full = this.#full;
    const writer = this.#writer;
    try {
      const length = writer?.length ?? 0;
      for (const each of full) await each.sync();
      await writer?.sync();
      const open = writer === null ? full : [...full, writer];
      if (open.some((each) => !this.#synced.has(each.number))) await this.packs.sync();
      for (const each of full) this.#synced.set(each.number, each.length);
      if (writer !== null) this.#synced.set(writer.number, length);
    } catch (error) {
      throw this.#fail(error, null);
    }
    this.#full = this.#full.filter((each) => !full.includes(each));
    for (const each of full) each.close();
  }

  #enter(batch: readonly Pending[]): void {
    const touched = new Map<number, PackRow>();
    for (const place of batch) {
      let pack = touched.get(place.pack);
      if (pack === undefined) {
        pack = this.index.pack(place.pack) ??
          { number: place.pack, length: PACK_HEADER_BYTES, objects: 0, bytes: 0 };
        touched.set(place.pack, pack);
      }
      // After a rebuild in the middle of a flush some frames of the batch are indexed already.
      if (this.index.add(place)) {
        pack.objects++;
        pack.bytes += place.length;
      }
      pack.length = Math.max(pack.length, place.offset + place.length);
    }
    for (const pack of touched.values()) this.index.setPack(pack);
    const segments = batch.filter((place) => place.bytes !== null);
    if (segments.length > 0) {
      this.#options.onSegments(
        segments.map(({ address, bytes }) => ({ address, bytes: bytes! })),
        (address) => this.getSync(address),
      );
    }
  }

  /** Flushes, and lets the next put begin a new pack, so that all packs there are now can be rewritten. */
  async rotate(): Promise<void> {
    await this.flush();
    if (this.#writer === null) this.#writer = this.#openLast();
    if (this.#writer === null || this.#writer.length === PACK_HEADER_BYTES) return;
    this.#writer.close();
    this.#writer = null;
    this.#writer = this.#createNext();
  }

  /** Number of the pack that is being appended to, if any. */
  get activePack(): number | null {
    return this.#writer?.number ?? null;
  }

  /**
   * Writes copies of frames to the end of the store, makes them durable, and points the index to them; then forgets the
   * others. What a crash leaves is either the old frames or the new ones, or both.
   */
  async relocate(kept: readonly FrameRow[], forgotten: readonly FrameRow[]): Promise<void> {
    this.#check();
    const moves: { frame: FrameRow; to: { pack: number; offset: number } }[] = [];
    for (const frame of kept) {
      const bytes = this.#read(frame);
      const writer = this.#writable();
      try {
        const offset = writer.append({ ...frame, pieces: [bytes] }, frame.length);
        moves.push({ frame, to: { pack: writer.number, offset } });
      } catch (error) {
        throw this.#fail(error, writer);
      }
    }
    await this.#sync();
    this.#guard(() =>
      this.#options.database.transaction(() => {
        for (const { frame, to } of moves) {
          this.forget(frame);
          this.index.add({ ...frame, ...to });
          const pack = this.index.pack(to.pack) ??
            { number: to.pack, length: PACK_HEADER_BYTES, objects: 0, bytes: 0 };
          const length = Math.max(pack.length, to.offset + frame.length);
          const objects = pack.objects + 1;
          this.index.setPack({ ...pack, length, objects, bytes: pack.bytes + frame.length });
        }
        for (const frame of forgotten) this.forget(frame);
      })
    );
  }

  /** Removes a pack in which the index places nothing any more. */
  dropPack(number: number): void {
    // The file goes only once the index that does not name it is on the disk.
    this.#guard(() => this.index.removePack(number));
    this.#options.database.checkpoint();
    this.packs.remove(number);
  }

  /** Flushes and closes the files. */
  async close(): Promise<void> {
    try {
      if (this.#failure === null) await this.flush();
    } finally {
      await this.#flushing;
      for (const each of this.#full) each.close();
      this.#writer?.close();
      this.packs.closeAll();
    }
  }
}

function beginning(pieces: readonly Uint8Array[]): Bytes {
  return joined(pieces, PREFIX_BYTES);
}

function joined(pieces: readonly Uint8Array[], lengthMax: number): Bytes {
  const out = new Uint8Array(lengthMax);
  let filled = 0;
  for (const piece of pieces) {
    if (filled === lengthMax) break;
    const part = piece.subarray(0, lengthMax - filled);
    out.set(part, filled);
    filled += part.length;
  }
  return out.subarray(0, filled);
}
