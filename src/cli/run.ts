/**
 * Runs a command line: finds the command, runs it, turns what happens into an exit code.
 *
 * @module
 */

import { asVaultError, EXIT_CODES, VaultError } from "../base/mod.ts";
import type { ControlCall, ResidentNode } from "../daemon/types.ts";
import { parseCommandLine, type Request, wantsJson } from "./args.ts";
import type { Command, Context } from "./command.ts";
import { COMMANDS } from "./commands/mod.ts";
import { commandHelp, programHelp } from "./help.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { type Io, OutputClosed, systemIo } from "./io.ts";
import { reportError } from "./report.ts";
import { servedIo } from "./served_io.ts";
import { NodeIsUp } from "./session.ts";
import { versionText } from "./version.ts";

/** What a command line runs with. */
export interface RunOptions {
  io: Io;
  signal: AbortSignal;
  commands: readonly Command[];
  /** The node that it runs in. */
  node?: ResidentNode;
}

/** Runs one command line in this process; the exit code, or `null` if it is a node's that began meanwhile. Never throws. */
export async function runHere(args: readonly string[]): Promise<number | null> {
  const interrupts = listenForInterrupts();
  try {
    const { signal } = interrupts;
    return await runCommandLine(args, { io: systemIo(), signal, commands: COMMANDS });
  } catch (error) {
    if (error instanceof NodeIsUp) return null;
    throw error;
  } finally {
    interrupts.stop();
  }
}

/** Runs a command line that came to a node, inside it. Never throws. */
export function runInNode(call: ControlCall, node: ResidentNode): Promise<number> {
  const { hello, signal } = call;
  return runCommandLine(hello.args, { io: servedIo(call), signal, commands: COMMANDS, node });
}

/** The same with the world, the signal and the commands given. @throws NodeIsUp before anything is done */
export async function runCommandLine(
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  const { io, signal, commands } = options;
  let name = "govault";
  try {
    const request = parseCommandLine(args, commands);
    if (request.kind === "run") name = request.command.name;
    const code = await answer(request, options);
    await io.flush();
    return code;
  } catch (error) {
    if (error instanceof NodeIsUp) throw error;
    if (error instanceof OutputClosed) return EXIT_CODES.failed;
    await io.flush().catch(() => {/* the error that is about to be told counts for more */});
    const told = explain(error, { action: `Cannot run ${name}`, interrupted: signal.aborted });
    return reportError(told, { io, json: wantsJson(args) });
  }
}

async function answer(
  request: Request,
  options: RunOptions,
): Promise<number> {
  const { io, commands } = options;
  switch (request.kind) {
    case "version":
      await io.out(versionText());
      return 0;
    case "help": {
      const { command } = request;
      await io.out(command === undefined ? programHelp(commands) : commandHelp(command));
      return 0;
    }
    case "run": {
      const { command, flags, operands } = request;
      // parseCommandLine has read the flags by the command's own table.
      return await command.run({ ...options, operands, flags: flags as Context["flags"] }) ?? 0;
    }
  }
}

/** The error to tell: whatever broke after Ctrl-C is the interruption's doing. */
function explain(
  error: unknown,
  options: { action: string; interrupted: boolean },
): VaultError {
  const known = asVaultError(error, options.action);
  if (options.interrupted && known.code !== "interrupted") {
    return new VaultError("interrupted", `${options.action}: interrupted`, { cause: error });
  }
  if (error instanceof VaultError || known.code !== "failed") return known;
  return new VaultError(known.code, known.message, {
    cause: error,
    hint: "this should not have happened; set GOVAULT_DEBUG=1 to see where it did",
  });
}
