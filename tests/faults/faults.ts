/**
 * What a machine does to a node that runs on it: its time stops or jumps, its disk fills up or is read-only, it has no more
 * file descriptors, its network is slow or gone. Each is done to real processes, and then it is looked whether errors
 * were clear, nothing that was acknowledged is lost, and the node goes on.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { Cluster, connected, until } from "../helpers/cluster.ts";
import {
  type Fault,
  fileFor,
  healed,
  hold,
  mustFail,
  mustHave,
  sameHistory,
  seen,
  type Stored,
} from "./story.ts";
import { CannotHere, Machines, SetClock, SmallDisk } from "./system.ts";

/** SIGSTOP: a process that is there, holds its connections, and does nothing. */
const stopped: Fault = async (scale) => {
  await using cluster = await Cluster.make();
  const { root } = cluster;
  const { a, b } = await cluster.addOwners();
  const { node } = await b.status();
  const early = await fileFor(root, { key: "early", length: 400_000, seed: 1 });
  await a.ok("put", early.path, "--copies", "2");
  b.signal("SIGSTOP");
  const late = await fileFor(root, { key: "late", length: 400_000, seed: 2 });
  await a.ok("put", late.path);
  await seen(a, node, "down");
  mustFail(await a.run("put", late.path, "--copies", "2"), { code: 5, says: /Cannot have 2 cop/ });
  await hold(scale);
  await mustHave(a, [early.stored, late.stored], root);
  b.signal("SIGCONT");
  await connected(cluster.nodes);
  await healed(cluster.nodes);
  await a.ok("put", late.path, "--copies", "2");
  await a.kill();
  await mustHave(b, [early.stored, late.stored], root);
};

/** A disk that is full, of the node that puts and of one that holds copies. */
const fullDisk: Fault = async (scale) => {
  await using cluster = await Cluster.make();
  const { root } = cluster;
  await using disk = await SmallDisk.mount(join(root, "disk"), 12);
  const small = await cluster.add("small", { home: join(disk.path, "home") });
  const roomy = await cluster.add("roomy", { owner: true });
  await connected(cluster.nodes);
  const kept = await fileFor(root, { key: "kept", length: 1_000_000, seed: 3 });
  await small.ok("put", kept.path, "--copies", "2");
  const large = await fileFor(root, { key: "large", length: 24_000_000, seed: 4 });
  mustFail(await small.run("put", large.path), { code: 1, says: /the disk is full/ });
  await mustHave(roomy, [kept.stored], root);
  // A holder without room: the file is stored, and that it has too few copies is said.
  mustFail(await roomy.run("put", large.path, "--copies", "2"), { code: 5, says: /Cannot have 2/ });
  await hold(scale);
  const all = [kept.stored, large.stored];
  await mustHave(roomy, all, root);
  assert(small.isUp, small.said);
  await disk.remount("size=96m");
  await connected(cluster.nodes);
  await healed(cluster.nodes);
  await roomy.ok("put", large.path, "--copies", "2");
  await roomy.kill();
  await mustHave(small, all, root);
  assertEquals((await small.json<{ damaged: number }>("verify")).damaged, 0);
  await small.kill();
};

