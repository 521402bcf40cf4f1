/**
 * The short way to the node that runs from a home: hands it the command line, feeds it standard input, writes out what
 * it says, asks what it asks. Loads next to nothing, so that a small `put` takes no longer than it has to.
 *
 * @module
 */

import manifest from "../../deno.json" with { type: "json" };
import { defaultHome } from "../base/default_home.ts";
import { findSocket } from "../daemon/control_place.ts";
import {
  CONTROL_PIECE_BYTES,
  CONTROL_VERSION,
  ControlConnection,
  type ControlMessage,
} from "../daemon/control_protocol.ts";
import { EXIT_CODES, VaultError } from "../base/errors.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { terminalColumns, writeErr } from "./terminal.ts";

/** Commands that are this process's own business, or that have to do with there being no node. */
const HERE = new Set(["help", "version", "completions", "init", "serve"]);

/** Flags that stand before a command and take the next word; the table of commands is too long to load here. */
const VALUED = new Set(["--home", "--lock-wait", "--passphrase-file"]);

/** Environment variables that commands look at. */
const PASSED_ENV = ["NO_COLOR", "TERM", "GOVAULT_DEBUG"];

/** How long after Ctrl-C output may wait for its reader. */
const LAST_WORDS_MS_MAX = 300;

/** What has to be known of a command line to find its node: the command and `--home`, whatever else stands on it. */
function outlineOf(
  args: readonly string[],
): { command: string | undefined; home: string | undefined } {
  let command: string | undefined;
  let home: string | undefined;
  for (let i = 0; i < args.length && args[i] !== "--"; i++) {
    const argument = args[i]!;
    if (argument.startsWith("--home=")) home = argument.slice("--home=".length);
    else if (argument === "--home") home = args[++i];
    else if (VALUED.has(argument)) i++;
    else if (!argument.startsWith("-")) command ??= argument;
  }
  return { command, home };
}

/** Has the node run a command line; `null` if none runs from its home, or the command is none for it. */
export async function runThroughNode(args: readonly string[]): Promise<number | null> {
  const { command, home } = outlineOf(args);
  if (command === undefined || HERE.has(command)) return null;
  const stream = await connectToNode(home || Deno.env.get("GOVAULT_HOME") || undefined);
  if (stream === null) return null;
  const interrupts = listenForInterrupts();
  const client = new ControlClient(new ControlConnection(stream), interrupts.signal);
  try {
    return await client.run(helloOf(args, command));
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    return await tell(error, args);
  } finally {
    interrupts.stop();
    stream.close();
  }
}

/** A connection to the node of a home; `null` if none takes commands there. */
export async function connectToNode(home: string | undefined): Promise<Deno.Conn | null> {
  try {
    const path = findSocket(home ?? defaultHome());
    return path === null ? null : await Deno.connect({ transport: "unix", path });
  } catch {
    return null; // whatever is wrong, the command itself will come upon it
  }
}

function helloOf(args: readonly string[], command: string): ControlMessage {
  const env: Record<string, string> = {};
  // Of all commands only `key protect` has a use for a passphrase once the vault is open.
  const passed = command === "key" ? [...PASSED_ENV, "GOVAULT_PASSPHRASE"] : PASSED_ENV;
  for (const name of passed) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return {
    kind: "hello",
    version: CONTROL_VERSION,
    hello: {
      program: manifest.version,
      args,
      cwd: Deno.cwd(),
      env,
      pid: Deno.pid,
      isTerminalIn: Deno.stdin.isTerminal(),
      isTerminalOut: Deno.stdout.isTerminal(),
      isTerminalErr: Deno.stderr.isTerminal(),
      columns: terminalColumns() ?? 0,
    },
  };
}

/** Tells of what went wrong between here and the node; the exit code. */
async function tell(error: VaultError, args: readonly string[]): Promise<number> {
  const [{ reportError }, { systemIo }, { wantsJson }] = await Promise.all([
    import("./report.ts"),
    import("./io.ts"),
    import("./args.ts"),
  ]);
  return reportError(error, { io: systemIo(), json: wantsJson(args) });
}

/** One command line's conversation with the node. */
class ControlClient {
  readonly #connection: ControlConnection;
  readonly #signal: AbortSignal;
  #isOutputClosed = false;
  #piece: Uint8Array | undefined;
  #abort: Promise<null> | undefined;

