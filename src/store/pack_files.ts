/**
 * The pack files themselves: names, open handles, and the one pack that is being appended to.
 *
 * @module
 */

import { join } from "@std/path";
import {
  type Bytes,
  type Disk,
  type DiskFile,
  PACK_BUFFER_BYTES,
  PACK_BYTES_TARGET,
  VaultError,
} from "../base/mod.ts";
import type { NewObject } from "./chunk_store.ts";
import { encodeFrameHeader, encodePackHeader, FRAME_HEADER_BYTES } from "./frame.ts";

const OPEN_PACKS_MAX = 64;

/** File name of a pack. */
export function packName(number: number): string {
  return `${String(number).padStart(8, "0")}.pack`;
}

/** Number of the pack with this file name, or null if it is not a pack's. */
export function packNumber(name: string): number | null {
  const match = /^(\d{8,15})\.pack$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** The folder of packs, with a few of them open for reading. */
export class PackFolder {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #open = new Map<number, DiskFile>();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  path(number: number): string {
    return join(this.#folder, packName(number));
  }

  /** Numbers of all packs there are, ascending. */
  numbers(): number[] {
    return this.#disk.list(this.#folder).map(packNumber).filter((n) => n !== null).sort((a, b) =>
      a - b
    );
  }

  stat(number: number): { size: number; mtime: number } | null {
    return this.#disk.stat(this.path(number));
  }

  /** The pack, open; handles are kept and closed by age. `Deno.errors.NotFound` if there is none. */
  file(number: number): DiskFile {
    let file = this.#open.get(number);
    if (file === undefined) {
      file = this.#disk.open(this.path(number), "write");
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
    return file;
  }

  remove(number: number): void {
    this.close(number);
    this.#disk.remove(this.path(number));
  }

  sync(): Promise<void> {
    return this.#disk.syncFolder(this.#folder);
  }

  close(number: number): void {
    this.#open.get(number)?.close();
    this.#open.delete(number);
  }

  closeAll(): void {
    for (const number of [...this.#open.keys()]) this.close(number);
  }
}

/** Pieces from this size on are written from where they are; smaller ones are gathered in the buffer first. */
const DIRECT_BYTES_MIN = 64 * 1024;

/** Appends frames to one pack; small ones are gathered so that many go to the disk in one write. */
export class PackWriter {
  readonly number: number;
  readonly #file: DiskFile;
  readonly #buffer = new Uint8Array(PACK_BUFFER_BYTES);
  #buffered = 0;
  #written: number;
  /** Where the last frame ends that is in the file with all before it. */
  #whole: number;

  constructor(file: DiskFile, number: number, length: number) {
    this.#file = file;
    this.number = number;
    this.#written = length;
    this.#whole = length;
  }

  /** Length of the pack, with what is still in the buffer. */
  get length(): number {
    return this.#written + this.#buffered;
  }

  get isFull(): boolean {
    return this.length >= PACK_BYTES_TARGET;
  }

  /** Appends an object's frame; returns the offset of its payload. */
  append(object: NewObject, length: number): number {
    if (this.#buffered + FRAME_HEADER_BYTES > this.#buffer.length) this.write();
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
      if (direct) this.#put(piece);
      else {
        this.#buffer.set(piece, this.#buffered);
        this.#buffered += piece.length;
      }
    }
    if (this.#buffered === 0) this.#whole = this.#written;
    return offset;
  }

  /** Reads payload bytes; what of them is still in the buffer is written first. */
  readAt(offset: number, into: Bytes): number {
    if (offset + into.length > this.#written) this.write();
    return this.#file.readAt(offset, into);
  }

  /** Hands what is buffered to the operating system. */
  write(): void {
    this.#writeBuffer();
    this.#whole = this.#written;
  }

  #writeBuffer(): void {
    if (this.#buffered === 0) return;
    this.#put(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#file.writeAt(this.#written, bytes);
    this.#written += bytes.length;
  }

  /** After a failed write: cuts the file back to where the last whole frame ended. */
  cutBack(): void {
    this.#buffered = 0;
    this.#written = this.#whole;
    this.#file.truncate(this.#whole);
  }

  /** Returns once all that was appended before the call is durable. */
  async sync(): Promise<void> {
    this.write();
    await this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}

/** The error for a store that may not be written to any more. */
export function storeFailed(cause: unknown): VaultError {
  return new VaultError("failed", "Cannot write to the store: an earlier write failed", {
    hint: "close the vault and open it again",
    cause,
  });
}
