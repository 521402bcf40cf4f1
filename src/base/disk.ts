/**
 * What the store needs of a disk, and no more, so that a test can put a disk in its place that tears writes,
 * fills up or forgets what was not synced.
 *
 * @module
 */

import { dirname } from "@std/path";
import type { Bytes } from "./bytes.ts";

/** An open file. */
export interface DiskFile {
  /** Length in bytes as the file is now. */
  size(): number;
  /**
   * Reads up to `into.length` bytes from `offset`; returns how many were there.
   * Synchronous: a cached read is quicker than a trip to another thread.
   */
  readAt(offset: number, into: Bytes): number;
  /** Writes all bytes at `offset`. They are durable after {@link DiskFile.sync}, not before. */
  writeAt(offset: number, bytes: Uint8Array): void;
  /** Returns once everything written so far is durable. */
  sync(): Promise<void>;
  /** Cuts the file to `length` bytes. */
  truncate(length: number): void;
  /** Lets go of it. */
  close(): void;
}

/** A tree of files. Paths are the disk's own; "no such file" is `Deno.errors.NotFound` on every disk. */
export interface Disk {
  /** Opens a file: `read` an existing one, `write` an existing one for both, `create` a new one that must not exist. */
  open(path: string, mode: "read" | "write" | "create"): DiskFile;
  /** Names in a folder, in no order; empty if there is no such folder. */
  list(folder: string): string[];
  /** Length in bytes and time of last change (ms), or `null` if there is no such file. */
  stat(path: string): { size: number; mtime: number } | null;
  /**
   * Since when no name has come to a folder or gone from it: ms, the same as long as none does. `null` if a change just then
   * could go unnoticed, as it was only now. A disk that can't tell has no such method.
   */
  restingSince?(folder: string): number | null;
  /** Makes a folder, and those above it. */
  makeFolder(path: string): void;
  /** Puts `from` in the place of `to`, atomically. */
  rename(from: string, to: string): void;
  /** Removes a file. */
  remove(path: string): void;
  /** Makes creations, renames and removals in a folder durable. */
  syncFolder(folder: string): Promise<void>;
}

/** Two changes within this time may leave one time behind: FAT counts in steps of 2 s, others in far shorter ones. */
const FOLDER_REST_MS = 2500;

class DenoDiskFile implements DiskFile {
  readonly #file: Deno.FsFile;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  size(): number {
    return this.#file.statSync().size;
  }

  readAt(offset: number, into: Bytes): number {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < into.length) {
      const read = this.#file.readSync(filled === 0 ? into : into.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    return filled;
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let done = 0;
    while (done < bytes.length) done += this.#file.writeSync(bytes.subarray(done));
  }

  sync(): Promise<void> {
    return this.#file.syncData();
  }

  truncate(length: number): void {
    this.#file.truncateSync(length);
  }

  close(): void {
    this.#file.close();
  }
}

/** The machine's file system. */
export const denoDisk: Disk = {
  open(path, mode) {
    return new DenoDiskFile(Deno.openSync(path, {
      read: true,
      write: mode !== "read",
      createNew: mode === "create",
      ...(mode === "create" ? { mode: 0o600 } : {}),
    }));
  },
  list(folder) {
    try {
      return Array.from(Deno.readDirSync(folder), (entry) => entry.name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  },
  stat(path) {
    try {
      const info = Deno.statSync(path);
      return { size: info.size, mtime: info.mtime?.getTime() ?? 0 };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  },
  restingSince(folder) {
    if (Deno.build.os === "windows") return null; // NTFS notes a folder's times when it finds leisure
    const { ctime, mtime } = Deno.statSync(folder);
    // A copy may have the original's mtime; nobody can set the other.
    const since = (ctime ?? mtime)?.getTime();
    return since === undefined || Date.now() - since < FOLDER_REST_MS ? null : since;
  },
  makeFolder(path) {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  rename(from, to) {
    Deno.renameSync(from, to);
  },
  remove(path) {
    Deno.removeSync(path);
  },
  async syncFolder(folder) {
    if (Deno.build.os === "windows") return; // a folder can't be opened there; NTFS journals its entries
    const handle = await Deno.open(folder, { read: true });
    try {
      await handle.sync();
    } finally {
      handle.close();
    }
  },
};

/** Writes a whole small file so that a crash leaves the old one or the new one, never a half. */
export async function writeFileDurably(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${path}.new`;
  if (disk.stat(temporary) !== null) disk.remove(temporary); // left by a crash: never acknowledged
  const file = disk.open(temporary, "create");
  try {
    file.writeAt(0, bytes);
    await file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  await disk.syncFolder(dirname(path));
}

/** The bytes of a whole small file. @throws RangeError if it has more than `maxBytes` */
export function readSmallFile(disk: Disk, path: string, maxBytes: number): Bytes {
  const file = disk.open(path, "read");
  try {
    const size = file.size();
    if (size > maxBytes) {
      throw new RangeError(`${path} has ${size} bytes, at most ${maxBytes} expected`);
    }
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, file.readAt(0, bytes));
  } finally {
    file.close();
  }
}
