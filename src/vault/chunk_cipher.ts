/**
 * Sealing and opening chunks, here or on a worker thread. Hashing and the cipher go to WebCrypto's threads from here, so
 * that a large file keeps two cores busy. Compressing goes nowhere by itself, and small chunks are not worth WebCrypto's
 * trips: for those, once there are enough of them, a worker shares the work.
 *
 * @module
 */

import {
  type Address,
  BESIDE_BYTES_MIN,
  type Bytes,
  type ErrorCode,
  freeBytes,
  isVaultError,
  ownWhole,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import { compress, decompress, looksIncompressible, type ReferenceFields } from "../content/mod.ts";
import { CODEC_RAW, CODEC_ZSTD, type Sealed, type Sealer } from "../seal/mod.ts";
import { matchesAddress } from "../store/mod.ts";
import { type ChunkRun, type FoundChunk, RunWriter } from "./chunk_run.ts";
import { Outbox } from "./outbox.ts";

/** From this many bytes on, in one content or in many, a worker is worth its start. */
const WORKER_BYTES_MIN = 8 * 1024 * 1024;

/** So many bytes may wait for the worker; past that this thread takes its share of the work. */
const QUEUED_BYTES_MAX = 2 * 1024 * 1024;

/** Runs that the worker has at a time: one to do, and one to go on with. */
const RUNS_MAX = 2;

/** Seals and opens chunks. */
export interface ChunkCipher {
  /**
   * Compresses a chunk if that pays, and seals it. `id` must be that of these very bytes, which must not change
   * meanwhile.
   */
  seal(plain: Bytes, id: Bytes): Promise<Sealed>;
  /**
   * Opens a sealed chunk and checks its tag, its id and that it is the one meant; takes the bytes over.
   *
   * @throws VaultError `damaged`
   */
  open(sealed: Bytes, reference: ReferenceFields): Promise<Bytes>;
}

/** Seals plaintext of any domain, compressed if that pays. */
export async function sealPlain(sealer: Sealer, plain: Bytes, id: Bytes): Promise<Sealed> {
  const compressed = compress(plain);
  if (compressed === null) return await sealRaw(sealer, plain, id);
  const sealed = await sealer.seal({
    id,
    length: plain.length,
    payload: compressed,
    codec: CODEC_ZSTD,
  });
  if (compressed.length >= BESIDE_BYTES_MIN) freeBytes(compressed);
  return sealed;
}

function sealRaw(sealer: Sealer, plain: Bytes, id: Bytes): Promise<Sealed> {
  return sealer.seal({ id, length: plain.length, payload: plain, codec: CODEC_RAW });
}

/** @throws VaultError `damaged` if the bytes are not the ones that the address names */
export async function checkAddress(address: Address, bytes: Bytes, what: string): Promise<void> {
  if (await matchesAddress(address, bytes)) return;
  throw new VaultError(
    "damaged",
    `Cannot read ${what} ${shortHex(address)}: its bytes do not match its address`,
  );
}

/** Works on the calling thread. */
export class LocalCipher implements ChunkCipher {
  readonly #sealer: Sealer;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  seal(plain: Bytes, id: Bytes): Promise<Sealed> {
    return sealPlain(this.#sealer, plain, id);
  }

  /** Seals a chunk that is not worth compressing. */
  sealRaw(plain: Bytes, id: Bytes): Promise<Sealed> {
    return sealRaw(this.#sealer, plain, id);
  }

  /**
   * The address is asked only when something else is wrong, to say what: tag and id prove the same bytes, and to more,
   * as only who has the key can make them.
   */
  async open(sealed: Bytes, reference: ReferenceFields): Promise<Bytes> {
    try {
      const plain = await this.#sealer.open(sealed, reference, decompress);
      freeBytes(sealed);
      return plain;
    } catch (error) {
      if (isVaultError(error, "damaged")) await checkAddress(reference.address, sealed, "chunk");
      throw error;
    }
  }
}

/** What goes to the worker: first the key, then letters of requests, and whether to pad. */
export type CipherLetter = { masterKey: Bytes } | { requests: CipherRequest[]; padding: boolean };

/** What the worker is asked for. */
export type CipherRequest =
  | { task: number; seal: Bytes; id: Bytes }
  | { task: number; open: Bytes; reference: ReferenceFields }
  | { task: number; write: ChunkRun }
  | { task: number; place: FoundChunk };

/** What comes back, in letters too. */
export type CipherReply =
  | { task: number; sealed: Sealed }
  | { task: number; plain: Bytes }
  | { task: number; written: boolean[] }
  | { task: number; placed: boolean; back: Bytes }
  | { task: number; error: { code: ErrorCode; message: string } }
  | { ready: true };

/** An answer that is no error. */
type Answer = Exclude<CipherReply, { error: unknown } | { ready: true }>;

interface Waiting {
  resolve: (reply: Answer) => void;
  reject: (error: unknown) => void;
}

/** Works on a thread of its own. */
export class WorkerCipher implements ChunkCipher {
  readonly #masterKey: Bytes;
  readonly #isPadding: () => boolean;
  readonly #waiting = new Map<number, Waiting>();
  readonly #outbox = new Outbox<CipherRequest>((requests, handedOver) => {
    this.#worker?.postMessage(
      { requests, padding: this.#isPadding() } satisfies CipherLetter,
      handedOver,
    );
  });
  #worker: Worker | null = null;
  #task = 0;
  #queuedBytes = 0;
  #runs = 0;
  #ready = false;

  constructor(masterKey: Bytes, isPadding: () => boolean = () => false) {
    this.#masterKey = masterKey;
    this.#isPadding = isPadding;
  }

  async seal(plain: Bytes, id: Bytes): Promise<Sealed> {
    const own = plain.slice();
    const reply = await this.#ask({ task: ++this.#task, seal: own, id }, own);
    if (!("sealed" in reply)) throw otherAnswer("seal");
    return reply.sealed;
  }

  async open(sealed: Bytes, reference: ReferenceFields): Promise<Bytes> {
    const reply = await this.#ask({
      task: ++this.#task,
      open: sealed,
      reference: ownFields(reference),
    }, sealed);
    if (!("plain" in reply)) throw otherAnswer("open");
    return reply.plain;
  }

  /** Writes chunks to their places in a file; says of each whether it could be done. */
  async write({ path, chunks }: ChunkRun): Promise<boolean[]> {
    const own = chunks.map((chunk) => ({ ...chunk, reference: ownFields(chunk.reference) }));
    this.#runs++;
    try {
      const reply = await this.#ask({ task: ++this.#task, write: { path, chunks: own } }, null);
      if (!("written" in reply)) throw otherAnswer("write");
      return reply.written;
    } finally {
      this.#runs--;
    }
  }

  /**
   * Opens a chunk, checks it and writes it to its place in a file. Takes the sealed bytes over, and gives them back if that
   * could not be done; `null` if it was done.
   */
  async place(chunk: FoundChunk): Promise<Bytes | null> {
    const place = { ...chunk, reference: ownFields(chunk.reference) };
    const reply = await this.#ask({ task: ++this.#task, place }, chunk.sealed);
    if (!("placed" in reply)) throw otherAnswer("write");
    const sealed = ownWhole(reply.back);
    if (!reply.placed) return sealed;
    freeBytes(sealed); // they come back in either case: for what arrives next
    return null;
  }

  /** Ends the thread. Requests under way fail. */
  close(): void {
    this.#outbox.flush();
    this.#worker?.terminate();
    this.#worker = null;
    this.#failAll(new VaultError("interrupted", "Cannot go on: the vault was closed"));
  }

  /** Whether the thread is there. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** Whether the thread is there and would begin on more work soon. */
  get isEager(): boolean {
    return this.#ready && this.#queuedBytes < QUEUED_BYTES_MAX;
  }

  /** Whether the thread is there and has time for a run. */
  get isFreeForRun(): boolean {
    return this.#ready && this.#runs < RUNS_MAX;
  }

  async #ask(request: CipherRequest, bytes: Bytes | null): Promise<Answer> {
    const length = bytes?.length ?? 0;
    this.#queuedBytes += length;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.set(request.task, { resolve, reject });
        this.#outbox.add(request, bytes);
      });
    } finally {
      this.#queuedBytes -= length;
    }
  }

  /** Starts the thread, unless it is there; it takes some 100 ms. */
  start(): void {
    this.#worker ??= this.#start();
  }

  #start(): Worker {
    const worker = new Worker(new URL("./cipher_worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<CipherReply[]>) => {
      for (const reply of data) this.#deliver(reply);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#ready = false; // nothing is asked of it any more
      this.#failAll(
        new VaultError("failed", `Cannot seal or open chunks: the worker failed: ${event.message}`),
      );
    };
    worker.postMessage({ masterKey: this.#masterKey } satisfies CipherLetter);
    return worker;
  }

  #deliver(reply: CipherReply): void {
    if ("ready" in reply) {
      this.#ready = true;
      return;
    }
    const waiting = this.#waiting.get(reply.task);
    this.#waiting.delete(reply.task);
    if ("error" in reply) waiting?.reject(new VaultError(reply.error.code, reply.error.message));
    else waiting?.resolve(reply);
  }

  #failAll(error: VaultError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function otherAnswer(verb: string): VaultError {
  return new VaultError("failed", `Cannot ${verb}: the worker answered something else`);
}

