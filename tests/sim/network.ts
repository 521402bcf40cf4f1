/**
 * The network between the nodes: {@link MemoryNetwork} with times from dice. A message that is lost breaks its connection
 * sooner or later, as TCP has it; one that is late may come after one that was sent later over another connection of the
 * same two nodes. All that is sent is looked at.
 *
 * @module
 */

import { VaultError } from "../../src/base/mod.ts";
import {
  type Connection,
  type Listener,
  MemoryNetwork,
  type Transport,
} from "../../src/net/mod.ts";
import type { Dice } from "../soak/dice.ts";
import type { Life } from "./life.ts";
import type { Recorder } from "./recorder.ts";
import type { SimTime } from "./time.ts";

/** Who looks at the traffic. */
export interface Tap {
  /** Sees everything that is sent. */
  sent(from: string, to: string, bytes: Uint8Array): void;
  /** A host has taken in so many bytes at once, and reads on. */
  readsOn(host: string, bytes: number): void;
}

/** Bytes that may be on their way in each direction of a connection. */
export const WINDOW_BYTES = 256 * 1024;

/** What is written at one moment comes over another connection at most so much later, ms, unless a fault makes it late. */
const USUAL_MS_MAX = 25;

/** One end of a connection, as its host's program has it. */
interface End {
  readonly host: string;
  readonly other: string;
  /** What is written is under way so much longer, ms. */
  lateMs: number;
  /** When something was written first; `null` as long as nothing was. */
  firstMs: number | null;
  /** Fails what is being read. */
  fail: (error: VaultError) => void;
  broken: VaultError | null;
}

/** The network of a simulation. */
export class SimNetwork {
  readonly #net: MemoryNetwork;
  readonly #dice: Dice;
  readonly #tap: Tap;
  /** Directions that nothing comes through, as `from to`. */
  readonly #cuts = new Set<string>();
  readonly #hosts = new Set<string>();
  /** Hosts that are off, and whose connections nobody has reset. */
  readonly #silent = new Set<string>();
  /** Ends of connections, the oldest first. */
  readonly #ends = new Set<End>();
  /** Who remembers what is said over a host's connections that begin from here on. */
  readonly recorders = new Map<string, Recorder>();
  readonly #time: SimTime;
  /** Messages are up to so late, ms, beyond what is usual. */
  lateMsMax = 0;
  /** What was sent into a cut, and what was made late by a fault. */
  readonly hits = { cut: 0, late: 0, silent: 0, held: 0, overtaken: 0 };

