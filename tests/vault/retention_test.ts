import { assertEquals } from "@std/assert";
import { isEmptyRetention, keptByRetention } from "../../src/vault/retention.ts";
import type { Retention } from "../../src/vault/mod.ts";

const NOW = Date.parse("2024-03-01T12:00:00Z");

/** The times that are kept, oldest first; given in any order of the day. */
function kept(times: readonly string[], retention: Retention, now = NOW): string[] {
  const versions = times.map((text) => ({ text, time: Date.parse(text) }));
  const result = keptByRetention(versions, retention, now);
  return versions.filter((version) => result.has(version)).map(({ text }) => text);
}

const DAYS = ["2024-01-01T00:00:00Z", "2024-01-01T23:59:59.999Z", "2024-01-02T00:00:00Z"];

Deno.test("keptByRetention: without a rule everything stays", () => {
  assertEquals(kept(DAYS, {}), DAYS);
  assertEquals(isEmptyRetention({}), true);
  assertEquals(isEmptyRetention({ keepLast: 0 }), false);
});

Deno.test("keptByRetention: the newest version always stays", () => {
  for (const rule of [{ keepLast: 0 }, { keepDaily: 0 }, { keepWithinMs: 0 }, { keepYearly: 0 }]) {
    assertEquals(kept(DAYS, rule), [DAYS[2]!], JSON.stringify(rule));
  }
  assertEquals(kept([], { keepLast: 3 }), []);
});

Deno.test("keptByRetention: keepLast keeps the newest N", () => {
  assertEquals(kept(DAYS, { keepLast: 1 }), DAYS.slice(2));
  assertEquals(kept(DAYS, { keepLast: 2 }), DAYS.slice(1));
  assertEquals(kept(DAYS, { keepLast: 99 }), DAYS);
});

Deno.test("keptByRetention: keepDaily keeps the newest of each day in UTC, of days that have one", () => {
  assertEquals(kept(DAYS, { keepDaily: 2 }), DAYS.slice(1));
  assertEquals(kept(DAYS, { keepDaily: 1 }), DAYS.slice(2));
  const withGaps = ["2023-06-01T10:00:00Z", "2023-12-31T10:00:00Z", "2024-02-29T10:00:00Z"];
  assertEquals(kept(withGaps, { keepDaily: 3 }), withGaps, "days without a version do not count");
});

Deno.test("keptByRetention: hours, months and years are cut where the calendar cuts them", () => {
  const hours = ["2024-01-01T09:59:59.999Z", "2024-01-01T10:00:00Z", "2024-01-01T10:59:59Z"];
  assertEquals(kept(hours, { keepHourly: 5 }), [hours[0]!, hours[2]!]);
  const months = ["2024-01-31T23:59:59Z", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"];
  assertEquals(kept(months, { keepMonthly: 5 }), [months[0]!, months[2]!]);
  const years = ["2022-12-31T23:59:59Z", "2023-01-01T00:00:00Z", "2023-12-31T23:59:59Z"];
  assertEquals(kept(years, { keepYearly: 5 }), [years[0]!, years[2]!]);
});

Deno.test("keptByRetention: weeks begin on Monday, also over the turn of a year (ISO 8601)", () => {
  const sunday = "2024-01-07T23:59:59Z";
  const monday = "2024-01-08T00:00:00Z";
  assertEquals(kept([sunday, monday], { keepWeekly: 5 }), [sunday, monday]);
  // Monday 30 December 2024 to Sunday 5 January 2025 is one week: week 1 of 2025.
  const turn = ["2024-12-29T12:00:00Z", "2024-12-30T00:00:00Z", "2025-01-05T23:59:59Z"];
  assertEquals(kept(turn, { keepWeekly: 5 }), [turn[0]!, turn[2]!]);
  // 2020 had 53 weeks; its last one ends on Sunday 3 January 2021.
  const long = ["2020-12-28T00:00:00Z", "2021-01-03T23:00:00Z", "2021-01-04T00:00:00Z"];
  assertEquals(kept(long, { keepWeekly: 5 }), [long[1]!, long[2]!]);
  // Before 1970 the days of the week go on the same.
  const early = ["1969-12-28T12:00:00Z", "1969-12-29T12:00:00Z", "1970-01-04T12:00:00Z"];
  assertEquals(kept(early, { keepWeekly: 5 }), [early[0]!, early[2]!]);
});

Deno.test("keptByRetention: keepWithinMs keeps what is young, to the millisecond", () => {
  const day = 24 * 60 * 60 * 1000;
  const times = [NOW - day - 1, NOW - day, NOW - 5].map((time) => new Date(time).toISOString());
  assertEquals(kept(times, { keepWithinMs: day }), times.slice(1));
});

Deno.test("keptByRetention: a version stays if any rule keeps it", () => {
  const times = [
    "2022-05-05T05:00:00Z",
    "2023-05-05T05:00:00Z",
    "2024-02-01T05:00:00Z",
    "2024-02-28T05:00:00Z",
    "2024-03-01T05:00:00Z",
    "2024-03-01T06:00:00Z",
  ];
  assertEquals(
    kept(times, { keepLast: 2, keepMonthly: 2, keepYearly: 2 }),
    [times[1]!, times[3]!, times[4]!, times[5]!],
  );
});
