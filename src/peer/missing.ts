/**
 * The objects that a node should hold and lacks: when each is to be asked for, and how many there are.
 *
 * @module
 */

import { type Address, MISSING_MAX, REPAIR_AGAIN_MS } from "../base/mod.ts";
import { AddressMap } from "./address_map.ts";

/** Waiting longer than this many times `REPAIR_AGAIN_MS` for another try would be too long. */
const BACKOFF_MAX = 16;

/** An object that is missing. */
export interface Missing {
  /** Bytes; 1 where nobody can tell. */
  length: number;
  /** When to ask for it, milliseconds since 1970. */
  dueMs: number;
  /** How often nobody could give it. */
  tries: number;
  /** Whether it was here and was found damaged. */
  isDamaged: boolean;
  /** Whether it may be needed by nobody. */
  isInherited: boolean;
  /** Whether everybody who is up said last that they don't have it. */
  isNowhere: boolean;
  /** The scan that saw it last. */
  scan: number;
}

/** A bounded list; what it can't take in is counted, and found again by the next scan. */
export class MissingList {
  readonly #objects = new AddressMap<Missing>();
  #scan = 0;
  #over = { objects: 0, bytes: 0 };

  /** How many there are. What may be needed by nobody, and nobody has, is none of them: a prune had it collected. */
  get count(): number {
    return this.#sum(() => 1) + this.#over.objects;
  }

  /** How many are remembered, what nobody has among them: at most `MISSING_MAX`. */
  get size(): number {
    return this.#objects.size;
  }

  /** How many bytes they have. */
  get bytes(): number {
    return this.#sum(({ length }) => length) + this.#over.bytes;
  }

  #sum(of: (missing: Missing) => number): number {
    let sum = 0;
    for (const missing of this.#objects.values()) {
      if (!missing.isInherited || !missing.isNowhere) sum += of(missing);
    }
    return sum;
  }

  /** Whether there are more than the list holds. */
  get isOver(): boolean {
    return this.#over.objects > 0;
  }

  /** Notes an object that is missing; one that is known stays as it is. */
  add(
    address: Address,
    length: number,
    dueMs: number,
    { isDamaged = false, isInherited = false } = {},
  ): void {
    const known = this.#objects.get(address);
    if (known !== undefined) {
      // Of all lists that it stands in, one is enough that says for sure.
      known.isInherited = isInherited && (known.isInherited || known.scan !== this.#scan);
      known.scan = this.#scan;
      known.isDamaged ||= isDamaged;
      known.length = length;
    } else if (this.#objects.size >= MISSING_MAX) {
      this.#over.objects++;
      this.#over.bytes += length;
    } else {
      const scan = this.#scan;
      const isNowhere = false;
      this.#objects.set(address, {
        ...{ length, dueMs, tries: 0, isDamaged, isInherited, isNowhere, scan },
      });
    }
  }

  /** @returns what was known of it */
  delete(address: Address): Missing | null {
    const known = this.#objects.get(address);
    if (known === undefined) return null;
    this.#objects.delete(address);
    return known;
  }

  /** A scan of all that is live begins: what it doesn't find missing isn't. */
  beginScan(): void {
    this.#scan++;
    this.#over = { objects: 0, bytes: 0 };
  }

  /** The scan is through. */
  endScan(): void {
    for (const [address, { scan }] of this.#objects) if (scan < this.#scan) this.delete(address);
  }

  /** Those to be asked for by now, so many at most. */
  due(nowMs: number, countMax: number): { address: Address; missing: Missing }[] {
    const due: { address: Address; missing: Missing }[] = [];
    for (const [address, missing] of this.#objects) {
      if (due.length >= countMax) break;
      if (missing.dueMs <= nowMs) due.push({ address, missing });
    }
    return due;
  }

  /** When the next one is to be asked for; `null` if there is none. */
  nextDueMs(): number | null {
    let next: number | null = null;
    for (const { dueMs } of this.#objects.values()) {
      if (next === null || dueMs < next) next = dueMs;
    }
    return next;
  }

  /** Nobody could give it: it is asked for again later, and later each time. */
  postpone(missing: Missing, nowMs: number): void {
    missing.dueMs = nowMs + REPAIR_AGAIN_MS * Math.min(2 ** missing.tries, BACKOFF_MAX);
    missing.tries++;
  }

  /** Someone came who may have them: what was postponed is asked for at once. */
  hurry(nowMs: number): void {
    for (const missing of this.#objects.values()) {
      if (missing.tries === 0) continue;
      missing.tries = 0;
      missing.dueMs = nowMs;
    }
  }
}
