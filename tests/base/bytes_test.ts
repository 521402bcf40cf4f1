/** The writer that every format of ours is built on. */

import { assertEquals } from "@std/assert";
import { ByteReader, ByteWriter } from "../../src/base/mod.ts";

Deno.test("ByteWriter: writers at the same time and one after the other do not disturb each other's bytes", () => {
  const [a, b] = [new ByteWriter(), new ByteWriter(8)];
  a.u32(1);
  b.u32(2);
  a.u8(3);
  const [first, second] = [a.finish(), b.finish()];
  const third = new ByteWriter().u64(0xffff_ffff_ffffn).finish();
  assertEquals([...first], [0, 0, 0, 1, 3]);
  assertEquals([...second], [0, 0, 0, 2]);
  assertEquals([...third], [0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
});

Deno.test("ByteWriter: what outgrows its buffer is whole", () => {
  const writer = new ByteWriter(16);
  for (let i = 0; i < 2000; i++) writer.u16(i);
  const reader = new ByteReader(writer.finish(), "numbers");
  for (let i = 0; i < 2000; i++) assertEquals(reader.u16(), i);
  reader.end();
});
