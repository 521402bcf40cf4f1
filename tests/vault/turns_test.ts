/** Who may work at the same time. */

import { assertEquals, assertRejects } from "@std/assert";
import { Gate, Turns } from "../../src/vault/turns.ts";

/** Work that is under way until it is told to end, and that notes when it begins and ends. */
function piece(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const work = async () => {
    log.push(`${name} begins`);
    await promise;
    log.push(`${name} ends`);
    return name;
  };
  return { work, end: resolve };
}

/** Lets everything that can go on go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

Deno.test("Turns: one name, one after the other, in order; another name does not wait", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const [a, b, c] = [piece(log, "a"), piece(log, "b"), piece(log, "c")];
  const done = [turns.take(["k"], a.work), turns.take(["k"], b.work), turns.take(["l"], c.work)];
  await settle();
  assertEquals(log, ["a begins", "c begins"]);
  a.end();
  await settle();
  assertEquals(log, ["a begins", "c begins", "a ends", "b begins"]);
  b.end();
  c.end();
  assertEquals(await Promise.all(done), ["a", "b", "c"]);
});

Deno.test("Turns: whoever fails does not hold up the next", async () => {
  const turns = new Turns();
  const failing = turns.take(["k"], () => Promise.reject(new Error("no")));
  const next = turns.take(["k"], () => Promise.resolve("yes"));
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, "yes");
});

Deno.test("Gate: many share; who is alone waits for those before and holds up those after", async () => {
  const gate = new Gate();
  const log: string[] = [];
  const [a, b, alone, c] = ["a", "b", "alone", "c"].map((name) => piece(log, name)) as [
    ReturnType<typeof piece>,
    ReturnType<typeof piece>,
    ReturnType<typeof piece>,
    ReturnType<typeof piece>,
  ];
  const done = [
    gate.share(a.work),
    gate.share(b.work),
    gate.beAlone(alone.work),
    gate.share(c.work),
  ];
  await settle();
  assertEquals(log, ["a begins", "b begins"]);
  a.end();
  await settle();
  assertEquals(log.includes("alone begins"), false);
  b.end();
  await settle();
  assertEquals(log.slice(2), ["a ends", "b ends", "alone begins"]);
  c.end();
  await settle();
  assertEquals(log.includes("c begins"), false);
  alone.end();
  await Promise.all(done);
  assertEquals(log.slice(5), ["alone ends", "c begins", "c ends"]);
});

Deno.test("Gate: who would be alone only if it is free does nothing while someone is inside or waits", async () => {
  const gate = new Gate();
  const log: string[] = [];
  const [a, alone, b] = ["a", "alone", "b"].map((name) => piece(log, name)) as [
    ReturnType<typeof piece>,
    ReturnType<typeof piece>,
    ReturnType<typeof piece>,
  ];
  const first = gate.share(a.work);
  assertEquals(await gate.beAloneIfFree(b.work), null);
  a.end();
  await first;
  const second = gate.beAloneIfFree(alone.work);
  await settle();
  assertEquals(await gate.beAloneIfFree(b.work), null);
  const third = gate.share(b.work);
  await settle();
  assertEquals(log, ["a begins", "a ends", "alone begins"]);
  alone.end();
  b.end();
  assertEquals([await second, await third], ["alone", "b"]);
});

Deno.test("Gate: who fails alone opens it again", async () => {
  const gate = new Gate();
  const failing = gate.beAlone(() => Promise.reject(new Error("no")));
  const next = gate.share(() => Promise.resolve("yes"));
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, "yes");
});
