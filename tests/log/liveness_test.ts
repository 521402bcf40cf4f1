import { assert, assertEquals } from "@std/assert";
import { toHex } from "../../src/base/mod.ts";
import { liveLists, type LivenessNode } from "../../src/log/mod.ts";
import { Dice, idOf } from "./helpers.ts";

interface Node extends LivenessNode {
  name: string;
}

/** Nodes from lines like "v2 < v1 dropped carried". */
function nodesOf(...lines: string[]): Node[] {
  return lines.map((line) => {
    const [, name, base] = /^(\S+)(?: < (\S+))?/.exec(line)!;
    return {
      name: name!,
      id: idOf(name!),
      base: base === undefined ? null : idOf(base),
      dropped: line.includes(" dropped"),
      carried: line.includes(" carried"),
    };
  });
}

/** Whose inventories | whose carried lists are live. */
function live(...lines: string[]): string {
  const { inventoryOf, carriedOf } = liveLists(nodesOf(...lines));
  const names = (nodes: readonly Node[]) => nodes.map((node) => node.name).sort().join(" ");
  return `${names(inventoryOf)} | ${names(carriedOf)}`;
}

Deno.test("liveLists: what is kept lives, what is dropped doesn't", () => {
  assertEquals(live("v1", "v2 < v1", "v3 < v2"), "v1 v2 v3 | ");
  assertEquals(live("v1 dropped", "v2 < v1 dropped"), " | ");
  assertEquals(live(), " | ");
});

Deno.test("liveLists: an heir with a carried list needs no dropped ancestor", () => {
  assertEquals(live("v1 dropped", "v2 < v1 dropped", "v3 < v2 carried"), "v3 | v3");
});

Deno.test("liveLists: a carried list of a dropped version that nobody inherits from is dead", () => {
  assertEquals(live("v1 dropped", "v2 < v1 dropped carried", "v3 < v2 carried"), "v3 | v3");
});

Deno.test("liveLists: an heir unknown to the prune keeps its dropped ancestors' inventories", () => {
  assertEquals(live("v1 dropped", "v2 < v1 dropped", "v3 < v2"), "v1 v2 v3 | ");
  assertEquals(live("v0 dropped", "v1 < v0", "v2 < v1 dropped", "v3 < v2"), "v0 v1 v2 v3 | ");
});

Deno.test("liveLists: the way down ends at a kept version, which answers for itself", () => {
  assertEquals(
    live("v0 dropped", "v1 < v0 carried", "v2 < v1 dropped", "v3 < v2"),
    "v1 v2 v3 | v1",
  );
});

Deno.test("liveLists: the way down ends at a dropped version with a carried list, which is live then", () => {
  assertEquals(
    live("v0 dropped", "v1 < v0 dropped carried", "v2 < v1 dropped", "v3 < v2"),
    "v1 v2 v3 | v1",
  );
});

Deno.test("liveLists: two heirs of one dropped version name it once", () => {
  assertEquals(live("v1 dropped", "a < v1", "b < v1", "c < v1 carried"), "a b c v1 | c");
});

Deno.test("liveLists: repeats count once, and as dropped or carried if any of them is", () => {
  assertEquals(live("v1", "v2 < v1", "v1 dropped", "v1", "v2 < v1 carried", "v2 < v1"), "v2 | v2");
});

Deno.test("liveLists: names first parents that an heir rests on and that are not known", () => {
  const missing = (...lines: string[]) =>
    liveLists(nodesOf(...lines)).missing.map(toHex).sort().join();
  assertEquals(missing("v2 < v1", "w < v1"), toHex(idOf("v1")));
  assertEquals(missing("v2 < v1 dropped", "v3 < v2"), toHex(idOf("v1")));
  assertEquals(missing("v2 < v1 carried"), "");
  assertEquals(missing("v2 < v1 dropped"), "");
});

// A model of a vault in which everyone sees a part: needs are sets of numbers, inventories their differences.

interface ModelVersion {
  id: string;
  base: ModelVersion | null;
  needs: Set<number>;
  inventory: Set<number>;
}

interface ModelPrune {
  dropped: Set<ModelVersion>;
  carried: Map<ModelVersion, Set<number>>;
}

interface Model {
  versions: ModelVersion[];
  prunes: ModelPrune[];
}

function isDropped(version: ModelVersion, prunes: readonly ModelPrune[]): boolean {
  return prunes.some((prune) => prune.dropped.has(version));
}

function isCarried(version: ModelVersion, prunes: readonly ModelPrune[]): boolean {
  return prunes.some((prune) => prune.carried.has(version));
}

