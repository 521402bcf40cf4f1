/** What a system lets these tests do to it: small disks, networks of their own, another time. */

import { assert } from "@std/assert";
import { join } from "@std/path";

/** Thrown by a fault that can't be made here; the reason is printed. */
export class CannotHere extends Error {
  override readonly name = "CannotHere";
}

/** Runs a program of the system; what it said on standard error if it failed, `null` if not. */
async function attempt(program: string, ...args: string[]): Promise<string | null> {
  try {
    const options = { args, stdin: "null", stdout: "null", stderr: "piped" } as const;
    const { success, stderr } = await new Deno.Command(program, options).output();
    return success ? null : new TextDecoder().decode(stderr).trim().split("\n")[0]! || "it failed";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "there is no such program" : String(error);
  }
}

/** Runs what must succeed for a fault to be had. @throws CannotHere */
async function need(program: string, ...args: string[]): Promise<void> {
  const failure = await attempt(program, ...args);
  if (failure !== null) throw new CannotHere(`${program} ${args[0]}: ${failure}`);
}

/** A file system of a few MiB in memory. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws CannotHere without the right to mount one */
  static async mount(path: string, mib: number): Promise<SmallDisk> {
    await Deno.mkdir(path);
    await need("mount", "-t", "tmpfs", "-o", `size=${mib}m`, "govault-faults", path);
    return new SmallDisk(path);
  }

  /** Changes how it is mounted: `size=64m`, `ro`. Nobody may have a file open for writing when it becomes `ro`. */
  async remount(options: string): Promise<void> {
    const failure = await attempt("mount", "-o", `remount,${options}`, this.path);
    assert(failure === null, `cannot remount: ${failure}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failure = await attempt("umount", this.path);
    if (failure !== null) assert(await attempt("umount", "-l", this.path) === null, failure);
  }
}

/** Networks that this process has made. */
let networks = 0;

/** Machines, as network namespaces, each with one cable to a switch. */
export class Machines implements AsyncDisposable {
  readonly #names: string[];
  readonly #prefix = `gvf${Deno.pid}-${networks++}`;
  readonly #switch = `${this.#prefix}s`;

  private constructor(names: string[]) {
    this.#names = names;
  }

  /** @throws CannotHere without the right to make networks */
  static async make(...names: string[]): Promise<Machines> {
    const machines = new Machines(names);
    try {
      await need("ip", "netns", "add", machines.#switch);
      await machines.#in(machines.#switch, "ip", "link", "add", "bridge", "type", "bridge");
      await machines.#in(machines.#switch, "ip", "link", "set", "bridge", "up");
      for (const name of names) await machines.#connect(name);
      return machines;
    } catch (error) {
      await machines[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #connect(name: string): Promise<void> {
    const [space, plug] = [this.#space(name), `p${name}`];
    await need("ip", "netns", "add", space);
    await this.#in(
      this.#switch,
      ...["ip", "link", "add", plug, "type", "veth", "peer", "name", "eth0", "netns", space],
    );
    await this.#in(this.#switch, "ip", "link", "set", plug, "master", "bridge");
    await this.#in(this.#switch, "ip", "link", "set", plug, "up");
    await this.#in(space, "ip", "addr", "add", `${this.address(name)}/24`, "dev", "eth0");
    await this.#in(space, "ip", "link", "set", "eth0", "up");
    await this.#in(space, "ip", "link", "set", "lo", "up");
  }

  #space(name: string): string {
    return `${this.#prefix}${name}`;
  }

  async #in(space: string, ...words: string[]): Promise<void> {
    await need("ip", "netns", "exec", space, ...words);
  }

  /** A machine's address. */
  address(name: string): string {
    return `10.213.77.${this.#names.indexOf(name) + 1}`;
  }

  /** What starts a process on a machine. */
  on(name: string): string[] {
    return ["ip", "netns", "exec", this.#space(name)];
  }

  /** Pulls the cable of a machine, or puts it back. */
  async cable(name: string, state: "up" | "down"): Promise<void> {
    await this.#in(this.#switch, "ip", "link", "set", `p${name}`, state);
  }

  /** Lets nothing out of a machine, while what is sent to it still arrives; or lets it out again. */
  async mute(name: string, isMute: boolean): Promise<void> {
    for (const other of this.#names.filter((other) => other !== name)) {
      const route = ["ip", "route", isMute ? "add" : "del", "blackhole", this.address(other)];
      await this.#in(this.#space(name), ...route);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names) await attempt("ip", "netns", "del", this.#space(name));
    await attempt("ip", "netns", "del", this.#switch);
  }
}

/** Where Debian and its relatives have libfaketime. */
const FAKETIME_FOLDERS = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((triple) =>
  `/usr/lib/${triple}/faketime`
);

/** A clock of one process, which a test sets; its stop-watches go on as ever. */
export class SetClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;

  /** @throws CannotHere where libfaketime is not installed */
  constructor(folder: string, name: string) {
    const library = FAKETIME_FOLDERS.map((at) => join(at, "libfaketimeMT.so.1")).find(isFile);
    if (library === undefined) throw new CannotHere("libfaketime is not installed");
    this.#file = join(folder, `clock-${name}`);
    this.ahead(0);
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  /** Sets it so many seconds before (or behind) the real time. */
  ahead(seconds: number): void {
    Deno.writeTextFileSync(`${this.#file}.new`, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}\n`);
    Deno.renameSync(`${this.#file}.new`, this.#file);
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
