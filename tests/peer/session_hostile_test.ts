/** Members and strangers that mean harm. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  encodeUtf8,
  HANDSHAKES_MAX,
  NEWS_BURST,
  OUTCAST_MS,
  REFUSALS_REMEMBERED_MAX,
  VaultError,
} from "../../src/base/mod.ts";
import type { Connection, Listener } from "../../src/net/mod.ts";
import type { NetworkEvent } from "../../src/peer/events.ts";
import { Connector, type ConnectorHooks } from "../../src/peer/session_connect.ts";
import type { SessionWorld } from "../../src/peer/session_world.ts";
import { signEviction, signSettings } from "../../src/peer/statements.ts";
import { encodeSecret, signSecret } from "../../src/peer/session_secrets.ts";
import { assertMesh, story, type TownNode } from "./sessions_helpers.ts";
import { memberOf, NETWORK, nodeOf, seedOf, signerOf, T0 } from "./statements_helpers.ts";

/** A connector that shakes no hands, and what it tells. */
function connectorAlone(): { connector: Connector; told: NetworkEvent[] } {
  const told: NetworkEvent[] = [];
  const world = { clock: { now: () => T0 }, events: { emit: (e: NetworkEvent) => told.push(e) } };
  const connector = new Connector(world as unknown as SessionWorld, {} as ConnectorHooks);
  return { connector, told };
}

/** The channel of a member to another, for words that no honest node says. */
function channelOf(from: TownNode, to: TownNode) {
  return from.table.session(to.id)!.channel;
}

story("hostile member: an evicted node that ignores it is shut out all the same", async (town) => {
  const [a, b, c] = await town.grow(3);
  Object.defineProperty(c!.file.state.roster, "merge", {
    value: () => ({ added: [], refused: [] }),
  });
  await town.during(a!.table.evict(c!.id, 0n));
  await town.pass(120);
  assertMesh([a!, b!]);
  assertEquals(c!.up, "");
});

story(
  "hostile member: statements that it may not make end its session, and change nothing",
  async (town) => {
    const [a, b, c] = await town.grow(3);
    const forged = Array.from(
      { length: 1000 },
      (_, i) =>
        i % 2 === 0
          ? signSettings(NETWORK, { stamp: T0 + i, replicas: 1 }, signerOf("c"))
          : signEviction(NETWORK, {
            node: nodeOf("b"),
            stamp: T0 + i,
            lastSequence: 0n,
            ticketId: null,
            spared: [],
          }, signerOf("c")),
    );
    channelOf(c!, a!).notify("news", { statements: forged });
    await town.pass(1);
    assertEquals([a!.up, b!.up], ["b", "a c"]);
    assertEquals(a!.file.state.roster.replicas, 3);
    const refused = a!.events.filter(({ kind }) => kind === "refused");
    assertEquals(refused.length, 1);
    assert(refused[0]?.kind === "refused" && refused[0].reason.includes("signature is wrong"));
    assert(refused[0]?.kind === "refused" && town.nameOf(refused[0].node!) === "c");
    // Let in again some time later: a fault is no eviction.
    await town.pass(OUTCAST_MS / 1000 + 120);
    assertMesh([a!, b!, c!]);
  },
);

story("hostile member: a flood of good statements passes on no more than so many", async (town) => {
  const [a, b, c] = await town.grow(3);
  let passed = 0;
  const { channel } = a!.table.session(b!.id)!;
  const notify = channel.notify.bind(channel);
  channel.notify = (name, event) => {
    if (name === "news") passed += (event as { statements: unknown[] }).statements.length;
    notify(name, event);
  };
  const admission = c!.file.state.roster.admissionOf(c!.id)!;
  for (let i = 1; i <= 2000; i++) {
    const stamp = town.clock.now() + i;
    channelOf(c!, a!).notify("news", { statements: [memberOf("c", { stamp, admission })] });
  }
  await town.pass(0.5);
  assert(passed > 0 && passed <= NEWS_BURST, `${passed} passed on`);
});

