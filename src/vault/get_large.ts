/**
 * Filling a file with a version's chunks: each goes to its own place, in whatever order they are ready. Runs of chunks are
 * read, opened and written by this thread and, once there is enough to do, by the worker, whose bytes don't come by here.
 * What is not in a pack, or not as expected, is done one by one: it is fetched or healed, or it is said what is wrong. What
 * comes from other nodes goes on to the worker, as this thread has the connections to see to.
 *
 * @module
 */

import { freeBytes, READ_AHEAD_CHUNKS } from "../base/mod.ts";
import type { References } from "../content/mod.ts";
import { type RunChunk, writeAt } from "./chunk_run.ts";
import { useChunk } from "./content_reader.ts";
import type { VaultContext } from "./context.ts";

/** Chunks of a run: few enough that both threads end at about the same time. */
const RUN_CHUNKS = 8;

/** Runs that this thread has: one in work, and one to go on with. */
const RUNS_HERE_MAX = 2;

/** What {@link fillFile} takes. */
export interface FillOptions {
  references: References;
  /** The file, open for writing and empty, and where it is. */
  file: Deno.FsFile;
  path: string;
  signal?: AbortSignal | undefined;
  /** Runs what touches the file; makes an error that says what for. */
  attempt: (work: () => void) => Promise<void>;
  /** Called with the bytes done so far. */
  onBytes: (done: number) => void;
}

/**
 * Writes all chunks to the file. When it returns or throws, nobody writes to it any more.
 *
 * @throws VaultError `damaged` or `too_few_peers`, naming a chunk
 */
export function fillFile(context: VaultContext, options: FillOptions): Promise<void> {
  return new Filler(context, options).fill();
}

class Filler {
  readonly #context: VaultContext;
  readonly #options: FillOptions;
  /** Where in the file each chunk begins. */
  readonly #starts: Float64Array;
  /** The first chunk that nobody has taken. */
  #next = 0;
  /** Chunks before it that are to be done one by one. */
  readonly #single: number[] = [];
  #underWay = 0;
  #singles = 0;
  #runsHere = 0;
  #doneBytes = 0;
  #failure: { error: unknown } | null = null;
  readonly #ended = Promise.withResolvers<void>();

  constructor(context: VaultContext, options: FillOptions) {
    this.#context = context;
    this.#options = options;
    const { references } = options;
    this.#starts = new Float64Array(references.count);
    for (let i = 1; i < references.count; i++) {
      this.#starts[i] = this.#starts[i - 1]! + references.length(i - 1);
    }
    context.ciphers.expect(references.totalLength());
  }

  async fill(): Promise<void> {
    this.#goOn();
    await this.#ended.promise;
    if (this.#failure !== null) throw this.#failure.error;
  }

  #goOn(): void {
    try {
      while (this.#failure === null && this.#begin());
    } catch (error) {
      this.#failure ??= { error };
    }
    if (this.#underWay === 0) this.#ended.resolve();
  }

  /** Begins with what comes next; false if there is nothing, or no room for it. */
  #begin(): boolean {
    const { references, signal } = this.#options;
    if (this.#single.length > 0) {
      if (this.#singles >= READ_AHEAD_CHUNKS) return false;
      signal?.throwIfAborted();
      this.#singles++;
      this.#watch(this.#writeOne(this.#single.shift()!).finally(() => this.#singles--));
      return true;
    }
    if (this.#next >= references.count) return false;
    const there = this.#context.ciphers.isFreeForRun;
    if (!there && this.#runsHere >= RUNS_HERE_MAX) return false;
    signal?.throwIfAborted();
    const run = this.#takeRun();
    if (run.length === 0) return true;
    if (there) this.#watch(this.#writeRun(run, "there"));
    else {
      this.#runsHere++;
      this.#watch(this.#writeRun(run, "here").finally(() => this.#runsHere--));
    }
    return true;
  }

  #watch(work: Promise<void>): void {
    this.#underWay++;
    work.catch((error) => void (this.#failure ??= { error })).finally(() => {
      this.#underWay--;
      this.#goOn();
    });
  }

  /** The next chunks, and where they lie; those that are in no pack's file are left for later. */
  #takeRun(): { i: number; chunk: RunChunk }[] {
    const { references } = this.#options;
    const first = this.#next;
    this.#next = Math.min(references.count, first + RUN_CHUNKS);
    const taken = Array.from({ length: this.#next - first }, (_, j) => first + j);
    const places = this.#context.store.locate(taken.map((i) => references.address(i)));
    return taken.flatMap((i, j) => {
      const reference = references.fields(i);
      const place = places[j]!;
      if (place === null || place.length !== reference.sealedLength) {
        this.#single.push(i);
        return [];
      }
      const { path: pack, offset } = place;
      return [{ i, chunk: { pack, offset, reference, to: this.#starts[i]! } }];
    });
  }

  async #writeRun(
    run: readonly { i: number; chunk: RunChunk }[],
    where: "here" | "there",
  ): Promise<void> {
    const { path } = this.#options;
    const chunks = run.map(({ chunk }) => chunk);
    const written = await this.#context.ciphers.writeRun({ path, chunks }, where);
    for (const [j, { i, chunk }] of run.entries()) {
      if (written[j]) this.#done(chunk.reference.length);
      else this.#single.push(i);
    }
  }

  async #writeOne(i: number): Promise<void> {
    const { references, path, signal, file, attempt } = this.#options;
    const { ciphers } = this.#context;
    const reference = references.fields(i);
    const to = this.#starts[i]!;
    await useChunk(this.#context, { reference, signal }, async (found) => {
      const sealed = await ciphers.place({ path, sealed: found, reference, to });
      if (sealed === null) return;
      const bytes = await ciphers.open(sealed, reference);
      await attempt(() => writeAt(file, to, bytes));
      freeBytes(bytes);
    });
    this.#done(reference.length);
  }

  #done(bytes: number): void {
    this.#doneBytes += bytes;
    this.#options.onBytes(this.#doneBytes);
  }
}
