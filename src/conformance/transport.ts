/**
 * The contract of a {@link Transport}, as tests: what every way of carrying bytes between nodes has to do.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  systemClock,
  systemTimers,
  WIRE_FRAME_BYTES_MAX,
} from "../base/mod.ts";
import {
  type Connection,
  type Credentials,
  type Listener,
  openChannel,
  type Transport,
} from "../net/mod.ts";
import { must, mustEqual, mustFail, seededBytes, type Tester, withMade } from "./tester.ts";

/** Two places of one network, made for one test. */
export interface TransportUnderTest {
  /** Who listens. */
  readonly listening: Transport;
  /** Who dials. May be the same. */
  readonly dialling: Transport;
  /** Where to listen. */
  readonly at: { host: string; port: number };
  /** The address under which the one who dials reaches a listener. */
  reach(listener: Listener): string;
  /** Credentials of two different nodes. */
  readonly credentials: readonly [Credentials, Credentials];
  /** Ends it. */
  close(): Promise<void>;
}

/** How to run {@link transportConformance}. */
export interface TransportConformance {
  /** Stands before each test's name. */
  readonly name: string;
  /** Makes two places that can reach each other. */
  readonly make: () => Promise<TransportUnderTest>;
}

/** Long enough for any machine: what takes longer hangs. */
const TIMEOUT_MS = 30_000;
/** What a writer may be ahead of its reader: buffers of systems and of relays between, whatever they are. */
const AHEAD_BYTES_MAX = 32 * 1024 * 1024;
/** More than all of these. */
const FLOOD_BYTES = 2 * AHEAD_BYTES_MAX;
const CONNECTIONS = 40;

/** A listener, what comes to it, and how to dial it. */
interface Place {
  made: TransportUnderTest;
  listener: Listener;
  dial(): Promise<Connection>;
  /** The next connection that comes in. */
  next(): Promise<Connection>;
}

/** Both ends of one connection. */
interface Pair {
  a: Connection;
  b: Connection;
}

/** Runs the contract over a kind of transport. */
export function transportConformance(tester: Tester, options: TransportConformance): void {
  const check = withMade(tester, options);
  const listen = (behaviour: string, work: (place: Place) => Promise<void>) =>
    check(behaviour, (made) => withPlace(made, work));
  const pair = (behaviour: string, work: (ends: Pair) => Promise<void>) =>
    listen(behaviour, (place) => withPair(place, work));
  whatIsCarried(pair);
  whatEnds(pair);
  whoIsThere(listen);
}

async function withPlace(
  made: TransportUnderTest,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const { listening, dialling, at, credentials: [ours] } = made;
  const listener = await listening.listen({ ...at, credentials: ours });
  const opened: Connection[] = [];
  // Somebody always takes what comes in: a handshake may need that.
  const incoming = new Incoming();
  const accepting = (async () => {
    for await (const connection of listener.accept()) {
      opened.push(connection);
      incoming.add(connection);
    }
  })();
  try {
    await work({
      made,
      listener,
      dial: async () => {
        const { certificate } = ours;
        const address = made.reach(listener);
        const options = { certificate, timeoutMs: TIMEOUT_MS };
        const connection = await dialling.dial(address, options);
        opened.push(connection);
        return connection;
      },
      next: () => incoming.next(),
    });
  } finally {
    for (const connection of opened) connection.close();
    listener.close();
    await accepting;
  }
}

/** Connections that came in, in their order. */
class Incoming {
  readonly #waiting: Connection[] = [];
  #taker: ((connection: Connection) => void) | null = null;

  add(connection: Connection): void {
    if (this.#taker === null) {
      this.#waiting.push(connection);
      return;
    }
    this.#taker(connection);
    this.#taker = null;
  }

  /** One caller at a time. */
  next(): Promise<Connection> {
    const first = this.#waiting.shift();
    return first ? Promise.resolve(first) : new Promise((resolve) => this.#taker = resolve);
  }
}

async function withPair(place: Place, work: (ends: Pair) => Promise<void>): Promise<void> {
  const [a, b] = await Promise.all([place.dial(), place.next()]);
  await work({ a, b });
}

async function readExactly(connection: Connection, length: number): Promise<Bytes> {
  const out = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(out.subarray(at));
    must(count !== null, `the stream ended after ${at} of ${length} bytes`);
    must(count > 0 && count <= length - at, `read said ${count} bytes`);
    at += count;
  }
  return out;
}

