import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MAIL_QUEUE_MAX, REPLICAS_MAX, VaultError } from "../../src/base/mod.ts";
import { story } from "./sessions_helpers.ts";
import { nodeOf, T0 } from "./statements_helpers.ts";

/** The code that a call is refused with. */
async function refusal(call: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(call, VaultError)).code;
}

story("evict: not itself, nobody who is no member, nobody twice", async (town) => {
  const [a, b] = await town.grow(2);
  const { membership } = a!.table;
  const { secrets, roster } = a!.file.state;
  assertEquals(await refusal(() => membership.evict(a!.id, 0n)), "usage");
  assertEquals(await refusal(() => membership.evict(nodeOf("nobody"), 0n)), "not_found");
  assertEquals([secrets.newest.epoch, roster.evictions().length], [0, 0]);
  assertEquals((await membership.evict(b!.id, 0n)).length, 1);
  assertEquals(await membership.evict(b!.id, 9n), []);
  assertEquals([secrets.newest.epoch, roster.evictions()[0]!.lastSequence], [1, 0n]);
});

story("setReplicas: a number that can't be is refused, and changes nothing", async (town) => {
  const [a] = await town.grow(1);
  await a!.table.setReplicas(2);
  for (const wrong of [0, -1, 2.5, NaN, REPLICAS_MAX + 1]) {
    assertEquals(await refusal(() => a!.table.setReplicas(wrong)), "usage");
  }
  assertEquals(a!.file.state.roster.replicas, 2);
});

story("invite: who was not let in yet has nobody to name", async (town) => {
  const [, b] = await town.grow(2);
  const stranger = await town.join("c", b!.table.membership.invite(null));
  const error = assertThrows(() => stranger.table.membership.invite(null), VaultError, "no member");
  assertEquals(error.code, "failed");
});

story("send: one that the other refuses is told; too many at once are refused", async (town) => {
  const [a, b] = await town.grow(2);
  const { mailbox } = a!.table;
  await town.during(mailbox.send(b!.id, "before"));
  // As in a home that was put back from an old copy, on a machine whose clock jumped back.
  a!.file.state.mailCounter = 0n;
  town.clock.now = () => T0 - 3_600_000 + town.time.now();
  assertEquals(await refusal(() => town.during(mailbox.send(b!.id, "again"))), "too_few_peers");
  const sends = Array.from({ length: MAIL_QUEUE_MAX }, () => mailbox.send(b!.id, "x"));
  for (const send of sends) send.catch(() => {});
  await assertRejects(() => mailbox.send(b!.id, "x"), VaultError, "others wait");
  await town.pass(60);
  assertEquals(await refusal(() => town.during(mailbox.send(b!.id, "x"))), "too_few_peers");
});
