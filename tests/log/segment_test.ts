import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  Ed25519Signer,
  encodeUtf8,
  FRAME_BYTES_MAX,
  fromHex,
  INLINE_INVENTORY_ENTRIES_MAX,
  isVaultError,
  SEGMENT_RECORDS_MAX,
  sha256,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  decodeRecord,
  decodeSegment,
  encodeRecord,
  NO_RECORD,
  type RecordPublic,
  SEGMENT_FIXED_BYTES,
  SegmentBuilder,
  type SegmentHeader,
  type VersionRecord,
} from "../../src/log/mod.ts";
import {
  assertAllRefused,
  type BadVector,
  Dice,
  idOf,
  loadVectors,
  PLAIN_PUT,
  someEntries,
} from "./helpers.ts";

const { segments: vectors, vaultSeed, nodeSeed } = loadVectors<{
  vaultSeed: string;
  nodeSeed: string;
  segments: {
    good: {
      name: string;
      firstSequence: string;
      previous: string;
      sealedBodies: string;
      records: string[];
      ids: string[];
      address: string;
      bytes: string;
    }[];
    bad: BadVector[];
  };
}>("segment");

const signers = {
  vault: new Ed25519Signer(fromHex(vaultSeed)),
  node: new Ed25519Signer(fromHex(nodeSeed)),
};

const first: SegmentHeader = {
  vaultKey: signers.vault.publicKey,
  nodeKey: signers.node.publicKey,
  firstSequence: 1n,
  previous: NO_RECORD,
  sealedBodies: encodeUtf8("sealed bodies"),
};

const untag: RecordPublic = { kind: "untag", clock: 1n, nameTag: new Uint8Array(16) };

function build(header: SegmentHeader, ...records: RecordPublic[]): Bytes {
  const builder = new SegmentBuilder(header);
  for (const record of records) builder.add(record);
  return builder.finish(signers).bytes;
}

Deno.test("SegmentBuilder, decodeSegment: good vectors", () => {
  for (const vector of vectors.good) {
    const header = {
      ...first,
      firstSequence: BigInt(vector.firstSequence),
      previous: fromHex(vector.previous),
      sealedBodies: fromHex(vector.sealedBodies),
    };
    const builder = new SegmentBuilder(header);
    const ids = vector.records.map((record) => toHex(builder.add(decodeRecord(fromHex(record)))));
    assertEquals(ids, vector.ids, vector.name);
    const built = builder.finish(signers);
    assertEquals(toHex(built.bytes), vector.bytes, vector.name);
    assertEquals(toHex(built.address), vector.address, vector.name);
    assertEquals(built.ids.map(toHex), vector.ids, vector.name);

    const segment = decodeSegment(built.bytes);
    assertEquals(segment.vaultId, sha256(signers.vault.publicKey));
    assertEquals(segment.nodeId, sha256(signers.node.publicKey));
    assertEquals(segment.firstSequence, header.firstSequence);
    assertEquals(toHex(segment.previous), vector.previous);
    assertEquals(toHex(segment.sealedBodies), vector.sealedBodies);
    assertEquals(segment.ids.map(toHex), vector.ids);
    assertEquals(segment.records.map((record) => toHex(encodeRecord(record))), vector.records);
  }
});

Deno.test("decodeSegment: bad vectors are refused", () => {
  assertAllRefused(vectors.bad, (bytes) => decodeSegment(bytes));
});

Deno.test("decodeSegment: no byte can be changed, nor any be missing", () => {
  const good = build(first, PLAIN_PUT);
  const isDamaged = (bytes: Bytes) => {
    try {
      decodeSegment(bytes);
      return false;
    } catch (error) {
      return isVaultError(error, "damaged");
    }
  };
  for (let i = 0; i < good.length; i++) {
    const bad = good.slice();
    bad[i]! ^= 1 << (i % 8);
    assert(isDamaged(bad), `byte ${i} changed`);
    assert(isDamaged(good.subarray(0, i)), `${i} bytes`);
  }
});

Deno.test("decodeSegment: bytes that are signed but wrong are damaged, or the one encoding", () => {
  const unsigned = build(first, PLAIN_PUT, { ...PLAIN_PUT, depth: 2, parents: [idOf("p")] }).slice(
    0,
    -128,
  );
  const dice = new Dice(3);
  const recordsFrom = 4 + 64; // the keys stay, or the signatures would be all that fails
  let accepted = 0;
  for (let round = 0; round < 500; round++) {
    const changed = unsigned.slice();
    changed[recordsFrom + dice.roll(changed.length - recordsFrom)] = dice.roll(256);
    const message = concatBytes([encodeUtf8("govault segment 1"), sha256(changed)]);
    const signatures = [signers.node.sign(message), signers.vault.sign(message)];
    const bytes = concatBytes([changed, ...signatures]);
    try {
      const segment = decodeSegment(bytes);
      assertEquals(toHex(build(segment, ...segment.records)), toHex(bytes));
      accepted++;
    } catch (error) {
      assert(isVaultError(error, "damaged"), `not a damaged error: ${error}`);
    }
  }
  assert(accepted > 100, "the rounds reach the decoder");
});

