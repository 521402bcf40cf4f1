import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";

import { runInNode } from "../../src/cli/run.ts";
import { ControlConnection } from "../../src/daemon/control_protocol.ts";
import { findSocket } from "../../src/daemon/control_place.ts";
import { ControlServer } from "../../src/daemon/control_server.ts";
import type { ResidentNode } from "../../src/daemon/types.ts";
import { isVaultError, toHex } from "../../src/base/mod.ts";
import type { Vault } from "../../src/vault/mod.ts";
import { HELLO } from "../daemon/helpers.ts";
import { Dice, homeWithVault, type TempFolder, withVault } from "../vault/helpers.ts";
import {
  type Answer,
  type Call,
  linearize,
  type Listed,
  type Recorded,
  Recorder,
} from "./linearizable.ts";

// The judge itself

const put = (content: string): Call => ({ kind: "put", content });
const del: Call = { kind: "delete" };
const get: Call = { kind: "get" };
const history: Call = { kind: "history" };
const version = (number: number, isNew = true): Answer => ({
  kind: "version",
  number,
  id: `id ${number}`,
  isNew,
});
const content = (text: string): Answer => ({ kind: "content", content: text });
const missing: Answer = { kind: "missing" };
const listed = (...ops: Listed["op"][]): Answer => ({
  kind: "history",
  versions: ops.map((op, i) => ({ number: i + 1, id: `id ${i + 1}`, op })),
});

type Step = readonly [began: number, ended: number, call: Call, answer: Answer | null];

function historyOf(steps: readonly Step[]): Recorded[] {
  return steps.map(([began, ended, call, answer], i) => ({
    client: `client ${i}`,
    began,
    ended,
    call,
    answer,
  }));
}

const GOOD: readonly (readonly [what: string, steps: readonly Step[]])[] = [
  ["nothing", []],
  ["one after the other", [
    ...[[0, 1, get, missing], [2, 3, put("a"), version(1)], [4, 5, get, content("a")]] as const,
    ...[[6, 7, del, version(2)], [8, 9, get, missing], [10, 11, del, missing]] as const,
    ...[[12, 13, put("b"), version(3)], [14, 15, history, listed("put", "delete", "put")]] as const,
  ]],
  ["two puts at once, numbered either way", [
    [0, 9, put("a"), version(2)],
    [1, 8, put("b"), version(1)],
    [10, 11, get, content("a")],
  ]],
  ["a get beside a put that has not ended sees it, and a later one too", [
    [0, 9, put("a"), version(1)],
    [1, 2, get, content("a")],
    [3, 4, get, content("a")],
  ]],
  ["gets beside a put see the old and then the new", [
    [0, 1, put("a"), version(1)],
    [2, 9, put("b"), version(2)],
    [3, 4, get, content("a")],
    [5, 6, get, content("b")],
  ]],
  ["the same content again makes no version", [
    [0, 1, put("a"), version(1)],
    [2, 3, put("a"), version(1, false)],
    [4, 5, history, listed("put")],
  ]],
  ["a put that was not answered took effect", [
    [0, 1, put("a"), null],
    [2, 3, get, content("a")],
  ]],
  ["a put that was not answered took none", [
    [0, 1, put("a"), null],
    [2, 3, get, missing],
    [4, 5, put("b"), version(1)],
  ]],
  ["a put that was not answered took effect late", [
    [0, 1, put("a"), null],
    [2, 3, get, missing],
    [4, 5, get, content("a")],
  ]],
  ["an old version can be had after a delete", [
    [0, 1, put("a"), version(1)],
    [2, 3, del, version(2)],
    [4, 5, { kind: "getVersion", number: 1 }, content("a")],
    [6, 7, { kind: "getVersion", number: 2 }, missing],
  ]],
];

