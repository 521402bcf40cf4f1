/**
 * Did you mean …? The nearest of some known words to one that was mistyped.
 *
 * @module
 */

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

/**
 * Fewest insertions, removals, replacements and swaps of neighbours that turn one word into the other: the
 * restricted Damerau-Levenshtein distance (optimal string alignment), three rows at a time.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
