/** Commands while a node runs from the home: the same to their users as without one. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ControlServer } from "../../src/daemon/control_server.ts";
import { openVault } from "../../src/vault/mod.ts";
import { noise, Sandbox } from "./harness.ts";

const unixOnly = { ignore: Deno.build.os === "windows" };

/** A sandbox whose vault holds two versions of one file, and a tree. */
async function filledBox(): Promise<Sandbox> {
  const box = await Sandbox.withVault();
  await box.write("f", "one");
  await box.ok("put", "f");
  await box.write("f", noise(1_500_000));
  await box.ok("put", "f");
  await box.write("tree/a", "alpha");
  await box.write("tree/b/c", "gamma");
  await box.ok("put", "-r", "tree");
  await box.ok("tag", "then");
  await box.write("gone", "x");
  await box.ok("put", "gone");
  await box.ok("delete", "gone");
  return box;
}

/** Command lines that change nothing that others of them show. */
const REPORTS: string[][] = [
  ["history", "f"],
  ["history", "f", "--json"],
  ["history", "nothing"],
  ["history", "nothing", "--json"],
  ["ls"],
  ["ls", "tree", "--json"],
  ["ls", "--deleted", "--all"],
  ["diff", "f", "1", "2"],
  ["diff", "f", "1", "2", "--json"],
  ["tag", "--list"],
  ["prune", "--keep-last", "1", "--dry-run"],
  ["verify"],
  ["get", "f", "--version", "1", "-o", "-"],
  ["get", "f", "-o", "back"],
  ["get", "-r", "tree", "-o", "again"],
  ["get", "tree/a", "-o", "nowhere/a"],
  ["get", "f", "-o", "other"],
  ["put", "missing"],
  ["put", "f", "tree"],
  ["put", "f", "--copies", "2"],
  ["put"],
  ["ls", "--home"],
  ["ls", "--nonsense"],
  ["frobnicate"],
  ["help", "put"],
  ["put", "--help"],
  ["version"],
  ["key", "phrase"],
  ["init"],
];

Deno.test("commands: the same output and exit code with a node as without", unixOnly, async () => {
  await using box = await filledBox();
  await box.write("other", "not in the vault");
  const outcomes = async () => {
    const all = [];
    for (const args of REPORTS) {
      const { code, out, err } = await box.run(...args);
      all.push({ args: args.join(" "), code, out, err });
    }
    return all;
  };
  const without = await outcomes();
  await using _node = await box.serve();
  assertEquals(await outcomes(), without);
});

Deno.test("status, doctor: a running node tells of itself", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  const before = await box.json("status");
  await using node = await box.serve();
  const status = await box.json("status");
  assertEquals(status["address"], node.address);
  for (const field of ["node", "vault", "network", "home", "keys", "underReplicated"]) {
    assertEquals(status[field], before[field], field);
  }
  const { findings } = await box.json<{ findings: { ok: boolean; check: string }[] }>("doctor");
  assert(findings.every(({ ok }) => ok), JSON.stringify(findings));
  assert(["port", "peers"].every((name) => findings.some(({ check }) => check === name)));
});

Deno.test("put -, get -o -: megabytes through the running node, unchanged", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const stdin = noise(9_000_001);
  const put = await box.runWith({ stdin }, "put", "-", "--key", "big", "--json");
  assertEquals([put.code, put.err, JSON.parse(put.out).size], [0, "", stdin.length]);
  assertEquals((await box.ok("get", "big", "-o", "-")).outBytes, stdin);
  const nothing = await box.runWith({ stdin: "" }, "put", "-", "--key", "empty");
  assertEquals(nothing.code, 0);
});

Deno.test("put, get: paths are relative to where the user is", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  await box.write("here.txt", "here");
  await box.ok("put", "here.txt", "./here.txt", "--quiet");
  await box.ok("get", "here.txt", "-o", "copy.txt");
  assertEquals(await Deno.readTextFile(box.path("copy.txt")), "here");
  await box.ok("get", "-r", "here.txt", "-o", "single");
});

Deno.test({
  name: "put: the caller's own open files are read, not the node's",
  // Without all permissions, as a compiled program is, Deno keeps out of /dev and /proc, node or not.
  ignore: Deno.build.os !== "linux" || Deno.env.get("GOVAULT_BIN") !== undefined,
  async fn() {
    await using box = await Sandbox.withVault();
    await using _node = await box.serve();
    for (const path of ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]) {
      await box.runWith({ stdin: `from ${path}` }, "put", path, "--key", "own");
      assertEquals((await box.ok("get", "own", "-o", "-")).out, `from ${path}`);
    }
  },
});

Deno.test("serve: one node a home; exit code 6", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const second = await box.error("serve", "--port", "0");
  assertEquals([second.exit, second.code], [6, "locked"]);
});

Deno.test("serve: makes the vault, and says so", unixOnly, async () => {
  await using box = await Sandbox.make();
  await using node = await box.serve();
  assertStringIncludes(node.said, "This is the recovery phrase");
  await box.ok("status");
});

