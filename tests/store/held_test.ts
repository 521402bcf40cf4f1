import { assert, assertEquals } from "@std/assert";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import { addressesIn, labelOf, makeObject, openStore, storeWith } from "./helpers.ts";

Deno.test("PackStore.put: what a peer sent is never found by its label, before and after a rebuild", async () => {
  const held = makeObject(1, { kind: "held" });
  const { disk, store } = await storeWith([held]);
  const label = labelOf(held.bytes)!;
  assertEquals(store.findLabel(label), null);
  assertEquals(await store.get(held.address), held.bytes);
  await store.close();

  const again = await openStore(disk);
  assertEquals(again.store.findLabel(label), null);
  assertEquals(again.store.stat(held.address)!.kind, "held");
  assertEquals(await again.store.get(held.address), held.bytes);
  await again.store.close();
});

for (const flushed of [false, true]) {
  Deno.test(`PackStore.put: sealing what a peer sent gives it its label, ${flushed ? "indexed" : "waiting"}`, async () => {
    const { store } = await openStore(new MemoryDisk());
    const held = makeObject(1, { kind: "held" });
    assert(await store.put(held));
    if (flushed) await store.flush();
    assertEquals(await store.put({ ...held, kind: "sealed" }), false);
    const label = labelOf(held.bytes)!;
    assertEquals(store.findLabel(label)?.address, held.address);
    await store.flush();
    assertEquals(store.findLabel(label)?.address, held.address);
    assertEquals((await addressesIn(store)).length, 1);
    await store.close();
  });
}

Deno.test("PackStore.put: a peer's copy of what was sealed here changes nothing", async () => {
  const sealed = makeObject(1);
  const { store } = await storeWith([sealed]);
  assertEquals(await store.put({ ...sealed, kind: "held" }), false);
  assertEquals(store.findLabel(labelOf(sealed.bytes)!)?.kind, "sealed");
  await store.close();
});

Deno.test("PackStore.isDurable: true only once a flush has returned", async () => {
  const { store } = await openStore(new MemoryDisk());
  const object = makeObject(1);
  assertEquals([store.stat(object.address), store.isDurable(object.address)], [null, false]);
  await store.put(object);
  assertEquals(store.stat(object.address)!.length, 100);
  assertEquals(store.isDurable(object.address), false);
  await store.flush();
  assertEquals(store.isDurable(object.address), true);
  await store.close();
});
