import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  CHANNEL_BULK_REQUESTS_MAX,
  CHANNEL_REQUESTS_MAX,
  equalBytes,
  MESSAGE_BYTES_MAX,
  sha256,
  VaultError,
} from "../../src/base/mod.ts";
import type { Presence } from "../../src/net/mod.ts";
import { channelPair, settled } from "./helpers.ts";

const address = sha256(new Uint8Array([1]));
const presence: Presence = {
  headsDigest: address,
  rosterDigest: address,
  missing: 0n,
  missingBytes: 0n,
  storedBytes: 0n,
  heard: [],
};

function someBytes(length: number, seed = 1): Bytes {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 1_103_515_245) + 12_345 | 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

function refused(promise: Promise<unknown>): Promise<VaultError> {
  return assertRejects(() => promise, VaultError);
}

Deno.test("channel: answers come back, both ways at once, whatever their size", async () => {
  const sizes = [1, 4096, 4097, 65_536, 262_144, 262_145, 1_000_000, 4 * 1024 * 1024];
  const objects = sizes.map((size, i) => someBytes(size, i));
  const get = ({ address }: { address: Bytes }) => ({
    object: { kind: "sealed" as const, bytes: objects[address[0]!]! },
  });
  const { a, b } = await channelPair({ a: { get }, b: { get } });
  const asks = objects.flatMap((object, i) =>
    [a, b].map(async (channel) => {
      const { object: got } = await channel.request("get", {
        address: new Uint8Array(32).fill(i, 0, 1),
      });
      assert(equalBytes(got!.bytes, object), `${object.length} bytes`);
    })
  );
  await Promise.all(asks);
  assertEquals([a.pending, b.pending], [0, 0]);
  await a.close("done");
});

Deno.test("channel: a large ask arrives whole, and the answer to it", async () => {
  const bytes = someBytes(3_000_000);
  let seen: Bytes | null = null;
  const { a } = await channelPair({
    b: {
      push: (ask) => {
        seen = ask.bytes;
        return { isTaken: true };
      },
    },
  });
  assertEquals(await a.request("push", { kind: "public", address, bytes }), { isTaken: true });
  assert(equalBytes(seen!, bytes));
  assertEquals(seen!.buffer === bytes.buffer, false);
  await a.close("done");
});

Deno.test("channel: a refusal arrives with its code and message; other errors say nothing", async () => {
  const { a, faults } = await channelPair({
    b: {
      get: () => {
        throw new VaultError("not_found", "Cannot get: no such thing");
      },
      have: () => Promise.reject(new VaultError("no_space", "ä".repeat(2000) + "\u001b[2J")),
      heads: () => {
        throw new TypeError("of nobody's business");
      },
    },
  });
  const notFound = await refused(a.request("get", { address }));
  assertEquals([notFound.code, notFound.message], ["not_found", "Cannot get: no such thing"]);
  const long = await refused(a.request("have", { addresses: [], heads: [] }));
  assertEquals(long.code, "no_space");
  assert(/^ä{400,512}…$/.test(long.message), `${long.message.length} characters`);
  const fault = await refused(a.request("heads", { heads: [] }));
  assertEquals(fault.code, "failed");
  assertEquals(fault.message, "Cannot answer heads: something went wrong");
  assertEquals(faults.map(String), ["TypeError: of nobody's business"]);
  await a.close("done");
});

Deno.test("channel: an answer that the protocol can't carry is a refusal, an ask none at all", async () => {
  const { a } = await channelPair({
    b: { get: () => ({ object: { kind: "sealed", bytes: someBytes(MESSAGE_BYTES_MAX) } }) },
  });
  const answer = await refused(a.request("get", { address }));
  assertEquals(answer.code, "failed");
  assert(answer.message.startsWith("Cannot send object: "), answer.message);
  const ask = await refused(a.request("get", { address: someBytes(31) }));
  assertEquals(ask.message, "Cannot send an address: 31 bytes instead of 32");
  assertEquals(a.pending, 0);
  await a.close("done");
});

