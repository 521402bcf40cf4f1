/**
 * Runs govault as its users do: a process of its own, in a folder of its own, with a home of its own.
 *
 * With GOVAULT_BIN set that program is run, otherwise main.ts with the Deno that runs the tests.
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const BINARY = Deno.env.get("GOVAULT_BIN");
const PROGRAM = BINARY ?? Deno.execPath();
const PROGRAM_ARGS = BINARY === undefined
  ? ["run", "--quiet", "--no-check", "--cached-only", "--allow-all", mainPath()]
  : [];

function mainPath(): string {
  return fromFileUrl(new URL("../../main.ts", import.meta.url));
}

/** Deno's cache lies under HOME unless it is told; the processes here have another HOME. */
const DENO_DIR = BINARY === undefined ? await denoDir() : "";

async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}

/** What a process left behind. */
export interface Outcome {
  code: number;
  out: string;
  outBytes: Uint8Array;
  err: string;
}

export interface RunOptions {
  stdin?: string | Uint8Array<ArrayBuffer>;
  env?: Record<string, string>;
  /** Another home than the sandbox's. */
  home?: string;
}

/** A folder for one test, with an empty home beside it; gone when the test is over. */
export class Sandbox {
  readonly #root: string;
  /** Where processes run, and files for them lie. */
  readonly folder: string;
  /** GOVAULT_HOME of the processes. */
  readonly home: string;

  private constructor(root: string) {
    this.#root = root;
    this.folder = join(root, "work");
    this.home = join(root, "home");
  }

  static async make(): Promise<Sandbox> {
    const box = new Sandbox(await Deno.realPath(await Deno.makeTempDir({ prefix: "govault-" })));
    await Deno.mkdir(box.folder);
    return box;
  }

  /** A sandbox whose home has a vault: a copy of one that is made once. */
  static async withVault(): Promise<Sandbox> {
    const [box, template] = await Promise.all([Sandbox.make(), vaultTemplate()]);
    for (const from of await filesUnder(template)) {
      const to = join(box.home, from.slice(template.length));
      await Deno.mkdir(join(to, ".."), { recursive: true, mode: 0o700 });
      await Deno.copyFile(from, to);
    }
    return box;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#root, { recursive: true });
  }

  /** A path in the folder. */
  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes a file in the folder, and the folders above it. */
  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.path(name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  }

  read(name: string): Promise<Uint8Array> {
    return Deno.readFile(this.path(name));
  }

  /** Starts a process; its three streams are pipes. */
  start(args: string[], options: RunOptions = {}): Deno.ChildProcess {
    return new Deno.Command(PROGRAM, {
      args: [...PROGRAM_ARGS, ...args],
      cwd: this.folder,
      clearEnv: true,
      env: {
        PATH: Deno.env.get("PATH") ?? "",
        HOME: this.#root,
        GOVAULT_HOME: options.home ?? this.home,
        TZ: "UTC",
        ...(DENO_DIR === "" ? {} : { DENO_DIR }),
        ...options.env,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs to the end with the given standard input, or an empty one. */
  async runWith(options: RunOptions, ...args: string[]): Promise<Outcome> {
    const child = this.start(args, options);
    const given = options.stdin ?? "";
    const feeding = feed(
      child,
      typeof given === "string" ? new TextEncoder().encode(given) : given,
    );
    const { code, stdout, stderr } = await child.output();
    await feeding;
    return {
      code,
      out: new TextDecoder().decode(stdout),
      outBytes: stdout,
      err: new TextDecoder().decode(stderr),
    };
  }

  run(...args: string[]): Promise<Outcome> {
    return this.runWith({}, ...args);
  }

  /** Runs what must succeed and say nothing on standard error. */
  async ok(...args: string[]): Promise<Outcome> {
    const outcome = await this.run(...args);
    assertEquals([outcome.code, outcome.err], [0, ""], args.join(" "));
    return outcome;
  }

  /** The document that a command that must succeed prints under `--json`. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return JSON.parse((await this.ok(...args, "--json")).out) as T;
  }

  /** The error that a command that must fail tells under `--json`, with its exit code. */
  async error(
    ...args: string[]
  ): Promise<{ exit: number; code: string; message: string; hint?: string }> {
    const { code, out, err } = await this.run(...args, "--json");
    assertEquals(out, "", args.join(" "));
    const { error } = JSON.parse(err) as {
      error: { code: string; message: string; hint?: string };
    };
    return { exit: code, ...error };
  }

  /** Runs a node from the home, on a port of its own; returns once it accepts. */
  async serve(flags: string[] = [], options: RunOptions = {}): Promise<Served> {
    const child = this.start(["serve", "--host", "127.0.0.1", "--port", "0", ...flags], options);
    await child.stdin.close();
    return await Served.begun(child);
  }

  /** Returns once another process owns the home: then, and only then, a command that won't wait exits with 6. */
  async untilLocked(): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const { code } = await this.run("status", "--lock-wait", "0");
      if (code === 6) return;
    }
    throw new Error("no process took the lock");
  }
}

/** A running node; it ends with the block. */
export class Served implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** What it said on standard error so far. */
  said = "";
  address = "";
  readonly #reading: Promise<void>;
  readonly #status: Promise<Deno.CommandStatus>;

  private constructor(child: Deno.ChildProcess, listening: () => void) {
    this.child = child;
    this.#status = child.status;
    this.#reading = this.#read(listening);
  }

  /** Waits for `listening on …`. @throws if it ends before */
  static async begun(child: Deno.ChildProcess): Promise<Served> {
    const listening = Promise.withResolvers<void>();
    const served = new Served(child, listening.resolve);
    const ended = served.#reading.then(() => {
      throw new Error(`the node ended: ${served.said}`);
    });
    ended.catch(() => {/* it ends one day */});
    await Promise.race([listening.promise, ended]);
    return served;
  }

  async #read(listening: () => void): Promise<void> {
    const out = this.child.stdout.cancel();
    for await (const text of this.child.stderr.pipeThrough(new TextDecoderStream())) {
      this.said += text;
      const address = /^listening on (\S+)$/m.exec(this.said)?.[1];
      if (address === undefined) continue;
      this.address = address;
      listening();
    }
    await out;
  }

  /** Asks it to stop; its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.child.kill(signal);
    const { code } = await this.#status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#status;
    await this.#reading;
  }
}

async function feed(child: Deno.ChildProcess, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    if (bytes.length > 0) await writer.write(bytes);
    await writer.close();
  } catch {
    // it ended without reading everything, as it may
  }
}

/** Bytes that look random and don't compress, the same for the same seed: xorshift32 (Marsaglia, 2003). */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed * 0x9e3779b9 | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Paths of all files under a folder. */
export async function filesUnder(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) found.push(...await filesUnder(path));
    else if (entry.isFile) found.push(path);
  }
  return found.sort();
}

let template: Promise<string> | undefined;

/** A home with an empty vault, made by the first test that wants one and removed after the last. */
function vaultTemplate(): Promise<string> {
  return template ??= (async () => {
    const box = await Sandbox.make();
    await box.ok("init");
    globalThis.addEventListener(
      "unload",
      () => Deno.removeSync(join(box.home, ".."), { recursive: true }),
    );
    return box.home;
  })();
}
