/**
 * What a machine does to a node that runs on it: its time stops or jumps, its disk fills up or is read-only, it has no more
 * file descriptors, its network is slow or gone. Each is done to real processes, and then it is looked whether errors
 * were clear, nothing that was acknowledged is lost, and the node goes on.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, until } from "../helpers/cluster.ts";
import { NETWORK_FAULTS } from "./network_faults.ts";
import {
  type Fault,
  fileFor,
  healed,
  mustFail,
  mustHave,
  sameHistory,
  seen,
  type Stored,
} from "./story.ts";
import { CannotHere, SetClock, SmallDisk } from "./system.ts";

/** Files that are put at once when the kill comes. */
const PUTS_AT_ONCE = 3;

/** kill -9 of the node that takes files, then of one that gets copies of them, while they come. */
const killed: Fault = async (trial) => {
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const { a, b } = await cluster.addOwners();
  const stored: Stored[] = [];
  for (const [round, victim] of [a, b].entries()) {
    trial.step(`${victim.name} is killed at the first acknowledgement`);
    let isKilled = false;
    const puts = Array.from({ length: PUTS_AT_ONCE }, async (_, i) => {
      const key = `k${round}-${i}`;
      const file = await fileFor(root, { key, length: 700_000 * (i + 1), seed: 50 + i });
      const { code, err } = await a.run("put", file.path, "--copies", "2");
      if (code === 0) stored.push(file.stored);
      else assertMatch(err, victim === a ? /Cannot|ended/ : /Cannot have 2/);
      if (isKilled) return;
      isKilled = true;
      await victim.kill();
    });
    await Promise.all(puts);
    assert(!victim.isUp);
    trial.step(`${victim.name} is started again`);
    await victim.start();
    await connected(cluster.nodes);
    for (const node of cluster.nodes) await mustHave(node, stored, root);
  }
  await healed(cluster.nodes);
  for (const node of cluster.nodes) {
    assertEquals((await node.json<{ damaged: number }>("verify")).damaged, 0);
  }
};

/** One letter for what a process does, and how long it has been running, as Linux says it. */
async function lifeOf(pid: number): Promise<{ state: string; ranNs: string }> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const ranNs = (await Deno.readTextFile(`/proc/${pid}/schedstat`)).split(" ")[0]!;
  return { state: stat.slice(stat.lastIndexOf(")") + 2)[0]!, ranNs };
}

/** Stops a process's time; and again and again, as others may send SIGCONT to whatever runs on their machine. */
class Standstill implements Disposable {
  readonly #pid: number;
  readonly #ranNs: string;
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(pid: number, ranNs: string) {
    this.#pid = pid;
    this.#ranNs = ranNs;
    this.#timer = setInterval(() => Deno.kill(pid, "SIGSTOP"), 200);
  }

  static async of({ pid }: ClusterNode): Promise<Standstill> {
    Deno.kill(pid, "SIGSTOP");
    const { ranNs } = await until("it is stopped", () => lifeOf(pid), ({ state }) => state === "T");
    return new Standstill(pid, ranNs);
  }

