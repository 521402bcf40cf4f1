import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Bytes, concatBytes, fromHex, toHex, VaultError } from "../../src/base/mod.ts";
import {
  applyDelta,
  decodeManifest,
  deltaSize,
  encodeManifest,
  fullSize,
  makeDelta,
  type Manifest,
  type Operation,
  ReferenceBuilder,
  type ReferenceFields,
  References,
} from "../../src/content/mod.ts";
import vectors from "../vectors/manifest.json" with { type: "json" };
import { assertDamaged, Dice, referenceOf, referencesOf } from "./helpers.ts";

interface FieldsJson {
  id: string;
  address: string;
  length: number;
  sealedLength: number;
}

function fieldsJson(fields: ReferenceFields): FieldsJson {
  return { ...fields, id: toHex(fields.id), address: toHex(fields.address) };
}

function listJson(references: References): FieldsJson[] {
  return Array.from({ length: references.count }, (_, i) => fieldsJson(references.fields(i)));
}

/** A manifest as the vectors write it. */
function manifestJson(manifest: Manifest): unknown {
  switch (manifest.kind) {
    case "full":
      return { ...manifest, references: listJson(manifest.references) };
    case "delta":
      return {
        ...manifest,
        base: fieldsJson(manifest.base),
        operations: manifest.operations.map((operation) =>
          operation.kind === "copy"
            ? { copy: { first: operation.first, count: operation.count } }
            : { insert: listJson(operation.references) }
        ),
      };
    case "indirect":
      return { ...manifest, pieces: listJson(manifest.pieces) };
  }
}

Deno.test("decodeManifest: reads the vectors, and encodeManifest writes them", () => {
  for (const { what, hex, manifest } of vectors.good) {
    const decoded = decodeManifest(fromHex(hex));
    assertEquals(manifestJson(decoded), manifest as unknown, what);
    assertEquals(toHex(encodeManifest(decoded)), hex, what);
  }
});

Deno.test("decodeManifest: refuses the bad vectors", () => {
  for (const { why, code, hex } of vectors.bad) {
    assertEquals(code, "damaged");
    assertDamaged(() => decodeManifest(fromHex(hex)), why);
  }
});

Deno.test("applyDelta: refuses the vectors whose base is too short", () => {
  for (const { why, baseCount, hex } of vectors.badBase) {
    const manifest = decodeManifest(fromHex(hex));
    assert(manifest.kind === "delta");
    const base = referencesOf(Array.from({ length: baseCount }, (_, i) => i));
    assertDamaged(() => applyDelta(base, manifest.operations, manifest.count), why);
  }
});

Deno.test("decodeManifest: refuses every prefix and every trailing byte", () => {
  for (const { what, hex } of vectors.good) {
    const bytes = fromHex(hex);
    for (let length = 0; length < bytes.length; length++) {
      assertDamaged(() => decodeManifest(bytes.slice(0, length)), `${what} cut to ${length}`);
    }
    assertDamaged(() => decodeManifest(concatBytes([bytes, new Uint8Array(1)])), `${what} and 0`);
  }
});

Deno.test("decodeManifest: whatever it accepts is the one encoding", () => {
  const dice = new Dice(21);
  let accepted = 0;
  for (const { what, hex } of vectors.good) {
    for (let round = 0; round < 500; round++) {
      const bytes = fromHex(hex);
      for (let flips = 1 + dice.roll(3); flips > 0; flips--) {
        bytes[dice.roll(bytes.length)]! ^= 1 << dice.roll(8);
      }
      let decoded: Manifest;
      try {
        decoded = decodeManifest(bytes);
      } catch (error) {
        assert(error instanceof VaultError && error.code === "damaged", `${what}: ${error}`);
        continue;
      }
      accepted++;
      assertEquals(encodeManifest(decoded), bytes, what);
    }
  }
  assert(accepted > 0);
});

