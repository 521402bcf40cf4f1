/**
 * Letting others have their turn in the midst of long work.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { socketsTurn } from "./sockets_turn.ts";

/** Resolves when all that was ready has run, and the sockets have been asked if that is due. */
export function nextTurn(): Promise<void> {
  return socketsTurn() ?? new Promise((resolve) => void setImmediate(resolve));
}
