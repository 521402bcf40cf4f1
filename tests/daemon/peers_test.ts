/** The peer layer of a vault, before it listens. */

import { assertEquals } from "@std/assert";
import { denoDisk, systemClock, systemRandom, systemTimers } from "../../src/base/mod.ts";
import { openPeers, type PeerMachine, type Peers } from "../../src/daemon/peers.ts";
import { makeCredentials, MemoryNetwork } from "../../src/net/mod.ts";
import { failure } from "../vault/helpers.ts";
import { strangerNode } from "../vault/peer_helpers.ts";

Deno.test("openPeers replicas: who may not say how many copies there are does not even listen", async () => {
  const network = new MemoryNetwork({ timers: systemTimers });
  let listening = 0;
  const machine = (name: string): PeerMachine => {
    const transport = network.host(name);
    return {
      transport: {
        ...transport,
        listen: (at) => {
          listening++;
          return transport.listen(at);
        },
      },
      ...{ clock: systemClock, timers: systemTimers, random: systemRandom, disk: denoDisk },
      makeCredentials,
      hostName: () => name,
      interfaceAddresses: () => [],
    };
  };
  await using owner = await strangerNode();
  await using storage = await strangerNode();
  const start = { host: "any", port: 1, peers: [], lan: false };
  const founder = await openPeers(owner.vault, { replicas: 2 }, machine("owner"));
  await founder.start({ ...start, advertise: "owner:1" });
  const token = await founder.invite({});
  const joiner = await openPeers(storage.vault, { replicas: 2 }, machine("storage"));
  await joiner.join(token);
  await failure("denied", () => joiner.start(start));
  assertEquals([listening, founder.view().replicas], [1, 2]);
  await joiner.stop();
  await founder.stop();
});

const DAY_MS = 24 * 3600 * 1000;
const START = { host: "any", port: 1, peers: [], lan: false };

/** Machines of one network in memory, by name, whose clocks all go ahead at once. */
function machines() {
  const network = new MemoryNetwork({ timers: systemTimers });
  const clock = { aheadMs: 0, now: () => systemClock.now() + clock.aheadMs };
  const machine = (name: string): PeerMachine => ({
    transport: network.host(name),
    ...{ clock, timers: systemTimers, random: systemRandom, disk: denoDisk },
    makeCredentials,
    hostName: () => name,
    interfaceAddresses: () => [],
  });
  return { clock, machine };
}

/** Returns once a node has a session with one of that name. */
async function sees(peers: Peers, name: string): Promise<void> {
  const done = new AbortController();
  for await (const event of peers.events(done.signal)) {
    if (event.kind === "peer" && event.state === "up" && event.name === name) break;
  }
  done.abort();
}

Deno.test("join: another token lets in whom the first one did not, as its ticket had expired before it met anybody", async () => {
  const { clock, machine } = machines();
  await using owner = await strangerNode();
  await using storage = await strangerNode();
  const founder = await openPeers(owner.vault, {}, machine("owner"));
  await founder.start({ ...START, advertise: "owner:1" });
  const token = await founder.invite({});
  const joiner = await openPeers(storage.vault, {}, machine("storage"));
  await joiner.join(token);
  await joiner.stop();
  clock.aheadMs = 8 * DAY_MS;
  const late = await openPeers(storage.vault, {}, machine("storage"));
  await late.start({ ...START, advertise: "storage:1" });
  await failure("denied", () => late.join(token));
  await Promise.all([late.join(await founder.invite({})), sees(founder, "storage")]);
  await late.stop();
  await founder.stop();
});

Deno.test("join: another token lets in whom the first one did not, as it had no ticket", async () => {
  const { machine } = machines();
  await using owner = await strangerNode();
  await using storage = await strangerNode();
  await using third = await strangerNode();
  const founder = await openPeers(owner.vault, {}, machine("owner"));
  await founder.start({ ...START, advertise: "owner:1" });
  const member = await openPeers(storage.vault, {}, machine("storage"));
  await member.start({ ...START, advertise: "storage:1" });
  await member.join(await founder.invite({}));
  const newcomer = await openPeers(third.vault, {}, machine("third"));
  await newcomer.start({ ...START, advertise: "third:1" });
  await failure("denied", async () => await newcomer.join(await member.invite({})));
  await Promise.all([newcomer.join(await founder.invite({})), sees(founder, "third")]);
  await newcomer.stop();
  await member.stop();
  await founder.stop();
});

Deno.test("Peers.events: tells what happened since it was called, also before anybody looks", async () => {
  const { machine } = machines();
  await using owner = await strangerNode();
  await using storage = await strangerNode();
  const founder = await openPeers(owner.vault, {}, machine("owner"));
  const stop = new AbortController();
  const events = founder.events(stop.signal);
  await founder.start({ ...START, advertise: "owner:1" });
  const joiner = await openPeers(storage.vault, {}, machine("storage"));
  await joiner.start({ ...START, advertise: "storage:1" });
  await Promise.all([joiner.join(await founder.invite({})), sees(founder, "storage")]);
  stop.abort();
  const told: string[] = [];
  for await (const event of events) if (event.kind === "peer") told.push(event.name);
  assertEquals(told[0], "storage");
  await joiner.stop();
  await founder.stop();
});
