/**
 * Nodes as real processes on loopback, each with a home of its own: for tests, the demo and benchmarks that start,
 * stop and kill them.
 *
 * With GOVAULT_BIN set that program is run, otherwise main.ts with the Deno that runs this.
 */

import { fromFileUrl, join } from "@std/path";
import manifest from "../../deno.json" with { type: "json" };
import { findSocket } from "../../src/daemon/control_place.ts";
import { CONTROL_VERSION, ControlConnection } from "../../src/daemon/control_protocol.ts";

const MAIN = fromFileUrl(new URL("../../main.ts", import.meta.url));
/** How long a node may take to begin listening, and to stop. */
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;

/** What a process left behind. */
export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** How the process of a node is started, where that is not as usual. */
export interface Launch {
  /** A program with its arguments that starts it, such as one that sets limits. */
  readonly by?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens, if not on loopback. */
  readonly host?: string;
}

function program(): { file: string; args: string[] } {
  const compiled = Deno.env.get("GOVAULT_BIN");
  if (compiled !== undefined) return { file: compiled, args: [] };
  const flags = ["--quiet", "--no-check", "--allow-all"];
  return {
    file: Deno.execPath(),
    args: ["run", ...flags, "--v8-flags=--max-semi-space-size=4,--expose-gc", MAIN],
  };
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // it is gone already
  }
}

const TICK_MS = 100;

/**
 * Does something once this process has been running for so long, unless it is called off. Time in which it was stopped, and
 * the nodes maybe with it, does not count.
 */
export function afterRunning(ms: number, run: () => void): () => void {
  let left = ms / TICK_MS;
  const timer = setInterval(() => {
    if (--left > 0) return;
    clearInterval(timer);
    run();
  }, TICK_MS);
  return () => clearInterval(timer);
}

/** Some nodes that end with the test. */
export class Cluster implements AsyncDisposable {
  readonly root: string;
  readonly nodes: ClusterNode[] = [];
  /** Those too that did not get as far as to run. */
  readonly #all: ClusterNode[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async make(parent?: string): Promise<Cluster> {
    const dir = parent === undefined ? {} : { dir: parent };
    return new Cluster(
      await Deno.realPath(await Deno.makeTempDir({ prefix: "govault-net-", ...dir })),
    );
  }

  /**
   * Starts one more node. The first makes the vault and the network; the others join it, with the vault's key if they are
   * owners.
   *
   * @param flags further flags of `serve`, kept for restarts
   */
  async add(
    name: string,
    { owner = false, flags = [], launch = {}, home = join(this.root, name) }: {
      owner?: boolean;
      flags?: string[];
      launch?: Launch;
      home?: string;
    } = {},
  ): Promise<ClusterNode> {
    const node = new ClusterNode({ name, home, flags, launch });
    this.#all.push(node);
    const inviter = this.nodes.find((other) => other.isUp && other.isOwner);
    if (inviter === undefined) {
      node.isOwner = true;
      await node.start();
    } else {
      node.isOwner = owner;
      const token = (await inviter.ok("invite", ...(owner ? ["--owner"] : []))).out.trim();
      await node.start("--join", token);
    }
    this.nodes.push(node);
    return node;
  }

  /** Starts two nodes, both owners, that see each other. */
  async addOwners(): Promise<{ a: ClusterNode; b: ClusterNode }> {
    const a = await this.add("a");
    const b = await this.add("b", { owner: true });
    await connected([a, b]);
    return { a, b };
  }

  /** Nodes that are running. */
  get up(): ClusterNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((node) => node.kill()));
    await Deno.remove(this.root, { recursive: true });
  }
}

