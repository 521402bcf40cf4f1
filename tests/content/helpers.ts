/** What the tests of src/content share: seeded pseudo-random data, references, the check for damage. */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, isVaultError } from "../../src/base/mod.ts";
import { ReferenceBuilder, type ReferenceFields, type References } from "../../src/content/mod.ts";

/** Xorshift32 (Marsaglia, 2003): numbers that one seed fixes. */
export class Dice {
  #state: number;

  /** @param seed not 0 */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next 32 bits, unsigned. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A number in 0 … below - 1. */
  roll(below: number): number {
    return Math.floor(this.word() / 2 ** 32 * below);
  }

  /** Bytes, one for each word: its highest eight bits, as the vectors have it. */
  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.word() >>> 24;
    return bytes;
  }

  /** Bytes, four for each word: quicker where there are millions. `length` is a multiple of 4. */
  bulk(length: number): Bytes {
    const words = new Uint32Array(length / 4);
    for (let i = 0; i < words.length; i++) words[i] = this.word();
    return new Uint8Array(words.buffer);
  }
}

/** Text-like bytes: words of a small vocabulary, one of `seed` for each length. */
export function prose(seed: number, length: number): Bytes {
  const dice = new Dice(seed);
  const vocabulary = Array.from({ length: 500 }, () => dice.bytes(2 + dice.roll(8)));
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const word = vocabulary[dice.roll(dice.roll(vocabulary.length) + 1)]!;
    bytes.set(word.subarray(0, length - at), at);
    at += word.length + 1;
  }
  return bytes;
}

/** A reference that is a function of a number, up to 2^32. */
export function referenceOf(n: number): ReferenceFields {
  const id = new Dice(n + 1).bytes(32);
  new DataView(id.buffer).setUint32(8, n);
  return {
    id,
    address: id.map((byte) => byte ^ 0xff),
    length: 1 + n % 1000,
    sealedLength: 55 + n % 1000,
  };
}

/** The references of these numbers. */
export function referencesOf(numbers: Iterable<number>): References {
  const known = new Map<number, ReferenceFields>();
  const builder = new ReferenceBuilder();
  for (const n of numbers) {
    let fields = known.get(n);
    if (fields === undefined) known.set(n, fields = referenceOf(n));
    builder.add(fields);
  }
  return builder.finish();
}

/** Asserts that something is refused as damaged, and nothing else. */
export function assertDamaged(act: () => unknown, what: string): void {
  let result: unknown;
  try {
    result = act();
  } catch (error) {
    assert(isVaultError(error, "damaged"), `${what}: ${error}`);
    return;
  }
  assertEquals(result, "refused", what);
}
