import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Bytes, fromHex, sha256, toHex } from "../../src/base/mod.ts";
import { CHUNK_BYTES_AVG, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from "../../src/base/mod.ts";
import { Chunker, gearTable } from "../../src/content/mod.ts";
import vectors from "../vectors/chunker.json" with { type: "json" };
import { Dice } from "./helpers.ts";

const SEED = new Uint8Array(32).fill(5);
const SMALL = { min: 64, avg: 256, max: 1024 };

function cutAll(chunker: Chunker, bytes: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = chunker.cut(bytes, at, bytes.length);
    lengths.push(length);
    at += length;
  }
  return lengths;
}

function pieces(chunker: Chunker, bytes: Bytes): string[] {
  let at = 0;
  return cutAll(chunker, bytes).map((length) => toHex(sha256(bytes.subarray(at, at += length))));
}

Deno.test("gearTable: is what the vectors say", () => {
  for (const { seed, first, sha256: hash } of vectors.tables) {
    const table = gearTable(fromHex(seed));
    assertEquals(table.length, 256);
    assertEquals(Array.from(table.subarray(0, 4), (n) => n.toString(16).padStart(8, "0")), first);
    const bytes = new DataView(new ArrayBuffer(1024));
    table.forEach((n, i) => bytes.setUint32(4 * i, n));
    assertEquals(toHex(sha256(new Uint8Array(bytes.buffer))), hash);
  }
});

Deno.test("gearTable: refuses a seed of another length", () => {
  assertThrows(() => gearTable(new Uint8Array(31)), RangeError);
  assertThrows(() => gearTable(new Uint8Array(33)), RangeError);
});

Deno.test("Chunker: cuts as the vectors say", () => {
  for (const { what, seed, sizes, input, sha256: hash, lengths } of vectors.cuts) {
    const bytes = input.prng === undefined
      ? new Uint8Array(input.zeros!)
      : new Dice(input.prng).bytes(input.length!);
    assertEquals(toHex(sha256(bytes)), hash, `${what}: input`);
    assertEquals(cutAll(new Chunker(fromHex(seed), sizes), bytes), lengths, what);
  }
});

Deno.test("Chunker: the vectors' default sizes are ours", () => {
  assertEquals(
    vectors.cuts.find(({ what }) => what === "default sizes")!.sizes,
    { min: CHUNK_BYTES_MIN, avg: CHUNK_BYTES_AVG, max: CHUNK_BYTES_MAX },
  );
});

Deno.test("Chunker: keeps the bounds, and the mean is near the average", () => {
  const bytes = new Dice(1).bulk(64 * 1024 * 1024);
  const check = (chunker: Chunker, sample: Bytes, { min, avg, max }: typeof SMALL) => {
    const lengths = cutAll(chunker, sample);
    lengths.pop();
    for (const length of lengths) assert(length > min && length <= max, `${length}`);
    const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
    assert(Math.abs(mean / avg - 1) < 0.15, `mean ${mean} for ${avg}`);
  };
  check(new Chunker(SEED), bytes, {
    min: CHUNK_BYTES_MIN,
    avg: CHUNK_BYTES_AVG,
    max: CHUNK_BYTES_MAX,
  });
  check(new Chunker(SEED, SMALL), bytes.subarray(0, 4 * 1024 * 1024), SMALL);
});

Deno.test("Chunker: bytes that never cut make chunks of the largest size", () => {
  assertEquals(cutAll(new Chunker(SEED), new Uint8Array(5 * 1024 * 1024)), [
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MAX,
    1024 * 1024,
  ]);
});

Deno.test("Chunker: a cut depends on the chunk's own bytes only", () => {
  const chunker = new Chunker(SEED, SMALL);
  const bytes = new Dice(2).bytes(100_000);
  let at = 0;
  for (const length of cutAll(chunker, bytes)) {
    if (at + length === bytes.length) break;
    const moved = new Dice(3).bytes(SMALL.max + 7);
    moved.set(bytes.subarray(at, at + length), 7);
    assertEquals(chunker.cut(moved, 7, moved.length), length);
    // The least that a caller may offer of a file that goes on.
    assertEquals(chunker.cut(bytes, at, Math.min(at + SMALL.max, bytes.length)), length);
    at += length;
  }
});

Deno.test("Chunker: cuts the same wherever in memory the bytes lie", () => {
  const chunker = new Chunker(SEED, SMALL);
  const bytes = new Dice(5).bytes(50_001);
  const lengths = cutAll(chunker, bytes);
  for (const offset of [1, 2, 3]) {
    const moved = new Uint8Array(new ArrayBuffer(offset + bytes.length), offset);
    moved.set(bytes);
    assertEquals(cutAll(chunker, moved), lengths, `offset ${offset}`);
  }
});

Deno.test("Chunker: another seed cuts elsewhere", () => {
  const bytes = new Dice(4).bytes(200_000);
  const ends = (seed: number) => {
    let at = 0;
    const chunker = new Chunker(new Uint8Array(32).fill(seed), SMALL);
    return new Set(cutAll(chunker, bytes).map((length) => at += length));
  };
  const a = ends(1);
  const shared = [...ends(2)].filter((end) => a.has(end)).length;
  assert(shared < a.size / 20, `${shared} of ${a.size}`);
});

Deno.test("Chunker: finds the old cuts again after an insertion, a removal and a change", () => {
  const chunker = new Chunker(SEED, SMALL);
  const dice = new Dice(6);
  const bytes = dice.bytes(200_000);
  const before = new Set(pieces(chunker, bytes));
  for (let round = 0; round < 50; round++) {
    const at = dice.roll(bytes.length - 300);
    const removed = dice.roll(300);
    const added = dice.bytes(dice.roll(300));
    const edited = new Uint8Array(bytes.length - removed + added.length);
    edited.set(bytes.subarray(0, at));
    edited.set(added, at);
    edited.set(bytes.subarray(at + removed), at + added.length);
    const fresh = pieces(chunker, edited).filter((piece) => !before.has(piece)).length;
    assert(fresh <= 16, `${fresh} new chunks of ${before.size}`);
  }
});

Deno.test("Chunker: cuts shared memory the same", () => {
  const bytes = new Dice(7).bytes(50_000);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const chunker = new Chunker(SEED, SMALL);
  assertEquals(cutAll(chunker, shared), cutAll(chunker, bytes));
});

Deno.test("Chunker: refuses sizes that make no sense", () => {
  for (
    const sizes of [
      { min: 31, avg: 256, max: 1024 },
      { min: 256, avg: 256, max: 1024 },
      { min: 64, avg: 256, max: 256 },
      { min: 64, avg: 300, max: 1024 },
      { min: 64, avg: 2 ** 30, max: 2 ** 31 },
      { min: 64, avg: NaN, max: 1024 },
    ]
  ) assertThrows(() => new Chunker(SEED, sizes), RangeError);
});
