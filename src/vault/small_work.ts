/**
 * What a thread does with a batch of small files: reads, hashes and seals each. Files are opened and read at once, as a
 * trip to another thread takes longer than the read; only the ciphers of a batch go together.
 *
 * Whatever is not as expected is left to the pipeline of single files, which says what is wrong: so nothing here has
 * messages of its own.
 *
 * @module
 */

import { type Bytes, equalBytes, freeBytes, HASH_BYTES, takeBytes } from "../base/mod.ts";
import type { Sealed, Sealer } from "../seal/mod.ts";
import { sealPlain } from "./chunk_cipher.ts";

/** Files to be read, each with so few bytes that it is one chunk, or none. */
export interface SealJob {
  paths: string[];
  sizes: number[];
  /** Their times of last change, milliseconds since 1970. */
  mtimes: number[];
  /** The id of the chunk that each was before; a file that still is that is not sealed. */
  known: (Bytes | null)[];
}

/** What a file was found to be. */
export type SealedFile =
  | { what: "empty" }
  /** Its chunk is the known one. */
  | { what: "same" }
  | { what: "sealed"; id: Bytes; address: Bytes; bytes: Bytes };

/** What became of the files, in their order, in a form that goes to another thread in one piece. */
export interface SealReply {
  /** Bytes of each sealed chunk; one of the numbers below where there is none. */
  lengths: number[];
  /** Of each file that is sealed its id, its address and its sealed bytes, one after the other. */
  bytes: Bytes;
}

const EMPTY = 0;
const SAME = -1;
const FAILED = -2;

/** A file on its way: sealed, or one of the numbers above. */
type Work = { id: Bytes; sealed: Sealed } | number;

/** Does a {@link SealJob}. Never fails as a whole. */
export async function sealFiles(sealer: Sealer, job: SealJob): Promise<SealReply> {
  const { paths, sizes, mtimes, known } = job;
  // One byte more than all of them have, so that one that has grown shows.
  const plain = takeRoom(sizes.reduce((sum, size) => sum + size, 1));
  let end = 0;
  const works = paths.map((path, i): Work | Promise<Work> => {
    const into = plain.subarray(end, end + sizes[i]! + 1);
    if (!readFile(path, into, mtimes[i]!)) return FAILED;
    if (sizes[i] === 0) return EMPTY;
    const chunk = into.subarray(0, sizes[i]!);
    end += chunk.length;
    const id = sealer.id(chunk);
    const before = known[i]!;
    if (before !== null && equalBytes(before, id)) return SAME;
    return sealPlain(sealer, chunk, id).then((sealed) => ({ id, sealed }), () => FAILED);
  });
  const files = await Promise.all(works);
  freeBytes(new Uint8Array(plain.buffer));
  return encodeReply(files);
}

/** Rooms are made in steps of this many bytes, so that one which was kept is large enough for nearly any job. */
export const ROOM_STEP_BYTES = 256 * 1024;

/** Bytes to be written over. Buffers go round: new ones for each job would leave the allocator's heap full of holes. */
function takeRoom(length: number): Bytes {
  return takeBytes(Math.ceil(length / ROOM_STEP_BYTES) * ROOM_STEP_BYTES).subarray(0, length);
}

/** Fills all but the last byte of `into`, if that is just what the file has and it rests. */
function readFile(path: string, into: Bytes, mtime: number): boolean {
  try {
    using file = Deno.openSync(path);
    const length = into.length - 1;
    if ((file.readSync(into) ?? 0) !== length) return false;
    const { size, mtime: changed } = file.statSync();
    return size === length && changed?.getTime() === mtime;
  } catch {
    return false;
  }
}

function encodeReply(files: readonly Work[]): SealReply {
  const lengths = files.map((file) => typeof file === "number" ? file : file.sealed.length);
  const bytes = takeRoom(
    lengths.reduce((sum, length) => sum + (length > 0 ? 2 * HASH_BYTES + length : 0), 0),
  );
  let at = 0;
  for (const file of files) {
    if (typeof file === "number") continue;
    const { address, header, body } = file.sealed;
    for (const piece of [file.id, address, header, body]) {
      bytes.set(piece, at);
      at += piece.length;
    }
    freeBytes(body);
  }
  return { lengths, bytes };
}

/** The files of a reply, `null` for each that failed; what they hold are views of its bytes. */
export function readReply({ lengths, bytes }: SealReply): (SealedFile | null)[] {
  let at = 0;
  const take = (length: number) => bytes.subarray(at, at += length);
  return lengths.map((length) => {
    if (length === FAILED) return null;
    if (length === EMPTY) return { what: "empty" };
    if (length === SAME) return { what: "same" };
    return { what: "sealed", id: take(HASH_BYTES), address: take(HASH_BYTES), bytes: take(length) };
  });
}
