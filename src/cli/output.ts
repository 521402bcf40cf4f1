/**
 * The two ways a command speaks on standard output.
 *
 * @module
 */

import type { Context } from "./command.ts";
import { jsonLine } from "./json.ts";

/** One report, for scripts and for people. */
export interface Report {
  json: unknown;
  /** Whole lines, the last newline included. */
  text: string;
}

type Speaker = Pick<Context, "io"> & { flags: Pick<Context["flags"], "json" | "quiet"> };

/** Shows what was asked for; `--quiet` changes nothing. */
export async function show({ io, flags }: Speaker, report: Report): Promise<void> {
  await io.out(flags.json ? jsonLine(report.json) : report.text);
}

/** Tells what was done; people who said `--quiet` don't hear it. */
export async function confirm({ io, flags }: Speaker, report: Report): Promise<void> {
  if (flags.json) await io.out(jsonLine(report.json));
  else if (!flags.quiet) await io.out(report.text);
}
