/**
 * What the tests of the vault share: homes that go away by themselves, bytes that a seed gives, and looking into packs.
 */

import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import { join } from "@std/path";
import { Buffer } from "node:buffer";
import { type Bytes, type ErrorCode, toHex, VaultError } from "../../src/base/mod.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES, type FrameHeader } from "../../src/store/mod.ts";
import {
  initVault,
  type KeyInfo,
  type OpenOptions,
  openVault,
  type Vault,
  type VersionSelector,
} from "../../src/vault/mod.ts";

/** A folder that is gone when the test is over. */
export class TempFolder implements Disposable {
  readonly path: string;

  constructor() {
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "govault-" }));
  }

  /** A path in the folder. */
  at(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Where the tests' vault lies in it. */
  get home(): string {
    return this.at("home");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A folder with a vault of its own in `home`. */
export async function homeWithNewVault(options: { passphrase?: string } = {}): Promise<TempFolder> {
  const folder = new TempFolder();
  await initVault({ home: folder.home, ...options });
  return folder;
}

/** The master key of the tests' vault: always the same, as where chunks are cut depends on it. */
const MASTER_KEY = new Uint8Array(32).fill(0x67);

let template: Promise<TempFolder> | undefined;

function makeTemplate(): Promise<TempFolder> {
  const folder = new TempFolder();
  addEventListener("unload", () => folder[Symbol.dispose]());
  return initVault({ home: folder.home, masterKey: MASTER_KEY }).then(() => folder);
}

/** A folder with an empty vault in `home`: a copy of one that is made once, as making one syncs much. */
export async function homeWithVault(): Promise<TempFolder> {
  template ??= makeTemplate();
  const folder = new TempFolder();
  copyHome((await template).home, folder.home);
  return folder;
}

/** Opens the vault of a folder, works with it and closes it. */
export async function withVault<T>(
  folder: TempFolder,
  work: (vault: Vault) => Promise<T>,
  options: OpenOptions = {},
): Promise<T> {
  await using vault = await openVault({ home: folder.home, ...options });
  return await work(vault);
}

/** A sequence of numbers that a seed gives (xorshift32, Marsaglia 2003). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
    for (let i = 0; i < 4; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return this.#state = x >>> 0;
  }

  /** An integer of `[0, end)`. */
  below(end: number): number {
    return this.next() % end;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Incompressible bytes. */
  bytes(length: number): Bytes {
    const words = new Uint32Array(Math.ceil(length / 4));
    let x = this.next();
    for (let i = 0; i < words.length; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      words[i] = x;
    }
    return new Uint8Array(words.buffer, 0, length);
  }
}

export function randomBytes(length: number, seed = length): Bytes {
  return new Dice(seed).bytes(length);
}

/** `bytes` with `remove` bytes at `at` replaced by `insert`. */
export function splice(
  bytes: Uint8Array,
  { at, remove = 0, insert = new Uint8Array(0) }: {
    at: number;
    remove?: number;
    insert?: Uint8Array;
  },
): Bytes {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
}

/** All bytes of a version. */
export async function read(vault: Vault, key: string, select?: VersionSelector): Promise<Bytes> {
  const { stream } = await vault.get(key, select ? { select } : {});
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function version(number: number): VersionSelector {
  return { kind: "number", number };
}

/** Large arrays compared without a report of their difference, which would take minutes. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, message = ""): void {
  assertEquals(actual.length, expected.length, `length ${message}`);
  if (Buffer.compare(actual, expected) === 0) return;
  fail(`byte ${actual.findIndex((byte, i) => byte !== expected[i])} differs ${message}`);
}

/** The error that the work fails with, which must have this code. */
export async function failure(code: ErrorCode, work: () => Promise<unknown>): Promise<VaultError> {
  const error = await assertRejects(work, VaultError);
  assertEquals(error.code, code, error.message);
  assert(/^Cannot [a-z]/.test(error.message), `names the action first: ${error.message}`);
  return error;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function keyNames(
  vault: Vault,
  options: Parameters<Vault["list"]>[0] = {},
): Promise<string[]> {
  return (await collect(vault.list(options))).map(({ key }: KeyInfo) => key);
}

/** Waits until the clock shows another millisecond, so that times tell moments apart. */
export function nextMillisecond(): number {
  const now = Date.now();
  while (Date.now() === now);
  return now;
}

/** Sets the clock while `work` runs. */
export async function atTime<T>(time: number, work: () => Promise<T>): Promise<T> {
  const real = Date.now;
  Date.now = () => time;
  try {
    return await work();
  } finally {
    Date.now = real;
  }
}

/** A frame as it lies in a pack. */
export interface PackFrame extends FrameHeader {
  path: string;
  /** Offset of its header. */
  offset: number;
}

/** The packs of a home. */
export function packPaths(folder: TempFolder): string[] {
  return Array.from(
    Deno.readDirSync(join(folder.home, "packs")),
    ({ name }) => join(folder.home, "packs", name),
  ).sort();
}

/** All frames of all packs, read from their bytes. */
export function packFrames(folder: TempFolder): PackFrame[] {
  const frames: PackFrame[] = [];
  for (const path of packPaths(folder)) {
    const bytes = Deno.readFileSync(path);
    for (let offset = 16; offset < bytes.length;) {
      const header = decodeFrameHeader(bytes.subarray(offset, offset + FRAME_HEADER_BYTES));
      assert(header !== null, `no frame at ${offset} of ${path}`);
      frames.push({ ...header, path, offset });
      offset += FRAME_HEADER_BYTES + header.length;
    }
  }
  return frames;
}

/** The payload of a frame. */
export function readFrame({ path, offset, length }: PackFrame): Bytes {
  using file = Deno.openSync(path);
  file.seekSync(offset + FRAME_HEADER_BYTES, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  assertEquals(file.readSync(bytes), length);
  return bytes;
}

/** Turns one bit of a file over. */
export function flipBit(path: string, offset: number, bit = 0): void {
  using file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(offset, Deno.SeekMode.Start);
  assertEquals(file.readSync(byte), 1, `no byte ${offset} in ${path}`);
  byte[0]! ^= 1 << bit;
  file.seekSync(offset, Deno.SeekMode.Start);
  file.writeSync(byte);
}

/** Every file under a folder, with its bytes; links are not followed. */
export function* filesUnder(path: string): Generator<{ path: string; bytes: Bytes }> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(path)) {
    const inner = join(path, name);
    if (isDirectory) yield* filesUnder(inner);
    else if (isFile) yield { path: inner, bytes: Deno.readFileSync(inner) as Bytes };
  }
}

/** Copies a home: a vault at rest. */
export function copyHome(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyHome(join(from, name), join(to, name));
    else Deno.copyFileSync(join(from, name), join(to, name));
  }
}

/** Whether `part` stands somewhere in `whole`. */
export function includes(whole: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(whole.buffer, whole.byteOffset, whole.length)
    .includes(Buffer.from(part.buffer, part.byteOffset, part.length));
}

export const hex = toHex;

/** The lines that a process writes. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
