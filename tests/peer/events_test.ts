import { assertEquals, assertThrows } from "@std/assert";
import { EVENT_LISTENERS_MAX, EVENT_QUEUE_MAX, VaultError } from "../../src/base/mod.ts";
import { EventBus, type NetworkEvent } from "../../src/peer/events.ts";

const notice = (i: number): NetworkEvent => ({ kind: "notice", text: String(i) });

Deno.test("EventBus: every listener hears what happens from when it listens on", async () => {
  const bus = new EventBus();
  const stop = new AbortController();
  bus.emit(notice(0));
  const one = bus.listen(stop.signal);
  bus.emit(notice(1));
  const two = bus.listen(stop.signal);
  bus.emit(notice(2));
  assertEquals((await one.next()).value, notice(1));
  assertEquals((await two.next()).value, notice(2));
  const waiting = two.next();
  bus.emit(notice(3));
  assertEquals((await waiting).value, notice(3));
  const last = two.next();
  stop.abort();
  assertEquals((await last).done, true);
  // What came before the end is still told.
  const rest = [];
  for await (const event of one) rest.push(event);
  assertEquals(rest, [notice(2), notice(3)]);
});

Deno.test("EventBus: a slow listener loses the oldest, and is told how many", async () => {
  const bus = new EventBus();
  const stop = new AbortController();
  const slow = bus.listen(stop.signal);
  for (let i = 0; i < EVENT_QUEUE_MAX + 7; i++) bus.emit(notice(i));
  stop.abort();
  const heard = [];
  for await (const event of slow) heard.push(event);
  assertEquals(heard.slice(0, 2), [{ kind: "dropped", count: 7 }, notice(7)]);
  assertEquals(heard.length, EVENT_QUEUE_MAX + 1);
});

Deno.test("EventBus: who leaves makes room; too many are refused", async () => {
  const bus = new EventBus();
  const { signal } = new AbortController();
  const all = Array.from({ length: EVENT_LISTENERS_MAX }, () => bus.listen(signal));
  assertThrows(() => bus.listen(signal), VaultError, "others do already");
  await all[0]!.return?.();
  bus.listen(signal);
  bus.listen(AbortSignal.abort());
});
