import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { parseCommandLine } from "../../src/cli/args.ts";
import { COMMANDS } from "../../src/cli/commands/mod.ts";
import { displayWidth } from "../../src/cli/format.ts";
import { commandHelp, HELP_COLUMNS_MAX, programHelp } from "../../src/cli/help.ts";

function assertFits(text: string): void {
  for (const line of text.split("\n")) {
    assert(displayWidth(line) <= HELP_COLUMNS_MAX, `too wide: ${line}`);
    assertEquals(line, line.trimEnd());
  }
}

Deno.test("programHelp: fits, and names every command", () => {
  const help = programHelp(COMMANDS);
  assertFits(help);
  for (const { name, summary } of COMMANDS) {
    assertStringIncludes(help, `  ${name} `);
    assertStringIncludes(help, summary);
  }
});

for (const command of COMMANDS) {
  Deno.test(`commandHelp: ${command.name} fits, with all flags and an example`, () => {
    const help = commandHelp(command);
    assertFits(help);
    for (const name of Object.keys(command.flags)) assertStringIncludes(help, `--${name}`);
    assert(command.examples.length > 0);
    assert(command.usage.every((line) => line.split(" ")[0] === command.name));
  });
}

Deno.test("commandHelp: every example can be parsed", () => {
  const lines = COMMANDS.flatMap((command) => command.examples.map(([line]) => line));
  for (const line of lines) {
    const args = line.split(/ [|<>]/)[0]!.split(" ");
    try {
      parseCommandLine(args, COMMANDS);
    } catch (error) {
      throw new VaultError("failed", `Cannot parse the example ${line}`, { cause: error });
    }
  }
});

Deno.test("COMMANDS: names, letters and summaries are distinct and short", () => {
  assertEquals(new Set(COMMANDS.map((command) => command.name)).size, COMMANDS.length);
  for (const { name, summary, flags } of COMMANDS) {
    assert(summary.length <= 50 && !summary.endsWith("."), name);
    const letters = Object.values(flags).flatMap(({ alias }) => alias ?? []);
    assertEquals(new Set([...letters, "q", "h"]).size, letters.length + 2, name);
  }
});
