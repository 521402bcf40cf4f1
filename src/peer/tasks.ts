/**
 * Work in the background that ends when its owner stops: nothing of it is left running, and no failure of it is lost.
 *
 * @module
 */

import { type Clock, routineMs, sleep, SLICE_MS, SLICE_STEPS, type Timers } from "../base/mod.ts";

/** What background work is done with. */
export interface TasksOptions {
  clock: Clock;
  timers: Timers;
  /** Told of what a task threw. */
  onFailure: (action: string, error: unknown) => void;
}

/** Runs tasks until it is stopped. */
export class Tasks {
  readonly #options: TasksOptions;
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  /** Fires when everything is to end. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isStopped(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Starts a task. @param action what it does, for messages */
  start(action: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.isStopped) return;
    const running = this.#run(action, task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(action: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.signal);
    } catch (error) {
      this.fail(action, error);
    }
  }

  /** Tells of a failure that doesn't end the task. */
  fail(action: string, error: unknown): void {
    if (!this.isStopped) this.#options.onFailure(action, error);
  }

  /** Does a task again and again, each time so long after the last has ended; a failure doesn't end it. */
  every(action: string, ms: number, task: (signal: AbortSignal) => Promise<void> | void): void {
    this.start(action, async (signal) => {
      while (true) {
        await this.sleep(this.routineMs(ms));
        await this.#run(action, async () => await task(signal));
      }
    });
  }

  /** How long what is looked at every `ms` waits: see {@link Timers.leisure}. */
  routineMs(ms: number): number {
    return routineMs(this.#options.timers, ms);
  }

  /** Does something once, later; what it returns calls that off. */
  after(ms: number, action: string, run: () => void | Promise<void>): () => void {
    if (this.isStopped) return () => {};
    const stop = this.#options.timers.after(ms, () => {
      this.signal.removeEventListener("abort", stop);
      this.start(action, async () => await run());
    });
    this.signal.addEventListener("abort", stop, { once: true });
    return () => {
      this.signal.removeEventListener("abort", stop);
      stop();
    };
  }

  /** Waits. @throws once it is stopped */
  sleep(ms: number): Promise<void> {
    return sleep(this.#options.timers, ms, this.signal);
  }

  /** For a long loop: see {@link Slices}. */
  slices(): Slices {
    return new Slices(this.#options, this.signal);
  }

  /** Ends everything and waits for it. */
  async stop(): Promise<void> {
    this.#abort.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

/** Cuts a long loop into slices, between which others get their turn. */
export class Slices {
  readonly #options: Pick<TasksOptions, "clock" | "timers">;
  readonly #signal: AbortSignal;
  #beganMs: number;
  #steps = 0;

  constructor(options: Pick<TasksOptions, "clock" | "timers">, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#beganMs = options.clock.now();
  }

  /** Whether the slice is over, to be asked after each step: then {@link Slices.next} is due. */
  isOver(): boolean {
    if (++this.#steps >= SLICE_STEPS) return true;
    return this.#steps % 16 === 0 && this.#options.clock.now() - this.#beganMs >= SLICE_MS;
  }

  /** Lets others in and begins the next slice. @throws once the work is to end */
  async next(): Promise<void> {
    await sleep(this.#options.timers, 0, this.#signal);
    this.#beganMs = this.#options.clock.now();
    this.#steps = 0;
  }
}