/** A file system that has become read-only, as Linux makes it after an error of the disk. */
const readOnlyDisk: Fault = async () => {
  await using cluster = await Cluster.make();
  const { root } = cluster;
  await using disk = await SmallDisk.mount(join(root, "disk"), 32);
  const node = await cluster.add("node", { home: join(disk.path, "home") });
  const kept = await fileFor(root, { key: "kept", length: 500_000, seed: 5 });
  await node.ok("put", kept.path);
  assertEquals(await node.stop(), 0);
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
  await using other = await SmallDisk.mount(join(root, "other"), 2);
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
const noDescriptors: Fault = async (scale) => {
  if (Deno.build.os !== "linux") throw new CannotHere("prlimit is Linux's");
  await using cluster = await Cluster.make();
  const { root } = cluster;
  const by = ["prlimit", `--nofile=${FILES_MAX}:${FILES_MAX}`];
  const poor = await cluster.add("poor", { launch: { by } }).catch((error) => {
    throw error instanceof Deno.errors.NotFound ? new CannotHere("there is no prlimit") : error;
  });
  const other = await cluster.add("other", { owner: true });
  await connected(cluster.nodes);
  const kept = await fileFor(root, { key: "kept", length: 300_000, seed: 7 });
  await poor.ok("put", kept.path, "--copies", "2");
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
    await hold(scale);
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
const wrongClock: Fault = async () => {
  await using cluster = await Cluster.make();
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
  // An hour back: what is written then is still later than what was written before.
  clockA.ahead(-HOUR_SECONDS);
  const latest = await put(a, "file", 21);
  const versions = await sameHistory([a, b], "file", 2);
  assertEquals(versions.map(({ version, latest, conflict }) => [version, latest, conflict]), [
    [1, false, false],
    [2, true, false],
  ]);
  await mustHave(b, [latest], root);
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
  // When that day has come it is taken.
  clockA.ahead(24 * HOUR_SECONDS);
  await until("a takes it", () => a.run("history", "future"), ({ code }) => code === 0);
  await connected(cluster.nodes);
  await mustHave(a, [future, own, latest], root);
  await mustHave(b, [future, own, latest], root);
};

/** Three machines with a node each: two owners, and one that stores. */
async function addOnMachines(cluster: Cluster, machines: Machines) {
  const add = (name: string, owner: boolean) => {
    const launch = { by: machines.on(name), host: machines.address(name) };
    return cluster.add(name, { owner, launch, flags: ["--down-after", "5s"] });
  };
  const [a, b, c] = [await add("a", true), await add("b", true), await add("c", false)];
  await connected(cluster.nodes);
  return { a, b, c };
}

/** A cable that is pulled, and one that carries one way only. */
const cutNetwork: Fault = async (scale) => {
  await using machines = await Machines.make("a", "b", "c");
  await using cluster = await Cluster.make();
  const { root } = cluster;
  const { a, b, c } = await addOnMachines(cluster, machines);
  const { node } = await a.status();
  const before = await fileFor(root, { key: "before", length: 600_000, seed: 30 });
  await a.ok("put", before.path, "--copies", "3");

  // Both sides of a cut go on.
  await machines.cable("a", "down");
  const [ours, theirs] = [
    await fileFor(root, { key: "both", length: 1000, seed: 32 }),
    await fileFor(await Deno.makeTempDir({ dir: root }), { key: "both", length: 1000, seed: 33 }),
  ];
  await a.ok("put", ours.path);
  await b.ok("put", theirs.path, "--copies", "2");
  await seen(b, node, "down");
  mustFail(await a.run("put", ours.path, "--copies", "2"), { code: 5, says: /Cannot have 2/ });
  await hold(scale);
  await machines.cable("a", "up");
  await connected(cluster.nodes);
  const versions = await sameHistory([a, b], "both", 2);
  assertEquals(versions.map(({ conflict }) => conflict), [true, true]);

  const stored = [before.stored];

  // One way only: what a sends is lost, what is sent to it arrives. To notice that takes time, which a short run has not.
  if (scale.holdSeconds > 0) {
    await machines.mute("a", true);
    await seen(b, node, "down");
    const muted = await fileFor(root, { key: "muted", length: 100_000, seed: 34 });
    await a.ok("put", muted.path);
    mustFail(await a.run("put", muted.path, "--copies", "2"), { code: 5, says: /Cannot have 2/ });
    await hold(scale);
    await machines.mute("a", false);
    await connected(cluster.nodes);
    await a.ok("put", muted.path, "--copies", "3");
    stored.push(muted.stored);
  }
  await healed(cluster.nodes);
  await a.kill();
  await mustHave(b, stored, root);
  assert(c.isUp, c.said);
};

/** 60 ms each way, give or take 20, and one packet of fifty is lost. */
const SLOW = ["delay", "60ms", "20ms", "loss", "2%"];

/** Cables that are slow and lose some of what they carry. */
const slowNetwork: Fault = async (scale) => {
  await using machines = await Machines.make("a", "b", "c");
  for (const name of ["a", "b", "c"]) await machines.disturb(name, ...SLOW);
  await using cluster = await Cluster.make();
  const { root } = cluster;
  const { a, b } = await addOnMachines(cluster, machines);
  const slow = await fileFor(root, { key: "slow", length: 2_000_000, seed: 31 });
  await a.ok("put", slow.path, "--copies", "3");
  await hold(scale);
  await mustHave(b, [slow.stored], root);
  await a.kill();
  await mustHave(b, [slow.stored], root);
};

/** All of them, by what they are. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  "a node is stopped for a while": stopped,
  "a disk is full": fullDisk,
  "a disk is read-only": readOnlyDisk,
  "file descriptors are used up": noDescriptors,
  "clocks are wrong and jump": wrongClock,
  "the network is cut, and carries one way only": cutNetwork,
  "the network is slow and lossy": slowNetwork,
};