Deno.test("SegmentBuilder.add: an id hangs on all that comes before, on the bodies and on both keys", () => {
  const second = { ...PLAIN_PUT, clock: 2n };
  const idOfSecond = (header: SegmentHeader, before: RecordPublic) => {
    const builder = new SegmentBuilder(header);
    builder.add(before);
    return toHex(builder.add(second));
  };
  const ids = [
    idOfSecond(first, PLAIN_PUT),
    idOfSecond(first, { ...PLAIN_PUT, clock: 3n }),
    idOfSecond({ ...first, sealedBodies: encodeUtf8("other bodies") }, PLAIN_PUT),
    idOfSecond({ ...first, firstSequence: 2n, previous: idOf("p") }, PLAIN_PUT),
    idOfSecond({ ...first, firstSequence: 3n, previous: idOf("p") }, PLAIN_PUT),
    idOfSecond({ ...first, firstSequence: 3n, previous: idOf("q") }, PLAIN_PUT),
    idOfSecond({ ...first, vaultKey: signers.node.publicKey }, PLAIN_PUT),
    idOfSecond({ ...first, nodeKey: signers.vault.publicKey }, PLAIN_PUT),
  ];
  assertEquals(new Set(ids).size, ids.length);
  assertEquals(idOfSecond(first, PLAIN_PUT), ids[0]);
});

Deno.test("SegmentBuilder.add: a version's parent may come before it in the same segment", () => {
  const builder = new SegmentBuilder(first);
  const parent = builder.add(PLAIN_PUT);
  builder.add({ ...PLAIN_PUT, depth: 2, parents: [parent] });
  const segment = decodeSegment(builder.finish(signers).bytes);
  assertEquals((segment.records[1] as VersionRecord).parents, [segment.ids[0]!]);
});

Deno.test("SegmentBuilder: a segment takes 1024 records and no more", () => {
  const builder = new SegmentBuilder({ ...first, sealedBodies: new Uint8Array(0) });
  for (let i = 0; i < SEGMENT_RECORDS_MAX; i++) builder.add(untag);
  assertThrows(() => builder.add(untag), VaultError, "more than 1024 records");
  const { bytes } = builder.finish(signers);
  const recordBytes = encodeRecord(untag).length;
  assertEquals(bytes.length, SEGMENT_FIXED_BYTES + SEGMENT_RECORDS_MAX * (4 + recordBytes));
  assertEquals(decodeSegment(bytes).records.length, SEGMENT_RECORDS_MAX);
});

Deno.test("SegmentBuilder: a segment fits a frame", () => {
  const large: VersionRecord = {
    ...PLAIN_PUT,
    depth: 2,
    parents: [idOf("first"), ...Array.from({ length: 63 }, (_, i) => new Uint8Array(32).fill(i))],
    inventory: { entries: someEntries(INLINE_INVENTORY_ENTRIES_MAX) },
  };
  const builder = new SegmentBuilder({ ...first, sealedBodies: new Uint8Array(1024 * 1024) });
  const error = assertThrows(
    () => {
      for (let i = 0; i < SEGMENT_RECORDS_MAX; i++) builder.add(large);
    },
    VaultError,
    "the limit is 4194304",
  );
  assertEquals(error.code, "failed");
  const { bytes, ids } = builder.finish(signers); // what was refused has left no trace
  assert(bytes.length <= FRAME_BYTES_MAX);
  assertEquals(decodeSegment(bytes).ids.map(toHex), ids.map(toHex));
});

Deno.test("SegmentBuilder: refuses headers that could not be decoded", () => {
  const cases: [Partial<SegmentHeader>, string][] = [
    [{ vaultKey: new Uint8Array(31) }, "a key is not 32 bytes"],
    [{ previous: new Uint8Array(31) }, "the previous id is not 32 bytes"],
    [{ firstSequence: 0n }, "sequence 0 is out of range"],
    [{ firstSequence: 2n ** 63n, previous: idOf("p") }, "is out of range"],
    [{ previous: idOf("p") }, "a first record that follows another"],
    [{ firstSequence: 2n }, "a later record that follows none"],
    [{ sealedBodies: new Uint8Array(1024 * 1024 + 64 * 1024 + 1) }, "the limit is 1114112"],
  ];
  for (const [change, why] of cases) {
    const error = assertThrows(() => new SegmentBuilder({ ...first, ...change }), VaultError, why);
    assertEquals(error.code, "failed", why);
  }
});

Deno.test("SegmentBuilder.finish: refuses no records, missing or needless bodies, another's keys", () => {
  const bodiless = { ...first, sealedBodies: new Uint8Array(0) };
  assertThrows(() => build(first), VaultError, "no records");
  assertThrows(() => build(bodiless, PLAIN_PUT), VaultError, "records without their bodies");
  assertThrows(() => build(first, untag), VaultError, "bodies that no record has");
  const swapped = new SegmentBuilder(first);
  swapped.add(PLAIN_PUT);
  assertThrows(
    () => swapped.finish({ vault: signers.node, node: signers.vault }),
    VaultError,
    "a signer has another key",
  );
});