/** One node: a home, and a process while it serves. */
export class ClusterNode {
  isOwner = false;
  /** What the process said on standard error since it was started last. */
  said = "";
  port = 0;
  readonly name: string;
  readonly home: string;
  readonly #flags: string[];
  readonly #launch: Launch;
  #child: Deno.ChildProcess | null = null;
  /** What was started and does not listen yet. */
  #starting: Deno.ChildProcess | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(
    { name, home, flags, launch }: { name: string; home: string; flags: string[]; launch: Launch },
  ) {
    this.name = name;
    this.home = home;
    this.#flags = flags;
    this.#launch = launch;
  }

  get isUp(): boolean {
    return this.#child !== null;
  }

  /** Process id of the running node. */
  get pid(): number {
    return this.#child!.pid;
  }

  /** Starts serving, on the port it had before; returns once it accepts. */
  async start(...flags: string[]): Promise<void> {
    const { file, args } = program();
    const { by = [], env = {}, host = "127.0.0.1" } = this.#launch;
    const serve = ["serve", "--host", host, "--port", String(this.port)];
    const [first, ...rest] = [...by, file, ...args, ...serve, ...this.#flags, ...flags];
    const child = new Deno.Command(first!, {
      args: rest,
      env: { GOVAULT_HOME: this.home, NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#starting = child;
    this.said = "";
    const listening = Promise.withResolvers<number>();
    this.#reading = this.#read(child, listening);
    const cancel = afterRunning(
      START_MS_MAX,
      () => listening.reject(new Error(`${this.name} does not listen: ${this.said}`)),
    );
    try {
      this.port = await listening.promise;
      this.#child = child;
    } catch (error) {
      end(child);
      await child.status;
      throw error;
    } finally {
      cancel();
      this.#starting = null;
    }
  }

  async #read(
    child: Deno.ChildProcess,
    listening: PromiseWithResolvers<number>,
  ): Promise<void> {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      this.said += text;
      const port = /listening on \S+:(\d+)/.exec(this.said)?.[1];
      if (port !== undefined) listening.resolve(Number(port));
    }
    listening.reject(new Error(`${this.name} ended: ${this.said}`));
  }

  /** Stops it in good order; its exit code. */
  async stop(): Promise<number> {
    const child = this.#child;
    if (child === null) return 0;
    child.kill("SIGTERM");
    const cancel = afterRunning(STOP_MS_MAX, () => child.kill("SIGKILL"));
    const { code } = await child.status;
    cancel();
    this.#child = null;
    await this.#reading;
    return code;
  }

  /** Ends it with kill -9. */
  async kill(): Promise<void> {
    const child = this.#child ?? this.#starting;
    if (child === null) return;
    this.#child = null;
    end(child);
    await child.status;
    await this.#reading.catch(() => {});
  }

  /** Stops the process's time, or lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  /** Runs a command on this node's home. */
  run(...words: string[]): Promise<Outcome> {
    return this.runWith({}, ...words);
  }

  /** The same with something on standard input. */
  async runWith({ stdin }: { stdin?: string }, ...words: string[]): Promise<Outcome> {
    const { file, args } = program();
    const child = new Deno.Command(file, {
      args: [...args, ...words],
      env: { GOVAULT_HOME: this.home, NO_COLOR: "1" },
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  /** Runs what must succeed. */
  async ok(...words: string[]): Promise<Outcome> {
    const outcome = await this.run(...words);
    if (outcome.code === 0) return outcome;
    const { code, err, out } = outcome;
    throw new Error(`${this.name}: govault ${words.join(" ")} exited with ${code}: ${err}${out}`);
  }

  /** The document that a command that must succeed prints under `--json`. */
  async json<T>(...words: string[]): Promise<T> {
    return JSON.parse((await this.ok(...words, "--json")).out) as T;
  }

  /**
   * What a command that must succeed prints, without a process of its own if the node is up: for what is asked again and
   * again.
   */
  async ask(...words: string[]): Promise<string> {
    const answer = this.isUp ? await askNode(this.home, words).catch(() => null) : null;
    return answer?.code === 0 ? answer.out : (await this.ok(...words)).out;
  }

  /** What `status --json` says. */
  async status(): Promise<Status> {
    return JSON.parse(await this.ask("status", "--json"));
  }
}

/** Has the node of a home run a command that reads nothing; `null` if none takes it. */
async function askNode(home: string, args: string[]): Promise<Omit<Outcome, "err"> | null> {
  const path = findSocket(home);
  if (path === null) return null;
  using socket = await Deno.connect({ transport: "unix", path });
  const connection = new ControlConnection(socket);
  const from = { program: manifest.version, args, cwd: home, env: {}, pid: Deno.pid, columns: 0 };
  const isTerminal = { isTerminalIn: false, isTerminalOut: false, isTerminalErr: false };
  const hello = { ...from, ...isTerminal };
  await connection.send({ kind: "hello", version: CONTROL_VERSION, hello });
  const decoder = new TextDecoder();
  for (let out = "";;) {
    const message = await connection.receive();
    if (message?.kind === "output") out += decoder.decode(message.bytes, { stream: true });
    else if (message?.kind === "exit") return { code: message.code, out };
    else if (message?.kind !== "error") return null;
  }
}

/** Returns once each of the nodes sees `count` others; all of these, if no number is given. */
export async function connected(
  nodes: readonly ClusterNode[],
  count = nodes.length - 1,
): Promise<void> {
  for (const node of nodes) {
    await until(
      `${node.name} sees the others`,
      () => node.status(),
      ({ peers }) => peers.filter(({ state }) => state === "up").length === count,
    );
  }
}

/** The fields of `status --json` that tests look at. */
export interface Status {
  node: string;
  vault: string;
  network: string;
  address: string | null;
  peers: { node: string; address: string; state: string; lastSeen: string | null }[];
  keys: number;
  versions: number;
  chunks: number;
  storedBytes: number;
  underReplicated: number;
}

/**
 * Asks again and again until the answer is what is waited for. A wait for other processes has no event to wait on; it
 * ends after so many tries, as a failure that says what was asked last. Tries are counted, not time: a machine that
 * stands still for a while makes no test fail.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  isDone: (answer: T) => boolean,
  { timeoutMs = 60_000 } = {},
): Promise<T> {
  let last: unknown;
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += TICK_MS) {
    try {
      const answer = await ask();
      if (isDone(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  const state = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`${what}: not within ${timeoutMs} ms; at last: ${state}`);
}
