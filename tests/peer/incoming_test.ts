/** The store's door for what comes from peers. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { sha256, VaultError } from "../../src/base/mod.ts";
import { Incoming } from "../../src/peer/incoming.ts";
import { TestStore } from "./doubles.ts";

Deno.test("receive: a node that holds as much as it was given room for takes no more, but for what all hold", async () => {
  const store = new TestStore();
  let room = 1000;
  const incoming = new Incoming(store, () => room);
  const receive = (seed: number, kind: "sealed" | "public") => {
    const bytes = new Uint8Array(600).fill(seed);
    const address = sha256(bytes);
    return incoming.receive(address, () => Promise.resolve({ kind, bytes: bytes.slice() }));
  };
  assert(await receive(1, "sealed"));
  room = 400;
  assert(!incoming.hasRoom(600));
  const error = await assertRejects(() => receive(2, "sealed"), VaultError, "given room for");
  assertEquals(error.code, "no_space");
  assertEquals(store.stat(sha256(new Uint8Array(600).fill(2))), null);
  assert(await receive(3, "public"));
  room = 1000;
  assert(await receive(2, "sealed"));
});
