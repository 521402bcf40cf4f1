/**
 * Batches of small files, done here or on a worker thread of their own: that one opens, reads, hashes and seals, while this
 * one walks, looks up, appends and records. A tree of a few files is done before a worker has started.
 *
 * @module
 */

import type { Bytes } from "../base/mod.ts";
import type { Sealer } from "../seal/mod.ts";
import {
  readReply,
  type SealedFile,
  sealFiles,
  type SealJob,
  type SealReply,
} from "./small_work.ts";

/** So many jobs the worker has at a time. */
const SENT_JOBS_MAX = 4;

/** While more than these wait beside, this thread has nothing else to do and takes its share. */
const WAITING_JOBS_MIN = 8;

/** From this many files on a worker is worth its start, which takes some 100 ms. */
const WORKER_FILES_MIN = 256;

/** What goes to the worker: first the key, then jobs. */
export type SmallLetter = { masterKey: Bytes } | { task: number; seal: SealJob };

/** What comes back. */
export type SmallAnswer = { ready: true } | { task: number; sealed: SealReply };

interface Waiting {
  job: SealJob;
  resolve: (reply: SealReply) => void;
}

/** Does jobs on the worker, and on this thread until that one is there and whenever it is far behind. */
export class SmallFiles {
  readonly #sealer: Sealer;
  readonly #masterKey: Bytes;
  /** Jobs that nobody has begun. */
  #queue: Waiting[] = [];
  /** Jobs that the worker has. */
  readonly #sent = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #state: "none" | "starting" | "ready" | "failed" = "none";
  #isBusy = false;
  #task = 0;
  #files = 0;

  constructor(sealer: Sealer, masterKey: Bytes) {
    this.#sealer = sealer;
    this.#masterKey = masterKey;
  }

  /** Reads and seals files; `null` for each that can't be had or is not as the job says. */
  async seal(job: SealJob): Promise<(SealedFile | null)[]> {
    this.#files += job.paths.length;
    if (this.#files >= WORKER_FILES_MIN && this.#state === "none") this.#start();
    return readReply(
      await new Promise((resolve) => {
        this.#queue.push({ job, resolve });
        this.#goOn();
      }),
    );
  }

  #goOn(): void {
    while (this.#state === "ready" && this.#queue.length > 0 && this.#sent.size < SENT_JOBS_MAX) {
      const waiting = this.#queue.shift()!;
      const task = ++this.#task;
      this.#sent.set(task, waiting);
      this.#worker!.postMessage({ task, seal: waiting.job } satisfies SmallLetter);
    }
    const left = this.#state === "ready" ? WAITING_JOBS_MIN : 0;
    if (!this.#isBusy && this.#queue.length > left) void this.#work(this.#queue.shift()!);
  }

  async #work({ job, resolve }: Waiting): Promise<void> {
    this.#isBusy = true;
    resolve(await sealFiles(this.#sealer, job));
    // The worker's first word, and whatever else waits, comes before the next.
    setTimeout(() => {
      this.#isBusy = false;
      this.#goOn();
    }, 0);
  }

  #start(): void {
    this.#state = "starting";
    const worker = new Worker(new URL("./small_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<SmallAnswer>) => {
      if ("ready" in data) {
        this.#state = "ready";
        this.#goOn();
        return;
      }
      this.#sent.get(data.task)?.resolve(data.sealed);
      this.#sent.delete(data.task);
      this.#goOn();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.close();
    };
    worker.postMessage({ masterKey: this.#masterKey } satisfies SmallLetter);
    this.#worker = worker;
  }

  /** Ends the thread. What it had to do is done here. */
  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#state = "failed";
    this.#queue = [...this.#sent.values(), ...this.#queue];
    this.#sent.clear();
    this.#goOn();
  }
}
