/** Packs that were damaged: what a scan makes of them, and what a store finds in them. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Bytes,
  concatBytes,
  type DiskFile,
  equalBytes,
  sha256,
  toHex,
} from "../../src/base/mod.ts";
import {
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  OBJECT_KINDS,
  type ObjectKind,
  scanFrames,
  type Scanned,
} from "../../src/store/mod.ts";
import { MemoryDisk } from "../helpers/faulty_disk.ts";
import {
  assertHolds,
  frameBytes,
  labelOf,
  makeObject,
  makeObjects,
  objectOf,
  openStore,
  packBytes,
  packPath,
  type TestObject,
} from "../store/helpers.ts";
import { blob, changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";

const object: fc.Arbitrary<TestObject> = fc.tuple(
  fc.oneof({ weight: 5, arbitrary: blob(0, 300) }, { weight: 1, arbitrary: blob(0, 70_000) }),
  fc.constantFrom(...Object.keys(OBJECT_KINDS) as ObjectKind[]),
).map(([bytes, kind]) => objectOf(bytes, kind));

const objects = fc.array(object, { minLength: 1, maxLength: 6 });

/** What happens to the bytes of a pack: changes, a hole of zeros, or an object with frames in it that a stranger made. */
const damagedPack = fc.tuple(objects, changes, fc.nat(), fc.nat({ max: 400 })).map(
  ([all, made, at, length]) => {
    const good = packBytes(1, ...all.map(frameBytes));
    const other = concatBytes(all.map(frameBytes));
    const bad = changed(good, made, other);
    if (length > 200 && bad.length > 0) bad.fill(0, at % bad.length, at % bad.length + length);
    return { all, bad };
  },
);

/** A file in memory that counts what is read of it. */
class CountedFile implements Pick<DiskFile, "readAt" | "size"> {
  read = 0;
  readonly #bytes: Bytes;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  size(): number {
    return this.#bytes.length;
  }

  readAt(offset: number, into: Bytes): number {
    const piece = this.#bytes.subarray(offset, offset + into.length);
    into.set(piece);
    this.read += piece.length;
    return piece.length;
  }
}

function scan(bytes: Bytes, verify: boolean): { found: Scanned[]; read: number } {
  const file = new CountedFile(bytes);
  const range = { from: 16, end: bytes.length };
  const found = [...scanFrames(file as unknown as DiskFile, range, { verify })];
  return { found, read: file.read };
}

/** Where a part stands in the whole. */
function* placesOf(whole: Bytes, part: Bytes): Generator<number> {
  for (let at = 0; at + part.length <= whole.length; at++) {
    if (whole[at] === part[0] && equalBytes(whole.subarray(at, at + part.length), part)) yield at;
  }
}

/** Frames that are whole and don't lie in what is left of another, where nothing is taken for one. */
function wholeIn(bad: Bytes, all: readonly TestObject[], found: readonly Scanned[]): TestObject[] {
  const isIn = (at: number) =>
    found.some((each) =>
      each.what === "damaged" && each.offset < at && at < each.offset + each.length
    );
  return all.filter((each) =>
    [...placesOf(bad, frameBytes(each))].some((at) => at >= 16 && !isIn(at))
  );
}

Deno.test("scanFrames: covers a damaged pack without gaps, and finds every frame that is whole", () => {
  fc.assert(
    fc.property(damagedPack, fc.boolean(), ({ all, bad }, verify) => {
      const { found, read } = scan(bad, verify);
      let at = 16;
      const addresses = new Set<string>();
      found.forEach((each, i) => {
        assertEquals(each.offset, at, "a gap");
        if (each.what === "torn") {
          assertEquals(i, found.length - 1, "something behind a frame that the end cuts off");
          at = bad.length;
        } else if (each.what === "frame") {
          at += 48 + each.header.length;
          const payload = bad.subarray(at - each.header.length, at);
          if (each.payload !== null) assert(equalBytes(each.payload, payload));
          if (verify) assert(equalBytes(sha256(payload), each.header.address), "a wrong address");
          addresses.add(toHex(each.header.address));
        } else {
          assert(each.length > 0, "no progress");
          at += each.length;
        }
      });
      assertEquals(at, Math.max(16, bad.length));
      // Windows overlap, and what looks like a frame is looked at twice: no more than that.
      assert(read <= 12 * bad.length + 4 * 256 * 1024, `${read} bytes read of ${bad.length}`);
      if (!verify) return; // a damaged payload may then hide what it seems to hold
      for (const each of wholeIn(bad, all, found)) {
        assert(addresses.has(toHex(each.address)), "a whole frame was not found");
      }
    }),
    trying(300),
  );
});

