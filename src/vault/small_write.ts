/**
 * What a thread does with a batch of small files that are fetched: reads their chunks from the packs, checks and opens them,
 * and writes each file beside its place, then into it.
 *
 * As in {@link "./small_work.ts"}, whatever is not as expected is left to the pipeline of single files.
 *
 * @module
 */

import { SEPARATOR } from "@std/path";
import { type Bytes, freeBytes, HASH_BYTES } from "../base/mod.ts";
import { decompress } from "../content/mod.ts";
import type { Sealer } from "../seal/mod.ts";

/** Files to be written where nothing is, each of one chunk or empty, in columns, which go to another thread quickly. */
export interface WriteJob {
  paths: string[];
  /** Ends the names in the same folders under which they are written first: what stands at a path is whole. */
  suffix: string;
  modes: number[];
  /** Milliseconds since 1970. */
  mtimes: number[];
  /** The file in which each chunk lies, from which byte on, and how many there are; 0 for an empty file. */
  packs: string[];
  offsets: number[];
  sealedLengths: number[];
  /** Bytes of plaintext. */
  lengths: number[];
  /** The ids of the chunks, one after the other. */
  ids: Bytes;
}

/** Bytes between two chunks that are read along rather than left out: a frame's header, and a little more. */
const GAP_BYTES_MAX = 4096;

/** Bytes that are read from a pack at a time. */
const READ_BYTES_MAX = 1024 * 1024;

/** Writes files; says of each whether it could be done. Never fails as a whole. */
export async function writeFiles(sealer: Sealer, job: WriteJob): Promise<boolean[]> {
  const { sealed, buffers } = readChunks(job);
  const modes = new FileModes();
  const written = await Promise.all(job.paths.map(async (_, i) => {
    try {
      const bytes = await openChunk(sealer, job, { i, sealed: sealed[i]! });
      if (bytes === null) return false;
      writeWhole(job, { i, bytes, modes });
      freeBytes(bytes);
      return true;
    } catch {
      return false;
    }
  }));
  buffers.forEach(freeBytes);
  return written;
}

/** The sealed chunks of the files, neighbours read together; null for those that can't be had. */
function readChunks(
  { packs, offsets, sealedLengths }: WriteJob,
): { sealed: (Bytes | null)[]; buffers: Bytes[] } {
  const buffers: Bytes[] = [];
  const sealed = new Array<Bytes | null>(packs.length).fill(null);
  const wanted = [...packs.keys()].filter((i) => sealedLengths[i]! > 0)
    .sort((a, b) =>
      packs[a]! < packs[b]! ? -1 : packs[a]! > packs[b]! ? 1 : offsets[a]! - offsets[b]!
    );
  for (let first = 0; first < wanted.length;) {
    const pack = packs[wanted[first]!]!;
    const offset = offsets[wanted[first]!]!;
    let end = offset;
    let next = first;
    for (; next < wanted.length; next++) {
      const i = wanted[next]!;
      const itsEnd = offsets[i]! + sealedLengths[i]!;
      const isNear = packs[i] === pack && offsets[i]! <= end + GAP_BYTES_MAX;
      if (next > first && !(isNear && itsEnd - offset <= READ_BYTES_MAX)) break;
      end = Math.max(end, itsEnd);
    }
    const bytes = readRange(pack, offset, end - offset);
    if (bytes !== null) buffers.push(bytes);
    for (const i of wanted.slice(first, next)) {
      if (bytes === null) continue;
      const start = offsets[i]! - offset;
      sealed[i] = bytes.subarray(start, start + sealedLengths[i]!);
    }
    first = next;
  }
  return { sealed, buffers };
}

function readRange(path: string, offset: number, length: number): Bytes | null {
  try {
    using file = Deno.openSync(path);
    file.seekSync(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const read = file.readSync(bytes.subarray(filled));
      if (read === null) return null;
      filled += read;
    }
    return bytes;
  } catch {
    return null;
  }
}

async function openChunk(
  sealer: Sealer,
  { sealedLengths, lengths, ids }: WriteJob,
  { i, sealed }: { i: number; sealed: Bytes | null },
): Promise<Bytes | null> {
  if (sealedLengths[i] === 0) return new Uint8Array(0);
  // Tag and id prove the same bytes as the address; what is wrong with others is said when they are read alone.
  if (sealed === null) return null;
  const id = ids.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  return await sealer.open(sealed, { id, length: lengths[i]! }, decompress);
}

/** Which modes files come out with, by folder and mode asked for: it depends on the process and on the folder. */
class FileModes {
  readonly #right = new Set<string>();

  /** Gives an open file its mode, if making it has not. */
  set(file: Deno.FsFile, path: string, { folder, mode }: { folder: string; mode: number }): void {
    const name = `${mode} ${folder}`;
    if (this.#right.has(name)) return;
    const made = file.statSync().mode;
    if (made === null || ((made ^ mode) & 0o777) === 0) this.#right.add(name);
    else Deno.chmodSync(path, mode);
  }
}

function writeWhole(
  { paths, suffix, modes, mtimes }: WriteJob,
  { i, bytes, modes: fileModes }: { i: number; bytes: Bytes; modes: FileModes },
): void {
  const path = paths[i]!;
  const mode = modes[i]! & 0o777;
  const folder = path.slice(0, path.lastIndexOf(SEPARATOR) + 1);
  const temporary = `${folder}.${i}.${suffix}`;
  const file = Deno.openSync(temporary, { write: true, createNew: true, mode });
  try {
    try {
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      const time = new Date(mtimes[i]!);
      file.utimeSync(time, time);
      fileModes.set(file, temporary, { folder, mode });
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    Deno.removeSync(temporary);
    throw error;
  }
}
