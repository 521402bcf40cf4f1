/**
 * The store on disk: objects in append-only packs, found through an index that can be rebuilt from them.
 *
 * A put goes to the end of the last pack and waits. A flush syncs the packs, and only then enters the waiting frames
 * into the index: so a row of the index never points to bytes that a power cut could take. What was written but not
 * indexed is found again on the next open, by reading each pack from its last indexed byte on.
 *
 * @module
 */

import {
  type Address,
  asVaultError,
  type Bytes,
  concatBytes,
  type Disk,
  isVaultError,
  PACK_BYTES_TARGET,
  PENDING_FRAMES_MAX,
  shortHex,
  takeBytes,
  VaultError,
} from "../base/mod.ts";
import type { ChunkStore, NewObject, ObjectInfo, SealedObject } from "./chunk_store.ts";
import { IndexDamage, type IndexDatabase } from "./database.ts";
import { prefixOf } from "./frame.ts";
import {
  FrameIndex,
  type FramePlace,
  type FrameRow,
  newPackRow,
  type PackRow,
} from "./frame_index.ts";
import { PackFolder } from "./pack_files.ts";
import {
  PackRecovery,
  type RecoveryReport,
  type StoredSegment,
  UNFLUSHED_BYTES_MAX,
} from "./pack_recovery.ts";
import { PackAppender } from "./pack_writer.ts";
import { type PendingFrame, PendingFrames } from "./pending_frames.ts";

/** Unflushed bytes from which on a flush is made in the background. */
const FLUSH_BYTES_MIN = PACK_BYTES_TARGET / 2;

/** What a {@link PackStore} is made of. */
export interface PackStoreOptions {
  disk: Disk;
  /** Folder of the packs; made if there is none. */
  folder: string;
  database: IndexDatabase;
  /** The name that the owner looks a sealed object up by, taken from its {@link prefixOf beginning}; `null`: it has none. */
  labelOf: (prefix: Bytes) => Bytes | null;
  /**
   * Enters segments into the owner's index. Runs in the transaction that enters their frames; all objects that
   * they name and that the store has can be read by `read`. Called again for all segments when the index is rebuilt, some
   * megabytes of them at a time.
   */
  onSegments: (segments: StoredSegment[], read: (address: Address) => Bytes | null) => void;
  /** Where a segment, which its owner has not looked at yet, says that it stands in its log. */
  orderOf: (segment: Bytes) => number;
}

/** Objects in packs. See {@link ChunkStore} for the contract. */
export class PackStore implements ChunkStore {
  readonly #options: PackStoreOptions;
  readonly #database: IndexDatabase;
  readonly index: FrameIndex;
  readonly packs: PackFolder;
  readonly #appender: PackAppender;
  readonly #recovery: PackRecovery;
  /** What opening the packs came upon. */
  readonly recovery: Readonly<RecoveryReport>;
  readonly #pending = new PendingFrames();
  /** Ends when all has ended that syncs packs or enters frames; these go one after the other. */
  #lastTurn: Promise<void> = Promise.resolve();
  #background: Promise<void> | null = null;
  /** Told of each new sealed object right after it was put; its bytes can be read back by then. */
  onSealed: ((object: SealedObject) => void) | null = null;

