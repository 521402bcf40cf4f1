/** What the tests of src/log share: a seeded random source, ids, vectors, and the test of a strict decoder. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  encodeUtf8,
  fromHex,
  isVaultError,
  type RecordId,
  sha256,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  type InventoryEntry,
  NO_ENTRIES,
  type PackedEntries,
  packEntries,
  type VersionRecord,
} from "../../src/log/mod.ts";

/** Numbers that one seed fixes (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A number in 0 … below - 1. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  chance(percent: number): boolean {
    return this.roll(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.roll(values.length)]!;
  }

  some<T>(values: readonly T[], percent: number): T[] {
    return values.filter(() => this.chance(percent));
  }

  shuffle<T>(values: readonly T[]): T[] {
    const out = [...values];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.roll(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}

/** An id or address for a name. */
export function idOf(name: string | number): RecordId {
  return sha256(encodeUtf8(String(name)));
}

/** As many different ids or addresses as asked, in no order: quicker than hashes. */
export function manyIds(count: number): RecordId[] {
  return Array.from({ length: count }, (_, i) => {
    const id = new Uint8Array(32);
    new DataView(id.buffer).setUint32(0, Math.imul(i + 1, 0x9e3779b1));
    return id;
  });
}

/** As many entries as asked, each of its own. */
export function someEntries(count: number): PackedEntries {
  return packEntries(manyIds(count).map((address, i) => ({ address, length: 100 + i })));
}

/** A record as plain as can be. */
export const PLAIN_PUT: VersionRecord = {
  kind: "put",
  clock: 1n,
  keyTag: new Uint8Array(16),
  depth: 1,
  parents: [],
  inventory: { entries: NO_ENTRIES },
};

/** Entries as vectors write them. */
export interface EntryJson {
  address: string;
  length: number;
}

export function entriesOf(json: readonly EntryJson[]): PackedEntries {
  return packEntries(json.map(({ address, length }) => ({ address: fromHex(address), length })));
}

export function entriesJson(entries: Iterable<InventoryEntry>): EntryJson[] {
  return Array.from(entries, ({ address, length }) => ({ address: toHex(address), length }));
}

/** A bad vector: `why` stands in the error's message. */
export interface BadVector {
  name: string;
  why: string;
  bytes: string;
}

export function loadVectors<T>(name: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(`../vectors/${name}.json`, import.meta.url)));
}

/** Every bad vector must be refused as damaged, for the reason it names. */
export function assertAllRefused<T extends BadVector>(
  vectors: readonly T[],
  decode: (bytes: Bytes, vector: T) => unknown,
): void {
  for (const vector of vectors) {
    const error = assertThrows(
      () => decode(fromHex(vector.bytes), vector),
      VaultError,
      vector.why,
      `bad vector: ${vector.name}`,
    );
    assertEquals(error.code, "damaged", vector.name);
  }
}

/**
 * A decoder is strict if no beginning of a good encoding decodes, and whatever bytes decode are the one encoding of
 * what they say. Anything else must be `damaged`, never another error.
 *
 * @param recode decodes and encodes again
 */
export function assertStrict(good: Bytes, recode: (bytes: Bytes) => Bytes): void {
  const dice = new Dice(good.length);
  const tryRecode = (bytes: Bytes): Bytes | null => {
    try {
      return recode(bytes);
    } catch (error) {
      assert(isVaultError(error, "damaged"), `not a damaged error: ${error}`);
      return null;
    }
  };
  assertEquals(toHex(recode(good)), toHex(good));
  const step = Math.max(1, Math.floor(good.length / 300));
  for (let length = 0; length < good.length; length += step) {
    assertEquals(tryRecode(good.slice(0, length)), null, `${length} bytes decode`);
  }
  for (let round = 0; round < 600; round++) {
    const bad = good.slice();
    for (let change = 0; change <= dice.roll(3); change++) {
      const at = dice.roll(bad.length);
      bad[at] = dice.chance(50) ? dice.roll(256) : bad[at]! ^ (1 << dice.roll(8));
    }
    const again = tryRecode(bad);
    if (again !== null) assertEquals(toHex(again), toHex(bad), "two encodings of one value");
  }
}
