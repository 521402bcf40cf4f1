import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { parseCommandLine, parseFlags, wantsJson } from "../../src/cli/args.ts";
import { defineCommand, type Flags } from "../../src/cli/command.ts";
import { readCount, readText } from "../../src/cli/values.ts";

const FLAGS = {
  output: { kind: "value", alias: "o", value: "PATH", read: readText, help: "" },
  count: { kind: "value", value: "N", read: readCount, help: "" },
  peer: { kind: "list", alias: "p", value: "HOST", read: readText, help: "" },
  force: { kind: "switch", alias: "f", help: "" },
  recursive: { kind: "switch", alias: "r", help: "" },
} as const satisfies Flags;

const UNSET = { output: undefined, count: undefined, peer: [], force: false, recursive: false };

function refusal(args: string[]): VaultError {
  const error = assertThrows(() => parseFlags(args, FLAGS, "demo"), VaultError);
  assertEquals(error.code, "usage");
  return error;
}

Deno.test("parseFlags: values come after a space or an equals sign, by name or letter", () => {
  for (
    const args of [["--output", "a=b"], ["--output=a=b"], ["-o", "a=b"], ["-o=a=b"], ["-oa=b"]]
  ) {
    assertEquals(parseFlags(args, FLAGS).flags, { ...UNSET, output: "a=b" });
  }
});

Deno.test("parseFlags: letters can be joined, the last one may take a value", () => {
  const { flags, operands } = parseFlags(["-rfo", "x", "y"], FLAGS);
  assertEquals(flags, { ...UNSET, recursive: true, force: true, output: "x" });
  assertEquals(operands, ["y"]);
});

Deno.test("parseFlags: what looks like a number stays as it was typed", () => {
  const { flags, operands } = parseFlags(["007", "1e3", "-o", "0x10", "3.0"], FLAGS);
  assertEquals(operands, ["007", "1e3", "3.0"]);
  assertEquals(flags["output"], "0x10");
});

Deno.test("parseFlags: a lone dash is an operand or a value", () => {
  for (
    const args of [["-", "-o", "-"], ["-o", "-", "-"], ["-", "-rfo", "-"], ["--output=-", "-"]]
  ) {
    const { flags, operands } = parseFlags(args, FLAGS);
    assertEquals([flags["output"], operands], ["-", ["-"]]);
  }
});

Deno.test("parseFlags: everything after -- is an operand", () => {
  assertEquals(parseFlags(["a", "--", "-x", "--output", "--"], FLAGS).operands, [
    "a",
    "-x",
    "--output",
    "--",
  ]);
});

Deno.test("parseFlags: a file named true or false is not a switch's value", () => {
  for (const args of [["-f", "false"], ["--force", "false"], ["-rf", "false"]]) {
    const { flags, operands } = parseFlags(args, FLAGS);
    assertEquals([flags["force"], operands], [true, ["false"]]);
  }
});

Deno.test("parseFlags: a value with newlines arrives whole", () => {
  assertEquals(parseFlags(["-o", "a\nb=c"], FLAGS).flags["output"], "a\nb=c");
  assertEquals(parseFlags(["--output=a\nb=c"], FLAGS).flags["output"], "a\nb=c");
});

Deno.test("parseFlags: a switch with a value is refused", () => {
  assertStringIncludes(refusal(["--force=maybe"]).message, "takes no value");
  assertEquals(refusal(["-f=false"]).code, "usage");
});

Deno.test("parseFlags: a missing value is told with the way to write a dash", () => {
  for (const args of [["--output"], ["--output="], ["-o"], ["--output", "-x"], ["--output", ""]]) {
    const error = refusal(args);
    assertEquals(error.message, "Cannot use --output: its PATH is missing");
    assertStringIncludes(error.hint!, "--output=PATH");
  }
});

Deno.test("parseFlags: a negative number reaches the flag that was given it", () => {
  assertStringIncludes(refusal(["--count=-1"]).message, "not a whole number");
  assertStringIncludes(refusal(["--count", "-1"]).message, "not a whole number");
});

Deno.test("parseFlags: a flag is taken once, a list any number of times", () => {
  assertStringIncludes(refusal(["-o", "a", "--output", "b"]).message, "given 2 times");
  assertEquals(parseFlags(["-p", "a", "--peer", "b"], FLAGS).flags["peer"], ["a", "b"]);
});

