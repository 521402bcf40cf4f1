import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { type Command, defineCommand } from "../../src/cli/command.ts";
import { OutputClosed } from "../../src/cli/io.ts";
import { runCommandLine } from "../../src/cli/run.ts";
import { fakeIo } from "./fake_io.ts";

function commandThat(run: Command["run"]): Command {
  return defineCommand({
    name: "demo",
    summary: "do it",
    usage: ["demo"],
    about: [],
    flags: {},
    operands: [],
    examples: [],
    run,
  });
}

/** Runs `demo` with the arguments; the exit code and what was said. */
async function runDemo(
  run: Command["run"],
  options: { args?: string[]; environment?: Record<string, string>; aborted?: boolean } = {},
) {
  const io = fakeIo({ environment: options.environment ?? {} });
  const signal = options.aborted ? AbortSignal.abort() : new AbortController().signal;
  const commands = [commandThat(run)];
  const code = await runCommandLine(["demo", ...options.args ?? []], { io, signal, commands });
  return { code, ...io.said };
}

const refuse = () =>
  Promise.reject(new VaultError("not_found", "Cannot find x: gone\x1b[2J", { hint: "look" }));
const crash = () => Promise.reject(new TypeError("undefined is not a function"));

Deno.test("runCommandLine: no return value is success, a number is the exit code", async () => {
  assertEquals((await runDemo(() => Promise.resolve())).code, 0);
  assertEquals((await runDemo(() => Promise.resolve(4))).code, 4);
});

Deno.test("runCommandLine: an error is one line, a hint, and its exit code", async () => {
  const { code, out, err } = await runDemo(refuse);
  assertEquals([code, out], [3, ""]);
  assertEquals(err, "govault: Cannot find x: gone [2J\nhint: look\n");
});

Deno.test("runCommandLine: an error under --json is one document", async () => {
  const { code, out, err } = await runDemo(refuse, { args: ["--json"] });
  assertEquals([code, out], [3, ""]);
  assertEquals(JSON.parse(err), {
    error: { code: "not_found", message: "Cannot find x: gone\x1b[2J", hint: "look" },
  });
});

Deno.test("runCommandLine: wrong usage under --json is a document too", async () => {
  const { code, err } = await runDemo(refuse, { args: ["--json", "--nope"] });
  assertEquals([code, JSON.parse(err).error.code], [2, "usage"]);
});

Deno.test("runCommandLine: a bug shows no stack unless GOVAULT_DEBUG is set", async () => {
  const quiet = await runDemo(crash);
  assertEquals(quiet.code, 1);
  assertStringIncludes(quiet.err, "undefined is not a function");
  assert(!/^\s+at /m.test(quiet.err));
  const loud = await runDemo(crash, { environment: { GOVAULT_DEBUG: "1" } });
  assertMatch(loud.err, /caused by TypeError[^]*^\s+at /m);
});

Deno.test("runCommandLine: a closed standard output ends it quietly", async () => {
  const { code, out, err } = await runDemo(() => Promise.reject(new OutputClosed()));
  assertEquals([code, out, err], [1, "", ""]);
});

Deno.test("runCommandLine: whatever fails after an interrupt is the interrupt", async () => {
  const { code, err } = await runDemo(crash, { aborted: true });
  assertEquals([code, err], [130, "govault: Cannot run demo: interrupted\n"]);
});

Deno.test("runCommandLine: work that was done in spite of an interrupt counts", async () => {
  assertEquals((await runDemo(() => Promise.resolve(), { aborted: true })).code, 0);
});
