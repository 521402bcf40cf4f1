import { assertEquals, assertRejects } from "@std/assert";
import {
  type Address,
  KEPT_REMEMBERED_MAX,
  MEMBER_ADDRESSES_MAX,
  MEMBERS_MAX,
  MISSING_MAX,
  PIN_MS,
  PINS_MAX,
  TICKET_MEMBERS_MAX,
  toHex,
} from "../../src/base/mod.ts";
import { Gate } from "../../src/peer/gate.ts";
import { Kept } from "../../src/peer/kept.ts";
import { MissingList } from "../../src/peer/missing.ts";
import { Pins } from "../../src/peer/pins.ts";
import { Roster } from "../../src/peer/roster.ts";
import { SeenAt } from "../../src/peer/session_membership.ts";
import { viewOf } from "../../src/peer/session_view.ts";
import { signEviction } from "../../src/peer/statements.ts";
import { AUTHORITY, memberOf, NETWORK, nodeOf, T0, ticketOf } from "./statements_helpers.ts";

function addressOf(number: number): Address {
  const address = new Uint8Array(32);
  new DataView(address.buffer).setUint32(0, number);
  return address;
}

function evict(name: string, lastSequence = 0n) {
  const claim = { node: nodeOf(name), stamp: T0, lastSequence, ticketId: null, spared: [] };
  return signEviction(NETWORK, claim, AUTHORITY);
}

Deno.test("Gate: who gives up leaves the row, and the next gets in; room is given back once", async () => {
  const gate = new Gate(() => ({ countMax: 1, bytesMax: 100 }));
  const leave = await gate.enter(10);
  const stop = new AbortController();
  const entered: string[] = [];
  const gaveUp = gate.enter(10, stop.signal).then(() => entered.push("gave up"));
  const enter = (name: string) =>
    gate.enter(10).then((leave) => {
      entered.push(name);
      return leave;
    });
  const [next, last] = [enter("next"), enter("last")];
  stop.abort(new Error("no more"));
  await assertRejects(() => gaveUp, Error, "no more");
  leave();
  leave();
  const leaveNext = await next;
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  assertEquals(entered, ["next"]);
  leaveNext();
  await last;
  assertEquals(entered, ["next", "last"]);
});

Deno.test("Kept: of too many answers the oldest are forgotten, so that it is asked again", () => {
  const peer = nodeOf("peer");
  const need = (number: number) => [{ address: addressOf(number), length: 1 }];
  const log = (number: number) => ({ node: addressOf(number), last: 5n });
  const kept = new Kept({ now: () => T0 });
  for (let i = 0; i <= KEPT_REMEMBERED_MAX; i++) kept.note(peer, log(i), need(0));
  const known = [0, 1, KEPT_REMEMBERED_MAX].map((i) => kept.isKnown(peer, log(i), need(0)));
  assertEquals(known, [false, true, true]);
  for (let i = 0; i <= KEPT_REMEMBERED_MAX; i++) kept.note(peer, null, need(i));
  const objects = [0, 1, KEPT_REMEMBERED_MAX].map((i) => kept.isKnown(peer, null, need(i)));
  assertEquals(objects, [false, true, true]);
});

Deno.test("Pins: end by themselves, and of too many the oldest go", () => {
  let now = T0;
  const pins = new Pins({ now: () => now });
  for (let i = 0; i <= PINS_MAX; i++) pins.add(addressOf(i));
  assertEquals([0, 1, PINS_MAX].map((i) => pins.has(addressOf(i))), [false, true, true]);
  pins.delete(addressOf(1));
  assertEquals(pins.has(addressOf(1)), false);
  now += PIN_MS;
  assertEquals(pins.has(addressOf(PINS_MAX)), false);
});