Deno.test("parseFlags: unknown flags are refused, with the nearest known one", () => {
  assertEquals(refusal(["--ouptut", "x"]).hint, "did you mean --output?");
  assertEquals(refusal(["--forse=1"]).hint, "did you mean --force?");
  assertEquals(refusal(["--zebra"]).hint, "govault help demo lists all flags");
  assertEquals(refusal(["-x"]).message, "Cannot use -x: there is no such flag for demo");
  assertEquals(refusal(["-fx"]).message, "Cannot use -x: there is no such flag for demo");
  assertEquals(refusal(["-rf5"]).message, "Cannot use -5: there is no such flag for demo");
  assertEquals(refusal(["--no-force"]).code, "usage");
  assertEquals(refusal(["--__proto__=1"]).code, "usage");
  assertEquals(refusal(["--a.b", "1"]).code, "usage");
});

const run = () => Promise.resolve();
const about = { summary: "", usage: ["demo"], about: [], examples: [], run };
const COMMANDS = [
  defineCommand({ ...about, name: "two", flags: FLAGS, operands: [{ name: "A" }, { name: "B" }] }),
  defineCommand({
    ...about,
    name: "many",
    flags: { version: { kind: "value", value: "N", read: readText, help: "" } },
    operands: [{ name: "FILE", many: true }],
  }),
  defineCommand({ ...about, name: "maybe", flags: {}, operands: [{ name: "P", optional: true }] }),
];

function requestOf(...args: string[]): unknown {
  const request = parseCommandLine(args, COMMANDS);
  if (request.kind === "help") return ["help", request.command?.name];
  if (request.kind === "version") return "version";
  return [request.command.name, ...request.operands];
}

Deno.test("parseCommandLine: global flags stand before or after the command", () => {
  for (const args of [["--home", "two", "--json", "maybe"], ["maybe", "--home=two", "--json"]]) {
    const request = parseCommandLine(args, COMMANDS);
    assertEquals(request.kind === "run" && request.command.name, "maybe");
    assertEquals(request.kind === "run" && request.flags["home"], "two");
    assertEquals(request.kind === "run" && request.flags["json"], true);
  }
});

Deno.test("parseCommandLine: --version asks for the program's only before a command", () => {
  assertEquals(requestOf("--version"), "version");
  assertEquals(requestOf("many", "--version", "3", "f"), ["many", "f"]);
});

Deno.test("parseCommandLine: help in all its spellings", () => {
  assertEquals(requestOf(), ["help", undefined]);
  assertEquals(requestOf("-h"), ["help", undefined]);
  assertEquals(requestOf("help"), ["help", undefined]);
  assertEquals(requestOf("help", "two"), ["help", "two"]);
  assertEquals(requestOf("two", "--help"), ["help", "two"]);
  assertEquals(requestOf("--help", "two"), ["help", "two"]);
});

Deno.test("parseCommandLine: operands are counted", () => {
  assertEquals(requestOf("maybe"), ["maybe"]);
  assertEquals(requestOf("many", "a", "b", "c"), ["many", "a", "b", "c"]);
  const refused = (...args: string[]) => assertThrows(() => requestOf(...args), VaultError).message;
  assertEquals(refused("two", "a"), "Cannot run two: B is missing");
  assertEquals(refused("many"), "Cannot run many: FILE is missing");
  assertEquals(refused("two", "a", "b", "c"), "Cannot run two: c is too much");
});

Deno.test("parseCommandLine: unknown commands are refused, with the nearest known one", () => {
  const refused = (name: string) => assertThrows(() => requestOf(name), VaultError);
  assertEquals(refused("mnay").hint, "did you mean many?");
  assertEquals(refused("hlep").hint, "did you mean help?");
  assertEquals(refused("xyzzy").hint, "govault help lists all commands");
  assertEquals(refused("--").code, "usage");
});

Deno.test("wantsJson: hears --json on a line that can't be parsed, but not after --", () => {
  assertEquals(wantsJson(["gte", "--json"]), true);
  assertEquals(wantsJson(["put", "--", "--json"]), false);
});
