/** Decoders of src/log: inventories, records, bodies, segments, prune lists. */

import fc from "fast-check";
import {
  type Bytes,
  compareBytes,
  concatBytes,
  encodeUtf8,
  parseKey,
  sha256,
} from "../../src/base/mod.ts";
import {
  type Body,
  decodeBodies,
  decodeInventory,
  decodePruneList,
  decodeRecord,
  decodeSegment,
  encodeBodies,
  encodeInventory,
  encodePruneList,
  encodeRecord,
  hasBody,
  type Inventory,
  NO_RECORD,
  type PackedEntries,
  packEntries,
  parseTagName,
  RECORD_KINDS,
  type RecordKind,
  type RecordPublic,
  SEGMENT_FIXED_BYTES,
  SegmentBuilder,
} from "../../src/log/mod.ts";
import { signerOf } from "../peer/statements_helpers.ts";
import { anyId, blob } from "./changes.ts";
import type { Target } from "./harness.ts";

const someIds = (min: number, max: number): fc.Arbitrary<Bytes[]> =>
  fc.uniqueArray(anyId, { minLength: min, maxLength: max, comparator: sameIds });
const sameIds = (a: Bytes, b: Bytes) => compareBytes(a, b) === 0;

const entries = (max: number): fc.Arbitrary<PackedEntries> =>
  someIds(0, max).chain((ids) =>
    fc.array(fc.integer({ min: 1, max: 4 * 1024 * 1024 }), {
      minLength: ids.length,
      maxLength: ids.length,
    }).map((lengths) => packEntries(ids.map((address, i) => ({ address, length: lengths[i]! }))))
  );

const clock = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });

const inventory: fc.Arbitrary<Inventory> = fc.oneof(
  entries(5).map((packed): Inventory => ({ entries: packed })),
  someIds(1, 4).map((ids): Inventory => ({
    parts: ids.map((address, i) => ({ address, count: i === 0 ? 65_536 : i })),
  })),
);

/** Parents as a record names them: all but the first ascend. */
const parents = someIds(0, 5).map(([first, ...others]) =>
  first === undefined ? [] : [first, ...others.sort(compareBytes)]
);

const version = (kind: "put" | "restore" | "delete"): fc.Arbitrary<RecordPublic> =>
  fc.record({
    kind: fc.constant(kind),
    clock,
    keyTag: blob(16),
    parents,
    depth: fc.integer({ min: 2, max: 0xffff_ffff }),
    inventory: kind === "delete" ? fc.constant({ entries: packEntries([]) }) : inventory,
  }).map((record) => record.parents.length === 0 ? { ...record, depth: 1 } : record);

const recordOf = (kind: RecordKind): fc.Arbitrary<RecordPublic> => {
  switch (kind) {
    case "put":
    case "restore":
    case "delete":
      return version(kind);
    case "prune":
      return fc.record({ kind: fc.constant(kind), clock, lists: someIds(1, 4) });
    case "tag":
    case "untag":
      return fc.record({ kind: fc.constant(kind), clock, nameTag: blob(16) });
  }
};

const anyKind = fc.constantFrom(...RECORD_KINDS);

/** Names that keep the rules, normalised. */
const keyName = fc.array(
  fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
    fc.constantFrom("a", "é", "…", "..a", "💾"),
  ).map((part) => part.replaceAll(/[/\0]/g, "_")).filter((part) => !/^\.{1,2}$/.test(part)),
  { minLength: 1, maxLength: 4 },
).map((parts) => parseKey(parts.join("/")));

const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const time = fc.integer({ min: -8.64e15, max: 8.64e15 });
const tagName = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  // deno-lint-ignore no-control-regex -- what a tag's name may not hold
  .map((text) => parseTagName(text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, "_")));

const bodyOf = (kind: RecordKind): fc.Arbitrary<Body> => {
  switch (kind) {
    case "put":
    case "restore":
      return fc.record({
        kind: fc.constant(kind),
        key: keyName,
        place: fc.oneof(
          fc.constantFrom("file", "folder").map((type) => ({ type, target: "" })),
          fc.constantFrom("../x", "é", "/").map((target) => ({ type: "link", target })),
        ),
        mode: fc.integer({ min: 0, max: 0o7777 }),
        mtime: time,
        size,
        addedBytes: size,
        chunks: fc.integer({ min: 0, max: 0xffff_ffff }),
        manifest: fc.oneof(
          blob(1, 300).map((inline) => ({ inline })),
          blob(72).map((reference) => ({ reference })),
        ),
      }).map(({ place, ...body }) => ({ ...body, ...place }) as Body);
    case "delete":
      return fc.record({ kind: fc.constant(kind), key: keyName });
    case "tag":
      return fc.record({ kind: fc.constant(kind), name: tagName, moment: time });
    case "prune":
    case "untag":
      return fc.constant({ kind });
  }
};

