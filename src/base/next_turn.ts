/**
 * Letting others have their turn in the midst of long work.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { socketsTurn } from "./sockets_turn.ts";

/** Resolves when all that was ready has run. */
export function afterThisTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** As {@link afterThisTurn}, and the sockets have been asked if that is due. */
export function nextTurn(): Promise<void> {
  return socketsTurn() ?? afterThisTurn();
}
