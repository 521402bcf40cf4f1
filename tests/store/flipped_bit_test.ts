/** A bit that flipped is found by the hash of what was stored. */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, equalBytes, sha256 } from "../../src/base/mod.ts";
import {
  encodeFrameHeader,
  flipBack,
  FRAME_HEADER_BYTES,
  type FrameRow,
  headerBeforeFlip,
  IndexDatabase,
  STORE_SCHEMA,
} from "../../src/store/mod.ts";
import { assertHolds, makeObject, makeObjects, openStore, packPath, storeWith } from "./helpers.ts";

/** Runs it to its end; says how many steps that took. */
function run(bytes: Bytes, address: Bytes): { isWhole: boolean; steps: number } {
  const steps = flipBack(bytes, address);
  for (let count = 1;; count++) {
    const { done, value } = steps.next();
    if (done) return { isWhole: value, steps: count };
  }
}

Deno.test("flipBack: whichever bit flipped, the object is whole again", () => {
  const { bytes } = makeObject(1, { length: 20 });
  const address = sha256(bytes);
  for (let i = 0; i < 8 * bytes.length; i++) {
    const flipped = bytes.slice();
    flipped[i >>> 3]! ^= 1 << (i & 7);
    assertEquals(run(flipped, address).isWhole, true, `bit ${i}`);
    assertEquals(flipped, bytes);
  }
});

Deno.test("flipBack: what differs in more is left as it is", () => {
  const { bytes } = makeObject(2, { length: 20 });
  const address = sha256(bytes);
  for (const others of [[3, 1], [3, 3], [255, 0]]) {
    const damaged = bytes.slice();
    damaged[4]! ^= others[0]!;
    damaged[19]! ^= others[1]!;
    const before = damaged.slice();
    assertEquals(run(damaged, address).isWhole, false);
    assertEquals(damaged, before);
  }
});

Deno.test("flipBack: others get their turn between steps, and see nothing that is half tried", () => {
  const { bytes } = makeObject(3, { length: 1500 });
  const damaged = bytes.slice();
  damaged[1400]! ^= 6;
  const before = damaged.slice();
  let count = 0;
  for (const _ of flipBack(damaged, sha256(bytes))) {
    assertEquals(damaged, before);
    count++;
  }
  assert(count > 100, `${count} steps`);
});

Deno.test("headerBeforeFlip: finds what a frame's header said, whichever of its bits flipped", () => {
  const { address } = makeObject(4);
  const header = { kind: "segment", address, length: 777 } as const;
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + 5);
  encodeFrameHeader(header, bytes, 0);
  for (let i = 0; i < 8 * FRAME_HEADER_BYTES; i++) {
    const flipped = bytes.slice();
    flipped[i >>> 3]! ^= 1 << (i & 7);
    const damaged = flipped.slice();
    assertEquals(headerBeforeFlip(flipped), header, `bit ${i}`);
    assertEquals(flipped, damaged);
  }
  assertEquals(headerBeforeFlip(new Uint8Array(FRAME_HEADER_BYTES)), null);
  const twice = bytes.slice();
  twice[20]! ^= 3;
  assert(headerBeforeFlip(twice) === null);
});

Deno.test("PackStore.relocate: what is damaged where it lies is written as it was", async () => {
  const { store, disk, database } = await storeWith(makeObjects(3));
  const [frame] = store.index.inPack(1) as [FrameRow];
  disk.flip(packPath(1), frame.offset);
  const { bytes } = makeObjects(3).find(({ address }) => equalBytes(address, frame.address))!;
  await store.put(makeObject(7)); // waits for a flush that comes with it
  await store.relocate([frame], [], () => false, () => bytes);
  assert(store.isDurable(frame.address));
  await store.close();
  for (const index of [database, new IndexDatabase(":memory:", STORE_SCHEMA)]) {
    const again = await openStore(disk, { database: index });
    await assertHolds(again.store, [...makeObjects(3), makeObject(7)]);
    await again.store.close();
  }
});
