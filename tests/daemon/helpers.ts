import { join } from "@std/path";
import { ControlConnection, type Hello } from "../../src/daemon/control_protocol.ts";
import { findSocket } from "../../src/daemon/control_place.ts";
import { ControlServer } from "../../src/daemon/control_server.ts";
import type { ControlCall } from "../../src/daemon/types.ts";

export const HELLO: Hello = {
  program: "0.1.0",
  args: ["put", "--json", "a b.txt"],
  cwd: "/somewhere",
  env: { TERM: "xterm", NO_COLOR: "" },
  pid: 4_000_000_000,
  isTerminalIn: true,
  isTerminalOut: false,
  isTerminalErr: true,
  columns: 80,
};

/** A control server on a home of its own, and connections to it. */
export class ServerBox implements AsyncDisposable {
  readonly home: string;
  readonly server: ControlServer;
  readonly #root: string;
  readonly #streams: Deno.Conn[] = [];

  private constructor(root: string, home: string, run: (call: ControlCall) => Promise<number>) {
    this.#root = root;
    this.home = home;
    this.server = ControlServer.open(home, run);
  }

  static make(
    run: (call: ControlCall) => Promise<number>,
    { folders = 1, prepare = (_home: string) => {} } = {},
  ): ServerBox {
    const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "govault-control-" }));
    const home = join(root, ...Array<string>(folders).fill("a-home-with-a-long-name"));
    Deno.mkdirSync(home, { recursive: true });
    prepare(home);
    return new ServerBox(root, home, run);
  }

  async connect(): Promise<ControlConnection> {
    const stream = await Deno.connect({ transport: "unix", path: findSocket(this.home)! });
    this.#streams.push(stream);
    return new ControlConnection(stream);
  }

  /** A connection that has said what it wants. */
  async call(args: string[] = []): Promise<ControlConnection> {
    const connection = await this.connect();
    await connection.send({ kind: "hello", version: 1, hello: { ...HELLO, args } });
    return connection;
  }

  stop(): Promise<void> {
    return this.server.stop({ drainMs: 0, abandonMs: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) {
      try {
        stream.close();
      } catch {
        // closed by the test
      }
    }
    await this.stop().catch(() => {/* stopped by the test */});
    await Deno.remove(this.#root, { recursive: true });
  }
}

/** Everything that comes until the end, texts decoded and those of one stream joined. */
export async function conversation(
  connection: ControlConnection,
): Promise<{ out: string; err: string; code: number | null }> {
  const heard = { out: "", err: "", code: null as number | null };
  for (;;) {
    const message = await connection.receive();
    if (message === null) return heard;
    if (message.kind === "output") heard.out += new TextDecoder().decode(message.bytes);
    else if (message.kind === "error") heard.err += new TextDecoder().decode(message.bytes);
    else if (message.kind === "exit") heard.code = message.code;
    else throw new Error(`${message.kind} was not expected`);
  }
}