Deno.test("channel: time over rejects, tells the other end, and its late answer is no offence", async () => {
  const answer = Promise.withResolvers<{ object: null }>();
  let signal: AbortSignal | null = null;
  const { a, time } = await channelPair({
    b: {
      get: (_, options) => {
        signal = options.signal;
        return answer.promise;
      },
      ping: () => presence,
    },
  });
  const asked = refused(a.request("get", { address }, { timeoutMs: 500 }));
  await time.pass(499);
  assertEquals(signal!.aborted, false);
  await time.pass(1);
  const error = await asked;
  assertEquals(error.code, "failed");
  assertEquals(error.message, "Cannot ask b:1 for get: no answer within 0.5 s");
  assertEquals(signal!.aborted, true);
  answer.resolve({ object: null });
  await settled();
  assertEquals(await a.request("ping", presence), presence);
  await a.close("done");
});

Deno.test("channel: the default time is 30 s, for keep ten minutes", async () => {
  const never = () => new Promise<never>(() => {});
  const { a, time } = await channelPair({ b: { get: never, keep: never } });
  let ended = "";
  a.request("get", { address }).catch(() => ended += "get ");
  a.request("keep", { log: null, needs: [] }).catch(() => ended += "keep ");
  await time.pass(29_999);
  assertEquals(ended, "");
  await time.pass(1);
  assertEquals(ended, "get ");
  await time.pass(569_999);
  assertEquals(ended, "get ");
  await time.pass(1);
  assertEquals(ended, "get keep ");
  await a.close("done");
});

Deno.test("channel: an abort calls a request off, before and after it was sent", async () => {
  const signals: AbortSignal[] = [];
  const { a } = await channelPair({
    b: {
      get: (_, { signal }) => {
        signals.push(signal);
        return new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        );
      },
    },
  });
  const early = await refused(a.request("get", { address }, { signal: AbortSignal.abort() }));
  assertEquals(early.code, "interrupted");
  const unsent = new AbortController();
  const one = refused(a.request("get", { address }, { signal: unsent.signal }));
  unsent.abort();
  assertEquals((await one).code, "interrupted");
  await settled();
  assertEquals(signals.length, 0);

  const sent = new AbortController();
  const two = refused(a.request("get", { address }, { signal: sent.signal }));
  await settled();
  assertEquals(signals.length, 1);
  sent.abort();
  assertEquals((await two).code, "interrupted");
  await settled();
  assertEquals(signals[0]!.aborted, true);
  await a.close("done");
});

Deno.test("channel: requests beyond the limit wait for their turn, and leave places for control", async () => {
  let running = 0;
  let most = 0;
  let answered = 0;
  const gate = Promise.withResolvers<void>();
  const { a } = await channelPair({
    b: {
      keep: async () => {
        most = Math.max(most, ++running);
        await gate.promise;
        running--;
        answered++;
        return { held: [] };
      },
      ping: () => presence,
    },
  });
  const keeps = Array.from({ length: 200 }, () => a.request("keep", { log: null, needs: [] }));
  await settled();
  assertEquals(running, CHANNEL_BULK_REQUESTS_MAX);
  assert(CHANNEL_BULK_REQUESTS_MAX < CHANNEL_REQUESTS_MAX);
  assertEquals(await a.request("ping", presence), presence);
  assertEquals(a.pending, 200);
  gate.resolve();
  await Promise.all(keeps);
  assertEquals([answered, most, a.pending], [200, CHANNEL_BULK_REQUESTS_MAX, 0]);
  await a.close("done");
});

