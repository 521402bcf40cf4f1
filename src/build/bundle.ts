/**
 * The program as a few files of JavaScript in `dist/`, one for each step of its start, with its threads' beside them: what
 * `deno compile` is to take along. Compiled as it is written, the program would find and parse hundreds of modules one by
 * one, and read whole packages that it never uses, each time that it starts (docs/performance.md, "Start-up").
 *
 * No layer: nothing of the program imports it.
 *
 * @module
 */

import { createRequire, isBuiltin } from "node:module";
import { dirname, extname, fromFileUrl, join } from "@std/path";
import esbuild, { type Loader, type Plugin } from "esbuild-wasm";
import config from "../../deno.json" with { type: "json" };

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const OUT = join(ROOT, "dist");

/** Threads are begun by naming a file. */
const WORKERS = ["cipher_worker", "small_worker"];
/** `deno compile` would take a `.wasm` for a module and look for what it imports. */
const [WASM, WASM_RENAMED] = ["zstd.wasm", "zstd.bin"];

/** What the code calls files, and what they are in `dist/`. */
const RENAMED = new Map([
  ...WORKERS.map((name) => [`${name}.ts`, `${name}.js`] as const),
  [WASM, WASM_RENAMED],
]);

/** What packages in Node.js's old format get other modules with. */
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

/** Packages that our files load by `import()`. */
const NAMED = "named";
const LOADERS: Readonly<Record<string, Loader>> = { ".ts": "ts", ".json": "json" };

/** Which file is meant: ours by its place, packages by their names in deno.json, what those import as by Node.js. */
function resolve(path: string, importer: string): string {
  if (Object.hasOwn(config.imports, path)) return fromFileUrl(import.meta.resolve(path));
  if (importer.startsWith(ROOT)) return join(dirname(importer), path);
  return createRequire(importer).resolve(path);
}

/** The names in {@link RENAMED} that some code was seen to use. */
const seen = new Set<string>();

/** Finds and reads all that is bundled: esbuild as WebAssembly sees no file system. */
const files: Plugin = {
  name: "files",
  setup(build) {
    build.onResolve({ filter: /^/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return { path };
      if (isBuiltin(path)) return { path, external: true };
      const isNamed = kind === "dynamic-import" && Object.hasOwn(config.imports, path);
      return isNamed ? { path, namespace: NAMED } : { path: resolve(path, importer) };
    });
    build.onLoad({ filter: /^/, namespace: "file" }, async ({ path }) => {
      let contents = await Deno.readTextFile(path);
      for (const [name, renamed] of RENAMED) {
        if (!contents.includes(`"./${name}"`) && !contents.includes(`'./${name}'`)) continue;
        contents = contents.replace(`./${name}`, `./${renamed}`);
        seen.add(name);
      }
      return { contents, loader: LOADERS[extname(path)] ?? "js" };
    });
    // Loaded by `import()`, a package in Node.js's old format would be one `default` without names.
    build.onLoad({ filter: /^/, namespace: NAMED }, async ({ path }) => {
      const names = Object.keys(await import(path));
      const known = names.filter((name) => name !== "default" && name !== "module.exports");
      return { contents: `export { ${known.join(", ")} } from ${JSON.stringify(path)};` };
    });
  },
};

await esbuild.initialize({
  wasmModule: await WebAssembly.compile(
    await Deno.readFile(fromFileUrl(import.meta.resolve("esbuild-wasm/wasm"))),
  ),
  worker: false,
});
const { outputFiles } = await esbuild.build({
  entryPoints: [
    join(ROOT, "main.ts"),
    ...WORKERS.map((name) => join(ROOT, "src", "vault", `${name}.ts`)),
  ],
  entryNames: "[name]",
  outdir: OUT,
  write: false,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "esnext",
  banner: { js: REQUIRE },
  define: { __dirname: "import.meta.dirname" },
  plugins: [files],
  // Names stay, for those who read the stack of an error.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: "warning",
});
for (const name of RENAMED.keys()) {
  if (!seen.has(name)) throw new Error(`Cannot bundle ${name}: no code names it`);
}
await Deno.remove(OUT, { recursive: true }).catch(() => {/* there is none yet */});
await Deno.mkdir(OUT);
for (const { path, contents } of outputFiles) await Deno.writeFile(path, contents);
const wasm = join(fromFileUrl(import.meta.resolve("@bokuweb/zstd-wasm")), "..", WASM);
await Deno.copyFile(wasm, join(OUT, WASM_RENAMED));
