/**
 * The worker thread of `SmallFiles`: does batches of small files as they come in.
 *
 * @module
 */

import { reuseLargeBuffers } from "../base/mod.ts";
import { prepareCompression } from "../content/mod.ts";
import { deriveVaultKeys, type Sealer } from "../seal/mod.ts";
import type { SmallAnswer, SmallLetter } from "./small_files.ts";
import { sealFiles } from "./small_work.ts";

/** The part of a worker's global scope that is used; the compiler's library is the main thread's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SmallLetter>) => void) | null;
  postMessage(answer: SmallAnswer, handedOver: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
let sealer: Promise<Sealer> | null = null;

scope.onmessage = ({ data }) => {
  if ("masterKey" in data) {
    reuseLargeBuffers();
    sealer = prepareCompression().then(() => deriveVaultKeys(data.masterKey).chunk);
    void sealer.then(() => scope.postMessage({ ready: true }, []));
  } else void answer(data);
};

async function answer({ task, seal }: Extract<SmallLetter, { task: number }>): Promise<void> {
  const sealed = await sealFiles(await sealer!, seal);
  scope.postMessage({ task, sealed }, [sealed.bytes.buffer]);
}
