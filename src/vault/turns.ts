/**
 * Who may work at the same time: writers of one key take turns, and collecting garbage takes turns with all writers, as
 * a writer may be about to name an object that nothing names yet.
 *
 * @module
 */

/** Lets callers with the same name work one after the other, in the order they came. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Works when all who came before under any of these names are through. Names are taken at once, so nobody deadlocks. */
  async take<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = names.map((name) => this.#last.get(name)).filter((last) => last !== undefined);
    const mine = Promise.allSettled(before).then(work);
    for (const name of names) this.#last.set(name, mine);
    try {
      return await mine;
    } finally {
      for (const name of names) if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}

/** What has to be mended, while nobody is inside, before anybody can work. */
export interface Mending {
  isDue(): boolean;
  mend(): Promise<void>;
}

/** Lets many share, or one be alone. Whoever wants to be alone waits for those before, and holds up those after. */
export class Gate {
  /** Settles when the last one that wanted to be alone is through. */
  #closed: Promise<unknown> = Promise.resolve();
  readonly #inside = new Set<Promise<unknown>>();
  /** Those that are alone or wait to be. */
  #loners = 0;
  readonly #mending: Mending | null;

  constructor(mending: Mending | null = null) {
    this.#mending = mending;
  }

  /** Mends what is broken, if something is and nobody is inside or waits; where that fails, whoever works will find out. */
  async mend(): Promise<void> {
    if (this.#mending?.isDue()) await this.beAloneIfFree(() => Promise.resolve());
  }

  async share<T>(work: () => Promise<T>): Promise<T> {
    if (this.#mending?.isDue()) await this.mend();
    const mine = this.#closed.then(work);
    this.#inside.add(mine);
    try {
      return await mine;
    } finally {
      this.#inside.delete(mine);
    }
  }

  async beAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = [this.#closed, ...this.#inside];
    const mine = Promise.allSettled(before).then(() => this.#mendAlone()).then(work);
    this.#closed = mine.catch(() => {/* thrown to whoever waits for `mine` */});
    this.#loners++;
    try {
      return await mine;
    } finally {
      this.#loners--;
    }
  }

  async #mendAlone(): Promise<void> {
    if (!this.#mending?.isDue()) return;
    try {
      await this.#mending.mend();
    } catch {
      // The work will fail by the same.
    }
  }

  /** As {@link Gate.beAlone}, if nobody is inside or waits; otherwise nothing is done and `null` given. */
  async beAloneIfFree<T>(work: () => Promise<T>): Promise<T | null> {
    return this.#inside.size > 0 || this.#loners > 0 ? null : await this.beAlone(work);
  }
}
