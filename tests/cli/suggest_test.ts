import { assertEquals } from "@std/assert";
import { nearest } from "../../src/cli/suggest.ts";

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
