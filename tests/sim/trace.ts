/**
 * What happened in a run, in words, and in one number that covers every message too.
 *
 * @module
 */

import { crc32, encodeUtf8 } from "../../src/base/mod.ts";

/** Lines that are kept; of a longer run the oldest go, and all count for the digest. */
const LINES_MAX = 20_000;

/** Notes what happens. */
export class Trace {
  readonly #now: () => number;
  #lines: string[] = [];
  #digest = 0;
  #count = 0;
  /** Called with each line, as it happens. */
  onLine: ((line: string) => void) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes that something happened to, or at, someone. */
  note(who: string, what: string): void {
    const line = `${clockText(this.#now())}  ${who.padEnd(6)} ${what}`;
    this.mix(crc32(encodeUtf8(line)));
    this.#count++;
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(LINES_MAX / 2);
    this.onLine?.(line);
  }

  /** Integers that count for the digest, and are not kept. */
  mix(...values: number[]): void {
    this.#digest = stirred(this.#digest, this.#now());
    for (const value of values) this.#digest = stirred(this.#digest, value);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The same for the same run, and for no other. */
  get digest(): string {
    return `${this.#count}-${(this.#digest >>> 0).toString(16).padStart(8, "0")}`;
  }
}

/** One round of a hash: it has to tell one run from another, and no more. */
function stirred(digest: number, value: number): number {
  const mixed = Math.imul(digest ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** `h:mm:ss.mmm` of virtual time. */
function clockText(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const millis = String(Math.floor(ms % 1000)).padStart(3, "0");
  return `${Math.floor(ms / 3_600_000)}:${two(ms / 60_000 % 60)}:${two(ms / 1000 % 60)}.${millis}`;
}
