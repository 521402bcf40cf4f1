import { assertEquals } from "@std/assert";
import { type Bytes, sha256, TICKET_MEMBERS_MAX, toHex } from "../../src/base/mod.ts";
import { Roster } from "../../src/peer/roster.ts";
import { signEviction, signSettings } from "../../src/peer/statements.ts";
import { ticketIdOf } from "../../src/peer/statements_admission.ts";
import { Dice } from "../log/helpers.ts";
import {
  AUTHORITY,
  memberOf,
  NETWORK,
  nodeOf,
  signerOf,
  T0,
  ticketOf,
} from "./statements_helpers.ts";

function names(roster: Roster): string[] {
  return roster.members().map((member) => member.name).sort();
}

function evict(
  name: string,
  more: Partial<Parameters<typeof signEviction>[1]> = {},
  signer = AUTHORITY,
): Bytes {
  const claim = { node: nodeOf(name), stamp: T0, lastSequence: 0n, ticketId: null, spared: [] };
  return signEviction(NETWORK, { ...claim, ...more }, signer);
}

Deno.test("Roster: the same statements in any order, in any pieces, give the same roster", () => {
  const ticket = ticketOf("1");
  const all = [
    memberOf("anna"),
    memberOf("bert", { with: ticket }),
    memberOf("bert", { with: ticket, stamp: T0 + 5, addresses: ["b:5"] }),
    memberOf("carl", { with: ticket }),
    memberOf("dora", { with: ticket }),
    memberOf("eric", { with: ticketOf("2") }),
    evict("carl", { ticketId: ticketIdOf(ticket.ticket), spared: [nodeOf("bert")] }),
    evict("eric", { lastSequence: 3n }),
    evict("eric", { lastSequence: 9n, stamp: T0 - 1 }),
    signSettings(NETWORK, { stamp: 1, replicas: 2 }, AUTHORITY),
    signSettings(NETWORK, { stamp: 2, replicas: 4 }, AUTHORITY),
  ];
  const expected = new Roster(NETWORK, all);
  assertEquals(names(expected), ["anna", "bert"]);
  assertEquals(expected.member(nodeOf("bert"))?.addresses, ["b:5"]);
  assertEquals(expected.member(nodeOf("eric"))?.evictedAfter, 9n);
  assertEquals(expected.replicas, 4);
  const dice = new Dice(7);
  for (let round = 0; round < 50; round++) {
    const roster = new Roster(NETWORK);
    for (const statement of dice.shuffle(all)) roster.merge([statement]);
    assertEquals(toHex(roster.digest()), toHex(expected.digest()));
  }
});

Deno.test("Roster: two that exchange what the other lacks become equal", () => {
  const a = new Roster(NETWORK, [memberOf("anna"), memberOf("bert", { stamp: T0 + 1 })]);
  const b = new Roster(NETWORK, [memberOf("bert"), memberOf("carl"), evict("anna")]);
  const toA = b.missingFrom(a.ids(), 1e6);
  const toB = a.missingFrom(b.ids(), 1e6);
  a.merge(toA);
  b.merge(toB);
  assertEquals(toHex(a.digest()), toHex(b.digest()));
  assertEquals(a.missingFrom(b.ids(), 1e6), []);
});

Deno.test("Roster.missingFrom: gives no more bytes than asked", () => {
  const roster = new Roster(NETWORK, [memberOf("anna"), memberOf("bert")]);
  const length = memberOf("anna").length;
  assertEquals(roster.missingFrom([], length + 10).length, 1);
  assertEquals(roster.missingFrom([], length - 10).length, 0);
});

Deno.test("Roster.merge: tells what is new, and why the rest was refused", () => {
  const roster = new Roster(NETWORK, [memberOf("anna")]);
  const bad = memberOf("bert");
  bad[bad.length - 1]! ^= 1;
  const { added, refused } = roster.merge([memberOf("anna"), bad, memberOf("carl")]);
  assertEquals(added.map((each) => each.kind === "member" && each.name), ["carl"]);
  assertEquals(refused.map((error) => error.code), ["damaged"]);
});

Deno.test("Roster: who was evicted stays so, whatever they say later", () => {
  const roster = new Roster(NETWORK, [memberOf("mallory"), evict("mallory")]);
  roster.merge([memberOf("mallory", { stamp: T0 + 1e9 })]);
  assertEquals(roster.stateOf(nodeOf("mallory")), "evicted");
  assertEquals(names(roster), []);
  assertEquals(roster.everyone().map((member) => member.name), ["mallory"]);
});

Deno.test("Roster: an eviction takes the ticket back, but not from those it spares", () => {
  const ticket = ticketOf("1");
  const roster = new Roster(NETWORK, [memberOf("anna", { with: ticket })]);
  roster.merge([memberOf("mallory", { with: ticket })]);
  const { id, others } = roster.ticketOf(nodeOf("mallory"))!;
  assertEquals(others, [nodeOf("anna")]);
  roster.merge([evict("mallory", { ticketId: id, spared: others })]);
  assertEquals(names(roster), ["anna"]);
  const { refused } = roster.merge([memberOf("mallory again", { with: ticket })]);
  assertEquals(refused.map((error) => error.code), ["denied"]);
  assertEquals(names(roster), ["anna"]);
});

Deno.test("Roster: a hostile member can't fill it with members of its own making", () => {
  const ticket = ticketOf("1");
  const roster = new Roster(NETWORK, [memberOf("anna"), memberOf("mallory", { with: ticket })]);
  const made = Array.from(
    { length: 1000 },
    (_, i) => memberOf(`made ${i}`, { with: ticket, joined: T0 + 1 + i }),
  );
  const { refused } = roster.merge(made);
  assertEquals(roster.members().length, 1 + TICKET_MEMBERS_MAX);
  assertEquals(refused.length, 1000 - TICKET_MEMBERS_MAX + 1);
  assertEquals(roster.stateOf(nodeOf("mallory")), "member");
});

Deno.test("Roster: 1000 evictions, settings and members that only a member signed are refused", () => {
  const mallory = signerOf("mallory");
  const roster = new Roster(NETWORK, [memberOf("anna"), memberOf("mallory")]);
  const before = toHex(roster.digest());
  const made = Array.from(
    { length: 1000 },
    (_, i) =>
      i % 2 === 0
        ? evict("anna", { stamp: T0 + i }, mallory)
        : signSettings(NETWORK, { stamp: T0 + i, replicas: 1 }, mallory),
  );
  const { added, refused } = roster.merge(made);
  assertEquals([added.length, refused.length], [0, 1000]);
  assertEquals(toHex(roster.digest()), before);
});

Deno.test("Roster.digest: SHA-256 over the statements' ids, ascending", () => {
  const statements = [memberOf("anna"), memberOf("bert")];
  const ids = statements.map((bytes) => sha256(bytes))
    .sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1));
  assertEquals(toHex(new Roster(NETWORK, statements).digest()), toHex(sha256(...ids)));
});
