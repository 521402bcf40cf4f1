import { assert, assertEquals } from "@std/assert";
import {
  applyDelta,
  makeDelta,
  type Operation,
  operationCount,
  References,
} from "../../src/content/mod.ts";
import { assertDamaged, Dice, referencesOf } from "./helpers.ts";

/** A delta in short: ranges of the base as [first, count], inserts as their count. */
function outline(operations: readonly Operation[]): (number | [number, number])[] {
  return operations.map((operation) =>
    operation.kind === "copy" ? [operation.first, operation.count] : operation.references.count
  );
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

function assertTurnsInto(base: References, target: References): Operation[] {
  const operations = makeDelta(base, target);
  assertEquals(applyDelta(base, operations, target.count).bytes, target.bytes);
  return operations;
}

Deno.test("makeDelta: states what changed and no more", () => {
  const base = referencesOf(range(0, 100));
  const cases: [string, number[], (number | [number, number])[]][] = [
    ["nothing", range(0, 100), [[0, 100]]],
    ["inserted in the middle", [...range(0, 50), 500, 501, ...range(50, 50)], [
      [0, 50],
      2,
      [50, 50],
    ]],
    ["replaced", [...range(0, 50), 500, ...range(51, 49)], [[0, 50], 1, [51, 49]]],
    ["removed", [...range(0, 50), ...range(60, 40)], [[0, 50], [60, 40]]],
    ["in front", [500, ...range(0, 100)], [1, [0, 100]]],
    ["appended", [...range(0, 100), 500], [[0, 100], 1]],
    ["turned around", [...range(50, 50), ...range(0, 50)], [[50, 50], [0, 50]]],
    ["all new", range(500, 5), [5]],
    ["emptied", [], []],
  ];
  for (const [what, target, expected] of cases) {
    assertEquals(outline(assertTurnsInto(base, referencesOf(target))), expected, what);
  }
});

Deno.test("makeDelta: an empty base gives one insert", () => {
  assertEquals(outline(assertTurnsInto(References.none, referencesOf([1, 1, 2]))), [3]);
});

Deno.test("makeDelta: goes on with its run where chunks repeat", () => {
  const zeros = (count: number) => Array<number>(count).fill(0);
  const base = referencesOf(zeros(100_000));
  const edited = [...zeros(30_000), 1, ...zeros(40_000), 2, 3, ...zeros(29_997)];
  assertEquals(outline(assertTurnsInto(base, referencesOf(edited))), [
    [0, 30_000],
    1,
    [30_000, 40_000],
    2,
    [70_000, 29_997],
  ]);
  assertEquals(outline(assertTurnsInto(base, referencesOf(zeros(150_000)))), [
    [0, 100_000],
    [0, 50_000],
  ]);
});

Deno.test("makeDelta: a replaced chunk among repeating ones stays a replaced one", () => {
  const base = referencesOf([0, 1, 0, 2, 0, 3, 0, 4]);
  const target = referencesOf([0, 1, 0, 9, 0, 3, 0, 4]);
  assertEquals(outline(assertTurnsInto(base, target)), [[0, 3], 1, [4, 4]]);
});

Deno.test("makeDelta: takes linear time in whatever repeats", () => {
  // Each of these would take minutes if a reference's every place in the base were tried.
  const count = 100_000;
  const alternating = referencesOf(range(0, count).map((i) => i % 2));
  const same = referencesOf(Array<number>(count).fill(1));
  const one = referencesOf([1]);
  assertTurnsInto(alternating, same);
  assertTurnsInto(same, alternating);
  assertTurnsInto(one, same);
});

Deno.test("makeDelta and applyDelta: are inverse, and no two neighbours are one", () => {
  const dice = new Dice(11);
  for (let round = 0; round < 300; round++) {
    const kinds = 1 + dice.roll(40);
    const base = Array.from({ length: dice.roll(60) }, () => dice.roll(kinds));
    const target = base.slice();
    for (let edits = dice.roll(6); edits > 0; edits--) {
      const fresh = Array.from({ length: dice.roll(5) }, () => dice.roll(2 * kinds));
      target.splice(dice.roll(target.length + 1), dice.roll(5), ...fresh);
    }
    const operations = assertTurnsInto(referencesOf(base), referencesOf(target));
    for (const [i, operation] of operations.entries()) {
      assert(operationCount(operation) > 0);
      const before = operations[i - 1];
      if (before?.kind === "copy" && operation.kind === "copy") {
        assert(before.first + before.count !== operation.first);
      } else if (before !== undefined) {
        assert(before.kind !== operation.kind);
      }
    }
  }
});

Deno.test("applyDelta: refuses copies outside of the base and other totals", () => {
  const base = referencesOf(range(0, 5));
  const insert: Operation = { kind: "insert", references: referencesOf([9]) };
  const copy = (first: number, count: number): Operation => ({ kind: "copy", first, count });
  assertDamaged(() => applyDelta(base, [copy(0, 6)], 6), "one too many");
  assertDamaged(() => applyDelta(base, [copy(5, 1)], 1), "just beyond");
  assertDamaged(() => applyDelta(References.none, [copy(0, 1)], 1), "nothing to copy");
  assertDamaged(() => applyDelta(base, [copy(0, 5), insert], 5), "more than said");
  assertDamaged(() => applyDelta(base, [copy(0, 5), insert], 7), "fewer than said");
  assertDamaged(() => applyDelta(base, [], (1 << 24) + 1), "over the limit");
  assertDamaged(
    () => applyDelta(base, Array(4_000_000).fill(copy(0, 5)), 20_000_000),
    "over the limit, honestly",
  );
  assertEquals(applyDelta(base, [copy(4, 1), insert, copy(0, 5)], 7).count, 7);
});
