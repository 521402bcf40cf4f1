/**
 * The faults. Each is one entry of {@link FAULTS}: what it needs, what it does, and how it knows that it has had an effect.
 * One that never had any fails the run, so that no run is idle.
 *
 * @module
 */

import { isVaultError, type NodeId } from "../../src/base/mod.ts";
import { Dice } from "../soak/dice.ts";
import {
  AWAY_MS_MAX,
  type FaultKind,
  HOUR,
  MINUTE,
  restart,
  SECOND,
  until,
  withNode,
} from "./fault_kit.ts";
import { NETWORK_FAULTS } from "./faults_network.ts";
import { POWER_FAULTS } from "./faults_power.ts";
import { bent, forging, type Lies } from "./liar.ts";
import type { SimNode } from "./node.ts";
import { knows } from "./outsiders.ts";
import type { World } from "./world.ts";

/** Nodes that a world has at most. */
const NODES_MAX = 8;
/** So often an owner is told the same. */
const TRIES_MAX = 60;

/** An owner shuts a node out that it knows: told again if its disk fails, or is another one meanwhile. */
async function evict(world: World, owner: SimNode, node: NodeId): Promise<void> {
  for (let tries = 1;; tries++) {
    const { running } = owner;
    try {
      if (running !== null) {
        await Promise.race([running.peers.evict(node), running.life.ended]);
        if (running.life.isAlive) return;
      }
    } catch (error) {
      if (!isVaultError(error) || tries === TRIES_MAX) throw error;
      world.trace.note(owner.name, `evict: ${error.code}, ${error.message}`);
    }
    if (running === null) await world.days.letPass(5 * SECOND);
    else await world.time.sleep(5 * SECOND);
  }
}

/** From here on a member shows others something else than what its vault lends. */
function lie(world: World, dice: Dice, show: typeof bent): Promise<boolean | null> {
  return withNode(world, dice, async (node) => {
    const lies: Lies = { wrongBytes: 0, falseHolds: 0, forgedRecords: 0, replayedRecords: 0 };
    world.distrust(node);
    node.isLiar = true;
    node.bend = (side) => show(side, dice, lies);
    world.trace.note(node.name, "lies from here on");
    node.kill();
    await world.bringUp(node);
    await world.time.sleep(MINUTE);
    const told = () => Object.values(lies).reduce((sum, count) => sum + count, 0);
    const hit = await until(world, () => told() > 0, 10 * MINUTE);
    world.trace.note(node.name, `has lied: ${JSON.stringify(lies)}`);
    return hit;
  }, (node) => !node.isOwner && !node.isLiar && world.mayLose(node));
}

/**
 * An owner other than a node itself that is up and knows a member; `null` if none comes to know it, as that one had met
 * nobody who is still there.
 */
async function anEvicter(
  world: World,
  dice: Dice,
  { node, old }: { node: SimNode; old: NodeId },
): Promise<SimNode | null> {
  for (let tries = 0; tries < TRIES_MAX;) {
    const owners = world.owners(node);
    const knowing = owners.filter((owner) => knows(owner, old));
    if (knowing.length > 0) return dice.pick(knowing);
    if (owners.length > 0) tries++;
    await world.days.letPass(5 * SECOND); // some stay away for hours
  }
  return null;
}

/** A node's disk is gone; it comes back with an empty one, as a new member, and the old one is evicted. */
async function comeBackEmpty(
  world: World,
  dice: Dice,
  { node, old }: { node: SimNode; old: NodeId },
): Promise<void> {
  await world.time.sleep(dice.below(2 * MINUTE));
  const evicter = await anEvicter(world, dice, { node, old });
  if (evicter === null) {
    world.trace.note(node.name, "is not evicted: nobody knows it");
  } else {
    world.oracle.noteCut(node, await world.oracle.knownAt(evicter));
    await evict(world, evicter, old);
  }
  while (world.owners(node).length === 0) await world.days.letPass(5 * SECOND);
  await world.bringUp(node, await world.invite(world.anOwner(dice, node)!, node.isOwner));
}

