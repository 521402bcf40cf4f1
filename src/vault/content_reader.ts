/**
 * From references back to bytes: objects are read ahead, checked and opened a few at a time, and come out in order.
 *
 * @module
 */

import { type Bytes, READ_AHEAD_CHUNKS } from "../base/mod.ts";
import type { ReferenceFields, References } from "../content/mod.ts";
import type { VaultContext } from "./context.ts";
import { fetchObject } from "./read_object.ts";

/** What reading takes of the vault. */
type ReaderContext = Pick<VaultContext, "ciphers" | "store">;

/** The plaintext of one chunk: tag and id have been checked. */
export async function readChunk(
  context: ReaderContext,
  reference: ReferenceFields,
): Promise<Bytes> {
  const sealed = await fetchObject(context, reference.address, "chunk");
  return await context.ciphers.open(sealed, reference);
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
  context.ciphers.expect(references.totalLength());
  let next = 0;
  try {
    while (next < references.count || ahead.length > 0) {
      signal?.throwIfAborted();
      while (next < references.count && ahead.length < READ_AHEAD_CHUNKS) {
        const chunk = readChunk(context, references.fields(next++));
        chunk.catch(() => {/* thrown below, in its turn */});
        ahead.push(chunk);
      }
      yield await ahead.shift()!;
    }
  } finally {
    await Promise.allSettled(ahead);
  }
}
