import { assertEquals, assertThrows } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import {
  readCount,
  readIdPrefix,
  readPercent,
  readSeconds,
  readSpan,
  readTime,
  readVersion,
} from "../../src/cli/values.ts";

/** Each text is refused as wrong usage, and the message names the place. */
function assertRefused(read: (text: string, what: string) => unknown, texts: string[]): void {
  for (const text of texts) {
    const error = assertThrows(() => read(text, "--it"), VaultError, "for --it", text);
    assertEquals(error.code, "usage");
  }
}

Deno.test("readCount: whole numbers from 1 up", () => {
  assertEquals([readCount("1", "N"), readCount("007", "N"), readCount("999999999", "N")], [
    1,
    7,
    999_999_999,
  ]);
  assertRefused(readCount, ["0", "-1", "1.5", "1e3", "0x1", " 1", "many", "9999999999"]);
});

Deno.test("readSeconds: seconds as milliseconds", () => {
  assertEquals([readSeconds("0", "S"), readSeconds("1.5", "S"), readSeconds("30s", "S")], [
    0,
    1500,
    30_000,
  ]);
  assertRefused(readSeconds, ["-1", "1m", ".5", "soon"]);
});

Deno.test("readSpan: one or more amounts with units", () => {
  assertEquals(readSpan("90s", "S"), 90_000);
  assertEquals(readSpan("1d12h", "S"), 36 * 3_600_000);
  assertEquals(readSpan("1w", "S"), readSpan("7d", "S"));
  assertRefused(readSpan, ["", "5", "2h ", "h", "-2h", "2H", "1.5h", "2 h"]);
});

Deno.test("readPercent: a share above 0 up to 1", () => {
  assertEquals([readPercent("5%", "P"), readPercent("100", "P"), readPercent("0.5%", "P")], [
    0.05,
    1,
    0.005,
  ]);
  assertRefused(readPercent, ["0", "101%", "-5%", "half", "%"]);
});

Deno.test("readVersion: up to nine digits are a number, the rest an id's beginning", () => {
  assertEquals(readVersion("12", "V"), { kind: "number", number: 12 });
  assertEquals(readVersion("123456789", "V"), { kind: "number", number: 123_456_789 });
  assertEquals(readVersion("1234567890", "V"), { kind: "id", prefix: "1234567890" });
  assertEquals(readVersion("3F9a", "V"), { kind: "id", prefix: "3f9a" });
  assertRefused(readVersion, ["0", "-1", "abc", "latest", "a".repeat(65), ""]);
});

Deno.test("readIdPrefix: 4 to 64 hex digits", () => {
  assertEquals(readIdPrefix("00FF", "ID"), "00ff");
  assertRefused(readIdPrefix, ["0ff", "xyz0", "a".repeat(65)]);
});

const NOW = Date.UTC(2026, 0, 31, 12);
const at = (text: string) => readTime(text, { what: "--it", now: NOW });

Deno.test("readTime: a span counts back from now", () => {
  assertEquals(at("2h"), NOW - 2 * 3_600_000);
  assertEquals(at("3d"), NOW - 3 * 86_400_000);
});

Deno.test("readTime: without a zone the time is local, a date is its first moment", () => {
  assertEquals(at("2026-01-31"), new Date(2026, 0, 31).getTime());
  assertEquals(at("2026-01-31T18:30"), new Date(2026, 0, 31, 18, 30).getTime());
  assertEquals(at("2026-01-31 18:30:05.25"), new Date(2026, 0, 31, 18, 30, 5, 250).getTime());
});

Deno.test("readTime: zones", () => {
  assertEquals(at("2026-01-31T18:30Z"), Date.UTC(2026, 0, 31, 18, 30));
  assertEquals(at("2026-01-31T18:30:00+02:00"), Date.UTC(2026, 0, 31, 16, 30));
  assertEquals(at("2026-01-31T18:30-0330"), Date.UTC(2026, 0, 31, 22, 0));
});

Deno.test("readTime: reads what JSON output prints", () => {
  assertEquals(at(new Date(NOW + 7).toISOString()), NOW + 7);
});

Deno.test("readTime: what is no date is refused", () => {
  assertRefused((text) => at(text), [
    "yesterday",
    "",
    "2026-02-30",
    "2026-13-01",
    "2026-1-1",
    "2026-01-31T24:01",
    "2026-01-31T12:60",
    "1969-12-31",
    "2026-01-31T",
    "31.1.2026",
    "2y5",
  ]);
});
