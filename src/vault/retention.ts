/**
 * Retention: which versions of a key stay. Pure.
 *
 * @module
 */

import type { Retention } from "./types.ts";

/** What a rule needs to know of a version. */
export interface DatedVersion {
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** The name of the span of time that a moment lies in, in UTC: versions with one name compete for one place. */
type Bucket = (time: Date) => string;

const hourly: Bucket = (time) => time.toISOString().slice(0, 13);
const daily: Bucket = (time) => time.toISOString().slice(0, 10);
const monthly: Bucket = (time) => time.toISOString().slice(0, 7);
const yearly: Bucket = (time) => time.toISOString().slice(0, 4);
/** The Monday that a week begins with (ISO 8601). */
const weekly: Bucket = (time) => {
  const day = (time.getUTCDay() + 6) % 7;
  return daily(new Date(time.getTime() - day * 24 * 60 * 60 * 1000));
};

/** Whether no rule is set at all: then nothing is dropped. */
export function isEmptyRetention(retention: Retention): boolean {
  return Object.values(retention).every((value) => value === undefined);
}

/**
 * The versions that some rule keeps. `keepLast` keeps the newest N; `keepDaily` the newest one of each of the newest N days
 * that have one, and so on; `keepWithinMs` all that are younger. The newest version always stays.
 *
 * @param versions of one key, oldest first
 * @param now milliseconds since 1970
 */
export function keptByRetention<V extends DatedVersion>(
  versions: readonly V[],
  retention: Retention,
  now: number,
): Set<V> {
  if (isEmptyRetention(retention)) return new Set(versions);
  const newestFirst = [...versions].reverse();
  const kept = new Set<V>(newestFirst.slice(0, Math.max(1, retention.keepLast ?? 0)));
  const rules: [number | undefined, Bucket][] = [
    [retention.keepHourly, hourly],
    [retention.keepDaily, daily],
    [retention.keepWeekly, weekly],
    [retention.keepMonthly, monthly],
    [retention.keepYearly, yearly],
  ];
  for (const [count, bucketOf] of rules) {
    const filled = new Set<string>();
    for (const version of newestFirst) {
      const bucket = bucketOf(new Date(version.time));
      if (filled.has(bucket)) continue;
      if (filled.size >= (count ?? 0)) break;
      filled.add(bucket);
      kept.add(version);
    }
  }
  if (retention.keepWithinMs !== undefined) {
    for (const version of versions) {
      if (now - version.time <= retention.keepWithinMs) kept.add(version);
    }
  }
  return kept;
}
