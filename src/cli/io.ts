/**
 * The world outside a command: the standard streams, the terminal, the environment. Commands get it as an
 * argument and touch nothing else of the process, so that a test can stand in for the user.
 *
 * Data goes to `out`, everything said beside it to `err`.
 *
 * @module
 */

import { resolve } from "@std/path";
import { type Bytes, encodeUtf8, freeBytes } from "../base/mod.ts";
import { readSecretLine } from "./prompt.ts";
import { terminalColumns, writeErr } from "./terminal.ts";

/** What a command can see and say. */
export interface Io {
  /**
   * Writes to standard output: at once on a terminal, else within a moment, so that ten thousand lines are not ten
   * thousand writes.
   *
   * @throws OutputClosed if nobody reads any more
   */
  out(text: string): Promise<void>;
  /** Returns once all that was given to `out` is written. @throws OutputClosed as `out` */
  flush(): Promise<void>;
  /**
   * Streams bytes to standard output, and frees them.
   *
   * @throws OutputClosed if nobody reads any more, the signal's reason once it fires
   */
  outBytes(stream: ReadableStream<Bytes>, signal: AbortSignal): Promise<void>;
  /** Writes to standard error; a closed one is ignored, as there is nobody left to tell. */
  err(text: string): void;
  /** Standard input, once; reading it fails with the signal's reason when that fires. */
  input(signal: AbortSignal): ReadableStream<Uint8Array>;
  /** Asks on the terminal without echo; `null` if the user ended the input. Needs {@link Io.isTerminalIn}. */
  secret(message: string, signal: AbortSignal): Promise<string | null>;
  /** An environment variable; an empty one counts as not set. */
  env(name: string): string | undefined;
  /** A path that the user typed, made absolute: it is relative to where they are. */
  path(typed: string): string;
  readonly isTerminalIn: boolean;
  readonly isTerminalOut: boolean;
  readonly isTerminalErr: boolean;
  /** Width of the terminal, if there is one. */
  readonly columns: number | undefined;
  /** Whether tables may be coloured. */
  readonly color: boolean;
}

/** The reader of standard output went away, as in `govault ls | head -1`: no reason to complain. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** The process's own streams, terminal and environment. */
export function systemIo(): Io {
  const env = (name: string) => Deno.env.get(name) || undefined;
  const isTerminalOut = Deno.stdout.isTerminal();
  return {
    ...gatheredOut(writeOut, { isTerminalOut }),
    outBytes: (stream, signal) => streamOut(writeOut, stream, signal),
    err: writeErr,
    input: abortableInput,
    secret: (message, signal) =>
      readSecretLine(message, { source: Deno.stdin, write: writeErr, signal }),
    env,
    path: (typed) => resolve(typed),
    isTerminalIn: Deno.stdin.isTerminal(),
    isTerminalOut,
    isTerminalErr: Deno.stderr.isTerminal(),
    columns: terminalColumns(),
    color: mayColor({ isTerminalOut, env }),
  };
}

/** Whether the user's terminal and wishes allow colours. */
export function mayColor({ isTerminalOut, env }: Pick<Io, "isTerminalOut" | "env">): boolean {
  return isTerminalOut && env("NO_COLOR") === undefined && env("TERM") !== "dumb";
}

/** Lines for a pipe or a file wait until they have so many characters (UTF-16), … */
const GATHERED_LENGTH_MAX = 16 * 1024;
/** … or for so long. */
const GATHERED_MS_MAX = 20;

/** Writes all of some bytes. @throws OutputClosed */
type Write = (bytes: Uint8Array) => Promise<void>;

/** Gathers what goes to standard output. A failure of a write that nobody waited for shows at the next call. */
export function gatheredOut(
  write: Write,
  { isTerminalOut }: { isTerminalOut: boolean },
): Pick<Io, "out" | "flush"> {
  const lengthMax = isTerminalOut ? 0 : GATHERED_LENGTH_MAX;
  let gathered = "";
  let timer: ReturnType<typeof setTimeout> | null = null;
  let writing: Promise<void> = Promise.resolve();
  const flush = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (gathered !== "") {
      const bytes = encodeUtf8(gathered);
      gathered = "";
      writing = writing.then(() => write(bytes));
      writing.catch(() => {/* thrown to whoever calls next */});
    }
    return writing;
  };
  const out = (text: string) => {
    gathered += text;
    if (gathered.length >= lengthMax) return flush();
    timer ??= setTimeout(flush, GATHERED_MS_MAX);
    return Promise.resolve();
  };
  return { out, flush };
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  try {
    let done = 0;
    while (done < bytes.length) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
    throw error;
  }
}

/** A write that waits for its reader can't be called off; this one is abandoned when the signal fires. */
export async function streamOut(
  write: Write,
  stream: ReadableStream<Bytes>,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of stream) {
    signal.throwIfAborted();
    await unlessAborted(write(piece), signal);
    freeBytes(piece); // a large file's chunks would pile up until the garbage collector comes
  }
}

/** The outcome of `work`, unless the signal fires before. Leaves nothing behind on the signal. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A read of standard input can't be called off; this one is abandoned, so that Ctrl-C ends a `put -`. */
function abortableInput(signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = Deno.stdin.readable.getReader();
  return new ReadableStream<Uint8Array>({
    start(controller) {
      signal.addEventListener("abort", () => controller.error(signal.reason), { once: true });
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (signal.aborted) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