/** What comes until the end; a broken connection is an end too. */
async function readAll(connection: Connection): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let length = 0;
  try {
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) return length;
      length += count;
    }
  } catch {
    return length;
  }
}

type CheckPair = (behaviour: string, work: (ends: Pair) => Promise<void>) => void;

function whatIsCarried(check: CheckPair): void {
  check("bytes arrive as they were written, in order, both ways at once", async ({ a, b }) => {
    const [there, back] = [seededBytes(1_500_000, 1), seededBytes(1_400_000, 2)];
    const write = async (connection: Connection, bytes: Bytes) => {
      // Pieces of all sizes, so that no boundary of them is one of the transport's.
      for (let at = 0, step = 1; at < bytes.length; at += step, step = step * 3 % 100_003) {
        await connection.write(bytes.subarray(at, at + step));
      }
    };
    const [, , atB, atA] = await Promise.all([
      write(a, there),
      write(b, back),
      readExactly(b, there.length),
      readExactly(a, back.length),
    ]);
    must(equalBytes(atB, there), "what was dialled with arrives changed");
    must(equalBytes(atA, back), "what was answered arrives changed");
  });

  check("what was written may be overwritten afterwards", async ({ a, b }) => {
    const bytes = seededBytes(200_000, 3);
    const lent = bytes.slice();
    const reading = readExactly(b, bytes.length);
    await a.write(lent);
    lent.fill(0);
    must(equalBytes(await reading, bytes), "it arrives changed");
  });

  check("a writer waits for a reader who does not read", async ({ a, b }) => {
    const piece = seededBytes(1024 * 1024, 4);
    let [written, read] = [0, 0];
    const writing = (async () => {
      while (written < FLOOD_BYTES) {
        await a.write(piece);
        written += piece.length;
      }
    })();
    const buffer = new Uint8Array(piece.length);
    while (read < FLOOD_BYTES) {
      await untilStill(() => written);
      must(written - read <= AHEAD_BYTES_MAX, `${written - read} bytes were taken and not read`);
      const count = await b.read(buffer);
      must(count !== null, "the stream ended");
      read += count;
      read += (await readExactly(b, Math.min(8 * piece.length, FLOOD_BYTES - read))).length;
    }
    await writing;
  });

  check("a channel over it refuses a frame that is too large", async ({ a, b }) => {
    const handler = {
      request: () => Promise.reject(new Error("there is none")),
      event: () => {},
    };
    const parts = { clock: systemClock, timers: systemTimers, onError: () => {} };
    const channel = openChannel(b, handler, parts);
    await a.write(new Uint8Array(10).fill(0xff));
    mustEqual(await readAll(a) < WIRE_FRAME_BYTES_MAX, true, "it says little, and ends");
    await channel.ended;
  });
}

