/**
 * The control socket: takes command lines of the same user and has them run inside the node, each with the streams of
 * whoever typed it.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import {
  asVaultError,
  CONTROL_CLIENTS_MAX,
  CONTROL_ERROR_BYTES_MAX,
  CONTROL_HELLO_MS_MAX,
  denoDisk,
} from "../base/mod.ts";
import { controlPlace } from "./control_place.ts";
import {
  CONTROL_HELLO_BYTES_MAX,
  CONTROL_PIECE_BYTES,
  CONTROL_VERSION,
  ControlConnection,
  type ControlMessage,
  ControlViolation,
  type Hello,
  type RefusalReason,
} from "./control_protocol.ts";
import type { ControlCall } from "./types.ts";

/** After which time it is tried again to take a command line, where that failed. */
const ACCEPT_PAUSE_MS = 100;
/** So much output goes along with what is said next, such as the exit code: that wakes the client up once. */
const OUTPUT_SOON_BYTES_MAX = 4 * 1024;
/** The time for a hello is counted in so many parts. */
const HELLO_PARTS = 10;

/** Listens on a home's control socket. */
export class ControlServer {
  readonly #listener: Deno.Listener;
  readonly #run: (call: ControlCall) => Promise<number>;
  readonly #clients = new Map<Client, Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #forget: () => void;
  #stopping = false;

  private constructor(
    listener: Deno.Listener,
    forget: () => void,
    run: (call: ControlCall) => Promise<number>,
  ) {
    this.#listener = listener;
    this.#forget = forget;
    this.#run = run;
    this.#accepting = this.#accept();
  }

