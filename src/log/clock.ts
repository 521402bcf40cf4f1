/**
 * The hybrid logical clock that orders records of nodes whose wall clocks disagree: milliseconds << 16 | counter,
 * a 64-bit integer. It stays close to the wall clock, and whoever writes after having seen a record writes
 * a later time than that record's, however wrong their own clock is.
 *
 * After S. Kulkarni, M. Demirbas, D. Madeppa, B. Avva, M. Leone, "Logical Physical Clocks and Consistent Snapshots in
 * Globally Distributed Databases", 2014. There a message's arrival is an event with a time of its own; here it only
 * raises what the next record must be later than ({@link nextClock}).
 *
 * @module
 */

import { VaultError } from "../base/mod.ts";

/** Bits of the counter, below the milliseconds. */
const COUNTER_BITS = 16n;

/** The last time there is, in the year 6429: times fit a signed integer too, as databases have them. */
export const CLOCK_MAX = 2n ** 63n - 1n;

/**
 * The time of the next record.
 *
 * @param last the latest time seen on any record, this node's or another's; 0 if there was none
 * @param nowMs the wall clock, milliseconds since 1970; it may stand still or jump back
 * @returns a time later than `last`, and no earlier than the wall clock. A counter that is full carries into the
 * milliseconds.
 * @throws VaultError `failed` after {@link CLOCK_MAX}
 */
export function nextClock(last: bigint, nowMs: number): bigint {
  const wall = BigInt(Math.max(0, Math.floor(nowMs))) << COUNTER_BITS;
  const next = wall > last ? wall : last + 1n;
  if (next > CLOCK_MAX) {
    throw new VaultError("failed", "Cannot make a record: its clock has run out");
  }
  return next;
}

/** The milliseconds since 1970 that a time stands for. */
export function clockMs(clock: bigint): number {
  return Number(clock >> COUNTER_BITS);
}