Deno.test("MissingList: what may be needed by nobody, and nobody has, is not counted; by one list that is sure it is", () => {
  const list = new MissingList();
  const scan = (isInherited: boolean[]) => {
    list.beginScan();
    for (const each of isInherited) list.add(addressOf(1), 7, 0, { isInherited: each });
    list.endScan();
  };
  scan([true]);
  assertEquals([list.count, list.bytes], [1, 7], "it has not been asked for");
  list.due(0, 1)[0]!.missing.isNowhere = true;
  assertEquals([list.count, list.bytes], [0, 0]);
  scan([true, false, true]);
  assertEquals([list.count, list.bytes], [1, 7]);
  scan([true, true]);
  assertEquals([list.count, list.bytes], [0, 0]);
});

Deno.test("MissingList: what it can't take in is counted, and found by the next scan", () => {
  const list = new MissingList();
  for (let i = 0; i < MISSING_MAX + 3; i++) list.add(addressOf(i), 10, T0);
  assertEquals([list.count, list.bytes, list.isOver], [
    MISSING_MAX + 3,
    10 * MISSING_MAX + 30,
    true,
  ]);
  assertEquals(list.due(T0, 5).length, 5);
  for (let i = 0; i < 10; i++) list.delete(addressOf(i));
  list.beginScan();
  for (let i = MISSING_MAX; i < MISSING_MAX + 3; i++) list.add(addressOf(i), 10, T0);
  list.endScan();
  assertEquals([list.count, list.bytes, list.isOver], [3, 30, false]);
});

Deno.test("SeenAt: what was said long ago by others is forgotten", () => {
  const seen = new SeenAt();
  for (const when of ["old", "new"]) {
    for (let i = 0; i < 4 * MEMBER_ADDRESSES_MAX; i++) seen.note(`${when} ${i}`, `${when}:3000`);
  }
  assertEquals(seen.best(), ["new"]);
});

Deno.test("viewOf: of who is known by an eviction alone the log counts up to its cut, and it holds nothing", () => {
  const roster = new Roster(NETWORK, [memberOf("anna"), memberOf("bert"), evict("gone", 7n)]);
  const view = viewOf(roster, new Set([toHex(nodeOf("bert"))]), { version: 1, changedAtMs: T0 });
  const said = new Map(view.members.map(({ node, ...rest }) => [toHex(node), rest]));
  assertEquals(said.size, 3);
  for (
    const [name, isPresent, evictedAfter] of [
      ["anna", true, null],
      ["bert", false, null],
      ["gone", false, 7n],
    ] as const
  ) {
    const { weight: _, ...rest } = said.get(toHex(nodeOf(name)))!;
    assertEquals(rest, { isPresent, evictedAfter }, name);
  }
});

Deno.test("Roster: a full one takes no more members, but what is new of those, and evictions", () => {
  const roster = new Roster(NETWORK);
  const members = Array.from({ length: MEMBERS_MAX }, (_, i) => memberOf(`m${i}`));
  assertEquals(roster.merge(members).added.length, MEMBERS_MAX);
  const [refused] = roster.merge([memberOf("late")]).refused;
  assertEquals(refused?.message, "Cannot take a statement: the network has too many members");
  assertEquals(roster.merge([memberOf("m1", { stamp: T0 + 1 })]).added.length, 1);
  assertEquals(roster.merge([evict("m1")]).added.length, 1);
  assertEquals(roster.merge([memberOf("late")]).added.length, 1);
  assertEquals(roster.stateOf(nodeOf("late")), "member");
});

Deno.test("Roster: of more than a ticket admits the same ones stay, whatever came first", () => {
  const ticket = ticketOf("1");
  const made = Array.from(
    { length: TICKET_MEMBERS_MAX + 4 },
    (_, i) => memberOf(`t${i}`, { with: ticket, joined: T0 + i }),
  );
  const names = (statements: typeof made) =>
    new Roster(NETWORK, statements).members().map(({ name }) => name).sort();
  assertEquals(names(made.toReversed()), names(made));
  assertEquals(names(made).length, TICKET_MEMBERS_MAX);
});
