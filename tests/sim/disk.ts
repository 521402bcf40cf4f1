/**
 * A node's disk: what is not synced may be lost or torn by a power cut ({@link MemoryDisk} does that), and besides it may
 * be slow, full, failing or rotting. A program that was killed can do nothing more to it.
 *
 * @module
 */

import type { Bytes, Disk, DiskFile } from "../../src/base/mod.ts";
import type { Dice } from "../soak/dice.ts";
import { ioError, MemoryDisk, noSpaceError } from "../helpers/faulty_disk.ts";
import type { Life } from "./life.ts";

/** How a disk misbehaves. */
export interface DiskFaults {
  /** Every sync takes up to this long, milliseconds. */
  syncMsMax: number;
  /** Whether nothing more fits. */
  isFull: boolean;
  /** Share of writes and syncs that fail. */
  failingShare: number;
  /** Calls that failed because of these, by name of the fault. */
  readonly hits: { full: number; failing: number; slow: number };
}

const SYNC_MS_MAX = 8;
/** A sync that takes longer than this counts as slow. */
const SLOW_SYNC_MS = 200;

/** One disk, through all lives of the programs that use it. */
export class SimDisk {
  readonly #dice: Dice;
  medium = new MemoryDisk();
  /** When files were changed last, by the node's clock; the medium counts changes instead. */
  #changed = new Map<string, number>();
  readonly #now: () => number;
  readonly faults: DiskFaults = {
    syncMsMax: SYNC_MS_MAX,
    isFull: false,
    failingShare: 0,
    hits: { full: 0, failing: 0, slow: 0 },
  };

  /** Writes to its files. */
  writes = 0;

  /** @param now the node's clock */
  constructor(dice: Dice, now: () => number) {
    this.#dice = dice;
    this.#now = now;
  }

  /** No fault any more. */
  heal(): void {
    this.faults.syncMsMax = SYNC_MS_MAX;
    this.faults.isFull = false;
    this.faults.failingShare = 0;
  }

  /** The power is cut: of what was not synced each change is kept, lost or torn. */
  cutPower(): void {
    this.medium.crash(() => this.#dice.next() / 2 ** 32);
  }

  /** A copy of all files as they are. */
  backup(): Map<string, Bytes> {
    return new Map(this.medium.paths().map((path) => [path, this.medium.bytesOf(path)]));
  }

  /** Another disk with the files of a copy. */
  restore(files: ReadonlyMap<string, Bytes>): void {
    this.medium = new MemoryDisk();
    this.#changed = new Map();
    for (const path of files.keys()) this.#changed.set(path, this.#now());
    for (const [path, bytes] of files) this.medium.rewrite(path, () => bytes.slice());
  }

  /** What a file says. */
  text(path: string): string {
    return new TextDecoder().decode(this.medium.bytesOf(path));
  }

  /** Flips a bit somewhere in a file whose path ends so; says in which file. */
  rot(ending: string, from = 0): { path: string; offset: number } | null {
    const paths = this.medium.paths().filter((path) => path.endsWith(ending)).sort();
    const large = paths.filter((path) => this.medium.bytesOf(path).length > from);
    if (large.length === 0) return null;
    const path = this.#dice.pick(large);
    const offset = from + this.#dice.below(this.medium.bytesOf(path).length - from);
    this.medium.flip(path, offset, this.#dice.below(8));
    return { path, offset };
  }

  /** The disk as one life of a program sees it. */
  of(life: Life): Disk {
    const { medium } = this;
    const call = <T>(changes: boolean, work: () => T): T => {
      life.check();
      if (changes) this.#mayFail();
      return work();
    };
    return {
      open: (path, mode) =>
        this.#file(life, path, call(mode === "create", () => medium.open(path, mode))),
      list: (folder) => call(false, () => medium.list(folder)),
      stat: (path) =>
        call(false, () => {
          const found = medium.stat(path);
          return found && { ...found, mtime: this.#changed.get(path) ?? this.#now() };
        }),
      makeFolder: (path) => call(true, () => medium.makeFolder(path)),
      rename: (from, to) =>
        call(true, () => {
          medium.rename(from, to);
          this.#changed.set(to, this.#now());
        }),
      remove: (path) => call(false, () => medium.remove(path)),
      syncFolder: (folder) => this.#sync(life, () => medium.syncFolder(folder)),
    };
  }

  #file(life: Life, path: string, file: DiskFile): DiskFile {
    const call = <T>(work: () => T): T => {
      life.check();
      return work();
    };
    return {
      size: () => call(() => file.size()),
      readAt: (offset, into) => call(() => file.readAt(offset, into)),
      writeAt: (offset, bytes) =>
        call(() => {
          this.#mayFail();
          this.#changed.set(path, this.#now());
          this.writes++;
          if (!this.faults.isFull) return file.writeAt(offset, bytes);
          this.faults.hits.full++;
          const growth = offset + bytes.length - file.size();
          const fits = this.#dice.below(Math.max(1, bytes.length - Math.max(0, growth) + 1));
          if (fits > 0) file.writeAt(offset, bytes.subarray(0, fits));
          throw noSpaceError();
        }),
      sync: () => this.#sync(life, () => file.sync()),
      truncate: (length) => call(() => file.truncate(length)),
      close: () => {
        if (life.isAlive) file.close();
      },
    };
  }

  /** It takes a while, and what is durable is so at any time between. */
  async #sync(life: Life, work: () => Promise<void>): Promise<void> {
    life.check();
    this.#mayFail();
    const ms = this.#dice.below(this.faults.syncMsMax + 1);
    if (ms > SLOW_SYNC_MS) this.faults.hits.slow++;
    const isEarly = this.#dice.chance(0.5);
    if (isEarly) await work();
    await life.sleep(ms);
    if (!isEarly) await work();
  }

  #mayFail(): void {
    if (this.faults.failingShare === 0 || !this.#dice.chance(this.faults.failingShare)) return;
    this.faults.hits.failing++;
    throw ioError();
  }
}