  /**
   * Begins to listen. The caller owns the home, so a socket that is there is one that a dead process left.
   *
   * @param home its folder, which is there
   * @throws VaultError if no socket can be made
   */
  static open(home: string, run: (call: ControlCall) => Promise<number>): ControlServer {
    try {
      const { listener, forget } = listen(Deno.realPathSync(home));
      return new ControlServer(listener, forget, run);
    } catch (error) {
      throw asVaultError(error, `Cannot listen for commands in ${home}`);
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      let stream: Deno.Conn;
      try {
        stream = await this.#listener.accept();
      } catch {
        if (this.#stopping) return;
        // The process has as many files open as it may: some of them will be closed.
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
        continue;
      }
      if (this.#clients.size >= CONTROL_CLIENTS_MAX) {
        stream.close();
        continue;
      }
      const client = new Client(new ControlConnection(stream));
      const served = client.serve({ run: this.#run, isStopping: () => this.#stopping })
        .finally(() => this.#clients.delete(client));
      this.#clients.set(client, served);
    }
  }

  /** Takes no more command lines, lets those that run finish for so long, then cancels them. */
  async stop(options: { drainMs: number; abandonMs: number }): Promise<void> {
    this.#stopping = true;
    this.#forget();
    this.#listener.close();
    await this.#accepting;
    if (await this.#allDone(options.drainMs)) return;
    for (const client of this.#clients.keys()) client.cancel("the node stops");
    if (await this.#allDone(options.abandonMs)) return;
    for (const client of this.#clients.keys()) client.close();
  }

  async #allDone(ms: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), ms));
    const done = Promise.all(this.#clients.values()).then(() => true as const);
    try {
      return await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A listening socket that never was anyone else's to open, and what removes it from the disk. */
function listen(home: string): { listener: Deno.Listener; forget: () => void } {
  const { folder, socket, pointer } = controlPlace(home);
  makePrivate(folder);
  removeOld(pointer);
  const path = socket ?? join(Deno.makeTempDirSync({ prefix: "govault-" }), "socket");
  const forget = () => {
    removeOld(path);
    if (socket === null) {
      removeOld(pointer);
      removeOld(dirname(path));
    }
  };
  removeOld(path);
  const listener = Deno.listen({ transport: "unix", path });
  try {
    if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
    if (socket === null) Deno.writeTextFileSync(pointer, path, { createNew: true, mode: 0o600 });
    return { listener, forget };
  } catch (error) {
    listener.close();
    forget();
    throw error;
  }
}

/** A folder that nobody else can enter, also if it was there before. */
function makePrivate(folder: string): void {
  denoDisk.makeFolder(folder);
  if (Deno.build.os !== "windows") Deno.chmodSync(folder, 0o700);
}

function removeOld(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** One connection, from its first message to its end. */
class Client {
  readonly #connection: ControlConnection;
  readonly #aborter = new AbortController();
  #isOutputClosed = false;
  #input: PromiseWithResolvers<Uint8Array | null> | null = null;
  #answer: PromiseWithResolvers<string | null> | null = null;

  constructor(connection: ControlConnection) {
    this.#connection = connection;
  }

  cancel(reason: string): void {
    this.#aborter.abort(new DOMException(reason, "AbortError"));
  }

  close(): void {
    this.cancel("the connection is closed");
    this.#connection.close();
  }

  /** Never throws: what goes wrong here is the client's loss. */
  async serve(
    options: { run: (call: ControlCall) => Promise<number>; isStopping: () => boolean },
  ): Promise<void> {
    try {
      const hello = await this.#greet(options.isStopping);
      if (hello === null) return;
      this.#listen();
      const code = await options.run(this.#callOf(hello));
      await this.#connection.send({ kind: "exit", code });
    } catch {
      // the connection broke, and whoever was at its other end is gone
    } finally {
      this.close();
    }
  }

  async #greet(isStopping: () => boolean): Promise<Hello | null> {
    // In parts: a process that was stopped for minutes wakes up to a timer before it reads what came meanwhile.
    let left = HELLO_PARTS;
    const timer = setInterval(() => {
      if (--left === 0) this.close();
    }, CONTROL_HELLO_MS_MAX / HELLO_PARTS);
    try {
      const first = await this.#connection.receive(CONTROL_HELLO_BYTES_MAX);
      if (first === null) return null;
      if (first.kind !== "hello") throw new ControlViolation("the first message is no hello");
      if (first.hello === null) {
        await this.#refuse("version", "the running node is of another version");
        return null;
      }
      if (!isStopping()) return first.hello;
      await this.#refuse("stopping", "the node stops");
    } catch (error) {
      if (error instanceof ControlViolation) await this.#refuse("violation", error.message);
    } finally {
      clearInterval(timer);
    }
    return null;
  }

  async #refuse(reason: RefusalReason, message: string): Promise<void> {
    await this.#connection.send({ kind: "refused", reason, version: CONTROL_VERSION, message });
  }

  /** Takes what the client says until it hangs up. Never throws. */
  async #listen(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#connection.receive();
        if (message === null) break;
        this.#take(message);
      }
      this.#end("the client went away");
    } catch (error) {
      this.#end(error instanceof ControlViolation ? error.message : "the connection broke");
    }
  }

  #end(reason: string): void {
    this.cancel(reason);
    this.#input?.reject(this.#aborter.signal.reason);
    this.#answer?.reject(this.#aborter.signal.reason);
    this.#input = null;
    this.#answer = null;
  }

  #take(message: ControlMessage): void {
    switch (message.kind) {
      case "input":
      case "inputEnd": {
        if (this.#input === null) throw new ControlViolation("input that nobody asked for");
        this.#input.resolve(message.kind === "input" ? message.bytes.slice() : null);
        this.#input = null;
        return;
      }
      case "answer":
        if (this.#answer === null) throw new ControlViolation("an answer to nothing");
        this.#answer.resolve(message.text);
        this.#answer = null;
        return;
      case "cancel":
        return this.cancel("interrupted");
      case "outputClosed":
        this.#isOutputClosed = true;
        return;
      default:
        throw new ControlViolation(`${message.kind} is the node's to say`);
    }
  }

  #callOf(hello: Hello): ControlCall {
    const signal = this.#aborter.signal;
    const isOutputClosed = () => this.#isOutputClosed;
    const connection = this.#connection;
    return {
      hello,
      signal,
      get isOutputClosed() {
        return isOutputClosed();
      },
      async output(bytes) {
        if (connection.waitingBytes + bytes.length <= OUTPUT_SOON_BYTES_MAX) {
          return connection.sendSoon({ kind: "output", bytes });
        }
        for (let at = 0; at < bytes.length; at += CONTROL_PIECE_BYTES) {
          const piece = bytes.subarray(at, at + CONTROL_PIECE_BYTES);
          await connection.send({ kind: "output", bytes: piece });
        }
      },
      error: (bytes) => {
        if (connection.waitingBytes > CONTROL_ERROR_BYTES_MAX) return this.close();
        for (let at = 0; at < bytes.length; at += CONTROL_PIECE_BYTES) {
          const piece = bytes.subarray(at, at + CONTROL_PIECE_BYTES);
          connection.send({ kind: "error", bytes: piece }).catch(
            () => {/* nobody is left to hear */},
          );
        }
      },
      input: () => {
        signal.throwIfAborted();
        this.#input = Promise.withResolvers();
        const { promise } = this.#input;
        connection.send({ kind: "want" }).catch((error) => this.#input?.reject(error));
        return promise;
      },
      ask: (message) => {
        signal.throwIfAborted();
        this.#answer = Promise.withResolvers();
        const { promise } = this.#answer;
        connection.send({ kind: "ask", message }).catch((error) => this.#answer?.reject(error));
        return promise;
      },
    };
  }
}
