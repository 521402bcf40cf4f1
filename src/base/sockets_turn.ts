/**
 * A turn for the sockets, in the midst of work that other threads do for this one.
 *
 * Deno's event loop is one task of a scheduler (tokio's) that asks the system for news of sockets when nothing is ready to
 * run, or else every 61st time that it runs something. While ciphers on other threads end one after the other the loop is
 * always ready, each of its turns takes milliseconds, and what peers have sent, or have room for, is not heard of for
 * 450 ms. So whoever goes on and on waits now and then for a byte that this process sends to itself over loopback:
 * when it is there, all other sockets have been asked too. A timer is no help, as those are looked at in every turn.
 *
 * @module
 */

/** After so much time in which nobody waited for the sockets, milliseconds. */
const TURN_MS = 10;

/** Asks the system for news of all sockets, as a side effect of waiting for one of its own. */
export interface SocketPass {
  pass(): Promise<void>;
  close(): void;
}

/** Decides when the sockets get a turn. */
export class SocketsTurns {
  readonly #now: () => number;
  readonly #open: () => Promise<SocketPass>;
  #users = 0;
  /** `null` while there is none, or if none can be had: then nobody waits. */
  #pass: SocketPass | null = null;
  #isOpening = false;
  #lastMs = -Infinity;
  #turn: Promise<void> | null = null;

  /**
   * @param now milliseconds since whenever
   * @param open called when the first turn is due; what it gives is closed when no socket is in use any more
   */
  constructor({ now, open }: { now: () => number; open: () => Promise<SocketPass> }) {
    this.#now = now;
    this.#open = open;
  }

  /** Whether anybody uses sockets. */
  get isUsed(): boolean {
    return this.#users > 0;
  }

  /** Says that a socket is in use, until what this gives is called. */
  use(): () => void {
    this.#users++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (--this.#users > 0) return;
      this.#pass?.close();
      this.#pass = null;
    };
  }

  /** What to wait for before more work is begun; `null` if there is no need to. */
  due(): Promise<void> | null {
    if (this.#turn !== null) return this.#turn;
    if (this.#users === 0 || this.#now() - this.#lastMs < TURN_MS) return null;
    if (this.#pass !== null) return this.#turn = this.#take(this.#pass);
    if (!this.#isOpening) void this.#prepare();
    return null;
  }

  async #take(pass: SocketPass): Promise<void> {
    await pass.pass();
    this.#turn = null;
    this.#lastMs = this.#now();
  }

  async #prepare(): Promise<void> {
    this.#isOpening = true;
    try {
      const pass = await this.#open();
      if (this.#users === 0) pass.close();
      else this.#pass = pass;
      this.#isOpening = false;
    } catch {
      // It is not tried again: the sockets get their turns more seldom.
    }
  }
}

/** A connection of this process with itself. */
export class LoopbackPass implements SocketPass {
  readonly #from: Deno.TcpConn;
  readonly #to: Deno.TcpConn;
  readonly #byte = new Uint8Array(1);
  #isClosed = false;

  private constructor(from: Deno.TcpConn, to: Deno.TcpConn) {
    this.#from = from;
    this.#to = to;
  }

  /** Connects. @throws what the system throws */
  static async open(): Promise<LoopbackPass> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    try {
      const from = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      from.setNoDelay(true);
      let to = await listener.accept();
      // Another program of this machine may have found the port.
      while (to.remoteAddr.port !== from.localAddr.port) {
        to.close();
        to = await listener.accept();
      }
      return new LoopbackPass(from, to);
    } finally {
      listener.close();
    }
  }

  async pass(): Promise<void> {
    if (this.#isClosed) return;
    try {
      const heard = this.#to.read(this.#byte); // begun before there is anything: what is there is read without asking
      await Promise.all([heard, this.#from.write(new Uint8Array(1))]);
    } catch {
      // it was closed meanwhile
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#from.close();
    this.#to.close();
  }
}

const turns = new SocketsTurns({ now: () => performance.now(), open: () => LoopbackPass.open() });

/** Says that this thread has a socket that others wait at, until what this gives is called. */
export function useSocket(): () => void {
  return turns.use();
}

/** Whether this thread has such sockets. */
export function hasSockets(): boolean {
  return turns.isUsed;
}

/** What to wait for before more work is begun, so that the sockets get their turn; `null` if there is no need to. */
export function socketsTurn(): Promise<void> | null {
  return turns.due();
}
