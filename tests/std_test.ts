/**
 * The types of @std are declared by hand in `src/std.d.ts`; here they are held against what is imported and
 * what is there when the program runs.
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** Names that `src/std.d.ts` declares, values and types, by module. */
async function declared(): Promise<Map<string, { values: string[]; all: string[] }>> {
  const text = await Deno.readTextFile(join(ROOT, "src/std.d.ts"));
  const modules = new Map<string, { values: string[]; all: string[] }>();
  for (const [, module, body] of text.matchAll(/^declare module "([^"]+)" \{\n([\s\S]*?)^\}/gm)) {
    const exports = [...body!.matchAll(/^ {2}export (\w+) (\w+)/gm)];
    const isValue = ([, kind]: RegExpMatchArray) => kind !== "interface" && kind !== "type";
    modules.set(module!, {
      values: exports.filter(isValue).map(([, , name]) => name!),
      all: exports.map(([, , name]) => name!),
    });
  }
  return modules;
}

/** Every import of @std in our code: which file takes which names of which module. */
async function imported(): Promise<{ path: string; module: string; names: string[] }[]> {
  const found: { path: string; module: string; names: string[] }[] = [];
  const statement = /^(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"(@std\/[^"]+)"/gm;
  for (
    const path of ["main.ts", "mod.ts", ...await typescript("src"), ...await typescript("tests")]
  ) {
    const text = await Deno.readTextFile(join(ROOT, path));
    for (const [, list, module] of text.matchAll(statement)) {
      const names = list!.split(",").map((name) => name.trim().replace(/^type\s+|\s+as\s.*$/g, ""));
      found.push({ path, module: module!, names: names.filter((name) => name !== "") });
    }
  }
  return found;
}

async function typescript(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await typescript(path));
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) found.push(path);
  }
  return found;
}

Deno.test("@std: every name that is imported is declared", async () => {
  const modules = await declared();
  const uses = await imported();
  assertEquals(uses.length > 10, true, "the imports were not found");
  const missing = uses.flatMap(({ path, module, names }) =>
    names.filter((name) => !modules.get(module)?.all.includes(name))
      .map((name) => `${path} takes ${name} of ${module}, which src/std.d.ts does not declare`)
  );
  assertEquals(missing, []);
});

Deno.test("@std: every declared module is mapped in deno.json, and every mapped one declared", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json"))) as {
    imports: Record<string, string>;
  };
  const mapped = Object.keys(imports).filter((name) => name.startsWith("@std/"));
  assertEquals([...(await declared()).keys()].sort(), mapped.sort());
});

Deno.test("@std: every declared value exists at run time, as what it is declared", async () => {
  const missing: string[] = [];
  for (const [module, { values }] of await declared()) {
    const { default: _, ...exports } = await import(module) as Record<string, unknown>;
    for (const name of values) {
      if (exports[name] === undefined) missing.push(`${module} has no ${name}`);
    }
  }
  assertEquals(missing, []);
});
