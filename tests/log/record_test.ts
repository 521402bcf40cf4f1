import { assertEquals, assertThrows } from "@std/assert";
import { compareIds, fromHex, toHex, VaultError } from "../../src/base/mod.ts";
import {
  decodeRecord,
  encodeRecord,
  isVersionRecord,
  type RecordPublic,
  type VersionRecord,
} from "../../src/log/mod.ts";
import {
  assertAllRefused,
  assertStrict,
  type BadVector,
  entriesJson,
  entriesOf,
  type EntryJson,
  idOf,
  loadVectors,
  PLAIN_PUT,
  someEntries,
} from "./helpers.ts";

interface RecordJson {
  kind: RecordPublic["kind"];
  clock: string;
  keyTag?: string;
  depth?: number;
  parents?: string[];
  inventory?: { entries: EntryJson[] } | { parts: { address: string; count: number }[] };
  lists?: string[];
  nameTag?: string;
}

const { records: vectors } = loadVectors<{
  records: { good: { name: string; value: RecordJson; bytes: string }[]; bad: BadVector[] };
}>("segment");

function recordOf(json: RecordJson): RecordPublic {
  const { kind } = json;
  const clock = BigInt(json.clock);
  if (kind === "prune") return { kind, clock, lists: json.lists!.map(fromHex) };
  if (kind === "tag" || kind === "untag") return { kind, clock, nameTag: fromHex(json.nameTag!) };
  const inventory = json.inventory!;
  return {
    kind,
    clock,
    keyTag: fromHex(json.keyTag!),
    depth: json.depth!,
    parents: json.parents!.map(fromHex),
    inventory: "entries" in inventory ? { entries: entriesOf(inventory.entries) } : {
      parts: inventory.parts.map((part) => ({ ...part, address: fromHex(part.address) })),
    },
  };
}

function recordJson(record: RecordPublic): RecordJson {
  const clock = String(record.clock);
  if (record.kind === "prune") return { kind: "prune", clock, lists: record.lists.map(toHex) };
  if (!isVersionRecord(record)) return { kind: record.kind, clock, nameTag: toHex(record.nameTag) };
  const { kind, depth, inventory } = record;
  return {
    kind,
    clock,
    keyTag: toHex(record.keyTag),
    depth,
    parents: record.parents.map(toHex),
    inventory: "entries" in inventory ? { entries: entriesJson(inventory.entries) } : {
      parts: inventory.parts.map((part) => ({ ...part, address: toHex(part.address) })),
    },
  };
}

Deno.test("encodeRecord, decodeRecord: good vectors", () => {
  for (const { name, value, bytes } of vectors.good) {
    assertEquals(toHex(encodeRecord(recordOf(value))), bytes, name);
    assertEquals(recordJson(decodeRecord(fromHex(bytes))), value, name);
  }
});

Deno.test("decodeRecord: bad vectors are refused", () => {
  assertAllRefused(vectors.bad, decodeRecord);
});

Deno.test("decodeRecord: is strict", () => {
  for (const { bytes } of vectors.good) {
    assertStrict(fromHex(bytes), (changed) => encodeRecord(decodeRecord(changed)));
  }
});

Deno.test("encodeRecord: refuses what could not be decoded", () => {
  const [a, b, c] = [1, 2, 3].map(idOf).sort(compareIds);
  const many = Array.from({ length: 65_536 }, (_, i) => ({ address: idOf(i), count: 1 }));
  const cases: [Partial<VersionRecord>, string][] = [
    [{ clock: -1n }, "clock -1 is out of range"],
    [{ clock: 2n ** 63n }, "is out of range"],
    [{ keyTag: new Uint8Array(15) }, "the key tag is not 16 bytes"],
    [{ depth: 0 }, "depth 0 is out of range"],
    [{ depth: 1.5, parents: [a!] }, "depth 1.5 is out of range"],
    [{ depth: 2 ** 32, parents: [a!] }, "depth 4294967296 is out of range"],
    [{ depth: 2 }, "depth 2 with 0 parents"],
    [{ parents: [a!] }, "depth 1 with 1 parents"],
    [{ depth: 2, parents: [a!, c!, b!] }, "parent 2 is not above"],
    [{ depth: 2, parents: [b!, a!, b!] }, "a parent is named twice"],
    [{ depth: 2, parents: [a!.subarray(1)] }, "a parent is not 32 bytes"],
    [{ depth: 2, parents: Array(65).fill(a) }, "65 parents are too many"],
    [{ inventory: { entries: someEntries(33) } }, "33 entries are too many inline"],
    [{ inventory: { parts: [] } }, "0 entries that belong inline"],
    [{ inventory: { parts: many } }, "65536 inventories are too many"],
    [{ inventory: { parts: [{ address: a!, count: 0 }] } }, "an inventory of 0 entries"],
    [{ inventory: { parts: [{ address: a!.subarray(1), count: 40 }] } }, "is not 32 bytes"],
    [{ kind: "delete", inventory: { entries: someEntries(1) } }, "a delete with an inventory"],
  ];
  for (const [change, why] of cases) {
    const error = assertThrows(() => encodeRecord({ ...PLAIN_PUT, ...change }), VaultError, why);
    assertEquals(error.code, "failed", why);
  }
  const prune = { kind: "prune", clock: 1n } as const;
  assertThrows(() => encodeRecord({ ...prune, lists: [] }), VaultError, "without prune lists");
  assertThrows(() => encodeRecord({ ...prune, lists: [a!, a!] }), VaultError, "named twice");
  assertThrows(
    () => encodeRecord({ kind: "tag", clock: 1n, nameTag: a! }),
    VaultError,
    "the tag-name tag is not 16 bytes",
  );
});

Deno.test("isVersionRecord: puts, deletes and restores make versions, nothing else does", () => {
  assertEquals(
    vectors.good.map(({ value }) => [value.kind, isVersionRecord(recordOf(value))]),
    vectors.good.map(({ value }) => [value.kind, "depth" in value]),
  );
});
