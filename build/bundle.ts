/**
 * The program as a few files of JavaScript in `dist/`, one for each step of its start, with its threads' beside them: what
 * `deno compile` is to take along. Compiled as it is written, the program would find and parse hundreds of modules one by
 * one, and read whole packages that it never uses, each time that it starts (docs/performance.md, "Start-up").
 *
 * @module
 */

import { createRequire, isBuiltin } from "node:module";
import { fromFileUrl, join } from "@std/path";
import * as esbuild from "esbuild";
import config from "../deno.json" with { type: "json" };

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const OUT = join(ROOT, "dist");
/** Where Deno keeps packages, as NAME/VERSION. What esbuild tells of their places is seen from here. */
const PACKAGES = fromFileUrl(new URL("../../../", import.meta.resolve("@std/path")));

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

/** Finds packages where Deno keeps them: ours by their names in deno.json, theirs as Node.js would. */
const packages: esbuild.Plugin = {
  name: "packages",
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      if (kind === "entry-point") return null;
      if (isBuiltin(path)) return { path, external: true };
      if (kind === "dynamic-import") return { path, namespace: NAMED };
      const isOurs = Object.hasOwn(config.imports, path);
      return {
        path: isOurs
          ? fromFileUrl(import.meta.resolve(path))
          : createRequire(importer).resolve(path),
      };
    });
    // Loaded by `import()`, a package in Node.js's old format would be one `default` without names.
    build.onLoad({ filter: /^/, namespace: NAMED }, async ({ path }) => {
      const names = Object.keys(await import(path));
      const known = names.filter((name) => name !== "default" && name !== "module.exports");
      const contents = `export { ${known.join(", ")} } from ${JSON.stringify(path)};`;
      return { contents, resolveDir: ROOT };
    });
  },
};
/** Packages that our files load by `import()`. */
const NAMED = "named";

/** Gives files that the code names the names that they have in `dist/`. */
const files: esbuild.Plugin = {
  name: "files",
  setup(build) {
    build.onLoad({ filter: /\.[jt]s$/ }, async ({ path }) => {
      let contents = await Deno.readTextFile(path);
      for (const [name, renamed] of RENAMED) {
        if (!contents.includes(`"./${name}"`) && !contents.includes(`'./${name}'`)) continue;
        contents = contents.replace(`./${name}`, `./${renamed}`);
        seen.add(name);
      }
      return { contents, loader: path.endsWith("ts") ? "ts" : "js" };
    });
  },
};
const seen = new Set<string>();

await Deno.remove(OUT, { recursive: true }).catch(() => {/* there is none yet */});
try {
  await esbuild.build({
    absWorkingDir: PACKAGES,
    entryPoints: ["main.ts", ...WORKERS.map((name) => `src/vault/${name}.ts`)].map((path) =>
      join(ROOT, path)
    ),
    entryNames: "[name]",
    outdir: OUT,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "esnext",
    banner: { js: REQUIRE },
    define: { __dirname: "import.meta.dirname" },
    plugins: [packages, files],
    // Names stay, for those who read the stack of an error.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: "warning",
  });
  for (const name of RENAMED.keys()) {
    if (!seen.has(name)) throw new Error(`Cannot bundle ${name}: no code names it`);
  }
  const wasm = join(fromFileUrl(import.meta.resolve("@bokuweb/zstd-wasm")), "..", WASM);
  await Deno.copyFile(wasm, join(OUT, WASM_RENAMED));
} finally {
  await esbuild.stop();
}