Deno.test("channel: no more requests of any kind are under way than the limit", async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  const { a, b } = await channelPair({
    b: {
      keep: () => (running++, gate.promise.then(() => ({ held: [] }))),
      ping: () => (running++, gate.promise.then(() => presence)),
    },
  });
  const asked = Array.from({ length: 60 }, () => [
    a.request("keep", { log: null, needs: [] }),
    a.request("ping", presence),
  ]).flat();
  await settled();
  assertEquals(running, CHANNEL_REQUESTS_MAX);
  gate.resolve();
  await Promise.all(asked);
  assertEquals(running, 120);
  await a.close("done");
  assertEquals((await b.ended).kind, "closed");
});

Deno.test("channel: control overtakes bulk that waits", async () => {
  const order: string[] = [];
  const { a, time } = await channelPair({
    windowBytes: 64 * 1024,
    b: {
      get: () => ({ object: { kind: "sealed", bytes: someBytes(4 * 1024 * 1024) } }),
      ping: () => presence,
    },
  });
  const bulk = Array.from(
    { length: 8 },
    () => a.request("get", { address }).then(() => order.push("get")),
  );
  await a.request("ping", presence).then(() => order.push("ping"));
  await Promise.all(bulk);
  assertEquals(order[0], "ping");
  assertEquals(time.now(), 0);
  await a.close("done");
});

Deno.test("channel: answers take bounded memory when the other end does not read", async () => {
  let made = 0;
  const { a, network, time } = await channelPair({
    windowBytes: 64 * 1024,
    b: {
      get: () => {
        made++;
        return { object: { kind: "sealed", bytes: new Uint8Array(1024 * 1024) } };
      },
    },
  });
  network.cut("b", "a");
  const gets = Array.from({ length: 48 }, () => a.request("get", { address }));
  await time.pass(1000);
  // 32 MiB of room, of which the last 4 MiB are too little for the largest answer.
  assert(made >= 24 && made <= 32, `${made} answers of 1 MiB`);
  network.heal("b", "a");
  await Promise.all(gets);
  assertEquals(made, 48);
  await a.close("done");
});

Deno.test("channel: an answer that nobody waits for any more is not sent", async () => {
  const { a, b, network, time } = await channelPair({
    windowBytes: 64 * 1024,
    b: { get: () => ({ object: { kind: "sealed", bytes: new Uint8Array(1024 * 1024) } }) },
  });
  network.cut("b", "a");
  const stop = new AbortController();
  const gets = Array.from(
    { length: 20 },
    () => refused(a.request("get", { address }, { signal: stop.signal })),
  );
  await time.pass(10);
  stop.abort();
  for (const error of await Promise.all(gets)) assertEquals(error.code, "interrupted");
  await time.pass(10);
  network.heal("b", "a");
  await time.pass(10);
  assert(b.bytesOut < 9 * 1024 * 1024, `${b.bytesOut} bytes`);
  await a.close("done");
});

Deno.test("channel: events arrive in order; those that find no room are dropped", async () => {
  const { a, b, events, network, time } = await channelPair({ windowBytes: 64 * 1024 });
  const head = (last: bigint) => ({ node: address, last, digest: address });
  for (let i = 1n; i <= 3n; i++) a.notify("advance", head(i));
  a.notify("bye", { reason: "so long" });
  await settled();
  assertEquals(events.b, [
    ...[1n, 2n, 3n].map((last) => ({ name: "advance", event: head(last) })),
    { name: "bye", event: { reason: "so long" } },
  ]);
  network.cut("a", "b");
  const statements = Array.from({ length: 1000 }, () => someBytes(4096));
  for (let i = 0; i < 10; i++) a.notify("news", { statements });
  network.heal("a", "b");
  await time.pass(1);
  assertEquals(events.b.length, 4 + 2);
  await b.close("done");
  a.notify("advance", head(9n));
});

Deno.test("channel: what a handler throws at an event is a fault of ours, not the end", async () => {
  const { a, b, faults, events } = await channelPair();
  Object.defineProperty(events.b, "push", {
    value: () => {
      throw new Error("no");
    },
  });
  a.notify("bye", { reason: "" });
  await settled();
  assertEquals(faults.map(String), ["Error: no"]);
  await b.close("done");
});

