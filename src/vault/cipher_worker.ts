/**
 * The worker thread of {@link WorkerCipher}: seals and opens chunks as requests come in, several at once.
 *
 * @module
 */

import { type Bytes, freeBytes, isVaultError, reuseLargeBuffers } from "../base/mod.ts";
import { prepareCompression } from "../content/mod.ts";
import { deriveVaultKeys } from "../seal/mod.ts";
import { type CipherReply, type CipherRequest, LocalCipher } from "./chunk_cipher.ts";

/** The part of a worker's global scope that is used; the compiler's library is the main thread's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<CipherRequest>) => void) | null;
  postMessage(reply: CipherReply, transfer: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
let cipher: Promise<LocalCipher> | null = null;

scope.onmessage = async ({ data }) => {
  if ("masterKey" in data) {
    reuseLargeBuffers();
    cipher = prepareCompression().then(() =>
      new LocalCipher(deriveVaultKeys(data.masterKey).chunk)
    );
    return;
  }
  const { task } = data;
  try {
    const local = await cipher!;
    if ("seal" in data) {
      const { body, ...rest } = await local.seal(data.seal, data.id);
      const sealed = { ...rest, body: ownBytes(body) };
      freeBytes(data.seal);
      scope.postMessage({ task, sealed }, [sealed.body.buffer]);
    } else {
      const plain = ownBytes(await local.open(data.open, data.reference));
      freeBytes(data.open);
      scope.postMessage({ task, plain }, [plain.buffer]);
    }
  } catch (error) {
    const { code, message } = isVaultError(error)
      ? error
      : { code: "failed" as const, message: `Cannot seal or open a chunk: ${error}` };
    scope.postMessage({ task, error: { code, message } }, []);
  }
};

/** Bytes that fill their buffer, so that the buffer can be handed over. */
function ownBytes(bytes: Bytes): Bytes {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}
