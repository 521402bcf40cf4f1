/** The peer layer of a vault, before it listens. */

import { assertEquals } from "@std/assert";
import { denoDisk, systemClock, systemRandom, systemTimers } from "../../src/base/mod.ts";
import { openPeers, type PeerMachine } from "../../src/daemon/peers.ts";
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
