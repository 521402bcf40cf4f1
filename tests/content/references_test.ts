import { assertEquals, assertThrows } from "@std/assert";
import { REFERENCE_BYTES, ReferenceBuilder, References } from "../../src/content/mod.ts";
import { referenceOf, referencesOf } from "./helpers.ts";

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

Deno.test("References: gives back what was added", () => {
  const references = referencesOf(range(100));
  assertEquals(references.count, 100);
  for (let i = 0; i < 100; i++) {
    const fields = referenceOf(i);
    assertEquals(references.id(i), fields.id);
    assertEquals(references.address(i), fields.address);
    assertEquals(references.length(i), fields.length);
    assertEquals(references.sealedLength(i), fields.sealedLength);
    assertEquals(references.fields(i), fields);
  }
});

Deno.test("References: are packed as a manifest has them", () => {
  const { id, address } = referenceOf(3);
  const { bytes } = new ReferenceBuilder()
    .add({ id, address, length: 0x01020304, sealedLength: 0xfffefdfc })
    .finish();
  const expected = [...id, ...address, 1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc];
  assertEquals(Array.from(bytes), expected);
});

Deno.test("References: offsets and totals are the lengths' sums", () => {
  const references = referencesOf([4, 0, 999, 4]);
  assertEquals(Array.from(references.offsets()), [0, 5, 6, 1006, 1011]);
  assertEquals(references.totalLength(), 1011);
  assertEquals(Array.from(References.none.offsets()), [0]);
});

Deno.test("References: a slice is a view", () => {
  const references = referencesOf(range(10));
  const slice = references.slice(3, 4);
  assertEquals(slice.count, 4);
  assertEquals(slice.fields(0), referenceOf(3));
  assertEquals(slice.fields(3), referenceOf(6));
  assertEquals(slice.bytes.buffer === references.bytes.buffer, true);
  assertEquals(slice.slice(1, 2).fields(1), referenceOf(5));
  assertEquals(references.slice(10, 0).count, 0);
});

Deno.test("References: work wherever in a buffer they lie", () => {
  const references = referencesOf(range(5));
  const buffer = new Uint8Array(references.bytes.length + 3);
  buffer.set(references.bytes, 3);
  const moved = new References(buffer.subarray(3));
  for (let i = 0; i < 5; i++) assertEquals(moved.fields(i), referenceOf(i));
});

Deno.test("References: refuse what is out of range", () => {
  const references = referencesOf(range(3));
  for (const i of [-1, 3, NaN]) {
    assertThrows(() => references.id(i), RangeError);
    assertThrows(() => references.address(i), RangeError);
    assertThrows(() => references.length(i), RangeError);
    assertThrows(() => references.sealedLength(i), RangeError);
  }
  assertThrows(() => references.slice(1, 3), RangeError);
  assertThrows(() => references.slice(-1, 1), RangeError);
  assertThrows(() => references.slice(2, -1), RangeError);
  assertThrows(() => new References(new Uint8Array(REFERENCE_BYTES - 1)), RangeError);
});

Deno.test("References.sameId: compares all of an id and nothing else", () => {
  const fields = referenceOf(1);
  const references = new ReferenceBuilder().add(fields);
  references.add({ ...fields, length: 7, address: fields.id });
  for (let i = 0; i < 32; i++) {
    references.add({ ...fields, id: fields.id.map((byte, at) => at === i ? byte ^ 1 : byte) });
  }
  const list = references.finish();
  assertEquals(list.sameId(0, list, 1), true);
  for (let i = 2; i < list.count; i++) assertEquals(list.sameId(0, list, i), false);
});

Deno.test("ReferenceBuilder: copies ranges and holds 72 bytes for each", () => {
  const source = referencesOf(range(1000));
  const builder = new ReferenceBuilder(1);
  for (let first = 0; first < 1000; first += 100) builder.addFrom(source, first, 100);
  builder.addFrom(source, 5, 0);
  assertEquals(builder.count, 1000);
  const copy = builder.add(referenceOf(7)).finish();
  assertEquals(copy.slice(0, 1000).bytes, source.bytes);
  assertEquals(copy.fields(1000), referenceOf(7));
  assertEquals(copy.bytes.buffer.byteLength, 1001 * REFERENCE_BYTES);
  assertThrows(() => new ReferenceBuilder().addFrom(source, 999, 2), RangeError);
});

Deno.test("ReferenceBuilder: refuses an id or address of another length", () => {
  const fields = referenceOf(1);
  const short = fields.id.subarray(1);
  assertThrows(() => new ReferenceBuilder().add({ ...fields, id: short }), RangeError);
  assertThrows(() => new ReferenceBuilder().add({ ...fields, address: short }), RangeError);
});