/** Fields whose bytes are their own: a view would take its whole buffer along to the worker. */
function ownFields({ id, address, length, sealedLength }: ReferenceFields): ReferenceFields {
  return { id: id.slice(), address: address.slice(), length, sealedLength };
}

/** Shares the work between this thread and, for chunks of which that has more than is good, the worker. */
export class ChunkCiphers implements ChunkCipher {
  readonly #local: LocalCipher;
  readonly #worker: WorkerCipher;
  readonly #runs: RunWriter;
  readonly #hasThreads: boolean;
  #expectedBytes = 0;

  constructor(sealer: Sealer, masterKey: Bytes, { hasThreads = true } = {}) {
    this.#hasThreads = hasThreads;
    this.#local = new LocalCipher(sealer);
    this.#runs = new RunWriter(sealer);
    this.#worker = new WorkerCipher(masterKey, () => sealer.isPadding);
  }

  /** Says that so many bytes of plaintext are coming. */
  expect(bytes: number): void {
    this.#expectedBytes += bytes;
  }

  seal(plain: Bytes, id: Bytes): Promise<Sealed> {
    if (plain.length >= BESIDE_BYTES_MIN && looksIncompressible(plain)) {
      return this.#local.sealRaw(plain, id);
    }
    return this.#shared().seal(plain, id);
  }

