/**
 * A cable of bad quality: a TCP forwarder that lies between those who dial an address and the node that is behind it. What
 * goes through comes late, slowly, or not at all, each way for itself. It needs no rights, unlike a network namespace.
 */

import { type Clock, systemClock, type Timers } from "../../src/base/mod.ts";
import { Dice } from "../vault/helpers.ts";

/** How a cable carries what is sent, each way. */
export interface Quality {
  /** Milliseconds that everything is on its way. */
  readonly delayMs: number;
  /** Milliseconds more or less, by chance; order is kept all the same. */
  readonly jitterMs: number;
  readonly bytesPerSecond: number;
}

/** Which way: from those who dial, to them. */
export type Way = "in" | "out";

/** What is on its way in one direction of a connection takes up to this many bytes; then the sender waits. */
const ON_WAY_BYTES_MAX = 1024 * 1024;

/** Timers that keep the process alive: bytes that are on their way arrive. */
export const cableTimers: Timers = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Says for each piece when it arrives, milliseconds since 1970. */
export class Schedule {
  readonly #quality: Quality;
  readonly #dice: Dice;
  #freeMs = 0;
  #lastMs = 0;

  constructor(quality: Quality, dice: Dice) {
    this.#quality = quality;
    this.#dice = dice;
  }

  /** When a piece that is sent now has arrived: one after the other, none before those sent earlier. */
  arrival(nowMs: number, bytes: number): number {
    const { delayMs, jitterMs, bytesPerSecond } = this.#quality;
    this.#freeMs = Math.max(this.#freeMs, nowMs) + bytes / bytesPerSecond * 1000;
    const jitter = jitterMs === 0 ? 0 : this.#dice.below(2 * jitterMs + 1) - jitterMs;
    this.#lastMs = Math.max(this.#lastMs, this.#freeMs + Math.max(0, delayMs + jitter));
    return this.#lastMs;
  }
}

/** See the module. */
export class Forwarder implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #pumps = new Set<Promise<void>>();
  readonly #cut = new Set<Way>();
  readonly #dice: Dice;
  readonly #options: { quality: Quality; clock: Clock; timers: Timers };
  #mended = Promise.withResolvers<void>();
  #target: number | null = null;
  #isClosed = false;

  constructor({ quality, seed, clock = systemClock, timers = cableTimers }: {
    quality: Quality;
    seed: number;
    clock?: Clock;
    timers?: Timers;
  }) {
    this.#options = { quality, clock, timers };
    this.#dice = new Dice(seed);
    this.#start(this.#accept());
  }

  /** What to dial, `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  /** Leads to a port of this machine from here on; before that, whoever dials waits. */
  leadTo(port: number): void {
    this.#target = port;
    this.#wake();
  }

  /** Loses nothing, but carries nothing either, and tells neither end: half-open connections. Ends that close are not told of. */
  cut(...ways: Way[]): void {
    for (const way of ways) this.#cut.add(way);
  }

  /** Carries again, what was sent meanwhile too, as TCP repeats it. */
  mend(): void {
    this.#cut.clear();
    this.#wake();
  }

  #wake(): void {
    this.#mended.resolve();
    this.#mended = Promise.withResolvers();
  }

  #start(pump: Promise<void>): void {
    const running = pump.finally(() => this.#pumps.delete(running));
    this.#pumps.add(running);
  }

  /** Returns once it carries this way; false if it is closed. */
  async #carries(way: Way): Promise<boolean> {
    while (!this.#isClosed && (this.#cut.has(way) || this.#target === null)) {
      await this.#mended.promise;
    }
    return !this.#isClosed;
  }

  async #accept(): Promise<void> {
    while (true) {
      const outer = await this.#listener.accept().catch(() => null);
      if (outer === null) return;
      this.#open.add(outer);
      this.#start(this.#join(outer));
    }
  }

  async #join(outer: Deno.TcpConn): Promise<void> {
    if (!await this.#carries("in")) return;
    const inner = await Deno.connect({ hostname: "127.0.0.1", port: this.#target! }).catch(() =>
      null
    );
    if (inner === null || this.#isClosed) {
      this.#close(outer);
      if (inner !== null) inner.close();
      return;
    }
    this.#open.add(inner);
    for (const each of [inner, outer]) each.setNoDelay(true);
    await Promise.all([
      this.#carry(outer, inner, "in"),
      this.#carry(inner, outer, "out"),
    ]);
    this.#close(outer);
    this.#close(inner);
  }

  /** One direction of a connection, until its sender ends or its receiver is gone. */
  async #carry(from: Deno.TcpConn, to: Deno.TcpConn, way: Way): Promise<void> {
    const schedule = new Schedule(this.#options.quality, this.#dice);
    let onWay = 0;
    let isGone = false;
    let room = Promise.withResolvers<void>();
    let last: Promise<void> = Promise.resolve();
    const deliver = async (piece: Uint8Array | null, atMs: number, before: Promise<void>) => {
      await this.#until(atMs);
      await before;
      if (!isGone && await this.#carries(way)) {
        await (piece === null ? to.closeWrite() : writeAll(to, piece)).catch(() => isGone = true);
      }
      onWay -= piece?.length ?? 0;
      room.resolve();
      room = Promise.withResolvers();
    };
    while (!isGone && !this.#isClosed) {
      while (onWay > ON_WAY_BYTES_MAX) await room.promise;
      const buffer = new Uint8Array(64 * 1024);
      const length = await from.read(buffer).catch(() => null);
      const piece = length === null ? null : buffer.subarray(0, length);
      onWay += length ?? 0;
      last = deliver(piece, schedule.arrival(this.#options.clock.now(), length ?? 0), last);
      if (piece === null) break;
    }
    await last;
    // Nobody takes what the sender has to say: it learns so by the connection's end.
    if (isGone) this.#close(from);
  }

  #until(atMs: number): Promise<void> {
    const waitMs = atMs - this.#options.clock.now();
    if (waitMs <= 0) return Promise.resolve();
    return new Promise((resolve) => this.#options.timers.after(waitMs, resolve));
  }

  #close(connection: Deno.TcpConn): void {
    if (!this.#open.delete(connection)) return;
    connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    for (const connection of [...this.#open]) this.#close(connection);
    this.#wake();
    while (this.#pumps.size > 0) await Promise.all(this.#pumps);
  }
}

async function writeAll(to: Deno.TcpConn, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length;) done += await to.write(piece.subarray(done));
}