/** How many records there are and their kinds, a byte each, and then their bodies: a decoder of bodies is told the kinds. */
const kindsAndBodies: Target<Bytes> = {
  name: "decodeBodies",
  covers: ["decodeBodies"],
  valid: fc.array(anyKind, { minLength: 1, maxLength: 5 })
    .chain((kinds) => fc.tuple(fc.constant(kinds), fc.tuple(...kinds.map(bodyOf))))
    .map(([kinds, bodies]) =>
      concatBytes([
        Uint8Array.of(kinds.length, ...kinds.map((kind) => RECORD_KINDS.indexOf(kind))),
        encodeBodies(bodies),
      ])
    ),
  recode(bytes) {
    const first = 1 + (bytes[0] ?? 0);
    const kinds = Array.from(
      bytes.subarray(1, first),
      (byte) => RECORD_KINDS[byte % RECORD_KINDS.length]!,
    );
    const bodies = decodeBodies(bytes.subarray(first), kinds);
    return concatBytes([bytes.subarray(0, first), encodeBodies(bodies)]);
  },
};

const [VAULT, NODE] = [signerOf("fuzzed vault"), signerOf("fuzzed node")];
const SIGNATURES_BYTES = 2 * 64;

/** Signs what stands before the signatures anew. */
function signedAgain(bytes: Bytes): Bytes {
  if (bytes.length < SIGNATURES_BYTES) return bytes;
  const unsigned = bytes.slice(0, bytes.length - SIGNATURES_BYTES);
  // The keys are kept, so that the signatures fit.
  if (unsigned.length >= 68) unsigned.set(concatBytes([VAULT.publicKey, NODE.publicKey]), 4);
  const message = concatBytes([encodeUtf8("govault segment 1"), sha256(unsigned)]);
  return concatBytes([unsigned, NODE.sign(message), VAULT.sign(message)]);
}

const segmentBytes = fc.record({
  records: fc.array(anyKind.chain(recordOf), { minLength: 1, maxLength: 4 }),
  firstSequence: fc.oneof(
    fc.constant(1n),
    fc.bigInt({ min: 2n, max: 2n ** 63n - 1n - 1024n }),
  ),
  previous: anyId,
  bodies: blob(1, 200),
}).map(({ records, firstSequence, previous, bodies }) => {
  const builder = new SegmentBuilder({
    vaultKey: VAULT.publicKey,
    nodeKey: NODE.publicKey,
    firstSequence,
    previous: firstSequence === 1n ? NO_RECORD : previous,
    sealedBodies: records.some(({ kind }) => hasBody(kind)) ? bodies : new Uint8Array(0),
  });
  for (const record of records) builder.add(record);
  return builder.finish({ vault: VAULT, node: NODE }).bytes;
});

const segment: Target<Bytes> = {
  name: "decodeSegment",
  covers: ["decodeSegment"],
  valid: segmentBytes,
  recode(bytes) {
    const { records, vaultId: _vault, nodeId: _node, ids, ...header } = decodeSegment(bytes);
    const builder = new SegmentBuilder(header);
    records.forEach((record, i) => {
      if (!sameIds(builder.add(record), ids[i]!)) throw new Error("a record got another id");
    });
    return builder.finish({ vault: VAULT, node: NODE }).bytes;
  },
  mend: signedAgain,
  allocates: (length) => 16 * length + 16 * SEGMENT_FIXED_BYTES + 4096,
};

export const LOG_TARGETS: readonly Target<Bytes>[] = [
  {
    name: "decodeInventory",
    covers: ["decodeInventory"],
    valid: entries(20).map(encodeInventory),
    recode: (bytes) => encodeInventory(decodeInventory(bytes)),
  },
  {
    name: "decodeRecord",
    covers: ["decodeRecord"],
    valid: anyKind.chain(recordOf).map(encodeRecord),
    recode: (bytes) => encodeRecord(decodeRecord(bytes)),
  },
  kindsAndBodies,
  segment,
  {
    name: "decodePruneList",
    covers: ["decodePruneList"],
    valid: fc.record({
      dropped: someIds(0, 5).map((ids) => ids.sort(compareBytes)),
      carried: someIds(0, 4).chain((ids) =>
        fc.tuple(
          ...ids.sort(compareBytes).map((version) =>
            entries(4).map((packed) => ({ version, entries: packed }))
          ),
        )
      ),
    }).map(encodePruneList),
    recode: (bytes) => encodePruneList(decodePruneList(bytes)),
  },
];
