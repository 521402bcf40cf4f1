/** What networks do to nodes: cables that are pulled, that carry one way only, that are slow, that die without a word. */

import { assert, assertEquals } from "@std/assert";
import { Cluster, type ClusterNode, connected } from "../helpers/cluster.ts";
import { Forwarder, type Quality } from "./forwarder.ts";
import {
  type Fault,
  fileFor,
  healed,
  mustFail,
  mustHave,
  sameHistory,
  seen,
  type Trial,
} from "./story.ts";
import { Machines } from "./system.ts";

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

/** A put that must have two copies can't where nobody is reached, and says so. */
async function mustLackCopies(node: ClusterNode, path: string): Promise<void> {
  mustFail(await node.run("put", path, "--copies", "2"), { code: 5, says: /Cannot have 2/ });
}

/** A cable that is pulled: both sides go on, and have one history after it, with the conflict marked. */
const cutNetwork: Fault = async (trial) => {
  const machines = await trial.own(Machines.make("a", "b", "c"));
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const { a, b, c } = await addOnMachines(cluster, machines);
  const { node } = await a.status();
  const before = await fileFor(root, { key: "before", length: 600_000, seed: 30 });
  await a.ok("put", before.path, "--copies", "3");

  trial.step("a's cable is pulled");
  await machines.cable("a", "down");
  const other = await Deno.makeTempDir({ dir: root });
  const ours = await fileFor(root, { key: "both", length: 1000, seed: 32 });
  const theirs = await fileFor(other, { key: "both", length: 1000, seed: 33 });
  await a.ok("put", ours.path);
  await b.ok("put", theirs.path, "--copies", "2");
  await seen(b, node, "down");
  trial.step("b has noticed");
  await mustLackCopies(a, ours.path);
  await trial.hold();
  await mustHave(a, [before.stored, ours.stored], root);
  trial.step("the cable is back");
  await machines.cable("a", "up");
  await connected(cluster.nodes);
  const versions = await sameHistory([a, b], "both", 2);
  assertEquals(versions.map(({ conflict }) => conflict), [true, true]);
  await healed(cluster.nodes);
  await a.kill();
  await mustHave(b, [before.stored], root);
  assert(c.isUp, c.said);
};

/** A cable that carries one way only: what a sends is lost, what is sent to it arrives. */
const mutedNetwork: Fault = async (trial) => {
  const machines = await trial.own(Machines.make("a", "b", "c"));
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const { a, b, c } = await addOnMachines(cluster, machines);
  const { node } = await a.status();
  trial.step("what a sends is lost");
  await machines.mute("a", true);
  await seen(b, node, "down");
  trial.step("b has noticed");
  const muted = await fileFor(root, { key: "muted", length: 100_000, seed: 34 });
  await a.ok("put", muted.path);
  await mustLackCopies(a, muted.path);
  await trial.hold();
  trial.step("it arrives again");
  await machines.mute("a", false);
  await connected(cluster.nodes);
  await a.ok("put", muted.path, "--copies", "3");
  await healed(cluster.nodes);
  await a.kill();
  await mustHave(b, [muted.stored], root);
  assert(c.isUp, c.said);
};

/** 60 ms each way, give or take 20, and 1 MB a second. */
const FAR: Quality = { delayMs: 60, jitterMs: 20, bytesPerSecond: 1_000_000 };

/** Nodes behind slow cables of their own, by which alone they say that they are reached. */
async function addBehindCables(cluster: Cluster, trial: Trial) {
  const cables: Forwarder[] = [];
  const add = async (name: string, owner: boolean) => {
    const made = new Forwarder({ quality: FAR, seed: cables.length });
    const cable = await trial.own(Promise.resolve(made));
    cables.push(cable);
    const flags = ["--down-after", "5s", "--advertise", cable.address];
    const node = await cluster.add(name, { owner, flags });
    cable.leadTo(node.port);
    return node;
  };
  const [a, b, c] = [await add("a", true), await add("b", true), await add("c", false)];
  await connected(cluster.nodes);
  return { a, b, c, cables };
}

/** Cables that are slow, and then carry nothing any more, with every connection left open. */
const slowNetwork: Fault = async (trial) => {
  const cluster = await trial.own(Cluster.make());
  const { root } = cluster;
  const { a, b, cables } = await addBehindCables(cluster, trial);
  const { node } = await a.status();
  const slow = await fileFor(root, { key: "slow", length: 2_000_000, seed: 31 });
  trial.step("a file goes to all, slowly");
  await a.ok("put", slow.path, "--copies", "3");
  await mustHave(b, [slow.stored], root);

  trial.step("connections are half open");
  for (const cable of cables) cable.cut("in", "out");
  const late = await fileFor(root, { key: "late", length: 100_000, seed: 35 });
  await a.ok("put", late.path);
  await seen(b, node, "down");
  trial.step("b has noticed");
  await mustLackCopies(a, late.path);
  await trial.hold();
  trial.step("the cables carry again");
  for (const cable of cables) cable.mend();
  await connected(cluster.nodes);
  await a.ok("put", late.path, "--copies", "3");
  await healed(cluster.nodes);
  await a.kill();
  await mustHave(b, [slow.stored, late.stored], root);
};

/** All of them, by what they are. */
export const NETWORK_FAULTS: Readonly<Record<string, Fault>> = {
  "the network is cut": cutNetwork,
  "the network carries one way only": mutedNetwork,
  "the network is slow, then half open": slowNetwork,
};