Deno.test("serve: a port that is taken is told, and the home is free again", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String((taken.addr as Deno.NetAddr).port);
  const { code } = await box.run("serve", "--host", "127.0.0.1", "--port", port);
  assertEquals(code, 1);
  await box.ok("status");
});

Deno.test(
  "serve: after a kill -9 the next command, and the next node, go their way",
  unixOnly,
  async () => {
    await using box = await Sandbox.withVault();
    const first = await box.serve();
    await first.stop("SIGKILL");
    await box.ok("status");
    await using _second = await box.serve();
    await box.ok("status");
  },
);

Deno.test("serve: SIGTERM lets a put that runs finish", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using node = await box.serve();
  const put = box.start(["put", "-", "--key", "slow"]);
  const writer = put.stdin.getWriter();
  await writer.write(noise(3_000_000));
  const stopped = node.stop();
  await untilRefused(box);
  await writer.write(noise(1000, 2));
  await writer.close();
  const { code } = await put.output();
  assertEquals([code, await stopped], [0, 0]);
  assertEquals((await box.json("history", "slow"))["versions"] !== undefined, true);
});

/** Returns once the node takes no more command lines: then its socket is gone. */
async function untilRefused(box: Sandbox): Promise<void> {
  while (await Deno.stat(join(box.home, "control", "socket")).catch(() => null) !== null) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("put: Ctrl-C cancels on both sides, and leaves no version", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const put = box.start(["put", "-", "--key", "half"]);
  const writer = put.stdin.getWriter();
  await writer.write(noise(3_000_000));
  put.kill("SIGINT");
  const { code, stderr } = await put.output();
  assertEquals(code, 130);
  assertMatch(new TextDecoder().decode(stderr), /^govault: .*interrupted\n$/);
  await writer.abort().catch(() => {});
  assertEquals((await box.run("history", "half")).code, 3);
});

Deno.test("get: Ctrl-C and a client that is killed leave no half file", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  await box.write("big", noise(8_000_000));
  await box.ok("put", "big");
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    // A reader who reads nothing: the command can't be done before the signal comes.
    const get = box.start(["get", "big", "-o", "-"]);
    const reader = get.stdout.getReader();
    await reader.read();
    get.kill(signal);
    assertEquals((await get.status).code, signal === "SIGINT" ? 130 : 137);
    await Promise.all([reader.cancel(), get.stdin.close(), get.stderr.cancel()]);
  }
  await box.ok("get", "big", "-o", "whole");
  assertEquals(await box.read("whole"), noise(8_000_000));
  assertEquals(Array.from(Deno.readDirSync(box.folder), ({ name }) => name).sort(), [
    "big",
    "whole",
  ]);
});

Deno.test("put: fifty at once", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const names = Array.from({ length: 50 }, (_, i) => `file-${i}`);
  for (const name of names) await box.write(name, `content of ${name}`);
  const outcomes = [];
  for (let at = 0; at < names.length; at += 10) { // so many processes at a time are enough
    outcomes.push(
      ...await Promise.all(names.slice(at, at + 10).map((name) => box.run("put", name))),
    );
  }
  assertEquals(outcomes.filter(({ code }) => code !== 0), []);
  const { keys } = await box.json<{ keys: { key: string; version: number }[] }>("ls");
  assertEquals(keys.map(({ key, version }) => [key, version]), names.toSorted().map((n) => [n, 1]));
});

Deno.test(
  "a protected vault: while the node runs nobody has to give the passphrase",
  unixOnly,
  async () => {
    await using box = await Sandbox.make();
    const secret = { env: { GOVAULT_PASSPHRASE: "correct horse" } };
    assertEquals((await box.runWith(secret, "init", "--passphrase")).code, 0);
    await box.write("f", "content");
    assertEquals((await box.run("put", "f")).code, 7);
    await using _node = await box.serve([], secret);
    await box.ok("put", "f");
    assertEquals((await box.ok("get", "f", "-o", "-")).out, "content");
  },
);

Deno.test("peers, watch, send …: without a node they say so, and how to have one", async () => {
  await using box = await Sandbox.withVault();
  assertEquals(await box.json("peers"), { peers: [] });
  for (const args of [["invite"], ["evict", "abcd"], ["send", "--all", "hello"], ["watch"]]) {
    const { exit, message, hint } = await box.error(...args);
    assertEquals(exit, 1, args[0]);
    assertStringIncludes(message, "no node is running");
    assertStringIncludes(hint ?? "", "govault serve");
  }
});

/** A `watch` that has begun: nothing tells that but that it shows something. */
async function startWatching(box: Sandbox, ...flags: string[]): Promise<Deno.ChildProcess> {
  const watching = box.start(["watch", ...flags]);
  const reader = watching.stdout.getReader();
  let isWatching = false;
  const seen = reader.read().then(() => isWatching = true);
  for (let i = 0; !isWatching; i++) {
    await box.runWith({ stdin: `text ${i}` }, "put", "-", "--key", "note");
  }
  await seen;
  reader.releaseLock();
  return watching;
}

