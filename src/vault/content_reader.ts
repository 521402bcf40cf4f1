/**
 * From references back to bytes: objects are read ahead, checked and opened a few at a time, and come out in order.
 *
 * @module
 */

import { type Bytes, isVaultError, READ_AHEAD_CHUNKS, READ_AHEAD_FAR_BYTES } from "../base/mod.ts";
import type { ReferenceFields, References } from "../content/mod.ts";
import type { VaultContext } from "./context.ts";
import { fetchObject, healObject, type ReadContext } from "./read_object.ts";

/** What reading takes of the vault. */
type ReaderContext = Pick<VaultContext, "ciphers"> & ReadContext;

/** The plaintext of one chunk: tag and id have been checked. */
export async function readChunk(
  context: ReaderContext,
  reference: ReferenceFields,
  signal?: AbortSignal,
): Promise<Bytes> {
  return await useChunk(
    context,
    { reference, signal },
    (sealed) => context.ciphers.open(sealed, reference),
  );
}

/**
 * Finds a sealed chunk and does something with it that checks it; if that finds it damaged, does it again with the right one, if
 * another node has it.
 *
 * @param use takes the bytes over
 */
export async function useChunk<T>(
  context: ReadContext,
  { reference: { address }, signal }: {
    reference: ReferenceFields;
    signal?: AbortSignal | undefined;
  },
  use: (sealed: Bytes) => Promise<T>,
): Promise<T> {
  const sealed = await fetchObject(context, address, "chunk", signal);
  try {
    return await use(sealed);
  } catch (error) {
    if (!isVaultError(error, "damaged")) throw error;
    const healed = await healObject(context, address, signal);
    if (healed === null) throw error;
    return await use(healed);
  }
}

/**
 * The chunks of a content, in order, each checked before it comes out. Stops at the first that is lost or damaged.
 *
 * @throws VaultError `damaged` or `too_few_peers`, naming the chunk
 */
export async function* readContent(
  context: ReaderContext,
  references: References,
  signal?: AbortSignal,
): AsyncGenerator<Bytes> {
  const ahead: { chunk: Promise<Bytes>; length: number }[] = [];
  let aheadBytes = 0;
  context.ciphers.expect(references.totalLength());
  let next = 0;
  try {
    while (next < references.count || ahead.length > 0) {
      signal?.throwIfAborted();
      while (next < references.count) {
        const fields = references.fields(next);
        const { length } = fields;
        const isNear = ahead.length < READ_AHEAD_CHUNKS;
        if (!isNear && (aheadBytes + length > READ_AHEAD_FAR_BYTES || isHere(context, fields))) {
          break;
        }
        const chunk = readChunk(context, fields, signal);
        chunk.catch(() => {/* thrown below, in its turn */});
        ahead.push({ chunk, length });
        aheadBytes += length;
        next++;
      }
      const { chunk, length } = ahead.shift()!;
      yield await chunk;
      aheadBytes -= length;
    }
  } finally {
    await Promise.allSettled(ahead.map(({ chunk }) => chunk));
  }
}

/** Whether a chunk need not be fetched from another node. */
function isHere({ store, attachment }: ReaderContext, { address }: ReferenceFields): boolean {
  return !attachment?.remote || store.hasSync(address);
}
