/**
 * What a thread does with a batch of small files that are fetched: reads their chunks from the packs, checks and opens them,
 * and writes each file beside its place, then into it.
 *
 * As in {@link "./small_work.ts"}, whatever is not as expected is left to the pipeline of single files.
 *
 * @module
 */

import { type Bytes, freeBytes } from "../base/mod.ts";
import { decompress, type ReferenceFields } from "../content/mod.ts";
import type { Sealer } from "../seal/mod.ts";

/** A file to be written where nothing is. */
export interface SmallTarget {
  path: string;
  /** A free name in the same folder: what stands at `path` is the whole file or nothing. */
  temporary: string;
  mode: number;
  /** Milliseconds since 1970. */
  mtime: number;
  /** Its only chunk; null if it is empty. */
  chunk: { pack: string; offset: number; reference: ReferenceFields } | null;
}

/** Bytes between two chunks that are read along rather than left out: a frame's header, and a little more. */
const GAP_BYTES_MAX = 4096;

/** Bytes that are read from a pack at a time. */
const READ_BYTES_MAX = 1024 * 1024;

/** Writes files; says of each whether it could be done. Never fails as a whole. */
export async function writeFiles(
  sealer: Sealer,
  targets: readonly SmallTarget[],
): Promise<boolean[]> {
  const { sealed, buffers } = readChunks(targets);
  const written = await Promise.all(targets.map(async (target, i) => {
    try {
      const bytes = await openChunk(sealer, target, sealed[i]!);
      if (bytes === null) return false;
      writeWhole(target, bytes);
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
  targets: readonly SmallTarget[],
): { sealed: (Bytes | null)[]; buffers: Bytes[] } {
  const buffers: Bytes[] = [];
  const sealed = new Array<Bytes | null>(targets.length).fill(null);
  const wanted = targets.flatMap(({ chunk }, i) => chunk === null ? [] : { ...chunk, i })
    .sort((a, b) => a.pack < b.pack ? -1 : a.pack > b.pack ? 1 : a.offset - b.offset);
  for (let first = 0; first < wanted.length;) {
    const { pack, offset } = wanted[first]!;
    let end = offset;
    let next = first;
    for (; next < wanted.length; next++) {
      const { pack: itsPack, offset: start, reference } = wanted[next]!;
      const itsEnd = start + reference.sealedLength;
      const isNear = itsPack === pack && start <= end + GAP_BYTES_MAX;
      if (next > first && !(isNear && itsEnd - offset <= READ_BYTES_MAX)) break;
      end = Math.max(end, itsEnd);
    }
    const bytes = readRange(pack, offset, end - offset);
    if (bytes !== null) buffers.push(bytes);
    for (const { i, offset: start, reference } of wanted.slice(first, next)) {
      if (bytes === null) continue;
      sealed[i] = bytes.subarray(start - offset, start - offset + reference.sealedLength);
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
  { chunk }: SmallTarget,
  sealed: Bytes | null,
): Promise<Bytes | null> {
  if (chunk === null) return new Uint8Array(0);
  // Tag and id prove the same bytes as the address; what is wrong with others is said when they are read alone.
  if (sealed === null) return null;
  return await sealer.open(sealed, chunk.reference, decompress);
}

function writeWhole({ path, temporary, mode, mtime }: SmallTarget, bytes: Bytes): void {
  const file = Deno.openSync(temporary, { write: true, createNew: true, mode: mode & 0o777 });
  try {
    try {
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      file.utimeSync(new Date(mtime), new Date(mtime));
      const made = file.statSync().mode;
      if (made !== null && ((made ^ mode) & 0o777) !== 0) Deno.chmodSync(temporary, mode & 0o777);
    } finally {
      file.close();
    }
    Deno.renameSync(temporary, path);
  } catch (error) {
    Deno.removeSync(temporary);
    throw error;
  }
}
