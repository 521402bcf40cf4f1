/** What MemoryNetwork does beyond the contract of transports: order, and the lack of it. */

import { assertEquals } from "@std/assert";
import { type Connection, MemoryNetwork } from "../../src/net/mod.ts";
import { VirtualTime } from "./helpers.ts";

const credentials = { certificate: new Uint8Array([1]), privateKey: new Uint8Array([2]) };

/** Two connections from one host to another, whose bytes take as long as they are told. */
async function twoConnections() {
  const time = new VirtualTime();
  let latencyMs = 0;
  const network = new MemoryNetwork({ timers: time, latencyMs: () => latencyMs });
  const listener = await network.host("b").listen({ host: "b", port: 1, credentials });
  const accepted = listener.accept()[Symbol.asyncIterator]();
  const { certificate } = credentials;
  const dial = async () => {
    const from = await network.host("a").dial("b:1", { certificate, timeoutMs: 1000 });
    const { value } = await accepted.next();
    return { from, to: value as Connection };
  };
  const [one, other] = [await dial(), await dial()];
  const heard: string[] = [];
  const listen = async (name: string, { to }: { to: Connection }) => {
    const into = new Uint8Array(1);
    for (let count = await to.read(into); count !== null; count = await to.read(into)) {
      heard.push(`${name}${into[0]}`);
    }
  };
  void listen("one ", one).catch(() => {});
  void listen("other ", other).catch(() => {});
  const write = async ({ from }: { from: Connection }, byte: number, ms: number) => {
    latencyMs = ms;
    await from.write(Uint8Array.of(byte));
    latencyMs = 0;
  };
  return { time, network, one, other, heard, write };
}

Deno.test("MemoryNetwork: what is sent over one connection comes in order, over others before it or after", async () => {
  const { time, one, other, heard, write } = await twoConnections();
  await write(one, 1, 100);
  await write(one, 2, 10);
  await write(other, 3, 50);
  await time.pass(60);
  assertEquals(heard, ["other 3"]);
  await time.pass(60);
  assertEquals(heard, ["other 3", "one 1", "one 2"]);
});

Deno.test("MemoryNetwork.cut: nothing of any connection comes through, and all of it once it is healed", async () => {
  const { time, network, one, other, heard, write } = await twoConnections();
  network.cut("a", "b");
  await write(one, 1, 5);
  await write(other, 2, 5);
  await time.pass(20);
  assertEquals(heard, []);
  network.heal("a", "b");
  await time.pass(0);
  assertEquals(heard, ["one 1", "other 2"]);
});
