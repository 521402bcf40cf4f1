/**
 * The network between the nodes: {@link MemoryNetwork} with times from dice. A message that is lost breaks its connection
 * sooner or later, as TCP has it; one that is late may come after one that was sent later over another connection. All
 * that is sent is looked at.
 *
 * @module
 */

import {
  type Connection,
  type Listener,
  MemoryNetwork,
  type Transport,
} from "../../src/net/mod.ts";
import type { Dice } from "../soak/dice.ts";
import type { Life } from "./life.ts";
import type { SimTime } from "./time.ts";

/** Sees everything that is sent. */
export type Tap = (from: string, to: string, bytes: Uint8Array) => void;

/** Bytes that may be on their way in each direction of a connection. */
export const WINDOW_BYTES = 256 * 1024;

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
  /** Messages are up to so late, ms, beyond what is usual. */
  lateMsMax = 0;
  /** What was sent into a cut, and what was made late by a fault. */
  readonly hits = { cut: 0, late: 0, silent: 0 };

  constructor(time: SimTime, dice: Dice, tap: Tap) {
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

  /** A host's program is gone: its connections are reset, nobody listens. */
  crash(host: string): void {
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
        return this.#connection(connection, { host, other: hostOf(address), life });
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
      this.#connection(connection, { host, other: hostOf(connection.remote), life });
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
    { host, other, life }: { host: string; other: string; life: Life },
  ): Connection {
    return {
      remote: connection.remote,
      read: (into) => connection.read(into),
      write: (bytes) => {
        life.check();
        this.#noteCut(host, other);
        this.#tap(host, other, bytes);
        return connection.write(bytes);
      },
      close: () => connection.close(),
    };
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
