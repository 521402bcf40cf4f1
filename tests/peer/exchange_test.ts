import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AHEAD_BYTES_MAX,
  FRAME_BYTES_MAX,
  freeBytes,
  HAVE_ADDRESSES_MAX,
  KEEP_NEEDS_MAX,
  KEEPS_PER_PEER_MAX,
  sha256,
  VaultError,
} from "../../src/base/mod.ts";
import type { Requests } from "../../src/net/mod.ts";
import type { ReplicationRequest } from "../../src/peer/mod.ts";
import { noSpaceError } from "../helpers/faulty_disk.ts";
import { someBytes } from "./doubles.ts";
import { until } from "./test_time.ts";
import { type TestNode, withNet } from "./helpers.ts";

/** Asks over the session between two nodes. */
function ask<N extends ReplicationRequest>(
  from: TestNode,
  to: TestNode,
  name: N,
  what: Requests[N]["ask"],
): Promise<Requests[N]["reply"]> {
  return from.mesh.peer(to.id)!.channel.request(name, what);
}

const objects = (count: number) => Array.from({ length: count }, (_, i) => someBytes(i, 2000));

Deno.test("get: gives what is there, as the kind that travels, and null for what isn't", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const [need] = await a!.storeObjects([someBytes(1)], "held");
    const { object } = await ask(b!, a!, "get", need!);
    assertEquals(object, { kind: "sealed", bytes: someBytes(1) });
    assertEquals((await ask(b!, a!, "get", { address: sha256(someBytes(2)) })).object, null);
  });
});

Deno.test("have: only what is durable, and whether the answer can be relied on", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    const [need] = await a!.storeObjects([someBytes(1)]);
    const unflushed = someBytes(2);
    await a!.store.put({ kind: "held", address: sha256(unflushed), pieces: [unflushed] });
    const addresses = [need!.address, sha256(unflushed), sha256(someBytes(3))];
    assertEquals(
      await ask(b!, a!, "have", { addresses, heads: b!.ledger.heads() }),
      { held: [true, false, false], isBehind: false },
    );
    net.disconnect(a!, b!);
    await b!.write([[]]);
    assertEquals(
      await a!.replication.handler.request(b!.id, "have", { addresses, heads: b!.ledger.heads() }, {
        signal: new AbortController().signal,
      }),
      { held: [true, false, false], isBehind: true },
    );
  });
});

Deno.test("keep: fetches what is missing, flushes once, and says what is durable", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.storeObjects(objects(20));
    const absent = { address: sha256(someBytes(99)), length: 1000 };
    const { held } = await ask(a!, b!, "keep", { log: null, needs: [...needs, absent] });
    assertEquals(held, [...needs.map(() => true), false]);
    assertEquals(b!.store.flushes, 1);
    assertEquals(b!.store.stat(needs[0]!.address)?.kind, "held");
    await ask(a!, b!, "keep", { log: null, needs });
    assertEquals(a!.asked.get("get"), 21, "what is there is not fetched again");
    assertEquals(b!.store.flushes, 1);
  });
});

Deno.test("keep: answers after the log's records are entered", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.put(objects(3));
    const log = { node: a!.id, last: 1n };
    assertEquals(b!.ledger.head(a!.id), null);
    assertEquals((await ask(a!, b!, "keep", { log, needs })).held, [true, true, true]);
    assertEquals(b!.ledger.head(a!.id)!.last, 1n);
  });
});

Deno.test("keep: a full disk is a refusal that says so", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.storeObjects(objects(3));
    b!.store.failure = noSpaceError();
    const error = await assertRejects(
      () => ask(a!, b!, "keep", { log: null, needs }),
      VaultError,
      "the disk is full",
    );
    assertEquals(error.code, "no_space");
    b!.store.failure = null;
    assertEquals((await ask(a!, b!, "keep", { log: null, needs })).held, [true, true, true]);
  });
});

Deno.test("keep: one peer gets only so many worked on at once", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.storeObjects(objects(KEEPS_PER_PEER_MAX + 2));
    let release = () => {};
    const released = new Promise<void>((resolve) => release = resolve);
    a!.tamper = async (name) => {
      if (name === "get") await released;
      return undefined;
    };
    const keeps = needs.map((need) =>
      ask(a!, b!, "keep", { log: null, needs: [need] }).then(() => "kept", () => "refused")
    );
    await until(() => (a!.asked.get("get") ?? 0) === KEEPS_PER_PEER_MAX, "all that are let in");
    release();
    const refused = (await Promise.all(keeps)).filter((outcome) => outcome === "refused");
    assertEquals(refused.length, 2);
  });
});

