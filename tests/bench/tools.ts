/** The programs that are compared, each behind the same three actions. */

import { fromFileUrl, join } from "@std/path";
import type { Invocation } from "./measuring.ts";

/** Whether the data can be compressed: each program is told to do what suits it best. */
export type DataKind = "noise" | "text";

/** A repository of one program, and where its caches lie. */
export interface Place {
  /** Counted as what is stored. */
  store: string;
  /** Caches; not counted. */
  cache: string;
  kind: DataKind;
  /** Puts so far. */
  puts: number;
}

/** A program that stores and fetches. */
export interface Tool {
  name: string;
  version: string;
  init(place: Place): Invocation;
  /** Stores the file or folder `name`, which lies in `folder`. */
  put(place: Place, what: { folder: string; name: string; tree: boolean }): Invocation;
  /** Fetches what was last stored under `name` into the empty folder `into`. */
  get(place: Place, what: { into: string; name: string; tree: boolean }): Invocation;
}

/** The programs that are there, GoVault first. */
export async function findTools(): Promise<Tool[]> {
  const tools = [await govault(), await restic(), await borg()];
  return tools.filter((tool) => tool !== null);
}

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** GoVault as a command. */
export interface Program {
  program: string;
  args: string[];
  /** What it is, in words. */
  label: string;
  isCompiled: boolean;
}

/** With the flags that the compiled program has, see the task `compile`. */
const RUN = [
  "run",
  "--quiet",
  "--no-check",
  "--v8-flags=--max-semi-space-size=4,--expose-gc",
  "--allow-all",
];

let isPacked = false;

/** What is measured: what {@link chooseProgram} chose, or else the source. */
export function govaultCommand(): Program {
  const program = Deno.env.get("GOVAULT_BIN");
  const runtime = `run by Deno ${Deno.version.deno}`;
  if (program === undefined) {
    const args = [...RUN, join(ROOT, "main.ts")];
    return { program: Deno.execPath(), args, label: `source, ${runtime}`, isCompiled: false };
  }
  const label = isPacked ? `packed as it is compiled, ${runtime}` : "compiled";
  return { program, args: [], label, isCompiled: !isPacked };
}

/**
 * Chooses what is measured, nodes too: what `GOVAULT_BIN` names, or ./govault if it is there, or else the few files that
 * the source is packed into before it is compiled, behind a script in this folder, run by this Deno. That one may be newer
 * than what programs can be compiled with here, and the source as it is written takes 0.1 s more to start.
 */
export async function chooseProgram(folder: string): Promise<void> {
  if (Deno.env.has("GOVAULT_BIN")) return;
  const compiled = join(ROOT, "govault");
  if (await isFile(compiled)) {
    Deno.env.set("GOVAULT_BIN", compiled);
    return;
  }
  const pack = ["run", "--quiet", "--allow-all", join(ROOT, "src", "build", "bundle.ts")];
  const { success } = await new Deno.Command(Deno.execPath(), { args: pack }).output();
  if (!success) throw new Error("Cannot pack the program: src/build/bundle.ts failed");
  const words = [Deno.execPath(), ...RUN, "--no-config", "--no-lock", join(ROOT, "dist/main.js")];
  const script = join(folder, "govault");
  const command = words.map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(script, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  Deno.env.set("GOVAULT_BIN", script);
  isPacked = true;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/**
 * A program of one line, run as GoVault is: compiled too, where that can be done here, by the Deno that DENO_COMPILE names
 * or by this one.
 */
export async function bareCommand(folder: string): Promise<{ program: string; args: string[] }> {
  const source = join(folder, "bare.js");
  await Deno.writeTextFile(source, 'console.log("bare");\n');
  if (govaultCommand().isCompiled) {
    const program = join(folder, "bare");
    const { success } = await new Deno.Command(Deno.env.get("DENO_COMPILE") ?? Deno.execPath(), {
      args: ["compile", "--quiet", "--no-config", "--no-check", "--output", program, source],
      stdout: "null",
      stderr: "null",
    }).output();
    if (success) return { program, args: [] };
  }
  const args = ["run", "--quiet", "--no-config", "--no-check", "--allow-all", source];
  return { program: Deno.execPath(), args };
}

async function govault(): Promise<Tool> {
  const { program, args, label } = govaultCommand();
  const version = await firstLine(program, [...args, "version"]);
  const run = (place: Place, cwd: string, ...rest: string[]): Invocation => {
    return { program, args: [...args, ...rest], cwd, env: { GOVAULT_HOME: place.store } };
  };
  return {
    name: "govault",
    version: `${version} (${label})`,
    init: (place) => run(place, place.cache, "init"),
    put: (place, { folder, name, tree }) =>
      run(place, folder, "put", ...(tree ? ["-r"] : []), name),
    get: (place, { into, name, tree }) =>
      run(place, into, "get", ...(tree ? ["-r"] : []), name, "-o", join(into, name)),
  };
}

async function restic(): Promise<Tool | null> {
  const version = await firstLine("restic", ["version"]);
  if (version === null) return null;
  const run = (place: Place, cwd: string, ...args: string[]): Invocation => {
    const env = {
      RESTIC_REPOSITORY: place.store,
      RESTIC_PASSWORD: "benchmark",
      RESTIC_CACHE_DIR: place.cache,
    };
    return { program: "restic", args: ["--quiet", ...args], cwd, env };
  };
  const compresses = !/^restic 0\.([0-9]|1[0-3])\./.test(version); // it came with 0.14
  const compression = ({ kind }: Place) =>
    compresses ? ["--compression", kind === "text" ? "auto" : "off"] : [];
  return {
    name: "restic",
    version,
    init: (place) => run(place, place.cache, "init"),
    put: (place, { folder, name }) => run(place, folder, "backup", ...compression(place), name),
    get: (place, { into }) => run(place, into, "restore", "latest", "--target", into),
  };
}

async function borg(): Promise<Tool | null> {
  const version = await firstLine("borg", ["--version"]);
  if (version === null) return null;
  const run = (place: Place, cwd: string, ...args: string[]): Invocation => {
    const env = {
      BORG_REPO: place.store,
      BORG_PASSPHRASE: "benchmark",
      BORG_BASE_DIR: place.cache,
    };
    return { program: "borg", args, cwd, env };
  };
  const archive = ({ puts }: Place) => `::put-${puts}`;
  const compression = ({ kind }: Place) => kind === "text" ? "zstd" : "none";
  return {
    name: "borg",
    version,
    init: (place) => run(place, place.cache, "init", "--encryption", "repokey-blake2"),
    put: (place, { folder, name }) => {
      place.puts++;
      return run(
        place,
        folder,
        "create",
        "--compression",
        compression(place),
        archive(place),
        name,
      );
    },
    get: (place, { into }) => run(place, into, "extract", archive(place)),
  };
}

/** The first line that a program prints, or `null` if there is no such program. */
async function firstLine(program: string, args: string[]): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return new TextDecoder().decode(stdout).split("\n")[0]!.trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
