/**
 * A disk in memory that fails as disks do: what is not synced is lost or torn by a power cut, space runs out in the
 * middle of a write, any call can fail, bits flip. Every choice comes from a seed, so a failing run can be repeated.
 *
 * @module
 */

import type { Bytes, Disk, DiskFile } from "../../src/base/mod.ts";

/** A call to the disk, before it takes effect. */
export interface DiskCall {
  name: keyof Disk | keyof DiskFile;
  path: string;
  /** How many calls there were before it. */
  index: number;
  /** Whether it changes something, or makes a change durable. */
  changes: boolean;
}

/** The error for a full disk, as Deno throws it. */
export function noSpaceError(): Error {
  return Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
}

/** The error for a bad sector, as Deno throws it. */
export function ioError(): Error {
  return Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
}

/** What every call throws once the power is gone. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

/** Numbers in [0, 1) from a seed (mulberry32, Tommy Ettinger, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A change to a file's bytes that no sync has covered yet. */
type Change = { write: Bytes; at: number } | { truncate: number };

/** Bytes of a file, in a buffer that doubles. */
class Content {
  #buffer: Bytes;
  #length: number;

  constructor(bytes: Bytes = new Uint8Array()) {
    this.#buffer = bytes;
    this.#length = bytes.length;
  }

  get bytes(): Bytes {
    return this.#buffer.subarray(0, this.#length);
  }

  apply(change: Change): void {
    if ("truncate" in change) return this.#resize(change.truncate);
    this.#resize(Math.max(this.#length, change.at + change.write.length));
    this.#buffer.set(change.write, change.at);
  }

  #resize(length: number): void {
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    if (length < this.#length) this.#buffer.fill(0, length, this.#length);
    this.#length = length;
  }
}

class Inode {
  now: Content;
  durable: Content;
  unsynced: Change[] = [];
  mtime: number;

  constructor(mtime: number, bytes: Bytes = new Uint8Array()) {
    this.now = new Content(bytes.slice());
    this.durable = new Content(bytes.slice());
    this.mtime = mtime;
  }
}

type Names = Map<string, Inode>;
/** A change to the names in a folder that no sync has covered yet. */
type NameChange = { folder: string; time: number; apply: (names: Names) => void };

const SECTOR_BYTES = 512;

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** See the module. Paths are compared as they are written, parted by `/`. */
export class MemoryDisk implements Disk {
  /** Called before every call takes effect; what it throws, the call throws. */
  onCall: ((call: DiskCall) => void) | undefined;
  /** Bytes by which files may still grow; a write that needs more is cut short and fails. */
  spaceLeft = Infinity;
  /** Files that are open. */
  openFiles = 0;
  /** Calls so far. */
  calls = 0;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  #nameChanges: NameChange[] = [];
  /** When names last changed, by folder: as a program sees it, and as it is on the medium. */
  #folderTimes = new Map<string, number>();
  readonly #durableFolderTimes = new Map<string, number>();
  #boot = 0;
  #time = 0;

