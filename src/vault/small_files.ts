/**
 * Batches of small files, done here or on a worker thread of their own: that one opens, reads, hashes and seals, or opens and
 * writes, while this one walks, looks up, appends and records. A tree of a few files is done before a worker has started.
 *
 * @module
 */

import { type Bytes, spareBuffer } from "../base/mod.ts";
import type { Sealer } from "../seal/mod.ts";
import {
  readReply,
  ROOM_STEP_BYTES,
  type SealedFile,
  sealFiles,
  type SealJob,
  type SealReply,
} from "./small_work.ts";
import { writeFiles, type WriteJob } from "./small_write.ts";

/** So many jobs the worker has at a time: enough to do while this thread enters thousands of rows into the index. */
const SENT_JOBS_MAX = 12;

/** Their files have so many bytes at most, unless it is one job. */
const SENT_BYTES_MAX = 8 * 1024 * 1024;

/**
 * While more than these wait beside, this thread takes its share. Of what is stored it has enough to do with looking up and
 * appending, of what is fetched next to nothing.
 */
const WAITING_JOBS_MIN = { seal: 24, write: 0 } as const;

/** While so many jobs wait the worker gets some before it has started: there is more to do than this thread can do till then. */
const UNREADY_JOBS_MIN = 8;

/** From this many files on a worker is worth its start, which takes some 100 ms. */
const WORKER_FILES_MIN = 256;

/** What goes to the worker: first the key, then jobs, whether to pad, and a buffer that is done with. */
export type SmallLetter =
  | { masterKey: Bytes }
  | { task: number; job: SmallJob; padding: boolean; spare: ArrayBuffer | null };

/** A batch of files to be sealed, or to be written. */
export type SmallJob = { seal: SealJob } | { write: WriteJob };

/** What comes back. */
export type SmallAnswer = { ready: true } | { task: number; reply: SmallReply };

/** What became of a job. */
export type SmallReply = { sealed: SealReply } | { written: boolean[] };

/** Does a job on the calling thread. */
export async function doJob(sealer: Sealer, job: SmallJob): Promise<SmallReply> {
  if ("seal" in job) return { sealed: await sealFiles(sealer, job.seal) };
  return { written: await writeFiles(sealer, job.write) };
}

interface Waiting {
  job: SmallJob;
  /** Bytes of its files. */
  bytes: number;
  resolve: (reply: SmallReply) => void;
}

/** Does jobs on the worker, and on this thread until that one is there and whenever it is far behind. */
export class SmallFiles {
  readonly #sealer: Sealer;
  readonly #masterKey: Bytes;
  /** Jobs that nobody has begun. */
  #queue: Waiting[] = [];
  /** Jobs that the worker has. */
  readonly #sent = new Map<number, Waiting>();
  #sentBytes = 0;
  #worker: Worker | null = null;
  #state: "none" | "starting" | "ready" | "failed" = "none";
  #isBusy = false;
  #task = 0;
  #files = 0;

  constructor(sealer: Sealer, masterKey: Bytes) {
    this.#sealer = sealer;
    this.#masterKey = masterKey;
  }

  /** Says that so many files may be coming. */
  expect(files: number): void {
    if (files >= WORKER_FILES_MIN && this.#state === "none") this.#start();
  }

  /** Reads and seals files; `null` for each that can't be had or is not as the job says. */
  async seal(job: SealJob): Promise<(SealedFile | null)[]> {
    const bytes = job.sizes.reduce((sum, size) => sum + size, 0);
    const reply = await this.#do({ seal: job }, { files: job.paths.length, bytes });
    return "sealed" in reply ? readReply(reply.sealed) : job.paths.map(() => null);
  }

  /** Writes files; says of each whether it could be done. */
  async write(job: WriteJob): Promise<boolean[]> {
    const bytes = job.lengths.reduce((sum, length) => sum + length, 0);
    const reply = await this.#do({ write: job }, { files: job.paths.length, bytes });
    return "written" in reply ? reply.written : job.paths.map(() => false);
  }

  #do(job: SmallJob, { files, bytes }: { files: number; bytes: number }): Promise<SmallReply> {
    this.#files += files;
    this.expect(this.#files);
    return new Promise((resolve) => {
      this.#queue.push({ job, bytes, resolve });
      this.#goOn();
    });
  }

  #goOn(): void {
    while (this.#canSend && this.#mayBeSent(this.#queue[0])) {
      const waiting = this.#queue.shift()!;
      const task = ++this.#task;
      this.#sent.set(task, waiting);
      this.#sentBytes += waiting.bytes;
      // What an answer came in goes back for another.
      const spare = "seal" in waiting.job ? spareBuffer(ROOM_STEP_BYTES) : null;
      const letter = { task, job: waiting.job, padding: this.#sealer.isPadding, spare };
      this.#worker!.postMessage(letter satisfies SmallLetter, spare === null ? [] : [spare]);
    }
    const next = this.#queue[0];
    if (this.#isBusy || next === undefined) return;
    const isSealing = "seal" in next.job;
    const left = this.#state === "ready" ? WAITING_JOBS_MIN[isSealing ? "seal" : "write"] : 0;
    if (this.#queue.length <= left) return;
    // From the other end: two threads that make files in one folder wait for each other.
    void this.#work(isSealing ? this.#queue.shift()! : this.#queue.pop()!);
  }

  get #canSend(): boolean {
    if (this.#state === "starting") return this.#queue.length >= UNREADY_JOBS_MIN;
    return this.#state === "ready";
  }

  #mayBeSent(next: Waiting | undefined): boolean {
    if (next === undefined || this.#sent.size >= SENT_JOBS_MAX) return false;
    return this.#sent.size === 0 || this.#sentBytes + next.bytes <= SENT_BYTES_MAX;
  }

  async #work({ job, resolve }: Waiting): Promise<void> {
    this.#isBusy = true;
    resolve(await doJob(this.#sealer, job));
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
      const answered = this.#sent.get(data.task);
      this.#sent.delete(data.task);
      this.#sentBytes -= answered?.bytes ?? 0;
      answered?.resolve(data.reply);
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
    this.#sentBytes = 0;
    this.#goOn();
  }
}
