/**
 * The world of a command that runs in the node: that of whoever typed it, at the other end of the control socket.
 *
 * @module
 */

import { isAbsolute, resolve } from "@std/path";
import { VaultError } from "../base/mod.ts";
import type { ControlCall } from "../daemon/types.ts";
import { gatheredOut, type Io, mayColor, OutputClosed, streamOut, unlessAborted } from "./io.ts";

/** The streams, terminal, environment and folder of a caller. */
export function servedIo(call: ControlCall): Io {
  const { hello } = call;
  const { isTerminalIn, isTerminalOut, isTerminalErr } = hello;
  const env = (name: string) =>
    (Object.hasOwn(hello.env, name) ? hello.env[name] : undefined) || undefined;
  const write = async (bytes: Uint8Array) => {
    if (call.isOutputClosed) throw new OutputClosed();
    await call.output(bytes);
  };
  return {
    ...gatheredOut(write, { isTerminalOut }),
    outBytes: (stream, signal) => streamOut(write, stream, signal),
    err: (text) => call.error(new TextEncoder().encode(text)),
    input: (signal) =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          const piece = await unlessAborted(call.input(), signal);
          if (piece === null) controller.close();
          else controller.enqueue(piece);
        },
      }),
    secret: (message, signal) => unlessAborted(call.ask(message), signal),
    env,
    path: (typed) => callersPath(typed, hello),
    isTerminalIn,
    isTerminalOut,
    isTerminalErr,
    columns: hello.columns === 0 ? undefined : hello.columns,
    color: mayColor({ isTerminalOut, env }),
  };
}

const OWN_STREAMS: Readonly<Record<string, number>> = {
  "/dev/stdin": 0,
  "/dev/stdout": 1,
  "/dev/stderr": 2,
};

/**
 * A path as the caller means it. Paths that stand for a process's own open files, as `<(sort list)` of a shell makes
 * them, are the caller's files, not the node's.
 */
function callersPath(typed: string, { cwd, pid }: { cwd: string; pid: number }): string {
  if (!isAbsolute(cwd)) throw new VaultError("usage", "Cannot tell which folder you are in");
  const path = resolve(cwd, typed);
  const own = OWN_STREAMS[path] ?? /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path)?.[1];
  if (own === undefined) return path.replace(/^\/proc\/self(?=\/|$)/, `/proc/${pid}`);
  if (Deno.build.os === "linux") return `/proc/${pid}/fd/${own}`;
  throw new VaultError("usage", `Cannot use ${path} while a node runs: it is another process's`, {
    hint: "`-` is standard input and standard output",
  });
}