/** Someone writes: on a version they know and think kept, an edit, the content of an older one, or a new start. */
function write(model: Model, dice: Dice): void {
  const known = dice.some(model.versions, 75);
  const prunes = dice.some(model.prunes, 60);
  const kept = known.filter((version) => !isDropped(version, prunes));
  const base = kept.length > 0 && dice.chance(90) ? dice.pick(kept) : null;
  const needs = new Set(
    base !== null && dice.chance(30)
      ? dice.pick(kept).needs // a restore
      : dice.some([...base?.needs ?? []], 70),
  );
  for (let edit = dice.roll(4); edit > 0; edit--) needs.add(dice.roll(30));
  if (dice.chance(8)) needs.clear(); // a delete
  const inventory = needs.difference(base?.needs ?? new Set());
  model.versions.push({ id: `v${model.versions.length}`, base, needs, inventory });
}

/** Someone prunes: drops some of what they know, and carries for whomever of the kept they know to be bereft. */
function prune(model: Model, dice: Dice): void {
  const known = dice.some(model.versions, 70);
  const prunes = dice.some(model.prunes, 60);
  const mine: ModelPrune = { dropped: new Set(dice.some(known, 45)), carried: new Map() };
  const all = [...prunes, mine];
  for (const version of known) {
    const { base, needs, inventory } = version;
    if (base === null || isDropped(version, all) || isCarried(version, prunes)) continue;
    if (isDropped(base, all)) mine.carried.set(version, needs.difference(inventory));
  }
  model.prunes.push(mine);
}

function randomModel(dice: Dice): Model {
  const model: Model = { versions: [], prunes: [] };
  for (let step = 3 + dice.roll(25); step > 0; step--) {
    if (dice.chance(75)) write(model, dice);
    else prune(model, dice);
  }
  return model;
}

function liveOf({ versions, prunes }: Model): { objects: Set<number>; lists: string[] } {
  const nodes = versions.map((version) => ({
    version,
    id: idOf(version.id),
    base: version.base === null ? null : idOf(version.base.id),
    dropped: isDropped(version, prunes),
    carried: isCarried(version, prunes),
  }));
  const { inventoryOf, carriedOf } = liveLists(nodes);
  const objects = new Set<number>();
  for (const { version } of inventoryOf) {
    for (const object of version.inventory) objects.add(object);
  }
  for (const { version } of carriedOf) {
    for (const { carried } of prunes) {
      for (const object of carried.get(version) ?? []) objects.add(object);
    }
  }
  const lists = [
    ...inventoryOf.map(({ version }) => `inventory ${version.id}`),
    ...carriedOf.map(({ version }) => `carried ${version.id}`),
  ];
  return { objects, lists: lists.sort() };
}

/** The rule in the words of the format, for one version's lists. */
function liveByTheText({ versions, prunes }: Model): string[] {
  const lists: string[] = [];
  for (const version of versions) {
    const inherits = (heir: ModelVersion): boolean => {
      let step = heir;
      while (!isCarried(step, prunes) && step.base !== null) {
        step = step.base;
        if (!isDropped(step, prunes)) return false;
        if (step === version) return true;
      }
      return false;
    };
    const kept = (other: ModelVersion) => !isDropped(other, prunes);
    if (!kept(version) && !versions.some((heir) => kept(heir) && inherits(heir))) continue;
    lists.push(`inventory ${version.id}`);
    if (isCarried(version, prunes)) lists.push(`carried ${version.id}`);
  }
  return lists.sort();
}

Deno.test("liveLists: whatever was pruned by whoever knew what, no kept version loses anything", () => {
  let inherited = 0;
  for (let seed = 0; seed < 3000; seed++) {
    const model = randomModel(new Dice(seed));
    const { objects, lists } = liveOf(model);
    for (const version of model.versions) {
      if (isDropped(version, model.prunes)) {
        if (lists.includes(`inventory ${version.id}`)) inherited++;
        continue;
      }
      for (const object of version.needs) {
        assert(objects.has(object), `seed ${seed}: ${version.id} lost ${object}`);
      }
    }
  }
  assert(inherited > 500, "the histories reach the hard cases");
});

Deno.test("liveLists: no more lives than the rule says", () => {
  for (let seed = 0; seed < 1000; seed++) {
    const model = randomModel(new Dice(seed));
    assertEquals(liveOf(model).lists, liveByTheText(model), `seed ${seed}`);
  }
});

Deno.test("liveLists: once everything is dropped, nothing lives", () => {
  const { versions, prunes } = randomModel(new Dice(5));
  const purge: ModelPrune = { dropped: new Set(versions), carried: new Map() };
  assertEquals(liveOf({ versions, prunes: [...prunes, purge] }).lists, []);
});
