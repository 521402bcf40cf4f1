/**
 * The worker thread of `WorkerCipher`: seals and opens chunks as requests come in, several at once.
 *
 * @module
 */

import { type Bytes, freeBytes, isVaultError, reuseLargeBuffers } from "../base/mod.ts";
import { prepareCompression } from "../content/mod.ts";
import { deriveVaultKeys } from "../seal/mod.ts";
import {
  type CipherLetter,
  type CipherReply,
  type CipherRequest,
  LocalCipher,
} from "./chunk_cipher.ts";
import { Outbox } from "./outbox.ts";

/** The part of a worker's global scope that is used; the compiler's library is the main thread's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<CipherLetter>) => void) | null;
  postMessage(replies: CipherReply[], handedOver: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
const outbox = new Outbox<CipherReply>((replies, handedOver) =>
  scope.postMessage(replies, handedOver)
);
let cipher: Promise<LocalCipher> | null = null;

scope.onmessage = ({ data }) => {
  if ("masterKey" in data) {
    reuseLargeBuffers();
    cipher = prepareCompression().then(() => {
      outbox.add({ ready: true }, null);
      return new LocalCipher(deriveVaultKeys(data.masterKey).chunk);
    });
  } else for (const request of data.requests) void answer(request, data.padding);
};

async function answer(request: CipherRequest, padding: boolean): Promise<void> {
  const { task } = request;
  try {
    const local = await cipher!;
    if ("seal" in request) {
      local.padding = padding;
      const { body, ...rest } = await local.seal(request.seal, request.id);
      const sealed = { ...rest, body: ownBytes(body) };
      freeBytes(request.seal);
      outbox.add({ task, sealed }, sealed.body);
    } else {
      const plain = ownBytes(await local.open(request.open, request.reference));
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
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}
