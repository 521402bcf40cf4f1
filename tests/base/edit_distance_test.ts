import { assertEquals } from "@std/assert";
import { editDistance } from "../../src/base/mod.ts";

Deno.test("editDistance: insertions, removals, replacements and swaps cost one each", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["put", "put", 0],
    ["put", "puts", 1],
    ["put", "pt", 1],
    ["put", "pet", 1],
    ["put", "ptu", 1],
    ["verison", "version", 1],
    ["history", "restore", 3],
  ];
  for (const [a, b, distance] of cases) {
    assertEquals([editDistance(a, b), editDistance(b, a)], [distance, distance], `${a} ${b}`);
  }
});