Deno.test("watch: ends when the node stops", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using node = await box.serve();
  const watching = await startWatching(box, "--json");
  const stopped = await node.stop();
  const { code } = await watching.output();
  assertEquals([code, stopped], [0, 0]);
  await watching.stdin.close();
});

Deno.test("serve, send, join, recover: wrong usage is told before anything is done", async () => {
  await using box = await Sandbox.make();
  const lines = [
    ["serve", "--port", "70000"],
    ["serve", "--peer", "nonsense"],
    ["serve", "--capacity", "much"],
    ["serve", "--down-after", "soon"],
    ["serve", "--replicas", "0"],
    ["serve", "--join", "nonsense"],
    ["join", "nonsense"],
    ["join"],
    ["send", "someone"],
    ["send", "--all", "someone", "text"],
    ["recover", "--phrase", "--node", "abcd"],
  ];
  for (const args of lines) assertEquals((await box.error(...args)).exit, 2, args.join(" "));
  assertEquals(await Deno.stat(box.home).catch(() => null), null);
});

Deno.test("evict, send: a node does not name itself", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const own = String((await box.json("status"))["node"]).slice(0, 8);
  for (const args of [["evict", own], ["send", own, "hello"]]) {
    const { exit, code, message } = await box.error(...args);
    assertEquals([exit, code], [2, "usage"]);
    assertStringIncludes(message, "it is this node itself");
  }
});

Deno.test("watch: Ctrl-C ends it without an error to read", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  await using _node = await box.serve();
  const watching = await startWatching(box);
  watching.kill("SIGINT");
  const { code, stderr } = await watching.output();
  assertEquals([code, new TextDecoder().decode(stderr)], [130, ""]);
  await watching.stdin.close();
});

Deno.test("peers: with nobody there it says so, and the way out", unixOnly, async () => {
  await using box = await Sandbox.withVault();
  const alone = await box.run("peers");
  assertEquals([alone.code, alone.out], [0, ""]);
  assertMatch(alone.err, /^no other nodes yet\nhint: `govault serve`/);
  await using _node = await box.serve();
  assertMatch((await box.run("peers")).err, /^no other nodes yet\nhint: `govault invite`/);
  assertEquals(await box.json("peers"), { peers: [] });
  await box.ok("peers", "--quiet");
});

Deno.test("serve: a port that is taken is told before a vault is made", async () => {
  await using box = await Sandbox.make();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String((taken.addr as Deno.NetAddr).port);
  const { exit, message, hint } = await box.error("serve", "--host", "127.0.0.1", "--port", port);
  assertEquals(exit, 1);
  assertStringIncludes(message, "the port is taken");
  assertStringIncludes(hint ?? "", "--port");
  assertEquals(await Deno.stat(box.home).catch(() => null), null);
});

Deno.test(
  "serve: a node that only stores is refused --replicas before it listens",
  unixOnly,
  async () => {
    await using box = await Sandbox.withVault();
    await using _node = await box.serve();
    const token = (await box.ok("invite")).out.trim();
    await using other = await Sandbox.make();
    const { code, err } = await other.run(
      ...["serve", "--host", "127.0.0.1", "--port", "0", "--quiet"],
      ...["--join", token, "--replicas", "2"],
    );
    assertEquals(code, 7);
    assertMatch(err, /^govault: Cannot set the number of copies/m);
    assert(!err.includes("listening"), err);
  },
);

/** Returns once a process waits for the home's lock: then it has the lock's file open. */
async function untilWaiting({ pid }: Deno.ChildProcess, home: string): Promise<void> {
  for (;;) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      // It may close a file between the listing and this look.
      const path = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
      if (path === join(home, "lock")) return;
    }
  }
}

Deno.test({
  name: "a command that waits for the home of a node which begins is run by the node",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using box = await Sandbox.withVault();
    // Has the home and takes no commands yet, as a node that begins.
    await using vault = await openVault({ home: box.home });
    const lines = [["put", "f"], ["doctor"]];
    const waiting = lines.map((words) => box.start([...words, "--lock-wait", "600"]));
    for (const child of waiting) await untilWaiting(child, vault.home);
    const calls: string[] = [];
    const server = ControlServer.open(vault.home, async ({ hello, output }) => {
      calls.push(hello.args[0]!);
      await output(new TextEncoder().encode("told by the node"));
      return 0;
    });
    for (const child of waiting) {
      const { code, stdout } = await child.output();
      assertEquals([code, new TextDecoder().decode(stdout)], [0, "told by the node"]);
      await child.stdin.close();
    }
    await server.stop({ drainMs: 0, abandonMs: 0 });
    assertEquals(calls.sort(), ["doctor", "put"]);
  },
});
