import { assert, assertEquals } from "@std/assert";
import { compareIds, type RecordId, toHex, VERSION_PARENTS_MAX } from "../../src/base/mod.ts";
import {
  compareVersions,
  foldHistory,
  latestAt,
  nextVersion,
  type VersionNode,
} from "../../src/log/mod.ts";
import { Dice, idOf } from "./helpers.ts";

interface Version extends VersionNode {
  name: string;
}

interface Shape {
  name: string;
  parents?: Version[];
  ms?: number;
  dropped?: boolean;
  depth?: number;
}

function version({ name, parents = [], ms, dropped = false, depth }: Shape): Version {
  const above = 1 + Math.max(0, ...parents.map((parent) => parent.depth));
  return {
    name,
    id: idOf(name),
    depth: depth ?? above,
    clock: BigInt(ms ?? above) << 16n,
    parents: parents.map((parent) => parent.id),
    dropped,
  };
}

const drop = (node: Version): Version => ({ ...node, dropped: true });
const names = (versions: readonly Version[]) => versions.map((node) => node.name).join(" ");

function folded(versions: readonly Version[]): string {
  const { ordered, heads, latest, conflicted } = foldHistory(versions);
  return `${names(ordered)} | ${names(heads)} | ${latest?.name ?? "-"}${conflicted ? " !" : ""}`;
}

const v1 = version({ name: "v1" });
const v2 = version({ name: "v2", parents: [v1] });
const v3 = version({ name: "v3", parents: [v2] });

Deno.test("foldHistory: a plain line of versions", () => {
  assertEquals(folded([v3, v1, v2]), "v1 v2 v3 | v3 | v3");
  assertEquals(folded([]), " |  | -");
});

Deno.test("foldHistory: two writers at once give two heads, until a version names both", () => {
  const other = version({ name: "other", parents: [v1], ms: 9 });
  assertEquals(folded([v1, v2, other]), "v1 v2 other | other v2 | other !");
  const both = version({ name: "both", parents: [other, v2] });
  assertEquals(folded([both, v1, v2, other]), "v1 v2 other both | both | both");
});

Deno.test("foldHistory: depth decides before the clock, the clock before the id", () => {
  const early = version({ name: "early", parents: [v2], ms: 1 });
  const late = version({ name: "late", parents: [v1], ms: 99 });
  assertEquals(folded([early, late, v1, v2]), "v1 v2 late early | early late | early !");
  const twins = ["x", "y"].map((name) => version({ name, ms: 5 }));
  const [low, high] = twins.sort((a, b) => compareIds(a.id, b.id)) as [Version, Version];
  assertEquals(folded(twins), `${names([low, high])} | ${names([high, low])} | ${high.name} !`);
});

Deno.test("foldHistory: a version whose parents are not known yet", () => {
  assertEquals(folded([v3]), "v3 | v3 | v3");
  assertEquals(folded([v3, v1]), "v1 v3 | v3 v1 | v3 !");
});

Deno.test("foldHistory: dropped versions are left out, but what they replaced stays replaced", () => {
  assertEquals(folded([v1, drop(v2), v3]), "v1 v3 | v3 | v3");
  assertEquals(folded([v1, drop(v2)]), "v1 |  | -");
  assertEquals(folded([drop(v1), drop(v2), drop(v3)]), " |  | -");
});

Deno.test("foldHistory: a dropped head settles the conflict", () => {
  const other = version({ name: "other", parents: [v1], ms: 9 });
  assertEquals(folded([v1, v2, drop(other)]), "v1 v2 | v2 | v2");
});

Deno.test("foldHistory: what was written at the same time as a purge outlives it", () => {
  const unseen = version({ name: "unseen", parents: [v1], ms: 9 });
  assertEquals(folded([drop(v1), drop(v2), unseen]), "unseen | unseen | unseen");
});

Deno.test("foldHistory: repeats count once, and as dropped if any of them is", () => {
  assertEquals(folded([v2, v1, v2, v1]), "v1 v2 | v2 | v2");
  assertEquals(folded([v2, v1, drop(v1), v1]), "v2 | v2 | v2");
});