  open(sealed: Bytes, reference: ReferenceFields): Promise<Bytes> {
    const isCompressed = sealed.length < reference.length;
    if (!isCompressed && sealed.length >= BESIDE_BYTES_MIN) {
      return this.#local.open(sealed, reference);
    }
    return this.#shared().open(sealed, reference);
  }

  /** Whether a run of chunks is better written by the worker. If that one is not there, it may be started. */
  get isFreeForRun(): boolean {
    this.#startIfWorth();
    return this.#worker.isFreeForRun;
  }

  /** Writes chunks to a file, on this thread or on the worker; says of each whether it could be done. */
  writeRun(run: ChunkRun, where: "here" | "there"): Promise<boolean[]> {
    return where === "here" ? this.#runs.write(run) : this.#worker.write(run);
  }

  /**
   * Has the worker, if there is one, open a chunk and write it to its place in a file. Takes the sealed bytes over, and
   * gives them back if it was not done, for whatever reason; `null` if it was.
   */
  async place(chunk: FoundChunk): Promise<Bytes | null> {
    this.#startIfWorth();
    return this.#worker.isReady ? await this.#worker.place(chunk) : chunk.sealed;
  }

  #startIfWorth(): void {
    if (this.#hasThreads && this.#expectedBytes >= WORKER_BYTES_MIN) this.#worker.start();
  }

  /** The worker if it is there and has time. If it is not there and there is enough to do, it is started. */
  #shared(): ChunkCipher {
    this.#startIfWorth();
    return this.#worker.isEager ? this.#worker : this.#local;
  }

  close(): void {
    this.#worker.close();
  }
}