  constructor(time: SimTime, dice: Dice, tap: Tap) {
    this.#time = time;
    this.#dice = dice;
    this.#tap = tap;
    this.#net = new MemoryNetwork({
      timers: time,
      windowBytes: WINDOW_BYTES,
      latencyMs: () => this.#latencyMs(),
    });
  }

  #latencyMs(): number {
    const usual = 1 + this.#dice.below(20);
    if (this.lateMsMax === 0 || !this.#dice.chance(0.2)) return usual;
    this.hits.late++;
    return usual + this.#dice.below(this.lateMsMax);
  }

  get connections(): number {
    return this.#net.connections;
  }

  /** Nothing comes through from one to the other; what is sent waits. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
    this.#net.cut(from, to);
  }

  heal(from: string, to: string): void {
    if (!this.#cuts.delete(`${from} ${to}`)) return;
    if (!this.#isSilent(from, to)) this.#net.heal(from, to);
  }

  #isSilent(...hosts: string[]): boolean {
    return hosts.some((host) => this.#silent.has(host));
  }

  /** A host is off: nothing comes from it, not even that its connections are reset, and nothing reaches it. */
  fallSilent(host: string): void {
    this.#silent.add(host);
    for (const other of this.#hosts) {
      this.#net.cut(host, other);
      this.#net.cut(other, host);
    }
  }

  /** The host is on again: it knows nothing of its old connections, and says so. */
  speakAgain(host: string): void {
    if (!this.#silent.delete(host)) return;
    this.#net.crash(host);
    for (const other of this.#hosts) {
      for (const [from, to] of [[host, other], [other, host]] as const) {
        if (!this.#cuts.has(`${from} ${to}`) && !this.#isSilent(from, to)) this.#net.heal(from, to);
      }
    }
  }

  healAll(): void {
    this.lateMsMax = 0;
    for (const cut of [...this.#cuts]) this.heal(...cut.split(" ") as [string, string]);
  }

  /** Breaks the connections between two hosts. */
  breakConnections(one: string, other: string): void {
    this.#net.breakConnections(one, other);
  }

  /** What a host writes from here on over the connections that stand with another is under way so much longer. */
  age(host: string, other: string, lateMs: number): void {
    for (const end of this.#ends) {
      // Nothing overtakes what went before it over the same connection.
      if (end.host === host && end.other === other && end.lateMs === 0) end.lateMs = lateMs;
    }
  }

  /**
   * Breaks connections at one host's end alone, as when its address changes: what it has written still arrives, what is on
   * its way to it is lost, and the other hears of it no sooner than of that.
   */
  breakEnds(host: string, other: string): number {
    const ends = [...this.#ends].filter((end) => end.host === host && end.other === other);
    for (const end of ends) end.fail(end.broken = wasReset());
    return ends.length;
  }

  /** Something late arrives: whether what was written after it, over a connection that began later, has come before. */
  #noteArrival(late: End, now: number): void {
    let isLater = false;
    for (const end of this.#ends) {
      if (end === late) isLater = true;
      else if (isLater && end.host === late.host && end.other === late.other) {
        if (end.firstMs !== null && end.firstMs + USUAL_MS_MAX < now) this.hits.overtaken++;
      }
    }
  }

  /** A host's program is gone: its connections are reset, nobody listens. */
  crash(host: string): void {
    for (const end of this.#ends) if (end.host === host) this.#ends.delete(end);
    if (this.#silent.has(host)) this.#net.stopListening(host);
    else this.#net.crash(host);
  }

  /** The network as one life of a program on a host sees it. */
  of(host: string, life: Life): Transport {
    this.#hosts.add(host);
    const inner = this.#net.host(host);
    return {
      listen: async (at) => {
        life.check();
        return this.#listener(await inner.listen(at), host, life);
      },
      dial: async (address, options) => {
        life.check();
        this.#noteCut(host, hostOf(address));
        const connection = await inner.dial(address, options);
        return this.#connection(connection, {
          host,
          other: hostOf(address),
          life,
          isDialled: true,
        });
      },
      probe: (address, options) => {
        life.check();
        this.#noteCut(host, hostOf(address));
        return inner.probe(address, options);
      },
    };
  }

  #noteCut(from: string, to: string): void {
    if (this.#cuts.has(`${from} ${to}`) || this.#cuts.has(`${to} ${from}`)) this.hits.cut++;
    if (this.#silent.has(to)) this.hits.silent++;
  }

  #listener(listener: Listener, host: string, life: Life): Listener {
    const wrap = (connection: Connection) =>
      this.#connection(connection, {
        ...{ host, other: hostOf(connection.remote), life },
        isDialled: false,
      });
    return {
      host: listener.host,
      port: listener.port,
      close: () => listener.close(),
      async *accept() {
        for await (const connection of listener.accept()) yield wrap(connection);
      },
    };
  }

  #connection(
    connection: Connection,
    { host, other, life, isDialled }: {
      host: string;
      other: string;
      life: Life;
      isDialled: boolean;
    },
  ): Connection {
    const end: End = { host, other, lateMs: 0, firstMs: null, fail: () => {}, broken: null };
    this.#ends.add(end);
    const recorder = this.recorders.get(host);
    const said = recorder?.stream({ other, isOwn: true, isDialler: isDialled });
    const heard = recorder?.stream({ other, isOwn: false, isDialler: !isDialled });
    let taken = 0;
    const read = (into: Uint8Array): Promise<number | null> => {
      if (end.broken !== null) return Promise.reject(end.broken);
      this.#tap.readsOn(host, taken);
      return new Promise((resolve, reject) => {
        end.fail = reject;
        connection.read(into).then((count) => {
          taken = count ?? 0;
          resolve(count);
        }, reject);
      });
    };
    return {
      remote: connection.remote,
      read: heard === undefined ? read : async (into) => {
        const count = await read(into);
        if (count !== null) heard(into.subarray(0, count));
        return count;
      },
      write: (bytes) => {
        life.check();
        if (end.broken !== null) return Promise.reject(end.broken);
        this.#noteCut(host, other);
        this.#tap.sent(host, other, bytes);
        said?.(bytes);
        if (end.lateMs > 0) return this.#writeLate(connection, end, bytes.slice());
        end.firstMs ??= this.#time.now();
        return connection.write(bytes);
      },
      close: () => {
        // That it is closed comes behind what was written.
        if (end.lateMs === 0) {
          this.#ends.delete(end);
          return connection.close();
        }
        end.fail(end.broken ??= wasReset());
        this.#time.after(end.lateMs, () => {
          this.#ends.delete(end);
          connection.close();
        });
      },
    };
  }

  #writeLate(connection: Connection, end: End, bytes: Uint8Array): Promise<void> {
    this.hits.held++;
    this.#time.after(end.lateMs, () => {
      this.#noteArrival(end, this.#time.now());
      connection.write(bytes).catch(() => {}); // the other end is gone
    });
    return Promise.resolve();
  }
}

function wasReset(): VaultError {
  return new VaultError("failed", "Cannot use connection: it was reset");
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
