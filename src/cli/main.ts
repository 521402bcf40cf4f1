/**
 * The program: finds the command, runs it, turns what happens into an exit code.
 *
 * @module
 */

import { asVaultError, EXIT_CODES, VaultError } from "../base/mod.ts";
import { parseCommandLine, type Request, wantsJson } from "./args.ts";
import type { Command, Context } from "./command.ts";
import { COMMANDS } from "./commands/mod.ts";
import { commandHelp, programHelp } from "./help.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { type Io, OutputClosed, systemIo } from "./io.ts";
import { reportError } from "./report.ts";
import { versionText } from "./version.ts";

/** Runs one command line to its end; the exit code. Never throws. */
export async function main(args: readonly string[], io: Io = systemIo()): Promise<number> {
  const interrupts = listenForInterrupts();
  try {
    return await runCommandLine(args, { io, signal: interrupts.signal, commands: COMMANDS });
  } finally {
    interrupts.stop();
  }
}

/** The same with the world, the signal and the commands given. */
export async function runCommandLine(
  args: readonly string[],
  options: { io: Io; signal: AbortSignal; commands: readonly Command[] },
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
    if (error instanceof OutputClosed) return EXIT_CODES.failed;
    await io.flush().catch(() => {/* the error that is about to be told counts for more */});
    const told = explain(error, { action: `Cannot run ${name}`, interrupted: signal.aborted });
    return reportError(told, { io, json: wantsJson(args) });
  }
}

async function answer(
  request: Request,
  options: { io: Io; signal: AbortSignal; commands: readonly Command[] },
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
