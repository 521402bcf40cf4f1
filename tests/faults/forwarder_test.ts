import { assert, assertEquals } from "@std/assert";
import { type Timers } from "../../src/base/mod.ts";
import { Dice } from "../vault/helpers.ts";
import { cableTimers, Forwarder, type Quality, Schedule } from "./forwarder.ts";

const FAST: Quality = { delayMs: 0, jitterMs: 0, bytesPerSecond: 1e12 };

function forwarder(quality = FAST, timers: Timers = cableTimers): Forwarder {
  return new Forwarder({ quality, seed: 1, timers });
}

function dial(address: string): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port: Number(address.split(":")[1]) });
}

/** Both ends of a connection that goes through a forwarder. */
async function ends(through: Forwarder): Promise<{ outer: Deno.TcpConn; inner: Deno.TcpConn }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  through.leadTo(listener.addr.port);
  const [outer, inner] = await Promise.all([dial(through.address), listener.accept()]);
  return { outer, inner };
}

async function write(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
}

async function read(from: Deno.TcpConn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await from.read(bytes.subarray(done));
    if (count === null) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

Deno.test("Forwarder: late and by chance, all bytes arrive in order, both ways at once", async () => {
  await using through = forwarder({ delayMs: 3, jitterMs: 3, bytesPerSecond: 500e6 });
  const { outer, inner } = await ends(through);
  using _ends = { [Symbol.dispose]: () => [outer, inner].forEach((end) => end.close()) };
  const [there, back] = [new Dice(1).bytes(3_000_000), new Dice(2).bytes(2_000_000)];
  const [, , gotThere, gotBack] = await Promise.all([
    write(outer, there),
    write(inner, back),
    read(inner, there.length),
    read(outer, back.length),
  ]);
  assertEquals(gotThere, there);
  assertEquals(gotBack, back);
});

Deno.test("Forwarder: cut one way, the other goes on; mended, what was sent meanwhile arrives", async () => {
  await using through = forwarder();
  const { outer, inner } = await ends(through);
  using _ends = { [Symbol.dispose]: () => [outer, inner].forEach((end) => end.close()) };
  through.cut("in");
  await write(outer, Uint8Array.of(1, 2));
  const arriving = read(inner, 2);
  let hasArrived = false;
  const noting = arriving.then(() => hasArrived = true);
  // What goes the other way makes the round while it waits.
  for (let i = 0; i < 20; i++) {
    await write(inner, Uint8Array.of(i));
    assertEquals(await read(outer, 1), Uint8Array.of(i));
  }
  assert(!hasArrived);
  through.mend();
  await noting;
  assertEquals(await arriving, Uint8Array.of(1, 2));
});

Deno.test("Forwarder: an end that closes is told of, but not while it is cut", async () => {
  await using through = forwarder();
  const first = await ends(through);
  first.outer.close();
  assertEquals(await first.inner.read(new Uint8Array(1)), null);
  first.inner.close();

  const second = await ends(through);
  through.cut("in", "out");
  second.outer.close();
  let isTold = false;
  const told = second.inner.read(new Uint8Array(1)).then(() => isTold = true);
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (let i = 0; i < 20; i++) {
    // Rounds through the same event loop, in which it could have been told.
    const [a, b] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port: other.addr.port }),
      other.accept(),
    ]);
    a.close();
    assertEquals(await b.read(new Uint8Array(1)), null);
    b.close();
  }
  other.close();
  assert(!isTold);
  through.mend();
  await told;
  second.inner.close();
});

Deno.test("Forwarder: waits as long as its schedule says", async () => {
  const asked: number[] = [];
  const timers: Timers = {
    after: (ms, run) => {
      asked.push(ms);
      queueMicrotask(run);
      return () => {};
    },
  };
  await using through = forwarder({ ...FAST, delayMs: 60_000 }, timers);
  const { outer, inner } = await ends(through);
  using _ends = { [Symbol.dispose]: () => [outer, inner].forEach((end) => end.close()) };
  await write(outer, Uint8Array.of(7));
  assertEquals(await read(inner, 1), Uint8Array.of(7));
  assert(asked.every((ms) => ms > 0 && ms <= 60_001), String(asked));
  assertEquals(asked.length, 1);
});

Deno.test("Schedule: delay, jitter within its bounds, bandwidth; nothing overtakes", () => {
  const late = new Schedule({ delayMs: 60, jitterMs: 20, bytesPerSecond: 1e12 }, new Dice(1));
  const arrivals = Array.from({ length: 200 }, (_, i) => late.arrival(i * 1000, 1) - i * 1000);
  assert(arrivals.every((ms) => ms > 39 && ms < 81), String(arrivals));
  assert(Math.max(...arrivals) - Math.min(...arrivals) > 20);

  const atOnce = new Schedule({ delayMs: 60, jitterMs: 20, bytesPerSecond: 1e12 }, new Dice(1));
  const order = Array.from({ length: 200 }, () => atOnce.arrival(0, 1));
  assertEquals(order, order.toSorted((a, b) => a - b));

  const narrow = new Schedule({ delayMs: 0, jitterMs: 0, bytesPerSecond: 1000 }, new Dice(1));
  assertEquals([narrow.arrival(0, 500), narrow.arrival(0, 500), narrow.arrival(5000, 100)], [
    500,
    1000,
    5100,
  ]);
});
