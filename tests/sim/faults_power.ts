/**
 * Programs that are killed and machines that lose their power: the first entries of {@link FAULTS}.
 *
 * @module
 */

import { type FaultKind, MINUTE, restart, until, withNode } from "./fault_kit.ts";
import { IndexFile } from "./index_file.ts";
import { knows } from "./outsiders.ts";

/** See the module. */
export const POWER_FAULTS: readonly FaultKind[] = [
  {
    name: "kill",
    weight: 3,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.trace.note(node.name, "killed");
        node.kill();
        await restart(world, node, dice);
        return true;
      }),
  },
  {
    name: "power cut",
    weight: 2.5,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.trace.note(node.name, "power cut");
        node.cutPower();
        await restart(world, node, dice);
        return true;
      }),
  },
  {
    name: "silent power cut",
    weight: 1.5,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        world.trace.note(node.name, "power cut, which nobody hears of");
        const before = world.network.hits.silent;
        node.cutPowerSilently();
        const hit = await until(world, () => world.network.hits.silent > before);
        // Who had met nobody yet is dialled by nobody.
        const isMissed = world.members().some((other) => knows(other, node.id));
        await restart(world, node, dice);
        return hit || (isMissed ? false : null);
      }),
  },
  {
    name: "old index",
    weight: 1.5,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        node.kill();
        node.index ??= new IndexFile();
        await world.bringUp(node);
        await world.time.sleep(dice.below(MINUTE));
        node.index.keep();
        world.trace.note(node.name, "index is kept");
        const written = node.disk.writes;
        const hit = await until(world, () => node.disk.writes > written);
        await world.time.sleep(dice.below(2 * MINUTE));
        world.trace.note(node.name, "power cut, after which the index is as it was kept");
        node.cutPower();
        node.index.setBack();
        await restart(world, node, dice);
        return hit;
      }),
  },
  {
    name: "power cut at a word",
    weight: 1.5,
    run: (world, dice) =>
      withNode(world, dice, async (node) => {
        const callOff = world.oracle.atNextWord(node, () => {
          world.trace.note(node.name, "power cut as its word is given");
          node.cutPower();
        });
        if (!await until(world, () => !node.isUp)) {
          callOff();
          return null;
        }
        await restart(world, node, dice);
        return true;
      }),
  },
];
