import { assert, assertEquals, assertRejects } from "@std/assert";
import { DOWN_AFTER_MS, TICKET_LIFE_MS, toHex, VaultError } from "../../src/base/mod.ts";
import { assertMesh, story } from "./sessions_helpers.ts";

story("sessions: two nodes meet by a token", async (town) => {
  const a = await town.found("a");
  const b = await town.join("b", a.table.membership.invite(null));
  await town.pass(2);
  assertMesh([a, b]);
  assertEquals(b.table.list()[0]?.state, "up");
  assertEquals(a.table.list()[0]?.role, "storage");
  assertEquals(a.table.view().members.length, 2);
});

story("sessions: three, then seven nodes find one another from one address", async (town) => {
  const [a, ...others] = await town.grow(3);
  assertMesh([a!, ...others]);
  for (const name of ["d", "e", "f", "g"]) {
    others.push(await town.join(name, a!.table.membership.invite(null)));
  }
  await town.pass(20);
  assertMesh([a!, ...others]);
  // One connection for each pair, whoever dialled.
  assertEquals(town.network.connections, 21);
  for (const { events } of town.nodes.values()) {
    assertEquals(events.filter(({ kind }) => kind === "notice"), []);
  }
});

story(
  "sessions: a node that comes back remembers the members and needs no address",
  async (town) => {
    const [a, b, c] = await town.grow(3);
    await c!.stop();
    await town.pass(5);
    assertEquals([a!.up, b!.up], ["b", "a"]);
    await a!.stop();
    await c!.start();
    await town.pass(70);
    assertEquals([b!.up, c!.up], ["c", "b"]);
    await a!.start();
    await town.pass(70);
    assertMesh([a!, b!, c!]);
  },
);

story("sessions: who is killed is missed at once, and found again", async (town) => {
  const [a, b, c] = await town.grow(3);
  b!.crash();
  await town.pass(1);
  assertEquals([a!.up, c!.up], ["c", "a"]);
  assert(a!.table.list().some(({ name, state }) => name === "b" && state !== "up"));
  await b!.start();
  await town.pass(70);
  assertMesh([a!, b!, c!]);
});

story("sessions: a node on a new address tells its members, who remember", async (town) => {
  const [a, b, c] = await town.grow(3);
  await c!.stop();
  await c!.start({ port: 4000 });
  await town.pass(70);
  assertMesh([a!, b!, c!]);
  assertEquals(b!.file.state.roster.member(c!.id)?.addresses, ["c:4000"]);
});

story("sessions: a silent link is noticed from either side, and heals", async (town) => {
  const [a, b, c] = await town.grow(3);
  town.network.cut("a", "b");
  await town.pass(40);
  assertEquals([a!.up, b!.up], ["c", "c"]);
  // Both still hear of each other by the third.
  assert(a!.table.view().members.every(({ isPresent }) => isPresent));
  town.network.heal("a", "b");
  await town.pass(90);
  assertMesh([a!, b!, c!]);
});

story("sessions: who is away too long is absent, and present again when heard of", async (town) => {
  const [a, b] = await town.grow(2);
  const before = a!.views;
  await b!.stop();
  await town.pass(DOWN_AFTER_MS / 1000 - 30);
  assertEquals([a!.table.view().members.filter(({ isPresent }) => isPresent).length, a!.views], [
    2,
    before,
  ]);
  await town.pass(60);
  assertEquals(a!.table.view().members.filter(({ isPresent }) => isPresent).length, 1);
  await b!.start();
  await town.pass(70);
  assertEquals(a!.table.view().members.filter(({ isPresent }) => isPresent).length, 2);
  assertEquals(a!.views, before + 2);
});

story("sessions: an evicted node is shut out, and knows it", async (town) => {
  const [a, b, c] = await town.grow(3);
  await town.during(a!.table.evict(c!.id, 5n));
  assertMesh([a!, b!]);
  assertEquals(c!.up, "");
  assertEquals(c!.file.state.roster.stateOf(c!.id), "evicted");
  assertEquals([a!, b!].map(({ file }) => file.state.secrets.newest.epoch), [1, 1]);
  assertEquals(c!.file.state.secrets.newest.epoch, 0);
  assertEquals(
    b!.table.view().members.find(({ evictedAfter }) => evictedAfter !== null)
      ?.evictedAfter,
    5n,
  );
  // Restarting, and having forgotten, changes nothing.
  await c!.stop();
  await c!.start();
  await town.pass(70);
  assertEquals([a!.up, b!.up, c!.up], ["b", "a", ""]);
  assertEquals(b!.table.list().find(({ name }) => name === "c")?.state, "evicted");
});

story(
  "sessions: a member that slept through an eviction comes back; a stranger with the old token doesn't",
  async (town) => {
    const [a, b, c, d] = await town.grow(4);
    const token = a!.table.membership.invite(null);
    await b!.stop();
    await town.during(a!.table.evict(d!.id, 0n));
    const stranger = await town.join("h", token);
    await b!.start();
    await town.pass(120);
    assertMesh([a!, b!, c!]);
    assertEquals(b!.file.state.secrets.newest.epoch, 1);
    assertEquals(stranger.up, "");
    assertEquals(stranger.refusals(), ["it has another secret of the network"]);
    assert(a!.refusals().includes("it lacks the network's secret"));
    // A new token lets in.
    await stranger.stop();
    const welcome = await town.join("h", a!.table.membership.invite(null));
    await town.pass(20);
    assertMesh([a!, b!, c!, welcome]);
  },
);

