import { assert, assertEquals, assertThrows } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import { CLOCK_MAX, clockMs, nextClock } from "../../src/log/mod.ts";
import { Dice } from "./helpers.ts";

const NOW_MS = 1_700_000_000_000;

Deno.test("nextClock: takes the wall clock when that is ahead, with the counter at 0", () => {
  assertEquals(nextClock(0n, NOW_MS), BigInt(NOW_MS) << 16n);
  assertEquals(nextClock((BigInt(NOW_MS) << 16n) + 9n, NOW_MS + 1), BigInt(NOW_MS + 1) << 16n);
});

Deno.test("nextClock: counts on while the wall clock stands still or jumps back", () => {
  let clock = nextClock(0n, NOW_MS);
  for (const now of [NOW_MS, NOW_MS - 1, NOW_MS - 86_400_000, 0, -5]) {
    const next = nextClock(clock, now);
    assertEquals(next, clock + 1n);
    clock = next;
  }
  assertEquals(clockMs(clock), NOW_MS);
});

Deno.test("nextClock: a full counter carries into the milliseconds", () => {
  const full = (BigInt(NOW_MS) << 16n) | 0xffffn;
  assertEquals(nextClock(full, NOW_MS), BigInt(NOW_MS + 1) << 16n);
  assertEquals(clockMs(nextClock(full, NOW_MS)), NOW_MS + 1);
});

Deno.test("nextClock: fractions of a millisecond are cut off", () => {
  assertEquals(nextClock(0n, NOW_MS + 0.9), BigInt(NOW_MS) << 16n);
});

Deno.test("nextClock: there is a last time", () => {
  assertEquals(nextClock(CLOCK_MAX - 1n, NOW_MS), CLOCK_MAX);
  assertThrows(() => nextClock(CLOCK_MAX, NOW_MS), VaultError, "its clock has run out");
  assertThrows(() => nextClock(0n, 2 ** 47), VaultError, "its clock has run out");
});

Deno.test("clocks: who writes after having seen a record writes a later time, whatever the wall clocks say", () => {
  const dice = new Dice(11);
  const nodes = Array.from({ length: 4 }, () => ({ last: 0n, skew: dice.roll(10_000_000) }));
  let wall = NOW_MS;
  for (let round = 0; round < 2000; round++) {
    const writer = dice.pick(nodes);
    wall += dice.roll(3);
    if (dice.chance(5)) writer.skew = dice.roll(10_000_000) - 5_000_000;
    const clock = nextClock(writer.last, wall + writer.skew);
    assert(clock > writer.last);
    assert(clockMs(clock) >= wall + writer.skew);
    writer.last = clock;
    const reader = dice.pick(nodes);
    if (clock > reader.last) reader.last = clock;
  }
});
