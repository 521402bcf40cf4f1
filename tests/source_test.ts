/**
 * House rules that a program can check: files short enough to read, nothing of the machine they were written
 * on, and a compiled program that may read every environment variable it asks for, and no other.
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

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