const BAD: typeof GOOD = [
  ["a stale read", [
    [0, 1, put("a"), version(1)],
    [2, 3, put("b"), version(2)],
    [4, 5, get, content("a")],
  ]],
  ["a read that goes back", [
    [0, 1, put("a"), version(1)],
    [2, 9, put("b"), version(2)],
    [3, 4, get, content("b")],
    [5, 6, get, content("a")],
  ]],
  ["a lost update: two puts got one number", [
    [0, 9, put("a"), version(1)],
    [1, 8, put("b"), version(1)],
  ]],
  ["a lost update: a put is not in the history", [
    [0, 1, put("a"), version(1)],
    [2, 3, put("b"), version(2)],
    [4, 5, history, listed("put")],
  ]],
  ["an acknowledged put that nobody sees", [[0, 1, put("a"), version(1)], [2, 3, get, missing]]],
  ["reordered: the later put has the lower number", [
    [0, 1, put("a"), version(2)],
    [2, 3, put("b"), version(1)],
  ]],
  ["a resurrected delete", [
    [0, 1, put("a"), version(1)],
    [2, 3, del, version(2)],
    [4, 5, get, content("a")],
  ]],
  ["a deleted key that is deleted again", [
    [0, 1, put("a"), version(1)],
    [2, 3, del, version(2)],
    [4, 5, del, version(3)],
  ]],
  ["content from nowhere", [[0, 1, put("a"), version(1)], [2, 3, get, content("z")]]],
  ["a read of what begins later", [[0, 1, get, content("a")], [2, 3, put("a"), version(1)]]],
  ["a history that tells of another version", [
    [0, 1, put("a"), version(1)],
    [2, 3, history, { kind: "history", versions: [{ number: 1, id: "id 9", op: "put" }] }],
  ]],
  ["a put that is said to change nothing, and does", [
    [0, 1, put("a"), version(1)],
    [2, 3, put("b"), version(1, false)],
  ]],
  ["a version that changes", [
    [0, 1, put("a"), version(1)],
    [2, 3, put("b"), version(2)],
    [4, 5, { kind: "getVersion", number: 1 }, content("b")],
  ]],
  ["two clients that saw puts in another order", [
    [0, 20, put("a"), null],
    [1, 20, put("b"), null],
    [2, 3, get, content("a")],
    [4, 5, get, content("b")],
    [6, 7, get, content("a")],
  ]],
];

Deno.test("linearize: accepts what one after the other could have been", () => {
  for (const [what, steps] of GOOD) {
    const order = linearize(historyOf(steps));
    assert(order !== null, what);
  }
});

Deno.test("linearize: refuses what could not", () => {
  for (const [what, steps] of BAD) assertEquals(linearize(historyOf(steps)), null, what);
});

Deno.test("linearize: the order it gives keeps to the times", () => {
  for (const [what, steps] of GOOD) {
    const all = historyOf(steps);
    const order = linearize(all)!;
    order.forEach((i, at) => {
      for (const j of order.slice(at + 1)) {
        // What was not answered has no end.
        assert(all[j]!.answer === null || all[j]!.ended > all[i]!.began, what);
      }
    });
  }
});

// Recorded runs

const CLIENTS = 5;
const CALLS = 9;
const KEY = "the/key";

/** What a client does next. */
function nextCall(dice: Dice, options: { own: string; shared: string | null }): Call {
  const { own, shared } = options;
  const roll = dice.below(10);
  if (roll < 4) return put(shared !== null && dice.below(4) === 0 ? shared : own);
  if (roll < 5) return del;
  if (roll < 8) return get;
  if (roll < 9) return { kind: "getVersion", number: 1 + dice.below(4) };
  return history;
}

/** Lets clients work at the same time, and judges what they saw. */
async function judged(
  { seed, shared }: { seed: number; shared: string | null },
  act: (call: Call, client: number) => Promise<Answer | null>,
): Promise<void> {
  const recorder = new Recorder();
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    const dice = new Dice(100 * seed + client);
    for (let turn = 0; turn < CALLS; turn++) {
      const call = nextCall(dice, { own: `${client}.${turn}`, shared });
      await recorder.record(`${client}`, call, () => act(call, client));
    }
  }));
  assertEquals(recorder.history.length, CLIENTS * CALLS);
  const overlapping = recorder.history.some((a) =>
    recorder.history.some((b) => a !== b && a.began < b.began && b.began < a.ended)
  );
  assert(overlapping, "nothing happened at the same time");
  assert(linearize(recorder.history) !== null, JSON.stringify(recorder.history));
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function inVault(vault: Vault, call: Call): Promise<Answer | null> {
  try {
    switch (call.kind) {
      case "put": {
        const made = await vault.put(KEY, new TextEncoder().encode(call.content));
        const { version: number, id, unchanged } = made;
        return { kind: "version", number, id: toHex(id), isNew: !unchanged };
      }
      case "delete": {
        const { version: made } = await vault.delete(KEY);
        return { kind: "version", number: made.version, id: toHex(made.id), isNew: true };
      }
      case "get":
      case "getVersion": {
        const select = call.kind === "get"
          ? { kind: "latest" } as const
          : { kind: "number", number: call.number } as const;
        const { stream } = await vault.get(KEY, { select });
        return content(text(new Uint8Array(await new Response(stream).arrayBuffer())));
      }
      case "history":
        return {
          kind: "history",
          versions: (await vault.history(KEY)).map(({ version: number, id, op }) => ({
            number,
            id: toHex(id),
            op: op as Listed["op"],
          })),
        };
    }
  } catch (error) {
    if (isVaultError(error, "not_found")) return missing;
    throw error;
  }
}

