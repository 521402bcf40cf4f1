import { assert, assertEquals } from "@std/assert";
import { type NodeId, PARTITIONS, toHex } from "../../src/base/mod.ts";
import { Draws, type MeshMember, partitionOf, Placement } from "../../src/peer/mod.ts";
import { Dice, idOf } from "../log/helpers.ts";

function member(name: string, options: Partial<MeshMember> = {}): MeshMember {
  return { node: idOf(name), weight: 100, isPresent: true, evictedAfter: null, ...options };
}

function place(members: readonly MeshMember[], replicas = 3, draws?: Draws): Placement {
  return new Placement({ version: 1, members, replicas }, draws);
}

/** Parts that each node holds, as a share of all. */
function sharesOf(placement: Placement): Map<string, number> {
  const shares = new Map<string, number>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const node of placement.holdersOfPartition(partition)) {
      shares.set(toHex(node), (shares.get(toHex(node)) ?? 0) + 1 / PARTITIONS);
    }
  }
  return shares;
}

/** Parts that `node` holds in the second placement and not in the first. */
function gained(before: Placement, after: Placement, node: NodeId): number {
  let count = 0;
  const holds = (placement: Placement, partition: number) =>
    placement.holdersOfPartition(partition).map(toHex).includes(toHex(node));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    if (holds(after, partition) && !holds(before, partition)) count++;
  }
  return count;
}

const seven = Array.from({ length: 7 }, (_, i) => member(`node ${i}`));

Deno.test("partitionOf: is the first 12 bits", () => {
  const address = idOf("x");
  address.set([0xab, 0xcd]);
  assertEquals(partitionOf(address), 0xabc);
});

Deno.test("Placement: each part has as many different holders as asked, or all there are", () => {
  for (const [members, copies] of [[seven, 3], [seven.slice(0, 2), 2], [[], 0]] as const) {
    const placement = place(members);
    assertEquals(placement.copies, copies);
    for (let partition = 0; partition < PARTITIONS; partition += 7) {
      const holders = placement.holdersOfPartition(partition).map(toHex);
      assertEquals(new Set(holders).size, copies);
      assertEquals(placement.ranked(partition).length, members.length);
    }
  }
});

Deno.test("Placement: equal members hold equal shares within some percent", () => {
  for (const share of sharesOf(place(seven)).values()) {
    assert(Math.abs(share / (3 / 7) - 1) < 0.06, `share ${share}`);
  }
});

Deno.test("Placement: with one copy, shares are as the weights", () => {
  const weights = [50, 100, 100, 200, 400];
  const members = weights.map((weight, i) => member(`w${i}`, { weight }));
  const shares = sharesOf(place(members, 1));
  for (const { node, weight } of members) {
    const ratio = shares.get(toHex(node))! / (weight / 850);
    assert(Math.abs(ratio - 1) < 0.15, `weight ${weight}: ${ratio} of its share`);
  }
});

Deno.test("Placement: who has no weight holds nothing, however few the others are", () => {
  const placement = place([member("full"), member("idle", { weight: 0 })], 2);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assertEquals(placement.ranked(partition), [idOf("full")]);
    assertEquals(placement.holdersOfPartition(partition), [idOf("full")]);
  }
  assertEquals(placement.copies, 1);
});

Deno.test("Placement: depends on neither the order of members nor on what was drawn before", () => {
  const dice = new Dice(1);
  const draws = new Draws();
  place(seven.slice(0, 3), 3, draws).holdersOfPartition(17);
  const one = place(seven);
  const other = place(dice.shuffle(seven), 3, draws);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assertEquals(one.ranked(partition), other.ranked(partition));
  }
});

Deno.test("Placement: a fourth member takes its share, and nothing else moves", () => {
  const three = seven.slice(0, 3);
  const [before, after] = [place(three), place(seven.slice(0, 4))];
  for (const { node } of three) assertEquals(gained(before, after, node), 0);
  const moved = gained(before, after, seven[3]!.node);
  assert(moved <= 1.2 * PARTITIONS * 3 / 4 && moved >= 0.9 * PARTITIONS * 3 / 4, `${moved} moved`);
});

Deno.test("Placement: what an absent member held goes to the others, and comes back with it", () => {
  const away = seven.map((member, i) => i === 2 ? { ...member, isPresent: false } : member);
  const [before, without] = [place(seven), place(away)];
  assertEquals(sharesOf(without).has(toHex(seven[2]!.node)), false);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const stay = before.holdersOfPartition(partition).map(toHex)
      .filter((node) => node !== toHex(seven[2]!.node));
    assertEquals(without.holdersOfPartition(partition).map(toHex).slice(0, stay.length), stay);
  }
  const evicted = seven.map((m, i) => i === 2 ? { ...m, evictedAfter: 5n } : m);
  assertEquals(sharesOf(place(evicted)).has(toHex(seven[2]!.node)), false);
});

Deno.test("Placement: the draws are those of the design", () => {
  // Fixed: nodes of different versions must place alike.
  const draws = new Draws();
  assertEquals(
    [0, 1, 4095].map((partition) => draws.of(idOf("node 0"), partition).toFixed(9)),
    ["3.074040197", "0.639370786", "2.183487622"],
  );
});

Deno.test("Draws.of: gives the example of docs/protocol.md", () => {
  const node = Uint8Array.from({ length: 32 }, (_, i) => i) as NodeId;
  const draws = new Draws();
  const drawn = [0, 1, 2, 3, 4095].map((partition) => draws.of(node, partition).toFixed(9));
  assertEquals(drawn, ["1.974722606", "0.966319555", "2.698916366", "0.919334334", "1.641814793"]);
});