/** Gives others their turn until something does not grow any more. */
async function untilStill(length: () => number): Promise<void> {
  for (let before = -1, still = 0; still < 10;) {
    still = length() === before ? still + 1 : 0;
    before = length();
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}

function whatEnds(check: CheckPair): void {
  check("the last bytes before a close arrive, then the end", async ({ a, b }) => {
    const bytes = seededBytes(300_000, 5);
    const reading = readExactly(b, bytes.length);
    await a.write(bytes);
    a.close();
    must(equalBytes(await reading, bytes), "they arrive changed");
    mustEqual(await b.read(new Uint8Array(10)), null, "what comes after them");
  });

  check("close ends a read that waits, at both ends, and may be called again", async ({ a, b }) => {
    const waiting = [readAll(a), readAll(b)];
    a.close();
    a.close();
    mustEqual(await Promise.all(waiting), [0, 0], "bytes read");
    b.close();
    a.close();
  });

  check("nothing can be written any more after one's own close", async ({ a }) => {
    a.close();
    let outcome = "taken";
    await a.write(new Uint8Array(10)).catch(() => outcome = "refused");
    mustEqual(outcome, "refused", "a write after the close");
  });

  check("who writes to an end that is gone hears of it, and does not wait for ever", async (
    { a, b },
  ) => {
    b.close();
    const piece = new Uint8Array(256 * 1024);
    let outcome = "taken";
    try {
      for (let sent = 0; sent < FLOOD_BYTES; sent += piece.length) await a.write(piece);
    } catch {
      outcome = "refused";
    }
    mustEqual(outcome, "refused", "writes to an end that is gone");
  });

  check("a write that waits ends when the other end goes", async ({ a, b }) => {
    const piece = new Uint8Array(1024 * 1024);
    let written = 0;
    const writing = (async () => {
      for (let sent = 0; sent < FLOOD_BYTES; sent += piece.length) {
        await a.write(piece);
        written = sent;
      }
    })().then(() => "taken", () => "refused");
    await untilStill(() => written);
    b.close();
    mustEqual(await writing, "refused", "the write");
  });

  check("one direction may be silent while the other is busy", async ({ a, b }) => {
    const bytes = seededBytes(100_000, 6);
    const silent = readAll(a);
    for (let round = 0; round < 5; round++) {
      const [, read] = await Promise.all([a.write(bytes), readExactly(b, bytes.length)]);
      must(equalBytes(read, bytes), "it arrives changed");
    }
    b.close();
    mustEqual(await silent, 0, "bytes that nobody wrote");
  });
}

function whoIsThere(check: (behaviour: string, work: (place: Place) => Promise<void>) => void) {
  check("many connections at once, each with its own bytes", async ({ dial, next }) => {
    const serving = (async () => {
      const served: Promise<void>[] = [];
      for (let i = 0; i < CONNECTIONS; i++) served.push(echo(await next()));
      await Promise.all(served);
    })();
    await Promise.all(Array.from({ length: CONNECTIONS }, async (_, i) => {
      const connection = await dial();
      const bytes = seededBytes(50_000 + i, i);
      const [, back] = await Promise.all([
        connection.write(bytes),
        readExactly(connection, bytes.length),
      ]);
      must(equalBytes(back, bytes), `connection ${i} got other bytes back`);
      connection.close();
    }));
    await serving;
  });

  check("who has another certificate is refused, and the listener goes on", async (place) => {
    const { made, listener, dial, next } = place;
    const address = made.reach(listener);
    const [, { certificate }] = made.credentials;
    const attempt = () => made.dialling.dial(address, { certificate, timeoutMs: TIMEOUT_MS });
    mustEqual(await mustFail(attempt, "dial"), "denied", "its code");
    const a = await dial();
    await a.write(Uint8Array.of(7));
    // Of those who were refused something may come in as well: connections that end at once.
    for (let first: number | null = null; first === null;) {
      const b = await next();
      const byte = new Uint8Array(1);
      first = await b.read(byte).catch(() => null);
      must(first === null || byte[0] === 7, "another byte arrives");
    }
  });

  check("a probe gets the certificate that dialling asks for", async ({ made, listener }) => {
    const got = await made.dialling.probe(made.reach(listener), { timeoutMs: TIMEOUT_MS });
    mustEqual(got, made.credentials[0].certificate, "the certificate");
  });

  check("an address that is listened at can't be had again", async ({ made, listener }) => {
    const at = { host: made.at.host, port: listener.port, credentials: made.credentials[1] };
    mustEqual(await mustFail(() => made.listening.listen(at), "listen"), "failed", "its code");
  });

  check("nobody is reached once the listener is closed", async ({ made, listener }) => {
    const address = made.reach(listener);
    const [{ certificate }] = made.credentials;
    listener.close();
    const dial = () => made.dialling.dial(address, { certificate, timeoutMs: TIMEOUT_MS });
    mustEqual(await mustFail(dial, "dial"), "failed", "its code");
    const probe = () => made.dialling.probe(address, { timeoutMs: TIMEOUT_MS });
    mustEqual(await mustFail(probe, "probe"), "failed", "its code");
  });

  check("a dial that is called off ends as interrupted", async ({ made, listener }) => {
    const address = made.reach(listener);
    const [{ certificate }] = made.credentials;
    const signal = AbortSignal.abort();
    const options = { certificate, timeoutMs: TIMEOUT_MS, signal };
    const code = await mustFail(() => made.dialling.dial(address, options), "dial");
    mustEqual(code, "interrupted", "its code");
    const probe = () => made.dialling.probe(address, { timeoutMs: TIMEOUT_MS, signal });
    mustEqual(await mustFail(probe, "probe"), "interrupted", "its code");
  });
}

async function echo(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(20_000);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return;
    await connection.write(buffer.subarray(0, count));
  }
}