  private constructor(options: PackStoreOptions) {
    this.#options = options;
    this.#database = options.database;
    this.index = new FrameIndex(options.database);
    this.packs = new PackFolder(options.disk, options.folder);
    const lastPack = () => this.guard(() => this.index.lastPack());
    this.#appender = new PackAppender(this.packs, lastPack);
    this.#recovery = new PackRecovery({
      packs: this.packs,
      index: this.index,
      labelOf: options.labelOf,
      durableLength: (pack) => this.#appender.writerOf(pack)?.durable ?? null,
      orderOf: options.orderOf,
      readFrame: (frame) => this.readFrame(frame),
    });
    this.recovery = this.#recovery.report;
  }

  // Opening

  /**
   * Opens the packs of a folder and brings the index up to them.
   *
   * @throws VaultError `no_space`, `denied` if the disk refuses
   */
  static async open(options: PackStoreOptions): Promise<PackStore> {
    const store = new PackStore(options);
    try {
      options.disk.makeFolder(options.folder);
      await store.#recover();
      return store;
    } catch (error) {
      store.packs.closeAll();
      throw asVaultError(error, "Cannot open the store");
    }
  }

  async #recover(): Promise<void> {
    const behind = this.#packsBehind();
    // What is in the page cache may not be on the disk: the process that wrote it never got so far.
    const unsure = behind ?? this.#recovery.unsurePacks();
    for (const number of unsure) await this.packs.syncPack(number);
    if (unsure.length > 0) await this.packs.sync();

    this.#database.onRebuild(() => this.#enterAll());
    if (behind === null) this.#database.rebuild("it was lost, or is not of these packs");
    else if (behind.length > 0) {
      this.guard(() =>
        this.#database.transaction(() => {
          for (const page of this.#recovery.enterTails(behind)) this.#enterSegments(page);
        })
      );
    }
    this.guard(() => this.#recovery.noteIndexed());
  }

  #packsBehind(): number[] | null {
    if (this.#database.isNew) return null;
    try {
      return this.guard(() => this.#recovery.packsBehind());
    } catch (error) {
      if (isVaultError(error, "damaged")) return null;
      throw error;
    }
  }

  #enterAll(): void {
    const transaction = (work: () => void) => this.#database.transaction(work);
    for (const page of this.#recovery.enterAll(transaction)) {
      transaction(() => this.#enterSegments(page));
    }
  }

  #enterSegments(segments: StoredSegment[]): void {
    if (segments.length > 0) {
      this.#options.onSegments(segments, (address) => this.getSync(address));
    }
  }

  /**
   * Rebuilds the index because something that must be there was not found through it. Done once while a store
   * is open: what is missing after that is missing from the packs. Inside a guard of the index it is the guard that
   * rebuilds and begins anew, as rows that were read before mean nothing after.
   *
   * @returns whether it was done, so that looking again makes sense
   */
  reindex(reason: string): boolean {
    const { rebuilds, isRebuilding, isGuarded } = this.#database;
    if (rebuilds.count > 0 || isRebuilding) return false;
    if (isGuarded) throw new IndexDamage(reason);
    this.#database.rebuild(reason);
    return true;
  }

  // Finding and reading

  /** @param indexed what the index has, if it has been asked */
  #lookUp(address: Address, indexed?: FramePlace | null): FramePlace | null {
    const pending = this.#pending.find(address);
    if (pending === null) {
      return indexed !== undefined ? indexed : this.guard(() => this.index.find(address));
    }
    this.#appender.check(); // After a failure what was waiting is gone.
    return pending;
  }

  // deno-lint-ignore require-await -- asynchronous, so that an error is a rejection
  async has(address: Address): Promise<boolean> {
    return this.hasSync(address);
  }

  /** Like `has`, at once. */
  hasSync(address: Address): boolean {
    return this.#lookUp(address) !== null;
  }

  /** What an object is and where it lies; null if it is not there. */
  stat(address: Address): FramePlace | null {
    return this.#lookUp(address);
  }

  /** Whether an object is there and a power cut would not take it. */
  isDurable(address: Address): boolean {
    return this.#pending.find(address) === null && this.#lookUp(address) !== null;
  }

  // deno-lint-ignore require-await -- as above
  async get(address: Address): Promise<Bytes | null> {
    return this.getSync(address);
  }

  /** Like `get`, at once. */
  getSync(address: Address): Bytes | null {
    let place = this.#lookUp(address);
    if (place !== null && this.#isGone(place.pack)) {
      // An index that came back from before a collection names packs that are gone.
      if (!this.reindex(`pack ${place.pack} is gone`)) return null;
      place = this.#lookUp(address);
    }
    return place === null ? null : this.readFrame(place);
  }

  #isGone(pack: number): boolean {
    return this.#appender.writerOf(pack) === null && !this.packs.has(pack);
  }

  /**
   * Where in which files objects' bytes should lie, in the order of their addresses; null for those that are not there, or on
   * their way yet. Whoever reads there proves what it is, and looks again by itself if it is something else.
   */
  locate(
    addresses: readonly Address[],
  ): ({ path: string; offset: number; length: number } | null)[] {
    return this.guard(() => this.index.placesOf(addresses)).map((place) => {
      if (place === null || this.#appender.writerOf(place.pack) !== null) return null;
      const { pack, offset, length } = place;
      return { path: this.packs.path(pack), offset, length };
    });
  }

  /** What lies at this very place. @throws VaultError `damaged` if the pack ends before */
  readFrame({ address, pack, offset, length }: FramePlace): Bytes {
    const bytes = takeBytes(length);
    let read: number;
    try {
      read = (this.#appender.writerOf(pack) ?? this.packs.file(pack)).readAt(offset, bytes);
    } catch (error) {
      throw asVaultError(error, `Cannot read object ${shortHex(address)}`);
    }
    if (read < length) {
      throw new VaultError(
        "damaged",
        `Cannot read object ${shortHex(address)}: pack ${pack} ends early`,
      );
    }
    return bytes;
  }

  /** What the index has of many objects: good for `findLabel` and `putSync` until something else is waited for. */
  lookAhead({ labels, addresses }: { labels: readonly Bytes[]; addresses: readonly Address[] }): {
    byLabel: Map<string, FramePlace>;
    byAddress: Map<string, FramePlace>;
  } {
    return this.guard(() => ({
      byLabel: this.index.findAllByLabel(labels),
      byAddress: this.index.findAll(addresses),
    }));
  }

  /** The sealed object with this label, if the store has one; `indexed` is what the index has, if it has been asked. */
  findLabel(label: Bytes, indexed?: FramePlace | null): FramePlace | null {
    const pending = this.#pending.findByLabel(label);
    if (pending === null) {
      return indexed !== undefined ? indexed : this.guard(() => this.index.findByLabel(label));
    }
    this.#appender.check();
    return pending;
  }

  async *list(): AsyncIterable<ObjectInfo> {
    await this.flush();
    for (const { number } of this.guard(() => this.index.packs())) {
      for (const frame of this.guard(() => this.index.inPack(number))) {
        const { address, kind, length } = frame;
        yield { address, kind, length };
      }
    }
  }

  // Writing

  async put(object: NewObject): Promise<boolean> {
    const isNew = this.putSync(object);
    await this.room();
    return isNew;
  }

  /** As `put`, at once. Who puts many waits for {@link PackStore.room} now and then. */
  putSync(object: NewObject, indexed?: FramePlace | null): boolean {
    this.#appender.check();
    const { kind, pieces } = object;
    const known = this.#lookUp(object.address, indexed);
    if (known !== null) {
      if (kind === "sealed" && known.kind === "held") this.#vouch(known, pieces);
      return false;
    }
    const address = object.address.slice(); // the caller's may change before the flush
    const place = this.#appender.append({ kind, address, pieces });
    const label = kind === "sealed" ? this.#options.labelOf(prefixOf(pieces)) : null;
    const bytes = kind === "segment" ? concatBytes(pieces) : null;
    this.#pending.add({ address, label, kind, ...place, bytes });
    if (kind === "sealed") this.onSealed?.({ address, length: place.length, pieces: object.lent });
    const { bytes: waiting, size } = this.#pending;
    if (waiting >= FLUSH_BYTES_MIN || size >= PENDING_FRAMES_MAX) this.#flushInBackground();
    return true;
  }

  /** Returns when no more waits for a flush than may. */
  async room(): Promise<void> {
    if (this.#background !== null && this.#pending.bytes >= UNFLUSHED_BYTES_MAX) {
      await this.#background;
    }
  }

  /** Whoever seals the very bytes that a peer sent proves their label: by it they are found from now on. */
  #vouch(held: FramePlace, pieces: readonly Uint8Array[]): void {
    const label = held.label === null ? this.#options.labelOf(prefixOf(pieces)) : null;
    if (label === null) return;
    const pending = this.#pending.find(held.address);
    if (pending !== null) this.#pending.setLabel(pending, label);
    else this.guard(() => this.index.setLabel(held.address, label));
  }

  /** Lets the disk work while more is being prepared. A failure shows at the next call. */
  #flushInBackground(): void {
    this.#background ??= this.flush()
      .catch((error) => void this.#appender.fail(error))
      .finally(() => this.#background = null);
  }

  /** Makes all that was put before it was called durable; the index has it only after the next flush. */
  sync(): Promise<void> {
    return this.#inTurn(async () => {
      this.#appender.check();
      if (this.#pending.size > 0) await this.#appender.sync();
    });
  }

  /** Flushes one after the other; each covers all that was put before it was called. */
  flush(): Promise<void> {
    return this.#inTurn(async () => {
      this.#appender.check();
      if (this.#pending.size === 0) return;
      // What an earlier sync has made durable is entered while the disk works on the rest.
      const [durable, rest] = this.#pending.split((frame) => this.#appender.isDurable(frame));
      await this.#appender.sync(() => this.#settle(durable));
      this.#settle(rest);
    });
  }

  /** Enters frames that are durable: they wait no longer. What the index can't take it takes at the next flush. */
  #settle(frames: readonly PendingFrame[]): void {
    if (frames.length > 0) this.guard(() => this.#database.transaction(() => this.#enter(frames)));
    this.#pending.delete(frames);
  }

  /** Whether a write has failed: nothing is taken any more until {@link PackStore.revive}. */
  get hasFailed(): boolean {
    return this.#appender.hasFailed;
  }

  /**
   * Takes objects again after a failure, as a disk that was full has room again. What was put and not durable is gone, so
   * that nobody may be at work who counts on it.
   *
   * @throws VaultError if the disk still refuses
   */
  revive(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#appender.hasFailed) return;
      const cut = await this.#appender.revive();
      const isKept = ({ pack, offset, length }: PendingFrame) =>
        offset + length <= (cut.get(pack) ?? Infinity);
      const waiting = this.#pending.all();
      this.#pending.delete(waiting.filter((frame) => !isKept(frame)));
      this.#settle(waiting.filter(isKept));
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#lastTurn.then(work);
    this.#lastTurn = mine.then(() => {}, () => {/* for whoever waits for `mine` */});
    return mine;
  }

  /** Enters frames that are durable, with all that lies before them in their packs. */
  #enter(frames: readonly PendingFrame[]): void {
    const touched = new Map<number, PackRow>();
    for (const frame of frames) {
      let pack = touched.get(frame.pack);
      if (pack === undefined) {
        pack = this.index.pack(frame.pack) ?? newPackRow(frame.pack);
        touched.set(frame.pack, pack);
      }
      pack.objects++;
      pack.bytes += frame.length;
      pack.length = Math.max(pack.length, frame.offset + frame.length);
    }
    // After a rebuild in the middle of a flush some of the frames are indexed already.
    const isAllNew = this.index.addAll(frames);
    for (const pack of touched.values()) {
      this.index.setPack(isAllNew ? pack : { ...pack, ...this.index.sumsOf(pack.number) });
    }
    this.#enterSegments(
      frames.flatMap(({ address, bytes }) => bytes === null ? [] : [{ address, bytes }]),
    );
  }

  /** Forgets where these objects lie; their space comes back when their packs are rewritten. */
  async remove(addresses: Iterable<Address>): Promise<void> {
    await this.forget(addresses, () => true);
  }

  /** As `remove`, of those that are `isGoing`: asked in the very moment. Says how many went. */
  async forget(
    addresses: Iterable<Address>,
    isGoing: (frame: FrameRow) => boolean,
  ): Promise<number> {
    const removed = [...addresses];
    await this.flush();
    return this.guard(() =>
      this.#database.transaction(() => {
        const frames = removed.map((address) => this.index.find(address));
        return this.#forget(frames.filter((frame) => frame !== null && isGoing(frame)));
      })
    );
  }

  /** Removes rows that still name these very places; says how many did. */
  #forget(frames: readonly (FramePlace | null)[]): number {
    const packs = new Map<number, PackRow>();
    let count = 0;
    for (const frame of frames) {
      if (frame === null || !this.index.remove(frame)) continue;
      const pack = packs.get(frame.pack) ?? this.index.pack(frame.pack);
      if (pack === null) throw new IndexDamage(`pack ${frame.pack} has frames but no row`);
      pack.objects--;
      pack.bytes -= frame.length;
      packs.set(frame.pack, pack);
      count++;
    }
    for (const pack of packs.values()) this.index.setPack(pack);
    return count;
  }

  // Rewriting packs

  /** Number of the pack that is being appended to, if any. */
  get activePack(): number | null {
    return this.#appender.activePack;
  }

  /** How often the index has been made anew: rows of before mean nothing after. */
  get rebuilds(): number {
    return this.#database.rebuilds.count;
  }

  /** See {@link IndexDatabase.guard}. */
  guard<T>(work: () => T): T {
    return this.#database.guard(work);
  }

  /** Flushes, and lets the next put begin a new pack, so that all packs there are now can be rewritten. */
  async rotate(): Promise<void> {
    do await this.flush(); while (this.#pending.size > 0);
    this.#appender.rotate();
  }

  /**
   * Writes copies of frames to the end of the store, makes them durable, and points the index to them; then forgets the
   * others, but for those that are to be spared. What a crash leaves is either the old frames or the new ones, or both.
   *
   * @param isSpared asked in the very moment in which the frame would be forgotten
   * @param bytesOf what is written of those that are kept, checked where it isn't what lies there
   * @returns how many were spared: they stay where they are
   */
  relocate(
    kept: readonly FrameRow[],
    forgotten: readonly FrameRow[],
    isSpared: (frame: FrameRow) => boolean = () => false,
    bytesOf: (frame: FrameRow) => Bytes = (frame) => this.readFrame(frame),
  ): Promise<number> {
    return this.#inTurn(async () => {
      const copy = (frame: FrameRow) =>
        this.#appender.append({ ...frame, pieces: [bytesOf(frame)] });
      const moved = kept.map((frame) => ({ ...frame, ...copy(frame), bytes: null }));
      // A pack's indexed length must not pass over frames that are not indexed: what waits goes along.
      const batch = this.#pending.all();
      await this.#appender.sync();
      const going = forgotten.filter((frame) => !isSpared(frame));
      this.guard(() =>
        this.#database.transaction(() => {
          this.#forget([...kept, ...going]);
          this.#enter([...batch, ...moved]);
        })
      );
      this.#pending.delete(batch);
      return forgotten.length - going.length;
    });
  }

  /**
   * Removes a pack in which the index places nothing any more.
   *
   * @throws VaultError `failed` if there is something in it
   */
  dropPack(number: number): void {
    this.guard(() => {
      const objects = this.index.pack(number)?.objects ?? 0;
      if (objects > 0 || this.#appender.writerOf(number) !== null) {
        throw new VaultError("failed", `Cannot remove pack ${number}: it is in use`);
      }
      this.#database.transaction(() => this.index.removePack(number));
      // The file goes only once the index that does not name it is on the disk.
      this.#database.checkpoint();
    });
    this.#appender.outnumber(number);
    try {
      this.packs.remove(number);
    } catch (error) {
      throw asVaultError(error, `Cannot remove pack ${number}`);
    }
  }

  /** Flushes, unless a write has failed before, and closes the files. */
  async close(): Promise<void> {
    try {
      if (!this.#appender.hasFailed) await this.flush();
    } finally {
      await this.#lastTurn;
      this.#appender.close();
      this.packs.closeAll();
    }
  }
}
