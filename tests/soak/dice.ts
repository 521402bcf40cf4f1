/** Chance from a seed, so that a run can be told again. */

/** xorshift128 (Marsaglia, 2003), seeded by splitmix32. */
export class Dice {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0;
      let x = z;
      x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
      x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
      this.#state[i] = x ^ (x >>> 16);
    }
  }

  /** 32 random bits. */
  next(): number {
    const s = this.#state;
    const t = s[3]! ^ (s[3]! << 11);
    s[3] = s[2]!;
    s[2] = s[1]!;
    s[1] = s[0]!;
    s[0] = s[0]! ^ (s[0]! >>> 19) ^ t ^ (t >>> 8);
    return s[0]!;
  }

  /** 0 … `limit` - 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  chance(share: number): boolean {
    return this.next() / 2 ** 32 < share;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** Up to `count` of the values, each once. */
  some<T>(values: readonly T[], count: number): T[] {
    const left = [...values];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) {
      taken.push(left.splice(this.below(left.length), 1)[0]!);
    }
    return taken;
  }

  /** A file name that no other call gave, most likely. */
  name(): string {
    return `${this.next().toString(36)}${this.next().toString(36)}.bin`;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => this.next());
    return new Uint8Array(words.buffer, 0, length);
  }
}