Deno.test("keep: wrong bytes are not kept, and who sent them is told of", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const needs = await a!.storeObjects(objects(2));
    a!.tamper = (name, asked) => {
      const { address } = asked as Requests["get"]["ask"];
      if (name !== "get" || address[0] !== needs[0]!.address[0]) return undefined;
      return { object: { kind: "sealed", bytes: someBytes(7) } };
    };
    const { held } = await ask(a!, b!, "keep", { log: null, needs });
    assertEquals(held, [false, true]);
    assertEquals(b!.eventsOf("refused").length, 1);
  });
});

Deno.test("push: is taken if it is ours to hold and new, and is not durable yet", async () => {
  await withNet(["a", "b"], async (net, a, b) => {
    const push = (seed: number) => {
      const bytes = someBytes(seed);
      return ask(a!, b!, "push", { kind: "sealed", address: sha256(bytes), bytes });
    };
    assertEquals(await push(1), { isTaken: true });
    assertEquals(b!.store.stat(sha256(someBytes(1))), { kind: "held", length: 1000 });
    assert(!b!.store.isDurable(sha256(someBytes(1))));
    assertEquals(await push(1), { isTaken: false });
    net.replicas = 0;
    net.setMembers([...net.view().members]);
    assertEquals(await push(2), { isTaken: false });
    assert(!b!.holds(sha256(someBytes(2))));
  });
});

Deno.test("offer: pushes what it can borrow, whole though its owner frees it, and reads nothing back", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    a!.store.get = () => Promise.reject(new Error("read back"));
    const addresses = [1, 2, 3].map((seed) => {
      const bytes = someBytes(seed, 200_000);
      const address = sha256(bytes);
      const pieces = [bytes.slice(0, 40), bytes.slice(40)];
      a!.replication.remote.offer({ kind: "sealed", address, length: bytes.length, pieces });
      for (const piece of pieces) freeBytes(piece);
      assertEquals(pieces[1]!.length, bytes.length - 40); // it is on its way
      return address;
    });
    await until(() => addresses.every((address) => b!.holds(address)), "all have come");
    assertEquals(await b!.store.get(addresses[2]!), someBytes(3, 200_000));
  });
});

Deno.test("push: wrong bytes are refused, a segment is not taken", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const address = sha256(someBytes(1));
    const bytes = someBytes(2);
    const error = await assertRejects(
      () => ask(a!, b!, "push", { kind: "sealed", address, bytes }),
      VaultError,
      "do not match",
    );
    assertEquals(error.code, "damaged");
    assertEquals(b!.store.stats.size, 0);
    const { bytes: segment, address: of } = a!.writer.segment([[]]);
    const taken = await ask(a!, b!, "push", { kind: "segment", address: of, bytes: segment });
    assertEquals(taken, { isTaken: false });
  });
});

Deno.test("keep: of objects that no record names a member has only so many bytes taken", async () => {
  await withNet(["a", "b", "c"], async (net, a, b, c) => {
    const options = { signal: new AbortController().signal };
    // They are counted before they are fetched, and from nobody they don't come.
    for (const node of [a!, c!]) net.disconnect(node, b!);
    const needs = Array.from({ length: KEEP_NEEDS_MAX }, (_, i) => ({
      address: sha256(Uint8Array.of(i >> 8, i)),
      length: FRAME_BYTES_MAX,
    }));
    const keep = (from: TestNode) =>
      b!.replication.handler.request(from.id, "keep", { log: null, needs }, options);
    for (let taken = KEEP_NEEDS_MAX * FRAME_BYTES_MAX; taken <= AHEAD_BYTES_MAX;) {
      await keep(a!);
      taken += KEEP_NEEDS_MAX * FRAME_BYTES_MAX;
    }
    const error = await assertRejects(() => keep(a!), VaultError, "too many came");
    assertEquals(error.code, "no_space");
    await keep(c!); // another member's are counted by themselves
  });
});

Deno.test("have, keep: more than the limit is refused", async () => {
  await withNet(["a", "b"], async (_net, a, b) => {
    const addresses = Array.from({ length: HAVE_ADDRESSES_MAX + 1 }, () => a!.id);
    const options = { signal: new AbortController().signal };
    const { handler } = b!.replication;
    await assertRejects(
      () => handler.request(a!.id, "have", { addresses, heads: [] }, options),
      VaultError,
      "too many",
    );
    const needs = addresses.map((address) => ({ address, length: 1 }));
    await assertRejects(
      () => handler.request(a!.id, "keep", { log: null, needs }, options),
      VaultError,
      "too many",
    );
  });
});
