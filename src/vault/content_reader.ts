/**
 * From references back to bytes: objects are read ahead, checked and opened a few at a time, and come out in order.
 *
 * @module
 */

import { type Bytes, READ_AHEAD_CHUNKS } from "../base/mod.ts";
import { decompress, type References } from "../content/mod.ts";
import type { VaultContext } from "./context.ts";
import { readObject } from "./read_object.ts";

/** What reading takes of the vault. */
type ReaderContext = Pick<VaultContext, "keys" | "objects" | "store">;

/** The plaintext of one chunk: address, tag and id have been checked. */
export async function readChunk(
  context: ReaderContext,
  references: References,
  i: number,
): Promise<Bytes> {
  const fields = references.fields(i);
  const sealed = await readObject(context, fields.address, "chunk");
  return await context.keys.chunk.open(sealed, fields, decompress);
}

/**
 * The chunks of a content, in order, each checked before it comes out. Stops at the first that is lost or damaged.
 *
 * @throws VaultError `damaged`, naming the chunk
 */
export async function* readContent(
  context: ReaderContext,
  references: References,
  signal?: AbortSignal,
): AsyncGenerator<Bytes> {
  const ahead: Promise<Bytes>[] = [];
  let next = 0;
  try {
    while (next < references.count || ahead.length > 0) {
      signal?.throwIfAborted();
      while (next < references.count && ahead.length < READ_AHEAD_CHUNKS) {
        const chunk = readChunk(context, references, next++);
        chunk.catch(() => {/* thrown below, in its turn */});
        ahead.push(chunk);
      }
      yield await ahead.shift()!;
    }
  } finally {
    await Promise.allSettled(ahead);
  }
}
