/** Turns for the sockets in the midst of other work: when one is due, who waits for it, and the loopback that it goes by. */

import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { LoopbackPass, type SocketPass, SocketsTurns } from "../../src/base/mod.ts";

/** Returns when all has been done that only waits for promises. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Turns on a clock that stands still, by passes that end when told to. */
function standing() {
  const state = { nowMs: 1000, opened: 0, closed: 0, end: () => {} };
  let isEnded = Promise.withResolvers<void>();
  state.end = () => {
    isEnded.resolve();
    isEnded = Promise.withResolvers();
  };
  const pass: SocketPass = {
    pass: () => isEnded.promise,
    close: () => void state.closed++,
  };
  const open = () => {
    state.opened++;
    return Promise.resolve(pass);
  };
  return { state, turns: new SocketsTurns({ now: () => state.nowMs, open }) };
}

Deno.test("SocketsTurns: nobody waits while no socket is in use", () => {
  const { state, turns } = standing();
  assertEquals(turns.due(), null);
  assert(!turns.isUsed);
  turns.use()();
  assertEquals(turns.due(), null);
  assertEquals(state.opened, 0);
});

Deno.test("SocketsTurns: nobody waits for the first one to be made ready, nor where it can't be", async () => {
  const { state, turns } = standing();
  turns.use();
  assertEquals(turns.due(), null);
  assertEquals(turns.due(), null);
  await settled();
  assertEquals(state.opened, 1);
  assert(turns.due() !== null);

  let tries = 0;
  const failing = new SocketsTurns({ now: () => 0, open: () => Promise.reject(tries++) });
  failing.use();
  for (let i = 0; i < 3; i++) {
    assertEquals(failing.due(), null);
    await settled();
  }
  assertEquals(tries, 1);
});

Deno.test("SocketsTurns: all who come during a turn wait for that one; the next is due some time after its end", async () => {
  const { state, turns } = standing();
  turns.use();
  turns.due();
  await settled();
  const first = turns.due();
  assert(first !== null);
  state.nowMs += 1000;
  assertEquals(turns.due(), first);
  state.end();
  await first;
  assertEquals(turns.due(), null);
  state.nowMs += 9;
  assertEquals(turns.due(), null);
  state.nowMs += 1;
  const second = turns.due();
  assert(second !== null && second !== first);
  assertEquals(state.opened, 1);
});

Deno.test("SocketsTurns: what turns go by is closed with the last socket, once, and made again for the next", async () => {
  const { state, turns } = standing();
  const unuses = [turns.use(), turns.use()];
  turns.due();
  await settled();
  unuses[0]!();
  unuses[0]!();
  assert(turns.isUsed);
  assertEquals(state.closed, 0);
  unuses[1]!();
  assertEquals(state.closed, 1);
  assertEquals(turns.due(), null);

  const unuse = turns.use();
  turns.due();
  unuse(); // before it is ready
  await settled();
  assertEquals([state.opened, state.closed], [2, 2]);
});

Deno.test("LoopbackPass: passes as often as it is asked to, and ends when it is closed", async () => {
  const pass = await LoopbackPass.open();
  for (let i = 0; i < 5; i++) await pass.pass();
  const last = pass.pass();
  pass.close();
  await last;
  await pass.pass();
  pass.close();
});

Deno.test("LoopbackPass: other sockets have been heard when it has passed", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const from = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const to = await listener.accept();
  listener.close();
  const pass = await LoopbackPass.open();
  let isHeard = false;
  const heard = to.read(new Uint8Array(1)).then(() => isHeard = true);
  await from.write(new Uint8Array(1));
  await pass.pass();
  await pass.pass(); // of one turn's news nobody says in which order they are told
  assert(isHeard);
  await heard;
  pass.close();
  from.close();
  to.close();
});
