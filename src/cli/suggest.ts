/**
 * Did you mean …? The nearest of some known words to one that was mistyped.
 *
 * @module
 */

import { editDistance } from "../base/mod.ts";

/**
 * The candidate with the fewest edits from `typed`, or `undefined` if none is near: at most a third of the
 * longer word's letters may differ, and at least one edit is always allowed. Ties go to the first. A word that was
 * not typed to its end is found too, if only one candidate begins like it.
 */
export function nearest(typed: string, candidates: Iterable<string>): string | undefined {
  const words = [...candidates];
  const near = nearestByEdits(typed, words);
  if (near !== undefined || typed.length < 2) return near;
  const longer = words.filter((word) => word.startsWith(typed.toLowerCase()));
  return longer.length === 1 ? longer[0] : undefined;
}

function nearestByEdits(typed: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(typed.toLowerCase(), candidate);
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, candidate.length) / 3));
    if (distance <= allowed && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
