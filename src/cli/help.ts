/**
 * Help texts, made from the table of commands; at most 80 columns.
 *
 * @module
 */

import { type Command, type Flags, GLOBAL_FLAGS } from "./command.ts";

/** Columns that a help text may fill. */
export const HELP_COLUMNS_MAX = 80;

/** How a flag is typed: `-o, --output PATH`. */
function flagSpelling(name: string, flag: Flags[string]): string {
  const short = flag.alias === undefined ? "    " : `-${flag.alias}, `;
  const value = flag.kind === "switch" ? "" : ` ${flag.value}${flag.kind === "list" ? "…" : ""}`;
  return `${short}--${name}${value}`;
}

/** The help of the whole program. */
export function programHelp(commands: readonly Command[]): string {
  return [
    wrap(
      "govault keeps files encrypted, in every version, on your own machines. What is stored " +
        "twice takes up space once.",
      { indent: 0 },
    ),
    "",
    "Usage:",
    "  govault COMMAND [FLAGS] …",
    "",
    "Commands:",
    ...pairs(commands.map((command) => [command.name, command.summary])),
    "",
    "Flags of every command:",
    ...flagLines(GLOBAL_FLAGS),
    "",
    "Exit codes:",
    wrap(
      "0 done, 1 failed, 2 wrong usage, 3 no such key or version, 4 damaged data, 5 too few " +
        "peers, 6 locked by another process, 7 no permission, 130 interrupted",
      { indent: 2 },
    ),
    "",
    "Examples:",
    ...exampleLines([
      ["put report.pdf", "store a file; once more after each change"],
      ["history report.pdf", "see its versions"],
      ["get report.pdf --version 1", "fetch the first one"],
      ["help put", "learn about one command"],
    ]),
    "",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const own = flagLines(command.flags);
  return [
    wrap(`govault ${command.name}: ${command.summary}`, { indent: 0 }),
    "",
    "Usage:",
    ...command.usage.map((line) => wrap(`govault ${line}`, { indent: 2 })),
    "",
    ...command.about.flatMap((paragraph) => [wrap(paragraph, { indent: 0 }), ""]),
    ...(own.length === 0 ? [] : ["Flags:", ...own, ""]),
    "Flags of every command:",
    ...flagLines(GLOBAL_FLAGS),
    "",
    "Examples:",
    ...exampleLines(command.examples),
    "",
  ].join("\n");
}

function flagLines(flags: Flags): string[] {
  return pairs(Object.entries(flags).map(([name, flag]) => [flagSpelling(name, flag), flag.help]));
}

function exampleLines(examples: Command["examples"]): string[] {
  return examples.flatMap(([line, does]) => [
    wrap(`govault ${line}`, { indent: 2 }),
    wrap(does, { indent: 6 }),
  ]);
}

/** Names and what they mean in two columns; a long name gets a line of its own. */
function pairs(rows: readonly (readonly [name: string, meaning: string])[]): string[] {
  const column = Math.min(28, Math.max(0, ...rows.map(([name]) => name.length)) + 4);
  return rows.map(([name, meaning]) => {
    const text = wrap(meaning, { indent: column });
    if (name.length + 2 >= column) return `  ${name}\n${text}`;
    return `  ${name}`.padEnd(column) + text.slice(column);
  });
}

/** Words in lines of at most {@link HELP_COLUMNS_MAX} columns, each behind `indent` spaces. */
function wrap(text: string, options: { indent: number }): string {
  const margin = " ".repeat(options.indent);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && margin.length + line.length + 1 + word.length > HELP_COLUMNS_MAX) {
      lines.push(margin + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, margin + line].join("\n");
}
