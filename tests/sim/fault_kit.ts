/**
 * What faults are made of: what each is, how a node is taken for one and comes back.
 *
 * @module
 */

import type { Dice } from "../soak/dice.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
/** A node stays away for so long at most, and a partition. */
export const AWAY_MS_MAX = 5 * HOUR;

/** A kind of fault. */
export interface FaultKind {
  readonly name: string;
  /** How often it is chosen in relation to others. */
  readonly weight: number;
  /**
   * Does it, from its beginning to its end. Says whether it had an effect; `null` if it could not be done at this time, and
   * is to be tried again later.
   */
  run(world: World, dice: Dice): Promise<boolean | null>;
}

/** Waits until something has happened, for a bounded time. */
export async function until(
  world: World,
  holds: () => boolean,
  msMax = 15 * MINUTE,
): Promise<boolean> {
  const end = world.time.now() + msMax;
  while (!holds() && world.time.now() < end) await world.time.sleep(SECOND);
  return holds();
}

/** A node that is up and that no other fault is at; it is this fault's until it is let go of. */
export async function withNode(
  world: World,
  dice: Dice,
  fault: (node: SimNode) => Promise<boolean | null>,
  isFit: (node: SimNode) => boolean = () => true,
): Promise<boolean | null> {
  const node = world.take(dice, isFit);
  if (node === null) return null;
  try {
    return await fault(node);
  } finally {
    world.letGo(node);
  }
}

/** Whether a node has a session with anybody: who was left outside its network has none. */
export function isInTouch({ running }: SimNode): boolean {
  return running !== null && running.peers.node.sessions.peers().length > 0;
}

/** It stays away for a while, some for hours. */
export async function restart(world: World, node: SimNode, dice: Dice): Promise<void> {
  if (dice.chance(0.25)) await world.days.letPass(dice.below(AWAY_MS_MAX));
  else await world.time.sleep(dice.below(2 * MINUTE));
  await world.bringUp(node);
}
