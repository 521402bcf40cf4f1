/** Several pieces of work at once, outcomes in order. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { inOrder, type Task } from "../../src/vault/in_order.ts";

Deno.test("inOrder: outcomes come in order, however they end, and never more at once than allowed", async () => {
  let working = 0;
  let most = 0;
  const tasks = Array.from({ length: 30 }, (_, i): Task<number> => ({
    bytes: 1,
    async start() {
      most = Math.max(most, ++working);
      for (let turn = 0; turn < (30 - i) % 7; turn++) await Promise.resolve();
      working--;
      return i;
    },
  }));
  const outcomes = await Array.fromAsync(inOrder(tasks, { tasksMax: 4, bytesMax: 100 }));
  assertEquals(outcomes, Array.from({ length: 30 }, (_, i) => i));
  assert(most > 1 && most <= 4, `${most} at once`);
});

Deno.test("inOrder: bytes bound it too, but one task always gets through", async () => {
  let working = 0;
  let most = 0;
  const tasks = [50, 200, 50, 50, 50].map((bytes): Task<number> => ({
    bytes,
    async start() {
      most = Math.max(most, ++working);
      await Promise.resolve();
      working--;
      return bytes;
    },
  }));
  const outcomes = await Array.fromAsync(inOrder(tasks, { tasksMax: 9, bytesMax: 100 }));
  assertEquals(outcomes, [50, 200, 50, 50, 50]);
  assertEquals(most, 2);
});

Deno.test("inOrder: a task that throws ends it once those under way have ended", async () => {
  const ended: number[] = [];
  const tasks = [0, 1, 2].map((i): Task<number> => ({
    bytes: 1,
    async start() {
      if (i === 0) throw new Error("first");
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      ended.push(i);
      return i;
    },
  }));
  const all = inOrder(tasks, { tasksMax: 9, bytesMax: 9 });
  await assertRejects(() => Array.fromAsync(all), Error, "first");
  assertEquals(ended, [1, 2]);
});

Deno.test("inOrder: what a task that pauses has begun goes on before the next begins", async () => {
  const told: string[] = [];
  const tasks = [true, false, false].map((pauses, i): Task<number> => ({
    bytes: 1,
    pauses,
    async start() {
      told.push(`begin ${i}`);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      told.push(`end ${i}`);
      return i;
    },
  }));
  await Array.fromAsync(inOrder(tasks, { tasksMax: 9, bytesMax: 9 }));
  assertEquals(told, ["begin 0", "end 0", "begin 1", "begin 2", "end 1", "end 2"]);
});
