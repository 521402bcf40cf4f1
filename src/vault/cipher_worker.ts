/**
 * The worker thread of `WorkerCipher`: seals and opens chunks as requests come in, several at once.
 *
 * @module
 */

import {
  type Bytes,
  freeBytes,
  freeOwned,
  hashHere,
  isVaultError,
  reuseLargeBuffers,
} from "../base/mod.ts";
import { prepareCompression } from "../content/mod.ts";
import { deriveVaultKeys, type Sealer } from "../seal/mod.ts";
import {
  type CipherLetter,
  type CipherReply,
  type CipherRequest,
  LocalCipher,
} from "./chunk_cipher.ts";
import { RunWriter } from "./chunk_run.ts";
import { Outbox } from "./outbox.ts";

/** The part of a worker's global scope that is used; the compiler's library is the main thread's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<CipherLetter>) => void) | null;
  postMessage(replies: CipherReply[], handedOver: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
const outbox = new Outbox<CipherReply>((replies, handedOver) => {
  try {
    scope.postMessage(replies, handedOver);
  } catch (error) {
    // Whoever waits for any of them must hear of it: an error that nobody catches ends this thread, and that is told.
    queueMicrotask(() => {
      throw error;
    });
  }
});
let ready: Promise<{ sealer: Sealer; cipher: LocalCipher; runs: RunWriter }> | null = null;
scope.onmessage = ({ data }) => {
  if ("masterKey" in data) {
    reuseLargeBuffers();
    hashHere();
    ready = prepareCompression().then(() => {
      outbox.add({ ready: true }, null);
      const sealer = deriveVaultKeys(data.masterKey).chunk;
      return { sealer, cipher: new LocalCipher(sealer), runs: new RunWriter(sealer) };
    });
  } else for (const request of data.requests) void answer(request, data.padding);
};

async function answer(request: CipherRequest, padding: boolean): Promise<void> {
  const { task } = request;
  try {
    const { sealer, cipher, runs } = await ready!;
    sealer.isPadding = padding;
    if ("write" in request) {
      outbox.add({ task, written: await runs.write(request.write) }, null);
    } else if ("place" in request) {
      const placed = await runs.place(request.place);
      const { sealed: back } = request.place;
      outbox.add({ task, placed, back }, back);
    } else if ("seal" in request) {
      const { header, body, ...rest } = await cipher.seal(request.seal, request.id);
      // Both may lie in one buffer, and it goes with the body.
      const sealed = { ...rest, header: header.slice(), body: ownBytes(body) };
      freeBytes(request.seal);
      outbox.add({ task, sealed }, sealed.body);
    } else {
      const plain = ownBytes(await cipher.open(request.open, request.reference));
      outbox.add({ task, plain }, plain);
    }
  } catch (error) {
    const { code, message } = isVaultError(error)
      ? error
      : { code: "failed" as const, message: `Cannot seal or open a chunk: ${error}` };
    outbox.add({ task, error: { code, message } }, null);
  }
}

/** Bytes that fill their buffer, so that the buffer can be handed over. */
function ownBytes(bytes: Bytes): Bytes {
  if (bytes.byteLength === bytes.buffer.byteLength) return bytes;
  const own = bytes.slice();
  freeOwned(bytes);
  return own;
}