  /** Whether somebody let it go on meanwhile. */
  async wasBroken(): Promise<boolean> {
    return (await lifeOf(this.#pid)).ranNs !== this.#ranNs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

const STANDSTILLS_MAX = 5;

/** SIGSTOP: a process that is there, holds its connections, and does nothing. */
const stopped: Fault = async (trial) => {
  if (Deno.build.os !== "linux") throw new CannotHere("/proc is Linux's");
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const { a, b } = await cluster.addOwners();
  const { node } = await b.status();
  const early = await fileFor(root, { key: "early", length: 400_000, seed: 1 });
  await a.ok("put", early.path, "--copies", "2");
  let late = early;
  for (let count = 1, isDone = false; !isDone; count++) {
    trial.step("b is stopped");
    using standstill = await Standstill.of(b);
    late = await fileFor(root, { key: `late${count}`, length: 400_000, seed: 1 + count });
    await a.ok("put", late.path);
    await seen(a, node, "down");
    trial.step("a has noticed");
    const few = await a.run("put", late.path, "--copies", "2");
    if (count < STANDSTILLS_MAX && await standstill.wasBroken()) continue;
    mustFail(few, { code: 5, says: /Cannot have 2 cop/ });
    await trial.hold();
    await mustHave(a, [early.stored, late.stored], root);
    isDone = true;
  }
  trial.step("b goes on");
  b.signal("SIGCONT");
  await connected(cluster.nodes);
  trial.step("they are connected");
  await healed(cluster.nodes);
  await a.ok("put", late.path, "--copies", "2");
  await a.kill();
  await mustHave(b, [early.stored, late.stored], root);
};

/** A disk that is full, of the node that puts and of one that holds copies. */
const fullDisk: Fault = async (trial) => {
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const disk = await trial.own(SmallDisk.mount(join(root, "disk"), 12));
  const small = await cluster.add("small", { home: join(disk.path, "home") });
  const roomy = await cluster.add("roomy", { owner: true });
  await connected(cluster.nodes);
  const kept = await fileFor(root, { key: "kept", length: 1_000_000, seed: 3 });
  await small.ok("put", kept.path, "--copies", "2");
  trial.step("the disk of who puts is full");
  const large = await fileFor(root, { key: "large", length: 24_000_000, seed: 4 });
  mustFail(await small.run("put", large.path), { code: 1, says: /the disk is full/ });
  await mustHave(roomy, [kept.stored], root);
  trial.step("the disk of who holds is full");
  // A holder without room: the file is stored, and that it has too few copies is said.
  mustFail(await roomy.run("put", large.path, "--copies", "2"), { code: 5, says: /Cannot have 2/ });
  await trial.hold();
  const all = [kept.stored, large.stored];
  await mustHave(roomy, all, root);
  assert(small.isUp, small.said);
  trial.step("there is room again");
  await disk.remount("size=96m");
  await connected(cluster.nodes);
  // By itself it may take as long as the last try is past.
  if (trial.holdSeconds > 0) await healed(cluster.nodes);
  trial.step("copies are asked for");
  await roomy.ok("put", large.path, "--copies", "2");
  await healed(cluster.nodes);
  await roomy.kill();
  await mustHave(small, all, root);
  assertEquals((await small.json<{ damaged: number }>("verify")).damaged, 0);
  await small.kill();
};

/** A file system that has become read-only, as Linux makes it after an error of the disk. */
const readOnlyDisk: Fault = async (trial) => {
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const disk = await trial.own(SmallDisk.mount(join(root, "disk"), 32));
  const node = await cluster.add("node", { home: join(disk.path, "home") });
  const kept = await fileFor(root, { key: "kept", length: 500_000, seed: 5 });
  await node.ok("put", kept.path);
  assertEquals(await node.stop(), 0);
  trial.step("the disk is read-only");
  await disk.remount("ro");
  for (const words of [["put", kept.path], ["get", "kept"], ["status"], ["verify"]]) {
    mustFail(await node.run(...words), { code: 7, says: /read-only/ });
  }
  await node.start().then(
    () => assert(false, "it serves"),
    ({ message }) => assertMatch(message, /read-only/),
  );
  await disk.remount("rw");
  // A destination that can't be written is another's fault, and leaves nothing behind.
  const other = await trial.own(SmallDisk.mount(join(root, "other"), 2));
  await other.remount("ro");
  const into = join(other.path, "kept");
  mustFail(await node.run("get", "kept", "-o", into), { code: 7, says: /read-only/ });
  await node.start();
  await mustHave(node, [kept.stored], root);
  await node.ok("put", (await fileFor(root, { key: "more", length: 1000, seed: 6 })).path);
  assertEquals((await node.json<{ damaged: number }>("verify")).damaged, 0);
  await node.kill();
};

/** Files that a node may have open, sockets among them. */
const FILES_MAX = 64;

/** A node that has as many files open as it may: strangers take what there is. */
const noDescriptors: Fault = async (trial) => {
  if (Deno.build.os !== "linux") throw new CannotHere("prlimit is Linux's");
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const by = ["prlimit", `--nofile=${FILES_MAX}:${FILES_MAX}`];
  const poor = await cluster.add("poor", { launch: { by } }).catch((error) => {
    throw error instanceof Deno.errors.NotFound ? new CannotHere("there is no prlimit") : error;
  });
  const other = await cluster.add("other", { owner: true });
  await connected(cluster.nodes);
  const kept = await fileFor(root, { key: "kept", length: 300_000, seed: 7 });
  await poor.ok("put", kept.path, "--copies", "2");
  trial.step("strangers take all descriptors");
  const idle: Deno.TcpConn[] = [];
  const open = () => [...Deno.readDirSync(`/proc/${poor.pid}/fd`)].length;
  const failures: string[] = [];
  try {
    await until("it has no more files to open", async () => {
      idle.push(await Deno.connect({ hostname: "127.0.0.1", port: poor.port }));
      return open();
    }, (count) => count >= FILES_MAX - 1);
    // Commands wait, or say what is the matter; what they do tell is true.
    const commands = Array.from({ length: 4 }, async (_, i) => {
      const { path, stored } = await fileFor(root, { key: `p${i}`, length: 9000, seed: 10 + i });
      const { code, err } = await poor.run("put", path);
      if (code !== 0) failures.push(err);
      return code === 0 ? [stored] : [];
    });
    await trial.hold();
    trial.step("they go");
    for (const connection of idle) connection.close();
    idle.length = 0;
    const stored: Stored[] = [kept.stored, ...(await Promise.all(commands)).flat()];
    for (const failure of failures) assertMatch(failure, /open files|ended before/);
    assert(poor.isUp, poor.said);
    await until("it answers again", () => poor.run("status"), ({ code }) => code === 0);
    await connected(cluster.nodes);
    await mustHave(poor, stored, root);
    await poor.ok("put", kept.path, "--copies", "2");
    await mustHave(other, stored, root);
  } finally {
    for (const connection of idle) connection.close();
  }
  assertEquals(await poor.stop(), 0);
};

const HOUR_SECONDS = 3600;

/** Clocks that are wrong, and jump while nodes run. */
const wrongClock: Fault = async (trial) => {
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const [clockA, clockB] = [new SetClock(root, "a"), new SetClock(root, "b")];
  const a = await cluster.add("a", { launch: { env: clockA.env } });
  const b = await cluster.add("b", { owner: true, launch: { env: clockB.env } });
  await connected(cluster.nodes);
  const put = async (node: typeof a, key: string, seed: number) => {
    const { path, stored } = await fileFor(root, { key, length: 50_000, seed });
    await node.ok("put", path);
    return stored;
  };
  await put(a, "file", 20);
  await sameHistory([a, b], "file", 1);
  trial.step("an hour back");
  // An hour back: what is written then is still later than what was written before.
  clockA.ahead(-HOUR_SECONDS);
  const latest = await put(a, "file", 21);
  const versions = await sameHistory([a, b], "file", 2);
  assertEquals(versions.map(({ version, latest, conflict }) => [version, latest, conflict]), [
    [1, false, false],
    [2, true, false],
  ]);
  await mustHave(b, [latest], root);
  trial.step("a day ahead");
  // A day ahead: what is written there is of the future for others, who do not take it, and go on by themselves.
  clockA.ahead(0);
  clockB.ahead(24 * HOUR_SECONDS);
  const future = await put(b, "future", 22);
  const own = await put(a, "own", 23);
  await until(
    "a says why",
    () => Promise.resolve(a.said),
    (said) => /refused .*which is to come/.test(said),
  );
  await mustHave(a, [own, latest], root);
  mustFail(await a.run("get", "future", "-o", join(root, "never")), { code: 3, says: /Cannot/ });
  await mustHave(b, [future], root);
  trial.step("the day has come");
  // When that day has come it is taken.
  clockA.ahead(24 * HOUR_SECONDS);
  await until("a takes it", () => a.run("history", "future"), ({ code }) => code === 0);
  await connected(cluster.nodes);
  await mustHave(a, [future, own, latest], root);
  await mustHave(b, [future, own, latest], root);
};

/** All of them, by what they are. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  "nodes are killed with kill -9": killed,
  "a node is stopped for a while": stopped,
  "a disk is full": fullDisk,
  "a disk is read-only": readOnlyDisk,
  "file descriptors are used up": noDescriptors,
  "clocks are wrong and jump": wrongClock,
  ...NETWORK_FAULTS,
};
