/** Decoders of src/content and src/seal: manifests, headers of sealed objects, padding. */

import fc from "fast-check";
import { type Bytes, concatBytes } from "../../src/base/mod.ts";
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  MANIFEST_PIECE_BYTES,
  type Operation,
  ReferenceBuilder,
  type ReferenceFields,
  type References,
} from "../../src/content/mod.ts";
import { CODEC_PADDED, CODEC_RAW, CODEC_ZSTD, parseSealedHeader } from "../../src/seal/mod.ts";
import { encodeSealedHeader } from "../../src/seal/header.ts";
import { pad, unpad } from "../../src/seal/padding.ts";
import { anyId, blob } from "./changes.ts";
import type { Target } from "./harness.ts";

const PLAIN_MAX = 2 * 1024 * 1024;

const reference: fc.Arbitrary<ReferenceFields> = fc.record({
  id: anyId,
  address: anyId,
  length: fc.integer({ min: 1, max: PLAIN_MAX }),
  sealedLength: fc.integer({ min: 1, max: 2 * PLAIN_MAX }),
});

function packed(fields: readonly ReferenceFields[]): References {
  const builder = new ReferenceBuilder();
  for (const each of fields) builder.add(each);
  return builder.finish();
}

const references = (min: number, max: number) =>
  fc.array(reference, { minLength: min, maxLength: max }).map(packed);

const full: fc.Arbitrary<Manifest> = references(0, 6)
  .map((list) => ({ kind: "full", size: list.totalLength(), references: list }));

/** Copies and inserts of which no two neighbours could be one. */
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    fc.record({ first: fc.nat({ max: 1000 }), count: fc.integer({ min: 1, max: 50 }) }),
    references(1, 3),
  ),
  { minLength: 1, maxLength: 5 },
).map((all) => {
  const kept: Operation[] = [];
  for (const each of all) {
    const before = kept.at(-1);
    if (!("first" in each)) {
      if (before?.kind !== "insert") kept.push({ kind: "insert", references: each });
    } else if (before?.kind !== "copy" || before.first + before.count !== each.first) {
      kept.push({ kind: "copy", ...each });
    }
  }
  return kept;
});

const delta: fc.Arbitrary<Manifest> = fc.tuple(
  operations,
  reference,
  fc.integer({ min: 1, max: 16 }),
).map(([all, base, depth]) => {
  let [count, size] = [0, 0];
  for (const each of all) {
    count += each.kind === "copy" ? each.count : each.references.count;
    size += each.kind === "copy" ? each.count : each.references.totalLength();
  }
  return { kind: "delta", size, count, depth, base, operations: all };
});

const indirect: fc.Arbitrary<Manifest> = fc.tuple(
  fc.array(reference, { minLength: 2, maxLength: 4 }),
  fc.integer({ min: 1, max: MANIFEST_PIECE_BYTES }),
  fc.integer({ min: 1, max: 1 << 24 }),
).map(([all, last, count]) => {
  const pieces = packed(all.map((each, i) => ({
    ...each,
    length: i === all.length - 1 ? last : MANIFEST_PIECE_BYTES,
  })));
  return { kind: "indirect", size: count, count, pieces };
});

const payload = fc.oneof(blob(0, 300), blob(900, 1100));

export const CONTENT_TARGETS: readonly Target<Bytes>[] = [
  {
    name: "decodeManifest",
    covers: ["decodeManifest"],
    valid: fc.oneof(full, delta, indirect).map(encodeManifest),
    recode: (bytes) => encodeManifest(decodeManifest(bytes)),
    runs: 240,
  },
  {
    name: "parseSealedHeader",
    covers: ["parseSealedHeader"],
    valid: fc.tuple(
      fc.constantFrom(CODEC_RAW, CODEC_ZSTD, CODEC_PADDED),
      fc.integer({ min: 2048, max: PLAIN_MAX }),
      anyId,
      anyId,
      blob(0, 40),
    ).map(([codec, length, id, check, behind]) => {
      const header = { codec, length, id, check: codec === CODEC_RAW ? undefined : check };
      return concatBytes([encodeSealedHeader(header), behind]);
    }),
    recode(bytes) {
      const { headerLength, ...header } = parseSealedHeader(bytes);
      return concatBytes([encodeSealedHeader(header), bytes.subarray(headerLength)]);
    },
  },
  {
    name: "unpad",
    covers: ["unpad"],
    valid: fc.record({
      codec: fc.constantFrom(CODEC_RAW, CODEC_ZSTD),
      length: fc.nat({ max: PLAIN_MAX }),
      payload,
    }).map(pad),
    recode: (bytes) => pad(unpad(bytes)),
    allocates: (length) => 4 * length + 4096,
  },
];