Deno.test("latestAt: the greatest version made until then", () => {
  const versions = [
    version({ name: "a", ms: 10 }),
    version({ name: "b", ms: 20, depth: 2 }),
    version({ name: "c", ms: 30, depth: 3 }),
  ];
  const at = (ms: number) => latestAt(versions, ms)?.name ?? "-";
  assertEquals([9, 10, 19, 20, 29, 30, 1e15].map(at), ["-", "a", "a", "b", "b", "c", "c"]);
});

Deno.test("latestAt: counts within the last millisecond are included", () => {
  const counted = { ...v1, clock: (10n << 16n) | 0xffffn };
  assertEquals(latestAt([counted], 10)?.name, "v1");
  assertEquals(latestAt([counted], 9.999), null);
});

Deno.test("latestAt: where a prune dropped the latest of that moment, the kept one before it", () => {
  assertEquals(latestAt([v1, drop(v2), v3], 2)?.name, "v1");
  assertEquals(latestAt([drop(v1), drop(v2), v3], 2), null);
});

Deno.test("nextVersion: replaces all heads, latest first, the others ascending", () => {
  assertEquals(nextVersion(foldHistory<Version>([])), { parents: [], depth: 1 });
  assertEquals(nextVersion(foldHistory([drop(v1)])), { parents: [], depth: 1 });
  assertEquals(nextVersion(foldHistory([v1, v2])), { parents: [v2.id], depth: 3 });

  const heads = Array.from(
    { length: VERSION_PARENTS_MAX + 6 },
    (_, i) => version({ name: `head ${i}`, parents: i === 7 ? [v1] : [], ms: 100 + i }),
  );
  const { parents, depth } = nextVersion(foldHistory([v1, ...heads]));
  assertEquals(depth, 3);
  assertEquals(parents.length, VERSION_PARENTS_MAX);
  assertEquals(toHex(parents[0]!), toHex(heads[7]!.id));
  assertEquals(parents.slice(1).map(toHex), parents.slice(1).map(toHex).sort());
  const oldest = new Set(heads.slice(0, 6).map((head) => toHex(head.id)));
  assert(parents.every((parent) => !oldest.has(toHex(parent))), "the oldest heads wait");
});

/** A history by writers who each see only some of what the others wrote, with some versions dropped. */
function randomHistory(dice: Dice): Version[] {
  const all: Version[] = [];
  const size = 1 + dice.roll(14);
  for (let i = 0; i < size; i++) {
    const heads = foldHistory(dice.some(all, 70));
    const { parents, depth } = nextVersion(heads);
    const clock = BigInt(1 + dice.roll(6)) << 16n;
    all.push({
      name: `v${i}`,
      id: idOf(`${dice.roll(1e9)}`),
      depth,
      clock,
      parents,
      dropped: false,
    });
  }
  return all.map((node) => dice.chance(25) ? drop(node) : node);
}

Deno.test("foldHistory: any order of arrival and any repeats give the same history", () => {
  for (let seed = 0; seed < 300; seed++) {
    const dice = new Dice(seed);
    const versions = randomHistory(dice);
    const expected = folded(versions);
    for (let round = 0; round < 5; round++) {
      const arrived = dice.shuffle([...versions, ...dice.some(versions, 30)]);
      assertEquals(folded(arrived), expected, `seed ${seed}`);
      for (const ms of [1, 3, 6]) {
        assertEquals(latestAt(arrived, ms)?.name, latestAt(versions, ms)?.name, `seed ${seed}`);
      }
    }
  }
});

Deno.test("foldHistory: against the definition, over random histories", () => {
  const isParentOf = (id: RecordId) => (node: Version) =>
    node.parents.some((parent) => toHex(parent) === toHex(id));
  for (let seed = 0; seed < 300; seed++) {
    const versions = randomHistory(new Dice(seed));
    const { ordered, heads, latest, conflicted } = foldHistory(versions);
    const kept = versions.filter((node) => !node.dropped);
    assertEquals(names(ordered), names(kept.toSorted(compareVersions)));
    const expected = kept.filter((node) => !versions.some(isParentOf(node.id)));
    assertEquals(new Set(heads), new Set(expected), `seed ${seed}`);
    assertEquals(conflicted, expected.length > 1);
    assert(expected.every((node) => compareVersions(node, latest!) <= 0), `seed ${seed}`);
    if (kept.length === versions.length) {
      assertEquals(latest, latestAt(versions, Infinity), `seed ${seed}`);
    }
  }
});