Deno.test("decodeManifest: a promise of many references allocates none", () => {
  // 2^24 references would be 1.2 GB: refused from the count alone, as the bytes are not there.
  for (const kind of [0, 1, 2]) {
    const bytes = new Uint8Array(200);
    bytes.set([kind, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    assertDamaged(() => decodeManifest(bytes), `kind ${kind}`);
  }
});

Deno.test("encodeManifest: a large file's manifest comes back", () => {
  const builder = new ReferenceBuilder();
  for (let i = 0; i < 131_072; i++) builder.add(referenceOf(i % 1024));
  const references = builder.finish();
  const size = references.totalLength();
  const bytes = encodeManifest({ kind: "full", size, references });
  assertEquals(bytes.length, fullSize(131_072));
  const decoded = decodeManifest(bytes);
  assert(decoded.kind === "full");
  assertEquals(toHex(decoded.references.id(131_071)), toHex(references.id(131_071)));
  assertEquals(decoded.references.bytes.buffer === bytes.buffer, true);
});

Deno.test("encodeManifest: a delta comes back and gives the new references", () => {
  const dice = new Dice(22);
  const numbers = Array.from({ length: 500 }, (_, i) => i);
  const base = referencesOf(numbers);
  for (let round = 0; round < 50; round++) {
    const edited = numbers.slice();
    for (let edits = 1 + dice.roll(5); edits > 0; edits--) {
      edited.splice(dice.roll(500), dice.roll(9), 1000 + dice.roll(99), dice.roll(500));
    }
    const references = referencesOf(edited);
    const operations = makeDelta(base, references);
    const bytes = encodeManifest({
      kind: "delta",
      size: references.totalLength(),
      count: references.count,
      depth: 1,
      base: referenceOf(7),
      operations,
    });
    assertEquals(bytes.length, deltaSize(operations));
    const decoded = decodeManifest(bytes);
    assert(decoded.kind === "delta");
    const applied = applyDelta(base, decoded.operations, decoded.count);
    assertEquals(applied.bytes, references.bytes);
    assertEquals(applied.totalLength(), decoded.size);
  }
});

Deno.test("deltaSize: tells when a full manifest is the better choice", () => {
  const references = referencesOf([1, 2, 3]);
  const copy: Operation[] = [{ kind: "copy", first: 0, count: 100 }];
  assert(deltaSize(copy) < fullSize(100));
  assert(deltaSize([{ kind: "insert", references }]) > fullSize(3));
});

Deno.test("encodeManifest: refuses what decodeManifest would", () => {
  const references = referencesOf([1, 2, 3]);
  const size = references.totalLength();
  const base = referenceOf(9);
  const delta = { kind: "delta", size, count: 3, depth: 1, base } as const;
  const insert: Operation = { kind: "insert", references };
  const bad: [string, Manifest][] = [
    ["size", { kind: "full", size: size + 1, references }],
    ["unsafe size", { ...delta, size: 2 ** 53, operations: [insert] }],
    ["depth", { ...delta, depth: 17, operations: [insert] }],
    ["count", { ...delta, count: 4, operations: [insert] }],
    ["base", { ...delta, base: { ...base, id: new Uint8Array(31) }, operations: [insert] }],
    ["pieces", { kind: "indirect", size, count: 3, pieces: referencesOf([1]) }],
  ];
  for (const [what, manifest] of bad) {
    const error = assertThrows(() => encodeManifest(manifest), VaultError, undefined, what);
    assertEquals(error.code, "failed", what);
  }
  assertEquals(decodeManifest(encodeManifest({ ...delta, operations: [insert] })).size, size);
});

Deno.test("decodeManifest: reads a manifest wherever in a buffer it lies", () => {
  const { hex, manifest } = vectors.good[4]!;
  const buffer: Bytes = concatBytes([new Uint8Array(5), fromHex(hex)]);
  assertEquals(manifestJson(decodeManifest(buffer.subarray(5))), manifest as unknown);
});
