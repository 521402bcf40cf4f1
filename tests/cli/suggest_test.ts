import { assertEquals } from "@std/assert";
import { editDistance, nearest } from "../../src/cli/suggest.ts";

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

Deno.test("nearest: a near word, whatever the case, and nothing when none is near", () => {
  const words = ["version", "at", "home", "recursive"];
  assertEquals(nearest("verison", words), "version");
  assertEquals(nearest("HOME", words), "home");
  assertEquals(nearest("recursve", words), "recursive");
  assertEquals(nearest("ta", words), "at");
  assertEquals(nearest("zebra", words), undefined);
  assertEquals(nearest("x", []), undefined);
  assertEquals(nearest("recu", words), "recursive", "the beginning of one");
  assertEquals(nearest("re", ["restore", "recover"]), undefined, "of which of them?");
});
