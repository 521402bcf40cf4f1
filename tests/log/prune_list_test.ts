import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  compareIds,
  concatBytes,
  equalBytes,
  FRAME_BYTES_MAX,
  fromHex,
  type RecordId,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  decodePruneList,
  encodePruneList,
  NO_ENTRIES,
  type PruneList,
  splitPruneList,
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
  manyIds,
  someEntries,
} from "./helpers.ts";

interface ListJson {
  dropped: string[];
  carried: { version: string; entries: EntryJson[] }[];
}

const vectors = loadVectors<{
  good: (ListJson & { name: string; bytes: string })[];
  bad: BadVector[];
}>("prune");

function listJson(list: PruneList): ListJson {
  return {
    dropped: list.dropped.map(toHex),
    carried: list.carried.map(({ version, entries }) => ({
      version: toHex(version),
      entries: entriesJson(entries),
    })),
  };
}

function listOf(json: ListJson): PruneList {
  return {
    dropped: json.dropped.map(fromHex),
    carried: json.carried.map(({ version, entries }) => ({
      version: fromHex(version),
      entries: entriesOf(entries),
    })),
  };
}

/** What several lists carry for one version, as bytes. */
function carriedFor(version: RecordId, lists: readonly PruneList[]): Bytes {
  const pieces = lists.flatMap((list) => list.carried)
    .filter((carried) => equalBytes(carried.version, version));
  return concatBytes(pieces.map(({ entries }) => entries.bytes));
}

Deno.test("encodePruneList, decodePruneList: good vectors", () => {
  for (const { name, dropped, carried, bytes } of vectors.good) {
    assertEquals(toHex(encodePruneList(listOf({ dropped, carried }))), bytes, name);
    assertEquals(listJson(decodePruneList(fromHex(bytes))), { dropped, carried }, name);
  }
});

Deno.test("decodePruneList: bad vectors are refused", () => {
  assertAllRefused(vectors.bad, decodePruneList);
});

Deno.test("decodePruneList: is strict", () => {
  const [a, b, c] = manyIds(3).sort(compareIds);
  const list = {
    dropped: [a!, c!],
    carried: [{ version: a!, entries: NO_ENTRIES }, { version: b!, entries: someEntries(3) }],
  };
  assertStrict(encodePruneList(list), (bytes) => encodePruneList(decodePruneList(bytes)));
});

Deno.test("decodePruneList: more bytes than a frame are refused", () => {
  assertThrows(
    () => decodePruneList(new Uint8Array(FRAME_BYTES_MAX + 1)),
    VaultError,
    "4194305 bytes are too many",
  );
});

Deno.test("encodePruneList: refuses what is out of order, malformed or larger than a frame", () => {
  const [a, b] = manyIds(2).sort(compareIds);
  const encode = (list: Partial<PruneList>) =>
    encodePruneList({ dropped: [], carried: [], ...list });
  assertThrows(() => encode({ dropped: [b!, a!] }), VaultError, "dropped version 1 is not above");
  assertThrows(() => encode({ dropped: [a!.subarray(1)] }), VaultError, "id is not 32 bytes");
  const carried = { version: a!, entries: someEntries(116_600) };
  assertThrows(() => encode({ carried: [carried] }), VaultError, "the limit is 4194304");
});

Deno.test("splitPruneList: one small list, in order, whatever order it comes in", () => {
  const dropped = manyIds(20);
  const carried = manyIds(5).map((version, i) => ({ version, entries: someEntries(i) }));
  const dice = new Dice(7);
  const expected = encodePruneList(splitPruneList({ dropped, carried })[0]!);
  for (let round = 0; round < 5; round++) {
    const lists = splitPruneList({
      dropped: dice.shuffle([...dropped, ...dropped.slice(3, 6)]),
      carried: dice.shuffle(carried),
    });
    assertEquals(lists.map((list) => toHex(encodePruneList(list))), [toHex(expected)]);
  }
  assertEquals(listJson(decodePruneList(expected)).dropped, dropped.map(toHex).sort());
});

Deno.test("splitPruneList: nothing to say takes no list", () => {
  assertEquals(splitPruneList({ dropped: [], carried: [] }), []);
});

Deno.test("splitPruneList: lists that are too large are spread, and add up to the same", () => {
  const dropped = manyIds(131_200); // a little over one frame
  const [first, second, third] = manyIds(3).sort(compareIds);
  const carried = [
    { version: first!, entries: NO_ENTRIES },
    { version: second!, entries: someEntries(240_000) }, // a little over two frames
    { version: third!, entries: someEntries(2) },
  ];
  const lists = splitPruneList({ dropped, carried });
  assertEquals(lists.length, 4);
  const decoded = lists.map((list) => {
    const bytes = encodePruneList(list);
    assert(bytes.length <= FRAME_BYTES_MAX);
    return decodePruneList(bytes);
  });
  for (const list of decoded.slice(0, -1)) {
    assert(
      encodePruneList(list).length > FRAME_BYTES_MAX - 72,
      "a list that isn't the last is full",
    );
  }
  assert(equalBytes(
    concatBytes(decoded.flatMap((list) => list.dropped)),
    concatBytes(dropped.sort(compareIds)),
  ));
  for (const { version, entries } of carried) {
    assert(equalBytes(carriedFor(version, decoded), entries.bytes));
    assert(decoded.some((list) => list.carried.some((one) => equalBytes(one.version, version))));
  }
});

Deno.test("splitPruneList: however full a list is, what comes next stays within the frame", () => {
  const perFrame = Math.floor((FRAME_BYTES_MAX - 12 - 36) / 36);
  const entries = someEntries(perFrame + 2);
  const [first, second] = manyIds(2).sort(compareIds);
  for (let drops = 0; drops < 9; drops++) { // each leaves another rest, as 32 is no multiple of 36
    for (const count of [perFrame - 9, perFrame - 8, perFrame, perFrame + 2]) {
      for (const next of [NO_ENTRIES, entries.slice(0, 1), entries.slice(0, 20)]) {
        const carried = [
          { version: first!, entries: entries.slice(0, count) },
          { version: second!, entries: next },
        ];
        const lists = splitPruneList({ dropped: manyIds(drops), carried });
        assert(lists.every((list) => encodePruneList(list).length <= FRAME_BYTES_MAX));
        for (const { version, entries } of carried) {
          assertEquals(carriedFor(version, lists).length, entries.bytes.length);
        }
        assertEquals(lists.flatMap((list) => list.dropped).length, drops);
        const empty = lists.flatMap((list) => list.carried).filter((one) =>
          one.entries.count === 0
        );
        assertEquals(empty.length, next.count === 0 ? 1 : 0);
      }
    }
  }
});

Deno.test("splitPruneList: refuses two carried lists of one version", () => {
  const carried = [1, 2].map((count) => ({ version: idOf("v"), entries: someEntries(count) }));
  assertThrows(() => splitPruneList({ dropped: [], carried }), VaultError, "carried twice");
});
