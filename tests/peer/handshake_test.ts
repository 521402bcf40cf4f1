import { assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  encodeUtf8,
  HANDSHAKE_MESSAGE_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { type Connection, MemoryNetwork } from "../../src/net/mod.ts";
import {
  type HandshakeOutcome,
  type HandshakeSelf,
  shakeHandsAsDialler,
  shakeHandsAsListener,
} from "../../src/peer/handshake.ts";
import { encodeHello } from "../../src/peer/handshake_messages.ts";
import { Roster } from "../../src/peer/roster.ts";
import { secretRef, SecretRing, signSecret } from "../../src/peer/session_secrets.ts";
import { signEviction } from "../../src/peer/statements.ts";
import { VirtualTime } from "../net/helpers.ts";
import {
  AUTHORITY,
  DAY,
  memberOf,
  NETWORK,
  nodeOf,
  randomOf,
  seedOf,
  signerOf,
  T0,
  ticketOf,
} from "./statements_helpers.ts";

const secret = (epoch: number) =>
  signSecret(NETWORK, { epoch, secret: seedOf(`secret ${epoch}`) }, AUTHORITY);

/** One end: who it is, what it has. */
function selfOf(
  name: string,
  more: Partial<HandshakeSelf> & { knows?: string[]; epochs?: number[] } = {},
): HandshakeSelf & { roster: Roster } {
  const { knows = [], epochs = [0], ...rest } = more;
  return {
    network: NETWORK,
    signer: signerOf(name),
    secrets: new SecretRing(epochs.map(secret)),
    roster: new Roster(NETWORK, [name, ...knows].map((each) => memberOf(each))),
    member: memberOf(name),
    ...rest,
  } as HandshakeSelf & { roster: Roster };
}

const certificateOf = (name: string) => encodeUtf8(`certificate of ${name}`);

/** Hosts with the nodes' names on a network in virtual time. */
class Story {
  readonly time = new VirtualTime();
  readonly network = new MemoryNetwork({ timers: this.time });
  nowMs = T0;
  #ports = 0;

  tools(name: string) {
    const clock = { now: () => this.nowMs };
    return { clock, timers: this.time, random: randomOf(`${name} ${this.#ports}`) };
  }

  /** Both ends of a connection from one host to another. */
  async connect(from: string, to: string): Promise<[Connection, Connection]> {
    const certificate = certificateOf(to);
    const port = ++this.#ports;
    const listener = await this.network.host(to).listen({
      host: to,
      port,
      credentials: { certificate, privateKey: new Uint8Array() },
    });
    const dialled = await this.network.host(from)
      .dial(`${to}:${port}`, { certificate, timeoutMs: 1000 });
    for await (const accepted of listener.accept()) {
      listener.close();
      return [dialled, accepted];
    }
    throw new Error("nobody came");
  }

  listen(self: HandshakeSelf, connection: Connection, name: string, isFull = false) {
    return shakeHandsAsListener(connection, {
      self,
      certificate: certificateOf(name),
      tools: this.tools(name),
      isFull: () => isFull,
    });
  }

  dial(self: HandshakeSelf, connection: Connection, name: string, to: string) {
    return shakeHandsAsDialler(connection, {
      self,
      certificate: certificateOf(to),
      tools: this.tools(name),
    });
  }

  /** A dials B; what each end makes of it. */
  async meet(
    a: HandshakeSelf,
    b: HandshakeSelf,
    { isFull = false }: { isFull?: boolean } = {},
  ): Promise<[string, string]> {
    const [dialled, accepted] = await this.connect("a", "b");
    const outcomes = await Promise.allSettled([
      this.dial(a, dialled, "a", "b"),
      this.listen(b, accepted, "b", isFull),
    ]);
    return outcomes.map((each) =>
      each.status === "rejected" ? each.reason.code : textOf(each.value)
    ) as [string, string];
  }
}

function textOf(outcome: HandshakeOutcome): string {
  return outcome.kind === "session"
    ? `session with ${nameOf(outcome.node)}`
    : `refused by ${outcome.by}: ${outcome.reason}`;
}

function nameOf(node: Bytes): string {
  return ["a", "b", "c", "m"].find((name) => toHex(nodeOf(name)) === toHex(node)) ?? "?";
}

Deno.test("handshake: members that know one another get a session", async () => {
  const a = selfOf("a", { knows: ["b"] });
  const b = selfOf("b", { knows: ["a"] });
  assertEquals(await new Story().meet(a, b), ["session with b", "session with a"]);
});

Deno.test("handshake: each enters what is new of the other, and the dialler hears where it is seen", async () => {
  const story = new Story();
  const a = selfOf("a");
  const b = selfOf("b");
  const [dialled, accepted] = await story.connect("a", "b");
  const [outA, outB] = await Promise.all([
    story.dial(a, dialled, "a", "b"),
    story.listen(b, accepted, "b"),
  ]);
  if (outA.kind !== "session" || outB.kind !== "session") throw new Error("refused");
  assertEquals([outA.news, outB.news], [memberOf("b"), memberOf("a")]);
  assertEquals([outA.seen, outB.seen], [accepted.remote, null]);
  assertEquals(toHex(a.roster.digest()), toHex(b.roster.digest()));
  // Not a byte of what comes next was taken.
  await dialled.write(Uint8Array.of(7));
  const next = new Uint8Array(9);
  assertEquals([await accepted.read(next), next[0]], [1, 7]);
});

Deno.test("handshake: a newcomer gets in with a ticket, within its time by the listener's clock", async () => {
  const newcomer = () => selfOf("c", { member: memberOf("c", { with: ticketOf("1") }) });
  const story = new Story();
  assertEquals(await story.meet(newcomer(), selfOf("b")), ["session with b", "session with c"]);
  story.nowMs = T0 + 8 * DAY;
  const late = await story.meet(newcomer(), selfOf("b"));
  assertEquals(late, ["refused by them: member", "refused by us: member"]);
  // Who is a member already needs no valid ticket.
  const known = await story.meet(newcomer(), selfOf("b", { knows: ["c"] }));
  assertEquals(known, ["session with b", "session with c"]);
});

Deno.test("handshake: without a statement only a known member gets in", async () => {
  const bare = () => selfOf("c", { member: null });
  const refused = await new Story().meet(bare(), selfOf("b"));
  assertEquals(refused, ["refused by them: member", "refused by us: member"]);
  const known = await new Story().meet(bare(), selfOf("b", { knows: ["c"] }));
  assertEquals(known, ["session with b", "session with c"]);
});

Deno.test("handshake: another network, another secret, another version are told apart", async () => {
  const story = new Story();
  const other = { ...NETWORK, networkId: seedOf("other") };
  assertEquals(
    await story.meet(selfOf("a", { network: other }), selfOf("b")),
    ["refused by them: network", "refused by us: network"],
  );
  assertEquals(
    await story.meet(selfOf("a", { epochs: [7] }), selfOf("b", { knows: ["a"] })),
    ["refused by them: secret", "refused by us: secret"],
  );
  const [dialled, accepted] = await story.connect("a", "b");
  const listening = story.listen(selfOf("b"), accepted, "b");
  const hello = encodeHello({
    versions: { min: 2, max: 3 },
    networkId: NETWORK.networkId,
    nodeKey: signerOf("a").publicKey,
    nonce: seedOf("nonce"),
    secrets: [secretRef(secret(0))],
  });
  await send(dialled, hello);
  assertEquals(textOf(await listening), "refused by us: version");
  // Its own versions stand in the answer.
  assertEquals(await receive(dialled), Uint8Array.of(0, 1, 0, 2, 1, 1));
});

Deno.test("handshake: an old secret is enough for a known member, in both directions, and for nobody else", async () => {
  const story = new Story();
  const sleeper = () => selfOf("a", { knows: ["b"] });
  const awake = (...knows: string[]) => selfOf("b", { knows, epochs: [0, 1] });
  assertEquals(
    await story.meet(sleeper(), awake("a")),
    ["session with b", "session with a"],
  );
  assertEquals(
    await story.meet(awake("a"), sleeper()),
    ["session with a", "session with b"],
  );
  const stranger = () => selfOf("c", { member: memberOf("c", { with: ticketOf("1") }) });
  assertEquals(
    await story.meet(stranger(), awake("a")),
    ["refused by them: secret", "refused by us: secret"],
  );
  assertEquals((await story.meet(awake("a"), stranger()))[0], "refused by us: secret");
});

Deno.test("handshake: of two secrets of one epoch both ends choose the same", async () => {
  const two = signSecret(NETWORK, { epoch: 1, secret: seedOf("another 1") }, AUTHORITY);
  const a = selfOf("a", { knows: ["b"], secrets: new SecretRing([secret(0), secret(1)]) });
  const b = selfOf("b", { knows: ["a"], secrets: new SecretRing([secret(0), two]) });
  assertEquals(await new Story().meet(a, b), ["session with b", "session with a"]);
});

Deno.test("handshake: an evicted node is shown its eviction, with an old secret and with the newest", async () => {
  const eviction = signEviction(NETWORK, {
    node: nodeOf("m"),
    stamp: T0,
    lastSequence: 0n,
    ticketId: null,
    spared: [],
  }, AUTHORITY);
  for (const epochs of [[0], [0, 1]]) {
    const story = new Story();
    const b = selfOf("b", { knows: ["m"], epochs: [0, 1] });
    b.roster.merge([eviction]);
    const [dialled, accepted] = await story.connect("a", "b");
    const [out] = await Promise.all([
      story.dial(selfOf("m", { epochs, knows: ["b"] }), dialled, "a", "b"),
      story.listen(b, accepted, "b"),
    ]);
    if (out.kind !== "refused") throw new Error("let in");
    assertEquals([out.reason, out.eviction], ["evicted", eviction]);
    // And nobody talks to it as a listener.
    const answer = await story.meet(b, selfOf("m", { epochs, knows: ["b"] }));
    assertEquals(answer[0], "refused by us: evicted");
  }
});

Deno.test("handshake: a node that reaches itself notices", async () => {
  const a = selfOf("a");
  assertEquals((await new Story().meet(a, a))[0], "refused by us: self");
});

Deno.test("handshake: a full node says that it is busy", async () => {
  const answer = await new Story().meet(selfOf("a"), selfOf("b"), { isFull: true });
  assertEquals(answer, ["refused by them: busy", "refused by us: busy"]);
});

Deno.test("handshake: a recorded one can't be played again", async () => {
  const story = new Story();
  const b = selfOf("b");
  const [dialled, accepted] = await story.connect("a", "b");
  const sent: Bytes[] = [];
  const recorded: Connection = {
    remote: dialled.remote,
    read: (into) => dialled.read(into),
    write: (bytes) => {
      sent.push(bytes.slice() as Bytes);
      return dialled.write(bytes);
    },
    close: () => dialled.close(),
  };
  const [out] = await Promise.all([
    story.dial(selfOf("a"), recorded, "a", "b"),
    story.listen(b, accepted, "b"),
  ]);
  assertEquals(textOf(out), "session with b");
  const [again, acceptedAgain] = await story.connect("a", "b");
  const listening = story.listen(b, acceptedAgain, "b");
  for (const bytes of sent) await again.write(bytes);
  assertEquals(textOf(await listening), "refused by us: secret");
});

Deno.test("handshake: another member in the middle can't pass it on", async () => {
  const story = new Story();
  // A dials what it takes for B, and reaches M, who knows the secret and dials B with A's words.
  const [fromA, atM] = await story.connect("a", "m");
  const [fromM, atB] = await story.connect("m", "b");
  const relay = async (from: Connection, to: Connection) => {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await from.read(buffer).catch(() => null);
      if (count === null) break;
      await to.write(buffer.subarray(0, count)).catch(() => {});
    }
    to.close();
  };
  const everyone = ["a", "b", "m"];
  const relays = [relay(atM, fromM), relay(fromM, atM)];
  const [outA, outB] = await Promise.allSettled([
    story.dial(selfOf("a", { knows: everyone }), fromA, "a", "m"),
    story.listen(selfOf("b", { knows: everyone }), atB, "b"),
  ]);
  assertEquals(outA.status === "fulfilled" && textOf(outA.value), "refused by us: secret");
  assertEquals(outB.status, "rejected");
  fromM.close();
  atM.close();
  await Promise.all(relays);
});