Deno.test("Vault: what concurrent clients see of one key is linearizable", async () => {
  for (let seed = 0; seed < 4; seed++) {
    using folder = await homeWithVault();
    await withVault(folder, (vault) => {
      return judged({ seed, shared: "what several put" }, (call) => inVault(vault, call));
    });
  }
});

/** Runs a command line at a node, as another process would. */
async function atNode(folder: TempFolder, args: string[]): Promise<{ code: number; out: string }> {
  const path = findSocket(folder.home)!;
  const connection = new ControlConnection(await Deno.connect({ transport: "unix", path }));
  try {
    const hello = { ...HELLO, args, cwd: folder.path, isTerminalIn: false, isTerminalErr: false };
    await connection.send({ kind: "hello", version: 1, hello });
    let out = "";
    for (let message; (message = await connection.receive()) !== null;) {
      if (message.kind === "output") out += text(message.bytes);
      if (message.kind === "exit") return { code: message.code, out };
    }
    throw new Error("the node hung up");
  } finally {
    connection.close();
  }
}

/** A node that answers command lines and nothing else. */
function serve(vault: Vault): ControlServer {
  const node: ResidentNode = {
    home: vault.home,
    vault,
    peers: {} as ResidentNode["peers"], // no command here asks for it
    host: "",
    port: 0,
    stopping: new AbortController().signal,
  };
  return ControlServer.open(vault.home, (call) => runInNode(call, node));
}

async function byCommand(folder: TempFolder, call: Call, client: number): Promise<Answer | null> {
  switch (call.kind) {
    case "put": {
      const path = join(folder.path, `file ${client}`);
      await Deno.writeTextFile(path, call.content);
      const { code, out } = await atNode(folder, ["put", path, "--key", KEY, "--json"]);
      assertEquals(code, 0, out);
      const { version: number, id, unchanged } = JSON.parse(out);
      return { kind: "version", number, id, isNew: !unchanged };
    }
    case "delete": {
      const { code, out } = await atNode(folder, ["delete", KEY, "--json"]);
      if (code === 3) return missing;
      assertEquals(code, 0, out);
      const { version: number, id } = JSON.parse(out);
      return { kind: "version", number, id, isNew: true };
    }
    case "get":
    case "getVersion": {
      const which = call.kind === "get" ? [] : ["--version", String(call.number)];
      const { code, out } = await atNode(folder, ["get", KEY, "-o", "-", ...which]);
      if (code === 3) return missing;
      assertEquals(code, 0, out);
      return content(out);
    }
    case "history": {
      const { code, out } = await atNode(folder, ["history", KEY, "--json"]);
      if (code === 3) return missing;
      assertEquals(code, 0, out);
      const { versions } = JSON.parse(out) as { versions: ({ version: number } & Listed)[] };
      return {
        kind: "history",
        versions: versions.map(({ version: number, id, op }) => ({ number, id, op })),
      };
    }
  }
}

Deno.test({
  name: "control socket: what concurrent command lines see of one key is linearizable",
  ignore: Deno.build.os === "windows", // where Deno has no such sockets
  fn: async () => {
    using folder = await homeWithVault();
    await withVault(folder, async (vault) => {
      const server = serve(vault);
      try {
        // A file has a time of its own, so the same content from another file is another version.
        const run = { seed: 7, shared: null };
        await judged(run, (call, client) => byCommand(folder, call, client));
      } finally {
        await server.stop({ drainMs: 1000, abandonMs: 1000 });
      }
    });
  },
});
