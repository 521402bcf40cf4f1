/** What every command has in common: help, usage errors, exit codes, and what goes to which stream. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands/mod.ts";
import { commandHelp } from "../../src/cli/help.ts";
import { Sandbox } from "./harness.ts";

Deno.test("--help: every command, on standard output, without a vault", async () => {
  await using box = await Sandbox.make();
  const outcomes = await Promise.all(
    COMMANDS.map((command, i) =>
      i % 2 === 0 ? box.ok(command.name, "--help") : box.ok("help", command.name)
    ),
  );
  outcomes.forEach(({ out }, i) => assertEquals(out, commandHelp(COMMANDS[i]!)));
  const [alone, asked] = await Promise.all([box.ok(), box.ok("--help")]);
  assertEquals(alone.out, asked.out);
  assertStringIncludes(alone.out, "Usage:\n  govault COMMAND");
  assertEquals(await Deno.stat(box.home).catch(() => null), null);
});

Deno.test("version: as a command and as a flag", async () => {
  await using box = await Sandbox.make();
  const [command, flag, json] = await Promise.all([
    box.ok("version"),
    box.ok("--version"),
    box.json("version"),
  ]);
  assertMatch(command.out, /^govault \d+\.\d+\.\d+\n$/);
  assertEquals(flag.out, command.out);
  assertEquals(`govault ${json["version"]}\n`, command.out);
});

Deno.test("usage: mistakes exit with 2, say what was meant, and print nothing on standard output", async () => {
  await using box = await Sandbox.make();
  const cases: [string[], string][] = [
    [["histroy", "x"], "hint: did you mean history?"],
    [["get", "x", "--verison", "3"], "hint: did you mean --version?"],
    [["prune", "--keep-dayly", "3"], "hint: did you mean --keep-daily?"],
    [["put"], "FILE is missing"],
    [["diff", "k", "1"], "B is missing"],
    [["get", "x", "--version", "first"], "neither a version number"],
    [["get", "x", "--version", "1", "--at", "2h"], "together"],
    [["ls", "--at", "2026-02-30"], "no such date"],
    [["ls", "--node", "xyz"], "hex digits"],
    [["prune", "--keep-last", "0"], "not a whole number"],
    [["prune", "--keep-within", "5"], "not a span"],
    [["verify", "--sample", "0%"], "not a percentage"],
    [["key", "phrse"], "did you mean phrase?"],
    [["completions", "tcsh"], "one of bash, zsh, fish"],
    [["tag"], "give a NAME"],
    [["restore", "k"], "--version is missing"],
    [["share"], "no such command"],
  ];
  await Promise.all(cases.map(async ([args, message]) => {
    const { code, out, err } = await box.run(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertStringIncludes(err, message);
    assert(!/^\s+at /m.test(err), "no stack trace");
  }));
});

Deno.test("reading commands: without a vault they exit with 3, and make none", async () => {
  await using box = await Sandbox.make();
  const lines = [["get", "k"], ["history", "k"], ["ls"], ["delete", "k"], ["status"], ["verify"]];
  for (const args of lines) {
    const { code, out, err } = await box.run(...args);
    assertEquals([code, out], [3, ""], args.join(" "));
    assertStringIncludes(err, "govault init");
  }
  assertEquals(await Deno.stat(box.home).catch(() => null), null);
});

Deno.test("errors: a key that was never there is not found, for every command that takes one", async () => {
  await using box = await Sandbox.withVault();
  const lines = [
    ["get", "k"],
    ["get", "k", "-o", "-"],
    ["history", "k"],
    ["delete", "k"],
    ["restore", "k", "--version", "1"],
    ["diff", "k", "1", "2"],
  ];
  for (const args of lines) {
    const error = await box.error(...args);
    assertEquals([error.exit, error.code], [3, "not_found"], args.join(" "));
  }
});

Deno.test("--home, --quiet: another home, and no report", async () => {
  await using box = await Sandbox.make();
  const home = box.path("elsewhere");
  await box.ok("init", "--home", home);
  await box.write("a.txt", "alpha");
  assertEquals((await box.ok("--home", home, "put", "a.txt", "--quiet")).out, "");
  assertEquals((await box.ok("get", "a.txt", "--home", home, "-q", "-o", "b.txt")).out, "");
  assertEquals((await box.error("ls")).exit, 3);
  assertMatch((await box.ok("ls", `--home=${home}`, "-q")).out, /a\.txt/);
});
