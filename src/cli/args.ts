/**
 * The command line, parsed once: which command, its flags as values, its operands. What the table doesn't know
 * is refused with the nearest name that it does.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { quoteKey, VaultError } from "../base/mod.ts";
import { type Command, type Flags, GLOBAL_FLAGS, type ValueFlag } from "./command.ts";
import { nearest } from "./suggest.ts";

/** What the user asks for. */
export type Request =
  | { kind: "help"; command: Command | undefined }
  | { kind: "version" }
  | {
    kind: "run";
    command: Command;
    flags: Readonly<Record<string, unknown>>;
    operands: readonly string[];
  };

/**
 * Reads a whole command line. Global flags may stand before the command.
 *
 * @throws VaultError `usage`
 */
export function parseCommandLine(args: readonly string[], commands: readonly Command[]): Request {
  const at = commandIndex(args);
  const name = args[at];
  const before = args.slice(0, at);
  if (before.includes("--version")) return { kind: "version" };
  if (name === undefined) {
    parseFlags(before, GLOBAL_FLAGS);
    return { kind: "help", command: undefined };
  }
  if (name === "help") {
    const topic = args[at + 1];
    const named = topic !== undefined && !topic.startsWith("-");
    return { kind: "help", command: named ? findCommand(topic, commands) : undefined };
  }
  const command = findCommand(name, commands);
  const known = { ...command.flags, ...GLOBAL_FLAGS };
  const { flags, operands } = parseFlags([...before, ...args.slice(at + 1)], known, command.name);
  if (flags["help"] === true) return { kind: "help", command };
  checkOperands(operands, command);
  return { kind: "run", command, flags, operands };
}

/** Whether errors are to be shown in JSON, even if the rest of the line can't be parsed. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end === -1 ? undefined : end).includes("--json");
}

/** Where the command's name stands: the first argument that is neither a global flag nor one's value. */
function commandIndex(args: readonly string[]): number {
  let i = 0;
  while (i < args.length && args[i]!.startsWith("-") && args[i] !== "--") {
    const name = args[i]!.slice(2);
    const takesNext = Object.hasOwn(GLOBAL_FLAGS, name) &&
      GLOBAL_FLAGS[name as keyof typeof GLOBAL_FLAGS].kind === "value";
    i += takesNext ? 2 : 1;
  }
  return i;
}

function findCommand(name: string, commands: readonly Command[]): Command {
  const found = commands.find((command) => command.name === name);
  if (found !== undefined) return found;
  const near = nearest(name, [...commands.map((command) => command.name), "help"]);
  throw new VaultError("usage", `Cannot run ${quoteKey(name)}: there is no such command`, {
    hint: near === undefined ? "govault help lists all commands" : `did you mean ${near}?`,
  });
}

/**
 * Flags and operands of one command's arguments. Everything after `--` is an operand.
 *
 * @param of the command's name, for messages
 * @throws VaultError `usage` for an unknown or repeated flag, or a value that is missing or unreadable
 */
export function parseFlags(
  args: readonly string[],
  flags: Flags,
  of?: string,
): { flags: Readonly<Record<string, unknown>>; operands: readonly string[] } {
  const switches: string[] = [];
  const valued: [name: string, flag: ValueFlag<unknown>][] = [];
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.kind === "switch") switches.push(name);
    else valued.push([name, flag]);
  }
  const valuedNames = valued.map(([name]) => name);
  const spelled = spellOut(args, flags);
  // The parser's own name for the operands: it would take a flag of that name for one that it knows.
  const end = spelled.indexOf("--");
  const taken = spelled.slice(0, end === -1 ? undefined : end).find((each) =>
    /^--?_(?:=|$)/.test(each)
  );
  if (taken !== undefined) throw unknownFlag(taken, flags, of);
  const unknown: string[] = [];
  const parsed = parseArgs(spelled, {
    boolean: switches,
    string: ["_", ...valuedNames],
    collect: valuedNames, // so that a repeated flag is seen
    "--": true,
    unknown: (argument, key) => {
      if (key !== undefined) unknown.push(argument);
      return key === undefined;
    },
  });

  const values: Record<string, unknown> = {};
  for (const name of switches) values[name] = parsed[name];
  for (const [name, flag] of valued) {
    values[name] = readFlag(parsed[name] as string[], { name, flag });
  }
  if (unknown.length > 0) throw unknownFlag(unknown[0]!, flags, of);
  return { flags: values, operands: [...parsed._.map(String), ...parsed["--"] ?? []] };
}