Deno.test("PackStore.open: a damaged pack costs what is damaged, and the store works on", async () => {
  await fc.assert(
    fc.asyncProperty(damagedPack, async ({ all, bad }) => {
      const whole = wholeIn(bad, all, scan(bad, true).found);
      const disk = new MemoryDisk();
      disk.rewrite(packPath(1), () => bad);
      const first = await openStore(disk);
      await assertHolds(first.store, whole);
      for (const { address, bytes } of all) {
        if (!await first.store.has(address)) continue;
        assertEquals(await first.store.get(address), bytes);
      }
      for (const each of all) await first.store.put(each);
      await first.store.put(makeObject(1));
      await first.store.close();
      const again = await openStore(disk); // without an index
      await assertHolds(again.store, [...all, makeObject(1)]);
      await again.store.close();
    }),
    trying(60),
  );
});

/** An object from a stranger: frames of kind 1 whose labels the stranger chose, or headers that claim much. */
function hostile(inner: readonly Uint8Array[]): TestObject {
  return objectOf(concatBytes([new Uint8Array(60), ...inner, new Uint8Array(20)]), "held");
}

for (
  const [what, damage] of [
    ["bits of its header", (frame: Bytes) => frame.with(9, 1)],
    ["bits of its payload", (frame: Bytes) => frame.with(50, 1)],
    ["its end", (frame: Bytes) => frame.subarray(0, frame.length - 1)],
  ] as const
) {
  Deno.test(`PackStore.open: what lies in a stranger's object that lost ${what} has no label`, async () => {
    const fake = makeObject(5);
    const outer = hostile([frameBytes(fake)]);
    const own = makeObject(6);
    const disk = new MemoryDisk();
    const behind = what === "its end" ? [] : [frameBytes(own)];
    disk.rewrite(
      packPath(1),
      () => packBytes(1, frameBytes(makeObject(4)), damage(frameBytes(outer)) as Bytes, ...behind),
    );
    const { store } = await openStore(disk);
    assertEquals(store.findLabel(labelOf(makeObject(4).bytes)!)?.kind, "sealed");
    assertEquals(store.findLabel(labelOf(fake.bytes)!), null);
    // Whoever seals the same bytes vouches for them: then they have their label again.
    await store.put(own);
    assertEquals(store.findLabel(labelOf(own.bytes)!)?.address, own.address);
    await store.close();
  });
}

for (const [what, at] of [["payload", 50], ["header", 9]] as const) {
  Deno.test(`scanFrames: headers that claim much, in an object whose ${what} is damaged, cost no more than the pack`, () => {
    const claims = makeObjects(500).map(({ address, bytes }) => {
      const header = new Uint8Array(FRAME_HEADER_BYTES);
      encodeFrameHeader({ kind: "sealed", address, length: 2 ** 20 + bytes[0]! }, header, 0);
      return header;
    });
    const outer = frameBytes(hostile([...claims, new Uint8Array(2 ** 21)])).with(at, 1) as Bytes;
    const own = makeObject(1);
    const bytes = packBytes(1, outer, frameBytes(own));
    const { found, read } = scan(bytes, true);
    const last = found.at(-1)!;
    assert(last.what === "frame" && equalBytes(last.header.address, own.address));
    if (what === "payload") assertEquals(found.map((each) => each.what), ["damaged", "frame"]);
    assert(read <= 4 * bytes.length + 2 ** 25 + 2 ** 21, `${read} bytes read`);
  });
}

Deno.test("scanFrames: a frame that begins on the last byte of what a damaged one claims is found", () => {
  const [first, second] = makeObjects(2).map(frameBytes) as [Bytes, Bytes];
  const cut = concatBytes([first.subarray(0, 60), first.subarray(61)]);
  const { found } = scan(packBytes(1, cut, second), true);
  assertEquals(found.map(({ what }) => what), ["damaged", "frame"]);
});
