/** What the simulated network does to connections, and what is remembered of them. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import type { Connection } from "../../src/net/mod.ts";
import { Dice } from "../soak/dice.ts";
import { Life } from "./life.ts";
import { SimNetwork } from "./network.ts";
import { Recorder } from "./recorder.ts";
import { SimTime } from "./time.ts";

const credentials = { certificate: new Uint8Array([1]), privateKey: new Uint8Array([2]) };

function aNetwork() {
  const time = new SimTime();
  const tap = { sent: () => {}, readsOn: () => {} };
  const network = new SimNetwork(time, new Dice(1), tap);
  const heard: string[] = [];
  const [a, b] = [network.of("a", new Life(time)), network.of("b", new Life(time))];
  const listening = b.listen({ host: "b", port: 1, credentials });
  const { certificate } = credentials;
  /** A connection whose other end notes what it reads, and how it ends. */
  const dial = async (name: string): Promise<Connection> => {
    const accepted = (await listening).accept()[Symbol.asyncIterator]();
    const mine = await a.dial("b:1", { certificate, timeoutMs: 1000 });
    const theirs = (await accepted.next()).value as Connection;
    const read = async () => {
      const into = new Uint8Array(100);
      for (let count = await theirs.read(into); count !== null; count = await theirs.read(into)) {
        heard.push(`${name}: ${into.subarray(0, count).join()}`);
      }
      heard.push(`${name} ends`);
    };
    read().catch((error) => heard.push(`${name}: ${error.message}`));
    return mine;
  };
  return { time, network, heard, dial };
}

Deno.test("SimNetwork.age: what is written comes late, and behind it that the end is gone; a new connection overtakes", async () => {
  const { time, network, heard, dial } = aNetwork();
  const old = await time.during(dial("old"), 1000);
  await old.write(Uint8Array.of(1));
  await time.run(time.now() + 100);
  network.age("a", "b", 5000);
  await old.write(Uint8Array.of(2));
  await old.write(Uint8Array.of(3));
  const reading = old.read(new Uint8Array(1));
  assertEquals(network.breakEnds("a", "b"), 1);
  await assertRejects(() => reading, VaultError, "reset");
  await assertRejects(() => old.write(Uint8Array.of(4)), VaultError, "reset");
  old.close();
  const next = await time.during(dial("new"), 1000);
  await next.write(Uint8Array.of(5));
  await time.run(time.now() + 1000);
  assertEquals(heard, ["old: 1", "new: 5"]);
  assertEquals(network.hits.overtaken, 0);
  await time.run(time.now() + 5000);
  assertEquals(heard.slice(2).join().replace("2,old: 3", "2,3"), "old: 2,3,old ends");
  assertEquals(network.hits.overtaken, 2);
});

Deno.test("Recorder: remembers requests, events and handshakes, however they are cut", () => {
  const prefixed = (...bytes: number[]) => Uint8Array.of(0, bytes.length, ...bytes);
  // A ping of 98 bytes is tag 1, an advance of 72 bytes 128; types: ask 1, reply 2, event 4.
  const frame = (type: number, tag: number, length: number) => {
    const bytes = new Uint8Array(10 + length).fill(7, 10);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, length);
    bytes.set([type, tag, 0, 0, 0, 9], 4);
    return bytes;
  };
  const all = [prefixed(1, 2, 3), prefixed(4), frame(1, 1, 98), frame(2, 1, 98), frame(4, 128, 72)];
  const whole = new Uint8Array(all.flatMap((bytes) => [...bytes]));
  for (const step of [1, 7, whole.length]) {
    const recorder = new Recorder();
    const take = recorder.stream({ other: "b", isOwn: true, isDialler: true });
    for (let at = 0; at < whole.length; at += step) take(whole.subarray(at, at + step));
    assertEquals(recorder.said.map(({ kind, name }) => `${kind} ${name}`), [
      "ask ping",
      "event advance",
    ]);
    assert(recorder.said.every(({ bytes }) => bytes.every((byte) => byte === 7)));
    assertEquals(recorder.handshakes, [
      { listener: "b", hello: prefixed(1, 2, 3), proof: prefixed(4) },
    ]);
  }
});