story("hostile member: a secret that the authority did not sign is refused", async (town) => {
  const [a, b] = await town.grow(2);
  const secret = signSecret(NETWORK, { epoch: 9, secret: seedOf("theirs") }, signerOf("b"));
  const asked = channelOf(b!, a!).request("rekey", { secret: encodeSecret(NETWORK, secret) });
  await assertRejects(() => town.during(asked), VaultError);
  assertEquals([a!.up, a!.file.state.secrets.newest.epoch], ["", 0]);
});

story(
  "strangers: idle connections beyond the limit push out the oldest, members get in",
  async (town) => {
    const [a] = await town.grow(1);
    const port = { certificate: encodeUtf8("certificate of a"), timeoutMs: 1000 };
    let open = 0;
    for (let i = 0; i < HANDSHAKES_MAX + 50; i++) {
      const idle: Connection = await town.during(
        town.network.host("x").dial("a:3000", port),
        0.003,
      );
      open++;
      idle.read(new Uint8Array(1)).catch(() => {}).then(() => open--);
    }
    await town.pass(0.01);
    assertEquals(open, HANDSHAKES_MAX);
    const b = await town.join("b", a!.table.membership.invite(null));
    await town.pass(2);
    assertMesh([a!, b]);
    // And none stays longer than a handshake may take.
    await town.pass(20);
    assertEquals(open, 0);
    assertMesh([a!, b]);
  },
);

story("strangers: who has said nothing yet when a node stops is hung up on", async (town) => {
  const [a] = await town.grow(1);
  const port = { certificate: encodeUtf8("certificate of a"), timeoutMs: 1000 };
  const idle = await town.during(town.network.host("x").dial("a:3000", port), 0.1);
  // As many bytes as the node sends by itself; what comes after is the end.
  let isOpen = true;
  const reading = (async () => {
    while (await idle.read(new Uint8Array(1024)) !== null);
  })().catch(() => {}).then(() => isOpen = false);
  await town.pass(1);
  assert(isOpen);
  await a!.stop();
  await reading;
});

Deno.test("strangers: of refusals so many are remembered, the oldest forgotten first", () => {
  const { connector, told } = connectorAlone();
  const tell = (host: number) =>
    connector.tellRefused({ remote: `h${host}:1`, node: null, reason: "no" });
  for (let host = 0; host <= REFUSALS_REMEMBERED_MAX; host++) tell(host);
  assertEquals(told.length, REFUSALS_REMEMBERED_MAX + 1);
  tell(REFUSALS_REMEMBERED_MAX);
  tell(1);
  assertEquals(told.length, REFUSALS_REMEMBERED_MAX + 1, "those that are remembered");
  tell(0);
  assertEquals(told.length, REFUSALS_REMEMBERED_MAX + 2, "the oldest");
});

Deno.test("Connector.accept: a listener that fails is told, and throws nothing", async () => {
  const { connector, told } = connectorAlone();
  const broken: Listener = {
    host: "a",
    port: 1,
    // deno-lint-ignore require-yield -- it fails before the first
    accept: async function* () {
      await Promise.resolve();
      throw new Error("too many open files");
    },
    close: () => {},
  };
  connector.accept(broken);
  await connector.stop();
  assertEquals(told, [{ kind: "notice", text: "Cannot take connections: too many open files" }]);
});

story("strangers: the same one is told of once, not each time", async (town) => {
  const [a] = await town.grow(1);
  const port = { certificate: encodeUtf8("certificate of a"), timeoutMs: 1000 };
  for (let i = 0; i < 20; i++) {
    const connection = await town.during(town.network.host("x").dial("a:3000", port), 0.1);
    await connection.write(encodeUtf8("GET / HTTP/1.1\r\n\r\n"));
    await town.pass(1);
  }
  assertEquals(a!.refusals(), ["Cannot shake hands: a message of 18245 bytes"]);
});
