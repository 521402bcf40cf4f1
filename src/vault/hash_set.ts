/**
 * A set of hashes, of which there may be millions: addresses, ids of versions.
 *
 * @module
 */

import type { Bytes } from "../base/mod.ts";

/** Words of four bytes that are held of each hash. */
const WORDS = 3;
/** Slots at first; always a power of two. */
const SLOTS_MIN = 1024;

/**
 * Hashes that were come upon. Of each it holds the first 12 bytes, and takes 16 to 32: that two of 10^9 hashes begin alike is
 * less likely than 10^-10.
 */
export class HashSet {
  #words = new Uint32Array(SLOTS_MIN * WORDS);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds a hash; says whether it was not in it. */
  add(hash: Bytes): boolean {
    if (4 * WORDS * (this.#size + 1) > 3 * this.#words.length) this.#grow();
    const view = new DataView(hash.buffer, hash.byteOffset, 4 * WORDS);
    const [a, b, c] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
    const at = place(this.#words, a, b, c);
    if (!isFree(this.#words, at)) return false;
    this.#put(at, a, b, c);
    this.#size++;
    return true;
  }

  #put(at: number, a: number, b: number, c: number): void {
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c || 1; // all zeros mean that nothing is there
  }

  #grow(): void {
    const before = this.#words;
    this.#words = new Uint32Array(2 * before.length);
    for (let i = 0; i < before.length; i += WORDS) {
      if (isFree(before, i)) continue;
      const [a, b, c] = [before[i]!, before[i + 1]!, before[i + 2]!];
      this.#put(place(this.#words, a, b, c), a, b, c);
    }
  }
}

function isFree(words: Uint32Array, at: number): boolean {
  return words[at + 2] === 0;
}

/** Where a hash is, or the free slot where it belongs. */
function place(words: Uint32Array, a: number, b: number, c: number): number {
  const slots = words.length / WORDS;
  for (let slot = a & (slots - 1);; slot = (slot + 1) & (slots - 1)) {
    const at = slot * WORDS;
    if (isFree(words, at)) return at;
    if (words[at] === a && words[at + 1] === b && words[at + 2] === (c || 1)) return at;
  }
}
