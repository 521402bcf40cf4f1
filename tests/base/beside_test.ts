/** Work on other threads: how much at once, in which order, and that its outcome is the same as here. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  beside,
  BESIDE_BYTES_MIN,
  besideOrHere,
  Hmac,
  sha256,
  sha256Beside,
} from "../../src/base/mod.ts";

Deno.test("beside: few at once, the others in the order they came; who fails holds nobody up", async () => {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const works = Array.from({ length: 6 }, (_, i) =>
    beside(async () => {
      begun.push(i);
      await new Promise<void>((resolve) => ends[i] = resolve);
      if (i === 1) throw new Error("failed");
      return i;
    }));
  assertEquals(begun, [0, 1, 2]);
  ends[1]!();
  await assertRejects(() => works[1]!, Error, "failed");
  assertEquals(begun, [0, 1, 2, 3]);
  assertEquals(await besideOrHere(() => Promise.resolve("there"), () => "here"), "here");
  for (const i of [0, 2, 3, 4, 5]) {
    ends[i]!();
    assertEquals(await works[i], i);
  }
  assertEquals(begun, [0, 1, 2, 3, 4, 5]);
  assertEquals(await besideOrHere(() => Promise.resolve("there"), () => "here"), "there");
});

Deno.test("sha256Beside, Hmac.digestBeside: what sha256 and digest give, at every size, many at once", async () => {
  const hmacs = (["sha256", "sha512"] as const).map((name) => new Hmac(name, sha256()));
  const lengths = [0, 1, BESIDE_BYTES_MIN - 1, BESIDE_BYTES_MIN, 3 * BESIDE_BYTES_MIN + 1];
  await Promise.all([...lengths, ...lengths].map(async (length) => {
    const bytes = new Uint8Array(length).map((_, i) => (i * 7) >> 3);
    assertEquals(await sha256Beside(bytes), sha256(bytes));
    const pieces = [sha256(bytes), bytes, bytes.subarray(1)];
    assertEquals(await sha256Beside(...pieces), sha256(...pieces));
    for (const hmac of hmacs) assertEquals(await hmac.digestBeside(bytes), hmac.digest(bytes));
  }));
});
