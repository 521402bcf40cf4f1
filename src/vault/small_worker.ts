/**
 * The worker thread of `SmallFiles`: does batches of small files as they come in.
 *
 * @module
 */

import { freeBytes, leaveFiles, reuseLargeBuffers } from "../base/mod.ts";
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

/**
 * Jobs are done in two rows: while the ciphers of one are at work on other threads, the files of another are read. What waits
 * in a row holds nothing but its names.
 */
const rows = [Promise.resolve(), Promise.resolve()];
let letters = 0;

scope.onmessage = ({ data }) => {
  if ("masterKey" in data) {
    reuseLargeBuffers();
    sealer = prepareCompression().then(() => deriveVaultKeys(data.masterKey).chunk);
    void sealer.then(() => scope.postMessage({ ready: true }, []));
    return;
  }
  const row = letters++ % rows.length;
  rows[row] = rows[row]!.then(() => answer(data));
};

async function answer(letter: Extract<SmallLetter, { task: number }>): Promise<void> {
  const { task, job, padding, spare } = letter;
  if (spare !== null) freeBytes(new Uint8Array(spare)); // for this answer
  const made = await sealer!;
  made.isPadding = padding;
  const reply = await doJob(made, job);
  if ("seal" in job) leaveFiles(job.seal.paths.length);
  scope.postMessage({ task, reply }, "sealed" in reply ? [reply.sealed.bytes.buffer] : []);
}
