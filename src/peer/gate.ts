/**
 * A gate that lets in so many at once and so many bytes: what keeps transfers within their memory.
 *
 * @module
 */

/** Bounds of a {@link Gate}. */
export interface GateBounds {
  countMax: number;
  bytesMax: number;
}

/** Lets in, first come first served, as many as fit. One that is larger than all the room goes in alone. */
export class Gate {
  readonly #bounds: () => GateBounds;
  readonly #waiting: { bytes: number; enter: () => void }[] = [];
  #count = 0;
  #bytes = 0;

  /** @param bounds asked each time, as they may change with the peers that are up */
  constructor(bounds: () => GateBounds) {
    this.#bounds = bounds;
  }

  /** How many are inside, and their bytes. */
  get load(): { count: number; bytes: number } {
    return { count: this.#count, bytes: this.#bytes };
  }

  #fits(bytes: number): boolean {
    if (this.#count === 0) return true;
    const { countMax, bytesMax } = this.#bounds();
    return this.#count < countMax && this.#bytes + bytes <= bytesMax;
  }

  #letIn(bytes: number): () => void {
    this.#count++;
    this.#bytes += bytes;
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#count--;
      this.#bytes -= bytes;
      while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
        this.#waiting.shift()!.enter();
      }
    };
  }

  /** Waits for room; what it resolves with gives the room back. @throws the signal's reason once it fires */
  enter(bytes: number, signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#waiting.length === 0 && this.#fits(bytes)) return resolve(this.#letIn(bytes));
      const waiting = {
        bytes,
        enter: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(this.#letIn(bytes));
        },
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal!.reason);
      };
      this.#waiting.push(waiting);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}

/**
 * Does something for every item, as many at a time as the gate lets in. Returns when all are done.
 *
 * @throws what the first one threw, after those that were under way have ended; the rest is not begun
 */
export async function forEachInGate<T>(
  items: Iterable<T>,
  { gate, bytesOf, signal }: { gate: Gate; bytesOf: (item: T) => number; signal?: AbortSignal },
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for (const item of items) {
    if (failures.length > 0) break;
    let leave: () => void;
    try {
      leave = await gate.enter(bytesOf(item), signal);
    } catch (error) {
      failures.push(error);
      break;
    }
    const done: Promise<void> = work(item)
      .catch((error) => void failures.push(error))
      .finally(() => {
        leave();
        running.delete(done);
      });
    running.add(done);
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}
