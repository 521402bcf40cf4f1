/**
 * The worker thread of `SmallFiles`: does batches of small files as they come in.
 *
 * @module
 */

import { reuseLargeBuffers } from "../base/mod.ts";
import { prepareCompression } from "../content/mod.ts";
import { deriveVaultKeys, type Sealer } from "../seal/mod.ts";
import { doJob, type SmallAnswer, type SmallLetter } from "./small_files.ts";

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

async function answer(letter: Extract<SmallLetter, { task: number }>): Promise<void> {
  const { task, job, padding } = letter;
  const made = await sealer!;
  made.isPadding = padding;
  const reply = await doJob(made, job);
  scope.postMessage({ task, reply }, "sealed" in reply ? [reply.sealed.bytes.buffer] : []);
}
