/**
 * The layers: which folder may import which. That a peer can't read what it holds, and that a command can't
 * reach around the vault, are facts of the import graph; here the graph is read and every arrow looked at.
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = new URL("../", import.meta.url);

/** What each part may import of ours, beside itself. A part is a folder of `src/` or a file beside it. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  "mod.ts": ["vault", "store", "base"],
  // No layer: it makes what is compiled of the others.
  build: [],
  "conformance.ts": ["conformance", "peer", "log", "net", "store", "base"],
  cli: ["daemon", "vault", "base"],
  daemon: ["vault", "peer", "seal", "net", "base"],
  vault: ["content", "seal", "store", "log", "base"],
  peer: ["store", "log", "net", "base"],
  conformance: ["peer", "log", "net", "store", "base"],
  content: ["base"],
  seal: ["base"],
  store: ["base"],
  log: ["base"],
  net: ["base"],
  base: [],
};

/** An import of one of our files by another; paths from the project's root. */
interface Arrow {
  from: string;
  to: string;
}

/** The part a file belongs to: `src/log/chain.ts` is of `log`, `main.ts` of itself. */
function partOf(path: string): string {
  const [first, second] = path.split("/");
  return first === "src" && second !== undefined ? second : path;
}

/** What is wrong with an arrow, or `null`. Types count as much as code. */
function objection({ from, to }: Arrow): string | null {
  const [importer, imported] = [partOf(from), partOf(to)];
  const allowed = ARROWS[importer];
  if (allowed === undefined) return `${from}: no layer is called ${importer}`;
  if (importer === imported || allowed.includes(imported)) return null;
  const may = allowed.length === 0 ? "nothing else of ours" : `only ${allowed.join(", ")}`;
  return `${from} must not import ${to}: ${importer} may import ${may}`;
}

/** What `deno info --json` tells of a module. */
interface Module {
  specifier: string;
  dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
}

/** Every import among our files that starts at one of them: of values, of types, dynamic, of workers. */
async function allArrows(files: readonly string[]): Promise<Arrow[]> {
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const imports = files.map((path) => `import ${JSON.stringify(new URL(path, ROOT).href)};\n`);
    await Deno.writeTextFile(all, imports.join(""));
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", fromFileUrl(new URL("deno.json", ROOT)), all],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
    const imported = modules.flatMap(({ specifier, dependencies = [] }) =>
      dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .map((to) => ({ from: pathOf(specifier), to: pathOf(to) }))
    );
    const workers = await Promise.all(files.map(workersOf));
    return [...imported, ...workers.flat()].filter((arrow): arrow is Arrow =>
      arrow.from !== undefined && arrow.to !== undefined
    );
  } finally {
    await Deno.remove(all);
  }
}

/** A module of ours as a path from the project's root. */
function pathOf(specifier: string | undefined): string | undefined {
  if (!specifier?.startsWith(ROOT.href) || !specifier.endsWith(".ts")) return undefined;
  return specifier.slice(ROOT.href.length);
}

/** Files that a file names by `new URL("./x.ts", import.meta.url)`, which no module graph shows. */
async function workersOf(from: string): Promise<Arrow[]> {
  const url = new URL(from, ROOT);
  const text = await Deno.readTextFile(url);
  return [...text.matchAll(/new URL\(\s*"([^"]+\.ts)",\s*import\.meta\.url/g)].map(([, name]) => ({
    from,
    to: pathOf(new URL(name!, url).href)!,
  }));
}

async function sourceFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(fromFileUrl(ROOT), folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await sourceFiles(path));
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) found.push(path);
  }
  return found.sort();
}

Deno.test("imports: every arrow is one the layers allow", async () => {
  const files = ["main.ts", "mod.ts", "conformance.ts", ...await sourceFiles("src")];
  const arrows = await allArrows(files);
  const reached = new Set(arrows.map((arrow) => arrow.from));
  assertEquals(reached.has("main.ts") && reached.has("src/vault/vault.ts"), true, "no graph");
  const objections = arrows.map(objection).filter((text) => text !== null);
  assertEquals([...new Set(objections)], []);
});

/** What the client of a running node loads: a mod.ts would bring in more than it has time for. */
const LIGHT = new Set([
  "src/base/default_home.ts",
  "src/base/errors.ts",
  "src/daemon/control_place.ts",
  "src/daemon/control_protocol.ts",
]);

Deno.test("imports: other layers come in by mod.ts, or by types.ts, where nothing happens", async () => {
  const arrows = await allArrows(await sourceFiles("src"));
  const sideDoors = arrows.filter(({ from, to }) =>
    partOf(from) !== partOf(to) && !/\/(mod|types)\.ts$/.test(to) && !LIGHT.has(to)
  );
  assertEquals(sideDoors.map(({ from, to }) => `${from} passes by the mod.ts of ${to}`), []);
});

Deno.test("objection: names both files of a wrong import, and lets right ones be", () => {
  const wrong: [string, string][] = [
    ["src/peer/session.ts", "src/seal/mod.ts"],
    ["src/peer/session.ts", "src/content/mod.ts"],
    ["src/store/pack_store.ts", "src/log/mod.ts"],
    ["src/content/chunker.ts", "src/seal/mod.ts"],
    ["src/base/errors.ts", "src/store/mod.ts"],
    ["src/cli/main.ts", "src/store/mod.ts"],
    ["src/vault/put.ts", "src/cli/mod.ts"],
    ["src/vault/remote.ts", "src/net/mod.ts"],
    ["src/daemon/peers.ts", "src/store/mod.ts"],
    ["mod.ts", "src/seal/mod.ts"],
    ["main.ts", "src/vault/mod.ts"],
    ["src/attic/old.ts", "src/base/mod.ts"],
  ];
  for (const [from, to] of wrong) {
    const text = objection({ from, to }) ?? "";
    assertEquals(text.includes(from), true, `${from} → ${to}`);
    if (!from.startsWith("src/attic")) assertEquals(text.includes(to), true, text);
  }
  const right: [string, string][] = [
    ["src/peer/session.ts", "src/net/mod.ts"],
    ["src/vault/put.ts", "src/seal/mod.ts"],
    ["src/log/chain.ts", "src/log/record.ts"],
    ["mod.ts", "src/store/mod.ts"],
  ];
  for (const [from, to] of right) assertEquals(objection({ from, to }), null);
});
