import { assertEquals } from "@std/assert";
import { HASH_BYTES } from "../../src/base/mod.ts";
import { HashSet } from "../../src/vault/hash_set.ts";
import { RowSet } from "../../src/vault/row_set.ts";
import { randomBytes } from "./helpers.ts";

Deno.test("HashSet: says of each hash once that it is new, however many there are", () => {
  const hashes = Array.from({ length: 5000 }, (_, i) => randomBytes(HASH_BYTES, i));
  const set = new HashSet();
  assertEquals(hashes.every((hash) => set.add(hash)), true);
  assertEquals(hashes.some((hash) => set.add(hash)), false);
  assertEquals(set.size, hashes.length);
});

Deno.test("HashSet: hashes that fall into one place are told apart, as is one of zeros", () => {
  const set = new HashSet();
  const alike = (at: number, value: number) => {
    const hash = new Uint8Array(HASH_BYTES);
    hash[at] = value;
    return hash;
  };
  const hashes = [alike(0, 0), alike(4, 1), alike(8, 1), alike(7, 1), alike(11, 2)];
  assertEquals(hashes.map((hash) => set.add(hash)), [true, true, true, true, true]);
  assertEquals(hashes.map((hash) => set.add(hash)), [false, false, false, false, false]);
  const within = new Uint8Array(HASH_BYTES + 3);
  within.set(alike(4, 1), 3);
  assertEquals(set.add(within.subarray(3)), false, "a part of something larger");
});

Deno.test("RowSet: holds rows up to the last one, and takes no notice of others", () => {
  const rows = new RowSet(16);
  for (const row of [1, 8, 16, 400]) rows.add(row);
  const held = [1, 2, 7, 8, 9, 15, 16, 17, 400].filter((row) => rows.has(row));
  assertEquals(held, [1, 8, 16]);
});