/** Every kind of fault. */
export const FAULTS: readonly FaultKind[] = [
  ...POWER_FAULTS,
  ...NETWORK_FAULTS,
  {
    name: "stop",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.trace.note(node.name, "stops");
        await node.stop();
        await restart(world, node, dice);
        return true;
      }),
  },
  {
    name: "partition",
    weight: 3,
    run: async (world, dice) => {
      const names = world.members().map(({ name }) => name);
      const one = dice.some(names, 1 + dice.below(names.length - 1));
      const other = names.filter((name) => !one.includes(name));
      const isOneWay = dice.chance(0.4);
      const before = world.network.hits.cut;
      world.trace.note("net", `${one.join("+")} ${isOneWay ? "→" : "↔"} ${other.join("+")} cut`);
      for (const a of one) {
        for (const b of other) {
          world.network.cut(a, b);
          if (!isOneWay) world.network.cut(b, a);
        }
      }
      await world.time.sleep(5 * SECOND + dice.below(4 * MINUTE));
      if (dice.chance(0.15)) await world.days.letPass(dice.below(AWAY_MS_MAX));
      const hit = await until(world, () => world.network.hits.cut > before);
      for (const a of one) {
        for (const b of other) {
          world.network.heal(a, b);
          world.network.heal(b, a);
        }
      }
      world.trace.note("net", "healed");
      return hit;
    },
  },
  {
    name: "lost messages",
    weight: 3,
    run: async (world, dice) => {
      let broken = 0;
      for (let i = 0; i < 5; i++) {
        const [one, other] = dice.some(world.members(), 2);
        const before = world.network.connections;
        world.network.breakConnections(one!.name, other!.name);
        broken += before - world.network.connections;
        world.trace.note("net", `connections of ${one!.name} and ${other!.name} broken`);
        await world.time.sleep(dice.below(20 * SECOND));
      }
      return broken > 0 ? true : null;
    },
  },
  {
    name: "late messages",
    weight: 2,
    run: async (world, dice) => {
      const before = world.network.hits.late;
      world.network.lateMsMax = 100 + dice.below(8 * SECOND);
      world.trace.note("net", `messages are up to ${world.network.lateMsMax} ms late`);
      await world.time.sleep(dice.below(3 * MINUTE));
      const hit = await until(world, () => world.network.hits.late > before);
      world.network.lateMsMax = 0;
      return hit;
    },
  },
  {
    name: "clock jump",
    weight: 2,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const ms = dice.chance(0.5)
          ? dice.pick([SECOND, MINUTE, 9 * MINUTE, 40 * MINUTE, 3 * HOUR])
          : -dice.pick([SECOND, MINUTE, 60 * MINUTE, 48 * 60 * MINUTE]);
        world.noteAhead(ms);
        world.trace.note(node.name, `clock jumps by ${ms / 1000} s`);
        node.clock.jump(ms);
        await world.time.sleep(dice.below(5 * MINUTE));
        world.trace.note(node.name, "clock is set right");
        node.clock.correct();
        return true;
      }),
  },
  {
    name: "clock drift",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        node.clock.drift((dice.chance(0.5) ? 1 : -1) * (100 + dice.below(20_000)));
        world.trace.note(node.name, `clock drifts by ${node.clock.driftPpm} ppm`);
        await world.time.sleep(dice.below(10 * MINUTE));
        return true;
      }),
  },
  {
    name: "slow disk",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const { faults } = node.disk;
        const before = faults.hits.slow;
        faults.syncMsMax = 1000 + dice.below(20 * SECOND);
        world.trace.note(node.name, `disk takes up to ${faults.syncMsMax} ms for a sync`);
        await world.time.sleep(dice.below(3 * MINUTE));
        const hit = await until(world, () => faults.hits.slow > before);
        node.disk.heal();
        return hit;
      }),
  },
  {
    name: "full disk",
    weight: 2,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const { faults } = node.disk;
        const before = faults.hits.full;
        faults.isFull = true;
        world.trace.note(node.name, "disk is full");
        await world.time.sleep(dice.below(2 * MINUTE));
        const hit = await until(world, () => faults.hits.full > before);
        node.disk.heal();
        world.trace.note(node.name, "disk has room again");
        return hit;
      }),
  },
  {
    name: "failing disk",
    weight: 2,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const { faults } = node.disk;
        const before = faults.hits.failing;
        faults.failingShare = 0.05 + dice.below(50) / 100;
        world.trace.note(node.name, `${Math.round(100 * faults.failingShare)}% of writes fail`);
        await world.time.sleep(dice.below(MINUTE));
        const failed = () => faults.hits.failing > before;
        let hit = await until(world, failed);
        if (!hit) { // of few writes all may be lucky
          faults.failingShare = 1;
          hit = await until(world, failed);
        }
        node.disk.heal();
        world.trace.note(node.name, "disk works again");
        return hit;
      }),
  },
  {
    name: "bit rot",
    weight: 2,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.lose(node);
        const flips = 1 + dice.below(3);
        let hit = false;
        for (let i = 0; i < flips; i++) {
          const rotten = node.disk.rot(".pack", 16);
          if (rotten === null) return null;
          world.trace.note(node.name, `a bit flips in ${rotten.path} at ${rotten.offset}`);
          hit = true;
        }
        await world.time.sleep(dice.below(MINUTE));
        return hit;
      }, (node) => world.mayLose(node)),
  },
  {
    name: "join",
    weight: 1,
    run: async (world, dice) => {
      const host = world.anOwner(dice);
      if (host === null || world.nodes.length >= NODES_MAX) return null;
      const isOwner = dice.chance(0.3);
      const node = world.addNode(isOwner);
      const token = await world.invite(host, isOwner);
      world.trace.note(node.name, `joins by ${host.name} as ${isOwner ? "owner" : "storage"}`);
      world.own(node);
      await world.bringUp(node, token);
      if (dice.chance(0.3)) {
        world.trace.note(node.name, "disk is full");
        node.disk.faults.isFull = true;
        await world.time.sleep(MINUTE + dice.below(2 * MINUTE));
        node.disk.heal();
        world.trace.note(node.name, "disk has room again");
      }
      world.letGo(node);
      return true;
    },
  },
  {
    name: "evict",
    weight: 1,
    run: async (world, dice) => {
      const owner = world.anOwner(dice);
      if (owner === null || world.members().length <= world.replicas) return null;
      return await withNode(
        world,
        dice,
        async (node) => {
          if (!owner.isUp) return false;
          world.trace.note(node.name, `is evicted by ${owner.name}`);
          world.lose(node);
          node.isEvicted = true;
          world.oracle.noteCut(node, await world.oracle.knownAt(owner));
          await evict(world, owner, node.id);
          node.isMember = false;
          return true;
        },
        (node) => node !== owner && world.mayLose(node) && node.isMember && knows(owner, node.id),
      );
    },
  },
  {
    name: "new disk",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        if (world.owners(node).length === 0) return null;
        world.lose(node);
        world.trace.note(node.name, "loses its disk, and comes back with an empty one");
        node.kill();
        const old = node.id;
        node.replaceDisk();
        await comeBackEmpty(world, dice, { node, old });
        return true;
      }, (node) => world.mayLose(node) && world.owners(node).length > 0),
  },
  {
    name: "disaster at a word",
    weight: 1,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        if (world.owners(node).length === 0) return null;
        const old = node.id;
        const dark: SimNode[] = [];
        world.reserve(node);
        const callOff = world.oracle.atNextWord(node, () => {
          world.lose(node);
          world.trace.note(node.name, "loses its disk as its word is given");
          node.kill();
          node.replaceDisk();
          for (let other = takeUp(); other !== null; other = takeUp()) {
            world.trace.note(other.name, "power cut at the same time");
            other.cutPower();
            dark.push(other);
          }
        }, 2);
        const takeUp = () => world.take(new Dice(0));
        if (!await until(world, () => !node.isUp)) {
          callOff();
          world.oracle.lost.delete(node);
          return null;
        }
        await Promise.all(dark.map(async (other) => {
          await world.time.sleep(dice.below(2 * MINUTE));
          await world.bringUp(other);
          world.letGo(other);
        }));
        await comeBackEmpty(world, dice, { node, old });
        return true;
      }, (node) =>
        !world.oracle.lost.has(node) && world.mayLose(node) &&
        world.owners(node).length > 0),
  },
  {
    name: "old backup",
    weight: 2,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.reserve(node);
        const files = node.disk.backup();
        world.trace.note(node.name, "is backed up");
        await world.time.sleep(10 * SECOND + dice.below(3 * MINUTE));
        world.lose(node);
        world.trace.note(node.name, "is set back to its backup");
        node.kill();
        node.disk.restore(files);
        await restart(world, node, dice);
        return true;
      }, (node) => world.mayLose(node)),
  },
  {
    name: "liar",
    weight: 1,
    run: (world, dice) => lie(world, dice, bent),
  },
  {
    name: "forger",
    weight: 0.5,
    run: (world, dice) => lie(world, dice, forging),
  },
];
