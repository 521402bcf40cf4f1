/**
 * What a subcommand is: a row of the table in `commands/mod.ts`. Parsing, help and completions are made from
 * these rows; a new subcommand is one file and one line there.
 *
 * @module
 */

import type { ResidentNode } from "../daemon/types.ts";
import type { Io } from "./io.ts";
import { readSeconds, readText } from "./values.ts";

/** What the shell offers in a place: files, folders, or one of some words; nothing if left out. */
export type Completion = "file" | "folder" | readonly string[];

interface FlagBase {
  /** One letter, for `-o`. */
  alias?: string;
  /** One sentence without a full stop. */
  help: string;
}

/** A flag that stands alone: given or not. */
export interface SwitchFlag extends FlagBase {
  kind: "switch";
}

/** A flag with a value: `value` takes it once, `list` any number of times. */
export interface ValueFlag<T> extends FlagBase {
  kind: "value" | "list";
  /** The value's name in the help: `PATH`. */
  value: string;
  complete?: Completion;
  /** Turns what was typed into a value. @throws VaultError `usage`; `what` names the flag for the message */
  read(text: string, what: string): T;
}

/** Flags by the name they are typed with, without the dashes. */
export type Flags = Readonly<Record<string, SwitchFlag | ValueFlag<unknown>>>;

/** The values a command gets for its flags. */
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends ValueFlag<infer T>
    ? F[Name]["kind"] extends "list" ? readonly T[] : T | undefined
    : boolean;
};

/** An argument that is not a flag. */
export interface Operand {
  /** Its name in the help: `FILE`. */
  name: string;
  optional?: boolean;
  /** Takes all that follow; only the last one may. */
  many?: boolean;
  complete?: Completion;
}

/** Flags that every command takes, before or after the command's name. */
export const GLOBAL_FLAGS = {
  home: {
    kind: "value",
    value: "DIR",
    complete: "folder",
    read: readText,
    help: "where the vault lies (or set GOVAULT_HOME)",
  },
  json: { kind: "switch", help: "report in JSON: bytes, UTC times, full ids" },
  quiet: { kind: "switch", alias: "q", help: "no report and no progress, only errors" },
  "lock-wait": {
    kind: "value",
    value: "SECONDS",
    read: readSeconds,
    help: "how long to wait for another govault on the same vault (default 10)",
  },
  "passphrase-file": {
    kind: "value",
    value: "FILE",
    complete: "file",
    read: readText,
    help: "take the passphrase from FILE's first line (or set GOVAULT_PASSPHRASE)",
  },
  help: { kind: "switch", alias: "h", help: "show how the command is used" },
} as const satisfies Flags;

/** What a running command works with. */
export interface Context<F extends Flags = Flags> {
  readonly io: Io;
  readonly flags: FlagValues<F & typeof GLOBAL_FLAGS>;
  readonly operands: readonly string[];
  /** Fires on Ctrl-C: stop, clean up, let the reason through. */
  readonly signal: AbortSignal;
  /** All commands, for those that speak of the others. */
  readonly commands: readonly Command[];
  /** The node that the command runs in; without one it is a process of its own. */
  readonly node?: ResidentNode;
}

/** One subcommand. */
export interface Command<F extends Flags = Flags> {
  readonly name: string;
  /** What it does, in at most 50 characters, lower case, no full stop. */
  readonly summary: string;
  /** Ways to call it, without the program's name. */
  readonly usage: readonly string[];
  /** Paragraphs for the help. */
  readonly about: readonly string[];
  readonly flags: F;
  readonly operands: readonly Operand[];
  /** Command lines without the program's name, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Does it; the exit code, 0 if nothing is returned. @throws VaultError */
  run(context: Context<F>): Promise<number | void>;
}

/** Checks a command's types against its own flags, then forgets them so that it fits the table. */
export function defineCommand<const F extends Flags>(command: Command<F>): Command {
  return command;
}
