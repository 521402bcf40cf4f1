/**
 * The pack files themselves: their names, and a few of them open for reading.
 *
 * @module
 */

import { join } from "@std/path";
import type { Disk, DiskFile } from "../base/mod.ts";
import { encodePackHeader } from "./frame.ts";

/** Packs that are open for reading at the same time. */
const OPEN_PACKS_MAX = 64;

/** File name of a pack. */
export function packName(number: number): string {
  return `${String(number).padStart(8, "0")}.pack`;
}

/** Number of the pack with this file name, or null if it is not a pack's. */
export function packNumber(name: string): number | null {
  const match = /^(\d{8,15})\.pack$/.exec(name);
  if (match === null) return null;
  const number = Number(match[1]);
  return packName(number) === name ? number : null; // one name each: no zeros too many
}

/** The folder of packs, with a few of them open for reading. */
export class PackFolder {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #open = new Map<number, DiskFile>();
  /** As far as it is known: nobody else makes packs, or removes them, while this process has the home. */
  #highest: number | null = null;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** The pack's path, whether or not there is one. */
  path(number: number): string {
    return join(this.#folder, packName(number));
  }

  /** Numbers of all packs there are, ascending. */
  numbers(): number[] {
    return this.#disk.list(this.#folder).map(packNumber).filter((n) => n !== null).sort((a, b) =>
      a - b
    );
  }

  /** The highest number of all, 0 if there is none. */
  highest(): number {
    return this.#highest ??= this.numbers().at(-1) ?? 0;
  }

  /** See {@link Disk.restingSince}. */
  restingSince(): number | null {
    return this.#disk.restingSince?.(this.#folder) ?? null;
  }

  /** Whether there is such a pack. */
  has(number: number): boolean {
    return this.#open.has(number) || this.stat(number) !== null;
  }

  /** See {@link Disk.stat}. */
  stat(number: number): { size: number; mtime: number } | null {
    return this.#disk.stat(this.path(number));
  }

  /** The pack, open; handles are kept and closed by age. `Deno.errors.NotFound` if there is none. */
  file(number: number): DiskFile {
    let file = this.#open.get(number);
    if (file === undefined) {
      file = this.#disk.open(this.path(number), "read");
      if (this.#open.size >= OPEN_PACKS_MAX) this.close(this.#open.keys().next().value!);
    } else this.#open.delete(number);
    this.#open.set(number, file);
    return file;
  }

  /** The pack opened anew, for whoever appends to it and closes it. */
  openForAppending(number: number): DiskFile {
    return this.#disk.open(this.path(number), "write");
  }

  /** Creates an empty pack with its header, open for appending. */
  create(number: number): DiskFile {
    const file = this.#disk.open(this.path(number), "create");
    try {
      file.writeAt(0, encodePackHeader(number));
    } catch (error) {
      file.close();
      this.#disk.remove(this.path(number));
      throw error;
    }
    if (this.#highest !== null) this.#highest = Math.max(number, this.#highest);
    return file;
  }

  /** Cuts a pack to `length` bytes. */
  truncate(number: number, length: number): void {
    const file = this.openForAppending(number);
    try {
      file.truncate(length);
    } finally {
      file.close();
    }
  }

  /** Makes what is in a pack durable, whoever wrote it. */
  async syncPack(number: number): Promise<void> {
    const file = this.openForAppending(number);
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }

  /** Removes a pack; durable after {@link PackFolder.sync}. `Deno.errors.NotFound` if there is none. */
  remove(number: number): void {
    this.close(number);
    this.#disk.remove(this.path(number));
    if (number === this.#highest) this.#highest = null;
  }

  /** Makes the names of the packs durable: which there are, and which are gone. */
  sync(): Promise<void> {
    return this.#disk.syncFolder(this.#folder);
  }

  /** Lets go of a pack that is open for reading. */
  close(number: number): void {
    this.#open.get(number)?.close();
    this.#open.delete(number);
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number);
  }
}