story("sessions: two evictions at once leave one secret", async (town) => {
  const a = await town.found("a");
  const b = await town.join("b", a.table.membership.invite(null), true);
  const [c, d, e] = [
    await town.join("c", a.table.membership.invite(null)),
    await town.join("d", a.table.membership.invite(null)),
    await town.join("e", a.table.membership.invite(null)),
  ];
  await town.pass(10);
  town.network.split(["a", "c"], ["b", "d", "e"]);
  await town.pass(30);
  await town.during(Promise.all([a.table.evict(d.id, 0n), b.table.evict(c.id, 0n)]), 40);
  town.network.join(["a", "c"], ["b", "d", "e"]);
  await town.pass(120);
  assertMesh([a, b, e]);
  const secrets = [a, b, e].map(({ file }) => toHex(file.state.secrets.newest.secret));
  assertEquals(new Set(secrets).size, 1);
});

story(
  "sessions: an owner has more of an evicted node's log count, for all; nobody else does",
  async (town) => {
    const a = await town.found("a");
    const b = await town.join("b", a.table.membership.invite(null), true);
    const c = await town.join("c", a.table.membership.invite(null));
    const d = await town.join("d", a.table.membership.invite(null));
    await town.pass(10);
    await town.during(a.table.evict(d.id, 2n));
    const counted = () =>
      [a, b, c].map(({ table }) =>
        table.view().members.find(({ evictedAfter }) => evictedAfter !== null)?.evictedAfter
      );
    assertEquals(counted(), [2n, 2n, 2n]);
    await town.during(c.table.extendEviction(d.id, 9n));
    assertEquals(counted(), [2n, 2n, 2n], "a storage node has no say");
    await town.during(b.table.extendEviction(d.id, 5n));
    assertEquals(counted(), [5n, 5n, 5n]);
    await town.during(a.table.extendEviction(d.id, 3n));
    assertEquals(counted(), [5n, 5n, 5n], "nothing that counted is taken back");
    assertEquals([a, b, c].map(({ file }) => file.state.secrets.newest.epoch), [1, 1, 1]);
    assertEquals([a.up, b.up, c.up, d.up], ["b c", "a c", "a b", ""]);
  },
);

story("sessions: a storage node can't evict, set copies, or make tickets", async (town) => {
  const [a, b] = await town.grow(2);
  for (const act of [() => b!.table.evict(a!.id, 0n), () => b!.table.setReplicas(1)]) {
    const error = await assertRejects(act, VaultError, "this node does not own the network");
    assertEquals(error.code, "denied");
  }
  // Its token has no ticket: a stranger stays one, the vault's owner gets in.
  const token = b!.table.membership.invite(null);
  const stranger = await town.join("c", token);
  const owner = await town.join("d", token, true);
  await town.pass(40);
  assertEquals(stranger.up, "");
  assertMesh([a!, b!, owner]);
});

story("sessions: what the owner sets is known to all", async (town) => {
  const [a, b, c] = await town.grow(3);
  await a!.table.setReplicas(5);
  await town.pass(1);
  assertEquals([a!, b!, c!].map(({ table }) => table.view().replicas), [5, 5, 5]);
  await c!.stop();
  await c!.start();
  assertEquals(c!.table.view().replicas, 5);
});

story("sessions: an old token is refused, and says so", async (town) => {
  const [a] = await town.grow(1);
  const token = a!.table.membership.invite(null);
  const late = await town.invited("b", token);
  await a!.stop();
  await town.pass(TICKET_LIFE_MS / 1000 + 60);
  await a!.start();
  await late.start();
  await town.pass(5);
  assertEquals(late.up, "");
  assertEquals(late.refusals(), ["this node is no member, and has no valid ticket"]);
});

story(
  "sessions: peers given by address are dialled, one's own address is not dialled twice",
  async (town) => {
    const [a, b] = await town.grow(2);
    await b!.stop();
    await b!.start({ peers: ["b:3000", "a:3000", "nowhere:1"] });
    await town.pass(70);
    assertMesh([a!, b!]);
    const error = await assertRejects(
      () => town.during(a!.table.connect("nowhere:1", new AbortController().signal)),
      VaultError,
    );
    assertEquals(error.code, "failed");
    assertEquals(
      toHex(await town.during(b!.table.connect("a:3000", new AbortController().signal))),
      toHex(a!.id),
    );
  },
);

story("sessions: dialling a member that is up leads to no second session", async (town) => {
  const [a, b] = await town.grow(2);
  for (const [from, to] of [[a!, b!], [b!, a!]] as const) {
    const { channel } = from.table.session(to.id)!;
    const { signal } = new AbortController();
    const there = await town.during(from.table.connect(`${to.name}:3000`, signal));
    assertEquals(toHex(there), toHex(to.id));
    assertEquals(from.table.session(to.id)!.channel === channel, true);
  }
  assertEquals([a!.refusals(), b!.refusals(), town.network.connections], [[], [], 1]);
});

story("sessions: what nobody can dial is refused before anything begins", async (town) => {
  const [a] = await town.grow(1);
  await a!.stop();
  for (const options of [{ peers: ["nowhere"] }, { advertise: "a b" }, { advertise: "h:0" }]) {
    const error = await assertRejects(() => a!.start(options), VaultError);
    assertEquals(error.code, "usage");
  }
  await a!.start({ advertise: "nas.example" });
  assertEquals(a!.file.state.roster.member(a!.id)?.addresses, ["nas.example:3000"]);
});
