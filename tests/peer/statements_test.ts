import { assertEquals, assertThrows } from "@std/assert";
import { ByteReader, type Bytes, sha256, VaultError } from "../../src/base/mod.ts";
import {
  decodeStatement,
  isMemberName,
  signEviction,
  signMember,
  signSettings,
  type Statement,
} from "../../src/peer/statements.ts";
import { admitByAuthority, signTicket } from "../../src/peer/statements_admission.ts";
import { assertStrict } from "../log/helpers.ts";
import {
  AUTHORITY,
  DAY,
  memberOf,
  NETWORK,
  nodeOf,
  seedOf,
  signerOf,
  T0,
  ticketOf,
} from "./statements_helpers.ts";

function refusal(bytes: Bytes, network = NETWORK): string {
  const error = assertThrows(() => decodeStatement(bytes, network), VaultError);
  return `${error.code}: ${error.message}`;
}

const eviction = {
  node: nodeOf("mallory"),
  stamp: T0,
  lastSequence: 7n,
  ticketId: seedOf("some").slice(0, 16),
  spared: [nodeOf("b"), nodeOf("a")],
};

Deno.test("decodeStatement: says what was signed, and the id is the hash of its bytes", () => {
  const bytes = memberOf("anna", { addresses: ["10.0.0.1:3000", "[fd00::1]:3000"], weight: 500 });
  const member = decodeStatement(bytes, NETWORK);
  if (member.kind !== "member") throw new Error(member.kind);
  assertEquals(member.id, sha256(bytes));
  assertEquals(member.node, nodeOf("anna"));
  assertEquals(member.addresses, ["10.0.0.1:3000", "[fd00::1]:3000"]);
  assertEquals([member.name, member.weight, member.stamp], ["anna", 500, T0]);

  const idle = decodeStatement(memberOf("anna", { weight: 0 }), NETWORK);
  assertEquals(idle.kind === "member" && idle.weight, 0);

  const settings = decodeStatement(
    signSettings(NETWORK, { stamp: 5, replicas: 4 }, AUTHORITY),
    NETWORK,
  );
  assertEquals(settings.kind === "settings" && settings.replicas, 4);

  const out = decodeStatement(signEviction(NETWORK, eviction, AUTHORITY), NETWORK);
  if (out.kind !== "eviction") throw new Error(out.kind);
  assertEquals(out.lastSequence, 7n);
  assertEquals(out.ticketId, eviction.ticketId);
  assertEquals(out.spared.length, 2);
});

Deno.test("decodeStatement: no byte can be changed, added or left out", () => {
  const again = (bytes: Bytes): Bytes => {
    try {
      return decodeStatement(bytes, NETWORK).bytes;
    } catch (error) {
      // Another network, or an admission that does not hold: as good a refusal as a wrong signature.
      if (error instanceof VaultError && error.code === "denied") {
        throw new VaultError("damaged", error.message);
      }
      throw error;
    }
  };
  assertStrict(memberOf("anna", { with: ticketOf("1") }), again);
  assertStrict(signEviction(NETWORK, eviction, AUTHORITY), again);
});

Deno.test("decodeStatement: only the authority evicts and sets", () => {
  const storage = signerOf("storage");
  assertEquals(
    refusal(signEviction(NETWORK, eviction, storage)),
    "damaged: Cannot take a statement (eviction): its signature is wrong",
  );
  assertEquals(
    refusal(signSettings(NETWORK, { stamp: 1, replicas: 1 }, storage)),
    "damaged: Cannot take a statement (settings): its signature is wrong",
  );
});

Deno.test("decodeStatement: a statement of another network is refused", () => {
  const other = { ...NETWORK, networkId: seedOf("other") };
  assertEquals(refusal(memberOf("anna"), other).startsWith("denied"), true);
});

Deno.test("decodeStatement: nobody is a member by their own word", () => {
  const mallory = signerOf("mallory");
  const node = { publicKey: mallory.publicKey, joined: T0 };
  const claim = { certificate: seedOf("c"), name: "m", addresses: [], weight: 1, stamp: T0 };
  const own = admitByAuthority(NETWORK, node, mallory);
  assertEquals(
    refusal(signMember(NETWORK, { ...claim, admission: own }, mallory)),
    "denied: Cannot take a member: nobody admitted it",
  );
  // Somebody else's admission, and somebody else's ticket.
  const stolen = admitByAuthority(NETWORK, { ...node, publicKey: nodeOf("anna") }, AUTHORITY);
  assertEquals(
    refusal(signMember(NETWORK, { ...claim, admission: stolen }, mallory)),
    "denied: Cannot take a member: nobody admitted it",
  );
  const { ticket } = ticketOf("1");
  const copied = { ticket, joined: T0, signature: mallory.sign(seedOf("anything")) };
  assertEquals(
    refusal(signMember(NETWORK, { ...claim, admission: copied }, mallory)),
    "denied: Cannot take a member: nobody admitted it",
  );
});

Deno.test("decodeStatement: a ticket that the authority did not sign admits nobody", () => {
  const seed = seedOf("homemade");
  const issued = { seed, role: "owner" as const, issued: T0, expires: T0 + DAY };
  const ticket = signTicket(NETWORK, issued, signerOf("mallory"));
  assertEquals(
    refusal(memberOf("mallory", { with: { ticket, seed } })),
    "denied: Cannot take a ticket: the network's authority did not sign it",
  );
});

Deno.test("decodeStatement: a ticket admits only in its time", () => {
  for (const joined of [T0 - 1, T0 + 7 * DAY + 1]) {
    assertEquals(
      refusal(memberOf("late", { with: ticketOf("1"), joined })),
      "denied: Cannot take a member: its ticket was not valid when it joined",
    );
  }
  decodeStatement(memberOf("in time", { with: ticketOf("1"), joined: T0 + 7 * DAY }), NETWORK);
});

Deno.test("decodeStatement: what a member says is bounded and can't steer a terminal or a dialler", () => {
  const bad: Parameters<typeof memberOf>[1][] = [
    { addresses: ["no port"] },
    { addresses: ["../../etc/passwd:1"] },
    { addresses: ["host:0"] },
    { addresses: ["host:70000"] },
    { addresses: ["a b:1"] },
    { addresses: Array.from({ length: 9 }, () => "a:1") },
    { name: "\u001b[2J" },
    { name: "x".repeat(256) },
    { weight: 2 ** 24 + 1 },
    { certificate: new Uint8Array(2049) },
  ];
  for (const claim of bad) {
    assertEquals(refusal(memberOf("m", claim)).split(":")[0], "damaged", JSON.stringify(claim));
  }
  assertEquals(isMemberName("Annas Rechner 🏡"), true);
});

Deno.test("decodeStatement: its parts don't lie in the buffer it came in", () => {
  const bytes = memberOf("anna").slice();
  const member: Statement = decodeStatement(bytes, NETWORK);
  const before = member.kind === "member" && member.certificate.slice();
  bytes.fill(0);
  assertEquals(member.kind === "member" && member.certificate, before);
  new ByteReader(member.bytes, "statement").u8();
});