/**
 * Every known flag in its long form, a switch as `--force=true`. Otherwise `@std/cli` would take the word after a
 * switch for its value if that is `true` or `false`, a digit or `=` among joined letters for the first one's
 * value, and `-` or a negative number for a flag.
 */
function spellOut(args: readonly string[], flags: Flags): string[] {
  const spelled: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    if (argument === "--") return [...spelled, ...args.slice(i)];
    if (argument.startsWith("--")) spelled.push(spellOutName(argument, flags));
    else if (/^-./s.test(argument)) spelled.push(...spellOutLetters(argument, flags));
    else spelled.push(argument);

    const last = spelled.at(-1)!;
    const takesValue = last.startsWith("--") && Object.hasOwn(flags, last.slice(2));
    if (takesValue && /^-(?:\d|$)/.test(args[i + 1] ?? "")) {
      spelled.push(`${spelled.pop()}=${args[++i]}`);
    }
  }
  return spelled;
}

/** `--force` as `--force=true`; anything but a switch as it is. */
function spellOutName(argument: string, flags: Flags): string {
  const [, name, value] = /^--([^=]*)(=.*)?$/s.exec(argument)!;
  if (!Object.hasOwn(flags, name!) || flags[name!]!.kind !== "switch") return argument;
  if (value === undefined) return `${argument}=true`;
  throw new VaultError("usage", `Cannot use ${quoteKey(argument)}: --${name} takes no value`);
}

/** `-rfo` as `--recursive=true --force=true --output`, `-oPATH` as `--output=PATH`. */
function spellOutLetters(argument: string, flags: Flags): string[] {
  const spelled: string[] = [];
  for (let i = 1; i < argument.length; i++) {
    const found = Object.entries(flags).find(([, flag]) => flag.alias === argument[i]);
    // Left for the parser to refuse, which knows whether a value before it is missing.
    if (found === undefined) return [...spelled, `-${argument[i]}`];
    const [name, flag] = found;
    if (flag.kind !== "switch") {
      const value = argument.slice(i + 1).replace(/^=/, "");
      return [...spelled, value === "" ? `--${name}` : `--${name}=${value}`];
    }
    spelled.push(`--${name}=true`);
  }
  return spelled;
}

/** The value of a flag that was typed any number of times. */
function readFlag(
  typed: readonly string[],
  options: { name: string; flag: ValueFlag<unknown> },
): unknown {
  const { name, flag } = options;
  if (typed.includes("")) {
    throw new VaultError("usage", `Cannot use --${name}: its ${flag.value} is missing`, {
      hint: `if it begins with a dash, write --${name}=${flag.value}`,
    });
  }
  const values = typed.map((text) => flag.read(text, `--${name}`));
  if (flag.kind === "list") return values;
  if (values.length > 1) {
    throw new VaultError("usage", `Cannot use --${name}: it is given ${values.length} times`);
  }
  return values[0];
}

function unknownFlag(typed: string, flags: Flags, of: string | undefined): VaultError {
  const name = typed.replace(/=.*/s, "");
  const near = /^--.{2}/s.test(name) ? nearest(name.slice(2), Object.keys(flags)) : undefined;
  const help = of === undefined ? "govault help" : `govault help ${of}`;
  return new VaultError(
    "usage",
    `Cannot use ${quoteKey(name)}: there is no such flag${of === undefined ? "" : ` for ${of}`}`,
    { hint: near === undefined ? `${help} lists all flags` : `did you mean --${near}?` },
  );
}

function checkOperands(operands: readonly string[], command: Command): void {
  const missing = command.operands.find((operand, i) =>
    operand.optional !== true && operands.length <= i
  );
  const hint = `govault ${command.usage[0]}`;
  if (missing !== undefined) {
    throw new VaultError("usage", `Cannot run ${command.name}: ${missing.name} is missing`, {
      hint,
    });
  }
  const takesMany = command.operands.some((operand) => operand.many === true);
  if (!takesMany && operands.length > command.operands.length) {
    const extra = quoteKey(operands[command.operands.length]!);
    throw new VaultError("usage", `Cannot run ${command.name}: ${extra} is too much`, { hint });
  }
}