Deno.test("handshake: a listener without the secret learns no more than the hello", async () => {
  const story = new Story();
  const [dialled, accepted] = await story.connect("a", "b");
  const dialling = story.dial(selfOf("a"), dialled, "a", "b");
  await receive(accepted);
  const forged = new Uint8Array(2 + 32 + 32 + 12 + 32 + 64);
  forged.set([1, 1]);
  forged.set(signerOf("m").publicKey, 2);
  const { epoch, id } = secretRef(secret(0));
  new DataView(forged.buffer).setUint32(66, epoch);
  forged.set(id, 70);
  await send(accepted, forged);
  assertEquals(textOf(await dialling), "refused by us: secret");
  assertEquals(await accepted.read(new Uint8Array(1)), null);
});

Deno.test("handshake: garbage, too much, too little are refused before anything is allocated", async () => {
  const story = new Story();
  const garbage: Uint8Array[] = [
    encodeUtf8("GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
    Uint8Array.of((HANDSHAKE_MESSAGE_BYTES_MAX + 1) >> 8, (HANDSHAKE_MESSAGE_BYTES_MAX + 1) & 255),
    new Uint8Array(300),
    randomOf("garbage").bytes(500),
    Uint8Array.of(0, 4, 1, 2, 3, 4),
  ];
  for (const bytes of garbage) {
    const [dialled, accepted] = await story.connect("a", "b");
    const listening = story.listen(selfOf("b"), accepted, "b");
    await dialled.write(bytes);
    const error = await assertRejects(() => listening, VaultError);
    assertEquals(error.code, "damaged");
    assertEquals(await dialled.read(new Uint8Array(1)).catch(() => null), null);
  }
});

Deno.test("handshake: silence and a drip are cut off in time, at either end", async () => {
  const story = new Story();
  const [dialled, accepted] = await story.connect("a", "b");
  const listening = assertRejects(
    () => story.listen(selfOf("b"), accepted, "b"),
    VaultError,
    "not done within 10 s",
  );
  const hello = Uint8Array.of(0, 200, ...new Uint8Array(200));
  for (const byte of hello.subarray(0, 20)) {
    await dialled.write(Uint8Array.of(byte)).catch(() => {});
    await story.time.pass(HANDSHAKE_TIMEOUT_MS / 15);
  }
  await listening;
  const [silent] = await story.connect("a", "b");
  const dialling = assertRejects(
    () => story.dial(selfOf("a"), silent, "a", "b"),
    VaultError,
    "not done within 10 s",
  );
  await story.time.pass(HANDSHAKE_TIMEOUT_MS);
  await dialling;
});

async function send(connection: Connection, message: Uint8Array): Promise<void> {
  await connection.write(Uint8Array.of(message.length >> 8, message.length & 255, ...message));
}

async function receive(connection: Connection): Promise<Uint8Array> {
  const exactly = async (length: number) => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await connection.read(bytes.subarray(at));
      if (count === null) throw new Error("the end");
      at += count;
    }
    return bytes;
  };
  const [high, low] = await exactly(2);
  return await exactly(high! * 256 + low!);
}
