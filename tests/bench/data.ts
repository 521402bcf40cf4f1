/**
 * What the benchmark stores: the same bytes in every run, made up here and written in pieces, so that sizes
 * beyond the machine's memory work too.
 */

import { createHash, type Hash } from "node:crypto";
import { join } from "@std/path";

const PIECE_BYTES = 1024 * 1024;

/** Bytes that no compressor makes smaller, the same for the same seed: xorshift32 (Marsaglia, 2003). */
export class Noise {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b9) | 1;
  }

  /** The next number, 0 up to 2³². */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** The next so many bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.next();
    return new Uint8Array(words.buffer, 0, length);
  }
}

/** Noise in pieces, `length` bytes in all. */
export function* noisePieces(length: number, seed: number): Iterable<Uint8Array<ArrayBuffer>> {
  const noise = new Noise(seed);
  for (let done = 0; done < length; done += PIECE_BYTES) {
    yield noise.bytes(Math.min(PIECE_BYTES, length - done));
  }
}

/** Lines of made-up words, the frequent ones as frequent as in a language: zstd makes a third of them. */
export function* textPieces(length: number, seed: number): Iterable<Uint8Array<ArrayBuffer>> {
  const noise = new Noise(seed);
  const letters = "etaoinshrdlucmfwypvbgk";
  const words = Array.from({ length: 4096 }, () => {
    const word = Array.from({ length: 2 + noise.next() % 9 }, () => letters[noise.next() % 22]);
    return new TextEncoder().encode(word.join("") + (noise.next() % 12 === 0 ? ".\n" : " "));
  });
  for (let done = 0; done < length; done += PIECE_BYTES) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, length - done));
    for (let filled = 0; filled < piece.length;) {
      // The product of two even draws leans towards 0, and so towards the first words.
      const rank = ((noise.next() >>> 20) * (noise.next() >>> 20)) >>> 12;
      for (const byte of words[rank]!) piece[filled++] = byte; // past the end it is dropped
    }
    yield piece;
  }
}

/** Writes pieces one after the other as a new file. */
export async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  for (const piece of pieces) {
    for (let done = 0; done < piece.length;) done += file.writeSync(piece.subarray(done));
  }
}

/** Edits that the second put meets. */
export const EDITS = { count: 10, bytes: 4096, insertedBytes: 1024 * 1024 } as const;

/** Writes a copy of `from` with {@link EDITS.count} stretches overwritten and new bytes put into the middle. */
export async function writeEdited(from: string, to: string): Promise<void> {
  const { size } = await Deno.stat(from);
  const middle = Math.floor(size / 2);
  const noise = new Noise(7);
  const starts = Array.from(
    { length: EDITS.count },
    (_, i) => Math.floor((i + 0.3) / EDITS.count * size),
  );
  using source = await Deno.open(from);
  function* copy(start: number, end: number): Iterable<Uint8Array> {
    source.seekSync(start, Deno.SeekMode.Start);
    for (let at = start; at < end;) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, end - at));
      const length = source.readSync(piece);
      if (length === null) throw new Error(`${from} is shorter than it was`);
      yield piece.subarray(0, length);
      at += length;
    }
  }
  function* withEdits(): Iterable<Uint8Array> {
    let at = 0;
    let inserted = false;
    for (const start of [...starts, size]) {
      if (!inserted && start >= middle) {
        yield* copy(at, middle);
        yield noise.bytes(EDITS.insertedBytes);
        at = middle;
        inserted = true;
      }
      yield* copy(at, start);
      if (start === size) return;
      yield noise.bytes(EDITS.bytes);
      at = start + EDITS.bytes;
    }
  }
  await writePieces(to, withEdits());
}

/** Makes a folder of small files, 2 to 16 KiB each, a hundred to a subfolder; the bytes of all of them. */
export async function writeSmallFiles(folder: string, count: number): Promise<number> {
  const noise = new Noise(3);
  let bytes = 0;
  for (let n = 0; n < count; n++) {
    const parent = join(folder, `part-${Math.floor(n / 100)}`);
    if (n % 100 === 0) await Deno.mkdir(parent, { recursive: true });
    const length = 2048 + noise.next() % (14 * 1024 + 1);
    await Deno.writeFile(join(parent, `file-${n}.bin`), noise.bytes(length));
    bytes += length;
  }
  return bytes;
}

/** Reads every file under a path, which puts them into the page cache; one hash over names and contents. */
export async function digestOf(path: string): Promise<string> {
  const files: { name: string; path: string }[] = [];
  await collectFiles(path, files);
  files.sort((a, b) => a.name < b.name ? -1 : 1);
  const hash = createHash("sha256");
  const piece = new Uint8Array(PIECE_BYTES);
  for (const file of files) {
    hash.update(`\n${file.name}\n`);
    await hashFile(file.path, { hash, piece });
  }
  return hash.digest("hex");
}

async function hashFile(
  path: string,
  { hash, piece }: { hash: Hash; piece: Uint8Array },
): Promise<void> {
  using file = await Deno.open(path);
  for (let length = file.readSync(piece); length !== null; length = file.readSync(piece)) {
    hash.update(piece.subarray(0, length));
  }
}

/** Files by their own names only: programs put the folders above them in different places. */
async function collectFiles(
  path: string,
  into: { name: string; path: string }[],
): Promise<void> {
  const { isDirectory } = await Deno.stat(path);
  if (!isDirectory) {
    into.push({ name: path.slice(path.lastIndexOf("/") + 1), path });
    return;
  }
  for await (const { name } of Deno.readDir(path)) await collectFiles(join(path, name), into);
}

/** Bytes of all files under a folder. */
export async function bytesUnder(folder: string): Promise<number> {
  let bytes = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory ? await bytesUnder(path) : (await Deno.lstat(path)).size;
  }
  return bytes;
}
