import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  equalBytes,
  FRAME_BYTES_MAX,
  fromHex,
  INLINE_INVENTORY_ENTRIES_MAX,
  INVENTORY_ENTRIES_MAX,
  sha256,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  decodeInventory,
  encodeInventory,
  ENTRY_BYTES,
  makeInventory,
  NO_ENTRIES,
  packEntries,
} from "../../src/log/mod.ts";
import {
  assertAllRefused,
  assertStrict,
  type BadVector,
  Dice,
  entriesJson,
  entriesOf,
  type EntryJson,
  idOf,
  loadVectors,
  someEntries,
} from "./helpers.ts";

const vectors = loadVectors<{
  good: { name: string; entries: EntryJson[]; bytes: string }[];
  bad: BadVector[];
}>("inventory");

Deno.test("encodeInventory, decodeInventory: good vectors", () => {
  for (const { name, entries, bytes } of vectors.good) {
    assertEquals(toHex(encodeInventory(entriesOf(entries))), bytes, name);
    assertEquals(entriesJson(decodeInventory(fromHex(bytes))), entries, name);
  }
});

Deno.test("decodeInventory: bad vectors are refused", () => {
  assertAllRefused(vectors.bad, decodeInventory);
});

Deno.test("decodeInventory: is strict", () => {
  for (const count of [0, 1, 7]) {
    assertStrict(
      encodeInventory(someEntries(count)),
      (bytes) => encodeInventory(decodeInventory(bytes)),
    );
  }
});

Deno.test("decodeInventory: bytes that start within a larger buffer", () => {
  const bytes = encodeInventory(someEntries(3));
  const larger = new Uint8Array(bytes.length + 10);
  larger.set(bytes, 5);
  const entries = decodeInventory(larger.subarray(5, 5 + bytes.length));
  assertEquals(entriesJson(entries), entriesJson(someEntries(3)));
});

Deno.test("packEntries: sorts and leaves out repeats, in whatever order they come", () => {
  const entries = [...someEntries(200)];
  const sorted = entriesJson(entries).sort((a, b) => a.address < b.address ? -1 : 1);
  const dice = new Dice(1);
  for (let round = 0; round < 5; round++) {
    const packed = packEntries(dice.shuffle([...entries, ...dice.some(entries, 30)]));
    assertEquals(packed.count, 200);
    assertEquals(entriesJson(packed), sorted);
  }
});

Deno.test("packEntries: addresses that begin with the same bytes", () => {
  const addresses = [3, 1, 2].map((last) => new Uint8Array(32).fill(0xff, 0, 31).fill(last, 31));
  const packed = packEntries(addresses.map((address) => ({ address, length: 9 })));
  assertEquals([0, 1, 2].map((i) => packed.address(i)[31]), [1, 2, 3]);
});

Deno.test("packEntries: refuses one address with two lengths, and lengths that no frame carries", () => {
  const address = idOf("a");
  const other = { address: idOf("b"), length: 1 };
  const pack = (...lengths: number[]) =>
    packEntries([other, ...lengths.map((length) => ({ address, length }))]);
  assertThrows(() => pack(1, 2), VaultError, "one address comes with two lengths");
  for (const length of [0, -1, 1.5, FRAME_BYTES_MAX + 1, 2 ** 32 + 1]) {
    assertThrows(() => pack(length), VaultError, `a sealed length is ${length}`);
  }
  assertThrows(
    () => packEntries([{ address: address.subarray(1), length: 1 }]),
    VaultError,
    "an address has 31 bytes",
  );
});

Deno.test("PackedEntries: a slice is a view of the same bytes", () => {
  const entries = someEntries(10);
  const slice = entries.slice(2, 5);
  assertEquals(slice.count, 3);
  assertEquals(entriesJson(slice), entriesJson(entries).slice(2, 5));
  assert(slice.bytes.buffer === entries.bytes.buffer);
});

Deno.test("encodeInventory: a full one fits a frame, one entry more is refused", () => {
  const entries = someEntries(INVENTORY_ENTRIES_MAX + 1);
  const full = encodeInventory(entries.slice(0, INVENTORY_ENTRIES_MAX));
  assertEquals(full.length, 8 + INVENTORY_ENTRIES_MAX * ENTRY_BYTES);
  assert(full.length <= FRAME_BYTES_MAX);
  assertEquals(decodeInventory(full).count, INVENTORY_ENTRIES_MAX);
  assertThrows(() => encodeInventory(entries), VaultError, "65537 entries");
});

Deno.test("makeInventory: few entries go inline, more into objects that hold each once", () => {
  assertEquals(makeInventory(NO_ENTRIES), { inventory: { entries: NO_ENTRIES }, objects: [] });
  const inline = someEntries(INLINE_INVENTORY_ENTRIES_MAX);
  assertEquals(makeInventory(inline), { inventory: { entries: inline }, objects: [] });

  for (const count of [INLINE_INVENTORY_ENTRIES_MAX + 1, INVENTORY_ENTRIES_MAX + 1]) {
    const entries = someEntries(count);
    const { inventory, objects } = makeInventory(entries);
    assert("parts" in inventory);
    assertEquals(inventory.parts.length, objects.length);
    assertEquals(objects.length, Math.ceil(count / INVENTORY_ENTRIES_MAX));
    const decoded = objects.map(({ address, bytes }, i) => {
      assert(equalBytes(address, sha256(bytes)));
      assert(equalBytes(address, inventory.parts[i]!.address));
      const part = decodeInventory(bytes);
      assertEquals(part.count, inventory.parts[i]!.count);
      return part;
    });
    assert(equalBytes(packEntries(decoded.flatMap((part) => [...part])).bytes, entries.bytes));
  }
});