  #call(name: DiskCall["name"], path: string, changes: boolean): void {
    const index = this.calls++;
    this.onCall?.({ name, path, index, changes });
  }

  #changeNames(folder: string, apply: (names: Names) => void): void {
    apply(this.#names);
    const time = ++this.#time;
    this.#folderTimes.set(folder, time);
    this.#nameChanges.push({ folder, time, apply });
  }

  #makeDurable({ folder, time, apply }: NameChange): void {
    apply(this.#durableNames);
    const before = this.#durableFolderTimes.get(folder) ?? 0;
    this.#durableFolderTimes.set(folder, Math.max(before, time));
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new Deno.errors.NotFound(`no such file: ${path}`);
    return inode;
  }

  open(path: string, mode: "read" | "write" | "create"): DiskFile {
    this.#call("open", path, mode === "create");
    if (mode === "create") {
      if (this.#names.has(path)) throw new Deno.errors.AlreadyExists(path);
      const inode = new Inode(++this.#time);
      this.#changeNames(folderOf(path), (names) => names.set(path, inode));
    }
    return this.#openInode(path, this.#inode(path), mode !== "read");
  }

  #openInode(path: string, inode: Inode, writable: boolean): DiskFile {
    const boot = this.#boot;
    let isOpen = true;
    this.openFiles++;
    const call = (name: keyof DiskFile, changes: boolean) => {
      if (!isOpen || boot !== this.#boot) throw new Deno.errors.BadResource("Bad resource ID");
      this.#call(name, path, changes);
      if (changes && name !== "sync" && !writable) throw new Deno.errors.BadResource("read only");
    };
    const change = (made: Change) => {
      inode.now.apply(made);
      inode.unsynced.push(made);
      inode.mtime = ++this.#time;
    };
    return {
      size: () => {
        call("size", false);
        return inode.now.bytes.length;
      },
      readAt: (offset, into) => {
        call("readAt", false);
        const found = inode.now.bytes.subarray(offset, offset + into.length);
        into.set(found);
        return found.length;
      },
      writeAt: (offset, bytes) => {
        call("writeAt", true);
        const growth = Math.max(0, offset + bytes.length - inode.now.bytes.length);
        const fits = growth <= this.spaceLeft;
        const length = fits ? bytes.length : Math.max(0, bytes.length - growth + this.spaceLeft);
        this.spaceLeft -= Math.min(growth, this.spaceLeft);
        if (length > 0) change({ write: bytes.slice(0, length) as Bytes, at: offset });
        if (!fits) throw noSpaceError();
      },
      sync: async () => {
        call("sync", true);
        const covered = [...inode.unsynced];
        await Promise.resolve(); // others get their turn, as with a real disk
        if (boot !== this.#boot) throw new Deno.errors.BadResource("Bad resource ID");
        for (const each of covered) inode.durable.apply(each);
        inode.unsynced = inode.unsynced.slice(covered.length);
      },
      truncate: (length) => {
        call("truncate", true);
        this.spaceLeft += Math.max(0, inode.now.bytes.length - length);
        change({ truncate: length });
      },
      close: () => {
        if (!isOpen) throw new Deno.errors.BadResource("Bad resource ID");
        isOpen = false;
        if (boot === this.#boot) this.openFiles--;
      },
    };
  }

  list(folder: string): string[] {
    this.#call("list", folder, false);
    return [...this.#names.keys()].filter((path) => folderOf(path) === folder)
      .map((path) => path.slice(folder.length + 1));
  }

  stat(path: string): { size: number; mtime: number } | null {
    this.#call("stat", path, false);
    const inode = this.#names.get(path);
    return inode === undefined ? null : { size: inode.now.bytes.length, mtime: inode.mtime };
  }

  restingSince(folder: string): number {
    this.#call("restingSince", folder, false);
    return this.#folderTimes.get(folder) ?? 0;
  }

  makeFolder(path: string): void {
    this.#call("makeFolder", path, true);
  }

  rename(from: string, to: string): void {
    this.#call("rename", to, true);
    const inode = this.#inode(from);
    this.#changeNames(folderOf(to), (names) => {
      if (names.get(from) === inode) names.delete(from);
      names.set(to, inode);
    });
  }

  remove(path: string): void {
    this.#call("remove", path, true);
    const inode = this.#inode(path);
    this.spaceLeft += inode.now.bytes.length;
    this.#changeNames(folderOf(path), (names) => {
      if (names.get(path) === inode) names.delete(path);
    });
  }

  async syncFolder(folder: string): Promise<void> {
    this.#call("syncFolder", folder, true);
    const boot = this.#boot;
    const covered = this.#nameChanges.filter((change) => change.folder === folder);
    await Promise.resolve();
    if (boot !== this.#boot) throw new Deno.errors.BadResource("Bad resource ID");
    for (const change of covered) this.#makeDurable(change);
    this.#nameChanges = this.#nameChanges.filter((change) => !covered.includes(change));
  }

  /**
   * Cuts the power and switches it on again. Of what was not synced each change is kept, lost or torn by the throw of
   * a coin; open files are gone, faults are switched off.
   */
  crash(random: () => number): void {
    this.#boot++;
    this.openFiles = 0;
    this.onCall = undefined;
    for (const change of this.#nameChanges) if (random() < 0.5) this.#makeDurable(change);
    this.#nameChanges = [];
    this.#names = new Map(this.#durableNames);
    this.#folderTimes = new Map(this.#durableFolderTimes);
    for (const inode of new Set(this.#names.values())) {
      for (const change of inode.unsynced) {
        const luck = random();
        if (luck < 0.4) inode.durable.apply(change);
        else if (luck < 0.8 && "write" in change) tear(inode.durable, change, random);
      }
      inode.now = new Content(inode.durable.bytes.slice());
      inode.unsynced = [];
    }
  }

  /** Kills the process and nothing else: what was written is there, durable or not. */
  kill(): void {
    this.#boot++;
    this.openFiles = 0;
    this.onCall = undefined;
  }

  /** Flips one bit of a file, on the medium. */
  flip(path: string, offset: number, bit = 0): void {
    this.rewrite(path, (bytes) => {
      bytes[offset]! ^= 1 << bit;
      return bytes;
    });
  }

  /** All files there are. */
  paths(): string[] {
    return [...this.#names.keys()];
  }

  /** A file's bytes. */
  bytesOf(path: string): Bytes {
    return this.#inode(path).now.bytes.slice();
  }

  /** Gives a file other bytes, on the medium; makes it if there is none. */
  rewrite(path: string, work: (bytes: Bytes) => Bytes): void {
    const inode = this.#names.get(path) ?? new Inode(0);
    if (!this.#names.has(path)) {
      const change = { folder: folderOf(path), time: ++this.#time, apply: () => {} };
      this.#folderTimes.set(change.folder, change.time);
      this.#makeDurable(change);
    }
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
    Object.assign(inode, new Inode(++this.#time, work(this.bytesOf(path))));
  }
}

/** Applies a write of which only some sectors arrived; the file has grown nevertheless, or only as far as it got. */
function tear(to: Content, { write, at }: { write: Bytes; at: number }, random: () => number) {
  if (random() < 0.5) {
    return to.apply({ write: write.slice(0, Math.floor(random() * write.length)), at });
  }
  const arrived = new Uint8Array(write.length);
  for (let from = 0; from < write.length; from += SECTOR_BYTES) {
    if (random() < 0.5) arrived.set(write.subarray(from, from + SECTOR_BYTES), from);
  }
  to.apply({ write: arrived, at });
}