  constructor(connection: ControlConnection, signal: AbortSignal) {
    this.#connection = connection;
    this.#signal = signal;
  }

  /** The exit code; `null` if the node is about to stop and takes no more. */
  async run(hello: ControlMessage): Promise<number | null> {
    const cancel = () => this.#say({ kind: "cancel" });
    this.#signal.addEventListener("abort", cancel, { once: true });
    try {
      this.#say(hello);
      return await this.#converse();
    } catch (error) {
      if (error instanceof VaultError) throw error;
      throw goneAway(error);
    } finally {
      this.#signal.removeEventListener("abort", cancel);
    }
  }

  /** What can't be said any more shows when nothing comes back. */
  #say(message: ControlMessage): void {
    this.#connection.send(message).catch(() => {});
  }

  async #converse(): Promise<number | null> {
    for (;;) {
      const message = await this.#connection.receive();
      switch (message?.kind) {
        case "output":
          await this.#output(message.bytes);
          break;
        case "error":
          writeErr(message.bytes);
          break;
        case "want":
          this.#feed();
          break;
        case "ask":
          this.#ask(message.message);
          break;
        case "exit":
          return this.#isOutputClosed && message.code === 0 ? EXIT_CODES.failed : message.code;
        case "refused":
          if (message.reason === "stopping") return null;
          throw refusal(message);
        default:
          throw goneAway(undefined);
      }
    }
  }

  /** A write that waits for its reader is abandoned after Ctrl-C, and those after it are not made. */
  async #output(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length && !this.#isOutputClosed;) {
      // `bytes` is overwritten by the next message; an abandoned write may still look at it.
      const writing = Deno.stdout.write(bytes.slice(done));
      const written = await Promise.race([writing, this.#aborted()]).catch((error) => {
        if (error instanceof Deno.errors.BrokenPipe) return null;
        throw error;
      });
      if (written === null) {
        writing.catch(() => {});
        this.#isOutputClosed = true;
        this.#say({ kind: "outputClosed" });
      } else {
        done += written;
      }
    }
  }

  /** Resolves a moment after Ctrl-C: what the command still says is shown where somebody reads. */
  #aborted(): Promise<null> {
    return this.#abort ??= new Promise((resolve) => {
      const soon = () => setTimeout(() => resolve(null), LAST_WORDS_MS_MAX);
      if (this.#signal.aborted) soon();
      else this.#signal.addEventListener("abort", soon, { once: true });
    });
  }

  /** Sends one piece of standard input, when there is one; the node may say other things meanwhile. */
  #feed(): void {
    const piece = this.#piece ??= new Uint8Array(CONTROL_PIECE_BYTES);
    Deno.stdin.read(piece).then(
      (length) => this.#say(inputOf(piece, length)),
      () => this.#connection.close(),
    );
  }

  #ask(message: string): void {
    import("./prompt.ts").then(({ readSecretLine }) =>
      readSecretLine(message, {
        source: Deno.stdin,
        write: writeErr,
        signal: this.#signal,
      })
    ).then(
      (text) => this.#say({ kind: "answer", text }),
      () => this.#say({ kind: "cancel" }),
    );
  }
}

function inputOf(piece: Uint8Array, length: number | null): ControlMessage {
  if (length === null) return { kind: "inputEnd" };
  return { kind: "input", bytes: piece.subarray(0, length) };
}

function goneAway(cause: unknown): VaultError {
  return new VaultError("failed", "Cannot go on: the running node ended before the command did", {
    hint: "what it did not tell of may be done or not; run the command again to be sure",
    ...(cause === undefined ? {} : { cause }),
  });
}

function refusal(
  { reason, version, message }: Extract<ControlMessage, { kind: "refused" }>,
): VaultError {
  if (reason === "version") {
    const side = version < CONTROL_VERSION ? "newer" : "older";
    return new VaultError(
      "failed",
      `Cannot talk to the running node: this program is ${side} than it (${CONTROL_VERSION}, not ${version})`,
      { hint: "stop the node and start it again with this program, or use the node's program" },
    );
  }
  return new VaultError("failed", `Cannot talk to the running node: ${message}`);
}
