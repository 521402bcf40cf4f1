/**
 * House rules that a program can check: files short enough to read, nothing of the machine they were written
 * on, and a compiled program that may read every environment variable it asks for, and no other.
 */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** This file, as {@link ourFiles} names it. */
const SELF = join("tests", "source_test.ts");

/** Lines of a source file that are neither blank nor comment. */
const CODE_LINES_MAX = 400;

/** Where our own files lie; what else a checkout may hold (dependencies, coverage) is not ours. */
const OURS = ["src", "tests", "docs", ".ci"];

/** Files under our folders and beside them whose name matches, as paths from the project's root. */
async function ourFiles(name: RegExp): Promise<string[]> {
  const found: string[] = [];
  const look = async (folder: string) => {
    for await (const entry of Deno.readDir(join(ROOT, folder))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory && (folder !== "" || OURS.includes(entry.name))) await look(path);
      else if (entry.isFile && name.test(entry.name)) found.push(path);
    }
  };
  await look("");
  return found.sort();
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(join(ROOT, path));
}

/** Counts lines of code as the limit means them. */
function codeLines(text: string): number {
  const withoutBlocks = text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "");
  return withoutBlocks.split("\n").filter((line) => !/^\s*(\/\/|$)/.test(line)).length;
}

Deno.test("codeLines: counts neither blank lines nor comments", () => {
  assertEquals(codeLines("/**\n * A\n */\nlet a = 1;\n\n// b\n  /* c */\nlet b; // d\n"), 2);
});

Deno.test("source files: none is too long to read", async () => {
  const lengths = await Promise.all(
    (await ourFiles(/\.ts$/)).map(async (path) => ({ path, lines: codeLines(await read(path)) })),
  );
  const long = lengths.filter(({ lines }) => lines > CODE_LINES_MAX);
  assertEquals(long.map(({ path, lines }) => `${path} has ${lines} lines of code`), []);
});

Deno.test("source files: none tells of the machine it was written on", async () => {
  // Spelled in pieces, so that this file passes its own test.
  const homes = [
    "/ro" + "ot/",
    "/ho" + "me/[a-z]+/",
    "/Use" + "rs/[A-Za-z]",
    "/wo" + "rk/",
    "C:\\\\+Use" + "rs",
  ];
  const registries = ["regis" + "try\\.", "jsr\\." + "io", "tar" + "ball", "_auth" + "Token"];
  const telling = new RegExp([...homes, ...registries].join("|"));
  const found: string[] = [];
  for (const path of await ourFiles(/\.(ts|json|lock|md|run)$|^run$|^LICENSE$|^\.git\w+$/)) {
    (await read(path)).split("\n").forEach((line, i) => {
      if (telling.test(line)) found.push(`${path}:${i + 1}: ${line.trim().slice(0, 80)}`);
    });
  }
  assertEquals(found, []);
});

/** Exported for those who test the program, or a part of their own: what else uses it is outside src. */
const FOR_TESTS = new Map([
  ["MemoryNetwork", "the transport of tests and of the simulation"],
]);

/** What a file declares for others: the name, and whether it exists at run time. */
const EXPORTS =
  /^export (?:async )?(?:abstract )?(function\*?|class|const|let|interface|type) (\w+)/gm;

/** Code without comments, well enough to look for names. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*/g, "$1");
}

function countWord(text: string, name: string): number {
  return text.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
}

Deno.test("source files: nothing is exported that nobody uses", async () => {
  const texts = new Map<string, string>();
  for (const path of await ourFiles(/\.ts$/)) texts.set(path, withoutComments(await read(path)));
  const program = [...texts].filter(([path]) => !path.startsWith("tests"));
  const tests = [...texts].filter(([path]) => path.startsWith("tests") && path !== SELF)
    .map(([, text]) => text).join("\n");
  const found: string[] = [];
  for (const [path, text] of program.filter(([path]) => !path.endsWith("std.d.ts"))) {
    for (const [, kind, name] of text.matchAll(EXPORTS)) {
      if (FOR_TESTS.has(name!)) continue;
      // A folder's mod.ts only passes on; the library's is used by others.
      const isUsedElsewhere = program.some(([other, otherText]) =>
        other !== path && !/^src\/\w+\/mod\.ts$/.test(other) && countWord(otherText, name!) > 0
      );
      if (isUsedElsewhere) continue;
      if (countWord(text, name!) === 1) found.push(`${path}: ${name} is dead`);
      else if (!["type", "interface", "class"].includes(kind!) && countWord(tests, name!) === 0) {
        found.push(`${path}: ${name} is needed in its own file alone`);
      }
    }
  }
  assertEquals(found, []);
  for (const name of FOR_TESTS.keys()) assert(countWord(tests, name) > 0, `${name} has no test`);
});

Deno.test("compile task: allows the environment variables that the program reads, and no others", async () => {
  const asked = new Set<string>();
  for (const path of (await ourFiles(/\.ts$/)).filter((path) => path.startsWith("src"))) {
    const text = await read(path);
    for (const [, name] of text.matchAll(/\b(?:env|env\.get|variable)\("([A-Z_]+)"\)/g)) {
      asked.add(name!);
    }
  }
  const { tasks } = JSON.parse(await read("deno.json")) as {
    tasks: { compile: { command: string } };
  };
  const allowed = /--allow-env=(\S+)/.exec(tasks.compile.command)?.[1]?.split(",") ?? [];
  assertEquals([...allowed].sort(), [...asked].sort());
});

Deno.test("compile task: no code is taken from the system's temporary folder", async () => {
  const { tasks } = JSON.parse(await read("deno.json")) as {
    tasks: { compile: { command: string } };
  };
  // Deno's cache of compiled code is a file there that anybody on the machine can make first.
  assert(tasks.compile.command.includes(" --no-code-cache "));
});

Deno.test("source files: SQL takes its values in their order", async () => {
  // Deno 2.4 can't hand over values that a statement numbers (?1).
  const found: string[] = [];
  for (const path of (await ourFiles(/\.ts$/)).filter((path) => path.startsWith("src"))) {
    if (/(?:SELECT|INSERT|UPDATE|DELETE)[^`"]*\?[0-9]/.test(await read(path))) found.push(path);
  }
  assertEquals(found, []);
});