Deno.test("channel: close tells the other end why and ends what waits", async () => {
  const { a, b, events } = await channelPair({ b: { get: () => new Promise(() => {}) } });
  const asked = refused(a.request("get", { address }));
  await settled();
  b.notify("bye", { reason: "for today" });
  await b.close("shutting down");
  assertEquals(events.a, [{ name: "bye", event: { reason: "for today" } }]);
  assertEquals((await asked).message, "Cannot ask b:1 for get: shutting down");
  assertEquals(await a.ended, { kind: "closed", reason: "shutting down" });
  assertEquals(await b.ended, { kind: "closed", reason: "shutting down" });
  const late = await refused(a.request("get", { address }));
  assertEquals(late.message, "Cannot ask b:1 for get: shutting down");
  await a.close("again");
});

Deno.test("channel: close lets what is under way finish, refuses new work, and waits no longer", async () => {
  const gate = Promise.withResolvers<{ object: null }>();
  const { a, b, time } = await channelPair({
    a: { get: () => ({ object: null }) },
    b: { get: () => gate.promise },
  });
  const asked = a.request("get", { address });
  await settled();
  const closed = b.close("shutting down", { drainMs: 5000 });
  assertEquals((await refused(b.request("get", { address }))).code, "failed");
  const late = await refused(a.request("get", { address }));
  assertEquals(late.message, "Cannot answer get: shutting down");
  gate.resolve({ object: null });
  assertEquals(await asked, { object: null });
  await closed;
  assertEquals(time.now(), 0);
  assertEquals((await a.ended).kind, "closed");

  const stuck = await channelPair({ b: { get: () => new Promise(() => {}) } });
  const lost = refused(stuck.a.request("get", { address }));
  await settled();
  const end = stuck.b.close("shutting down", { drainMs: 5000 });
  await stuck.time.pass(4999);
  assertEquals(stuck.a.pending, 1);
  await stuck.time.pass(1);
  await Promise.all([end, lost]);
});

Deno.test("channel: close does not wait for an end that reads nothing", async () => {
  const { a, b, network, time } = await channelPair({
    windowBytes: 1024,
    b: { get: () => ({ object: { kind: "sealed", bytes: someBytes(100_000) } }) },
  });
  network.cut("b", "a");
  const asked = refused(a.request("get", { address }));
  await settled();
  const closed = b.close("enough");
  await time.pass(1000);
  await closed;
  network.heal("b", "a");
  await time.pass(1);
  await asked;
  assertEquals((await a.ended).kind, "broken");
});

Deno.test("channel: a broken connection ends both sides, and calls off what is answered", async () => {
  let signal: AbortSignal | null = null;
  const { a, b, network } = await channelPair({
    b: {
      get: (_, options) => {
        signal = options.signal;
        return new Promise(() => {});
      },
    },
  });
  const asked = refused(a.request("get", { address }));
  await settled();
  network.breakConnections("a");
  assertEquals((await asked).code, "failed");
  assertEquals((await a.ended).kind, "broken");
  assertEquals((await b.ended).kind, "broken");
  assertEquals(signal!.aborted, true);
  await a.close("too late");
});

Deno.test("channel: counts bytes, and how long nothing came in", async () => {
  const { a, b, time } = await channelPair({ b: { ping: () => presence } });
  await a.request("ping", presence);
  await settled();
  assertEquals([a.bytesIn, a.bytesOut], [b.bytesOut, b.bytesIn]);
  assertEquals(a.bytesIn, 10 + 90);
  await time.pass(700);
  assertEquals([a.idleMs(), b.idleMs()], [700, 700]);
  await a.request("ping", presence);
  assertEquals(a.idleMs(), 0);
  await a.close("done");
});
