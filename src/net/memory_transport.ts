/**
 * A network in memory: hosts with names, links that can be slow, cut one way or both, and broken. Its only clock is the
 * {@link Timers} it is given, so that one seed replays a run.
 *
 * @module
 */

import {
  type Bytes,
  equalBytes,
  formatHostPort,
  parseHostPort,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import type { Connection, Credentials, Listener, Transport } from "./transport.ts";

/** How the network behaves. */
export interface MemoryNetworkOptions {
  readonly timers: Timers;
  /** How long bytes travel one way, in milliseconds. */
  readonly latencyMs?: (from: string, to: string) => number;
  /** Bytes that may be on their way or unread in each direction of a connection. */
  readonly windowBytes?: number;
}

const WINDOW_BYTES = 256 * 1024;
/** The first port given to whoever asks for port 0, and to diallers. */
const FREE_PORT = 40_000;

/** Hosts, and what lies between them. */
export class MemoryNetwork {
  readonly #timers: Timers;
  readonly #latencyMs: (from: string, to: string) => number;
  readonly #windowBytes: number;
  readonly #links = new Map<string, Link>();
  readonly #listeners = new Map<string, MemoryListener>();
  readonly #connections = new Set<MemoryConnection>();
  #freePort = FREE_PORT;

  constructor(options: MemoryNetworkOptions) {
    this.#timers = options.timers;
    this.#latencyMs = options.latencyMs ?? (() => 0);
    this.#windowBytes = options.windowBytes ?? WINDOW_BYTES;
  }

  /** The transport of a host. Its listeners are reached as `name:port`, whatever host they listen at. */
  host(name: string): Transport {
    return {
      listen: ({ port, credentials }) => Promise.resolve(this.#listen(name, port, credentials)),
      dial: async (address, { certificate, ...options }) => {
        const { listener, from, to } = await this.#reach(name, address, options);
        if (!equalBytes(listener.credentials.certificate, certificate)) {
          throw cannotDial(address, "denied", "somebody else is there");
        }
        return this.#connect(listener, from, to);
      },
      probe: async (address, options) => {
        const { listener } = await this.#reach(name, address, options);
        return listener.credentials.certificate.slice();
      },
    };
  }

  /** Nothing comes through from `from` to `to` any more; what is sent waits, as with TCP. */
  cut(from: string, to: string): void {
    this.#link(from, to).setCut(true);
  }

  /** What {@link MemoryNetwork.cut} cut comes through again. */
  heal(from: string, to: string): void {
    this.#link(from, to).setCut(false);
  }

  /** Cuts both ways between every host of one group and every host of the other. */
  split(one: readonly string[], other: readonly string[]): void {
    this.#between(one, other, (link) => link.setCut(true));
  }

  /** The opposite of {@link MemoryNetwork.split}. */
  join(one: readonly string[], other: readonly string[]): void {
    this.#between(one, other, (link) => link.setCut(false));
  }

  /** Breaks all connections of a host, or those between two, at both ends at once. */
  breakConnections(host: string, other?: string): void {
    for (const connection of [...this.#connections]) {
      const { from, to } = connection;
      if (from === host && (other === undefined || to === other)) connection.breakBoth();
      else if (to === host && (other === undefined || from === other)) connection.breakBoth();
    }
  }

  /** As if the host's process were killed: its connections break, nobody listens there. */
  crash(host: string): void {
    this.stopListening(host);
    this.breakConnections(host);
  }

  /** Nobody listens at a host any more; its connections stay. */
  stopListening(host: string): void {
    for (const listener of [...this.#listeners.values()]) {
      if (listener.name === host) listener.close();
    }
  }

  /** How many connections there are, each counted once. */
  get connections(): number {
    return this.#connections.size / 2;
  }

  #between(one: readonly string[], other: readonly string[], act: (link: Link) => void): void {
    for (const a of one) {
      for (const b of other) {
        act(this.#link(a, b));
        act(this.#link(b, a));
      }
    }
  }

  #link(from: string, to: string): Link {
    const key = `${from} ${to}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new Link(this.#timers, () => this.#latencyMs(from, to));
      this.#links.set(key, link);
    }
    return link;
  }

  #lane(from: string, to: string): Lane {
    return new Lane(this.#link(from, to));
  }

  #listen(name: string, wantedPort: number, credentials: Credentials): Listener {
    const port = wantedPort === 0 ? this.#freePort++ : wantedPort;
    const key = `${name}:${port}`;
    if (this.#listeners.has(key)) {
      throw new VaultError("failed", `Cannot listen at ${key}: the address is in use`);
    }
    const listener = new MemoryListener(name, port, credentials, () => this.#listeners.delete(key));
    this.#listeners.set(key, listener);
    return listener;
  }

  /** Goes there and back, and says who listens there. */
  #reach(
    from: string,
    address: string,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<{ listener: MemoryListener; from: string; to: string }> {
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      const { host: to, port } = parseHostPort(address);
      if (signal?.aborted) throw cannotDial(address, "interrupted", "interrupted");
      const done = () => {
        stop();
        signal?.removeEventListener("abort", onAbort);
      };
      const fail = (error: VaultError) => {
        done();
        reject(error);
      };
      const onAbort = () => fail(cannotDial(address, "interrupted", "interrupted"));
      signal?.addEventListener("abort", onAbort, { once: true });
      const stop = this.#timers.after(
        timeoutMs,
        () => fail(cannotDial(address, "failed", `no answer within ${timeoutMs / 1000} s`)),
      );
      this.#lane(from, to).send(() =>
        this.#lane(to, from).send(() => {
          const listener = this.#listeners.get(`${to}:${port}`);
          if (listener === undefined) {
            fail(cannotDial(address, "failed", "nobody listens there"));
          } else {
            done();
            resolve({ listener, from, to });
          }
        })
      );
    });
  }

  #connect(listener: MemoryListener, from: string, to: string): Connection {
    const there = new Pipe(this.#lane(from, to), this.#windowBytes);
    const back = new Pipe(this.#lane(to, from), this.#windowBytes);
    const onClose = (connection: MemoryConnection) => this.#connections.delete(connection);
    const remote = formatHostPort({ host: to, port: listener.port });
    const local = formatHostPort({ host: from, port: this.#freePort++ });
    const dialled = new MemoryConnection({ from, to, remote, input: back, output: there, onClose });
    const accepted = new MemoryConnection({
      from: to,
      to: from,
      remote: local,
      input: there,
      output: back,
      onClose,
    });
    this.#connections.add(dialled).add(accepted);
    listener.push(accepted);
    return dialled;
  }
}

/** One way between two hosts: nothing comes through while it is cut. */
class Link {
  readonly timers: Timers;
  readonly latencyMs: () => number;
  /** Lanes in which something waits, in the order in which that began. */
  readonly #waiting = new Set<Lane>();
  #isCut = false;

  constructor(timers: Timers, latencyMs: () => number) {
    this.timers = timers;
    this.latencyMs = latencyMs;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  setCut(isCut: boolean): void {
    this.#isCut = isCut;
    for (const lane of [...this.#waiting]) lane.deliver();
  }

  noteWaiting(lane: Lane, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(lane);
    else this.#waiting.delete(lane);
  }
}

/**
 * One direction of a connection on a link: what is sent arrives in order, late. What goes over other connections of the same
 * two hosts may come before or after it, as with TCP.
 */
class Lane {
  readonly #link: Link;
  readonly #queue: { isDue: boolean; arrive: () => void }[] = [];

  constructor(link: Link) {
    this.#link = link;
  }

  send(arrive: () => void): void {
    const ms = this.#link.latencyMs();
    const item = { isDue: ms <= 0, arrive };
    this.#queue.push(item);
    this.#link.noteWaiting(this, true);
    if (item.isDue) return this.deliver();
    this.#link.timers.after(ms, () => {
      item.isDue = true;
      this.deliver();
    });
  }

  /** Lets arrive what is due. */
  deliver(): void {
    while (!this.#link.isCut && this.#queue[0]?.isDue) this.#queue.shift()!.arrive();
    if (this.#queue.length === 0) this.#link.noteWaiting(this, false);
  }
}

/** One direction of a connection. */
class Pipe {
  readonly lane: Lane;
  readonly #windowBytes: number;
  #arrived: Bytes[] = [];
  /** Bytes sent and not read. */
  #unread = 0;
  #hasEnded = false;
  #error: VaultError | null = null;
  #isWriterGone = false;
  #isReaderGone = false;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  constructor(lane: Lane, windowBytes: number) {
    this.lane = lane;
    this.#windowBytes = windowBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#isWriterGone) throw closed();
      if (this.#error !== null) throw this.#error;
      const room = this.#windowBytes - this.#unread;
      if (room === 0) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        continue;
      }
      const piece = bytes.slice(at, at + room);
      at += piece.length;
      this.#unread += piece.length;
      this.lane.send(() => {
        this.#arrived.push(piece as Bytes);
        this.#wakeReader();
      });
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#isReaderGone) throw closed();
      if (this.#error !== null) throw this.#error;
      const piece = this.#arrived[0];
      if (piece !== undefined) {
        const length = Math.min(piece.length, into.length);
        into.set(piece.subarray(0, length));
        if (length === piece.length) this.#arrived.shift();
        else this.#arrived[0] = piece.subarray(length);
        this.#unread -= length;
        this.#wakeWriter();
        return length;
      }
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** The writer is done: the reader hears of it behind the bytes. */
  writerLeaves(): void {
    this.#isWriterGone = true;
    this.#wakeWriter();
    this.lane.send(() => {
      this.#hasEnded = true;
      this.#wakeReader();
    });
  }

  /** The reader is gone: the writer hears of it once that has travelled `back`. */
  readerLeaves(back: Lane): void {
    this.#isReaderGone = true;
    this.#wakeReader();
    back.send(() => this.fail("the other end has closed it"));
  }

  fail(state: string): void {
    this.#error ??= new VaultError("failed", `Cannot use connection: ${state}`);
    this.#wakeReader();
    this.#wakeWriter();
  }
}

/** One end of a connection. */
class MemoryConnection implements Connection {
  readonly from: string;
  readonly to: string;
  readonly remote: string;
  readonly #input: Pipe;
  readonly #output: Pipe;
  readonly #onClose: (connection: MemoryConnection) => void;
  #isClosed = false;

  constructor(options: {
    from: string;
    to: string;
    remote: string;
    input: Pipe;
    output: Pipe;
    onClose: (connection: MemoryConnection) => void;
  }) {
    this.from = options.from;
    this.to = options.to;
    this.remote = options.remote;
    this.#input = options.input;
    this.#output = options.output;
    this.#onClose = options.onClose;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#input.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#output.write(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#output.writerLeaves();
    this.#input.readerLeaves(this.#output.lane);
    this.#onClose(this);
  }

  /** Both ends find the connection broken. */
  breakBoth(): void {
    this.#input.fail("it was reset");
    this.#output.fail("it was reset");
    this.#onClose(this);
  }
}

/** Somebody who listens. */
class MemoryListener implements Listener {
  readonly name: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly #onClose: () => void;
  readonly #waiting: MemoryConnection[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(name: string, port: number, credentials: Credentials, onClose: () => void) {
    this.name = name;
    this.port = port;
    this.credentials = credentials;
    this.#onClose = onClose;
  }

  get host(): string {
    return this.name;
  }

  /** A connection that nobody will take any more is closed again. */
  push(connection: MemoryConnection): void {
    if (this.#isClosed) return connection.close();
    this.#waiting.push(connection);
    this.#wake();
  }

  async *accept(): AsyncIterable<Connection> {
    while (!this.#isClosed) {
      const connection = this.#waiting.shift();
      if (connection !== undefined) yield connection;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const connection of this.#waiting.splice(0)) connection.close();
    this.#onClose();
    this.#wake();
  }
}

function closed(): VaultError {
  return new VaultError("failed", "Cannot use connection: it is closed");
}

function cannotDial(
  address: string,
  code: "failed" | "denied" | "interrupted",
  state: string,
): VaultError {
  return new VaultError(code, `Cannot reach ${address}: ${state}`);
}
