/** Members and strangers that mean harm. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  encodeUtf8,
  HANDSHAKES_MAX,
  NEWS_BURST,
  OUTCAST_MS,
  VaultError,
} from "../../src/base/mod.ts";
import type { Connection } from "../../src/net/mod.ts";
import { signEviction, signSettings } from "../../src/peer/statements.ts";
import { encodeSecret, signSecret } from "../../src/peer/session_secrets.ts";
import { assertMesh, story, type TownNode } from "./sessions_helpers.ts";
import { memberOf, NETWORK, nodeOf, seedOf, signerOf, T0 } from "./statements_helpers.ts";

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
