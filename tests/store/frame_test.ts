import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes, fromHex, toHex } from "../../src/base/mod.ts";
import {
  decodeFrameHeader,
  decodePackHeader,
  encodeFrameHeader,
  encodePackHeader,
  FRAME_HEADER_BYTES,
  type ObjectKind,
  PACK_HEADER_BYTES,
  packName,
  packNumber,
  scanFrames,
  type Scanned,
} from "../../src/store/mod.ts";
import { MemoryDisk, seededRandom } from "../helpers/faulty_disk.ts";
import { frameBytes, makeObject, makeObjects, objectOf } from "./helpers.ts";

interface FrameVectors {
  good: { name: string; kind: ObjectKind; length: number; address: string; header: string }[];
  bad: { name: string; header: string }[];
}

type FoundJson =
  | { what: "frame" | "damaged"; kind: ObjectKind; offset: number; address: string }
  | { what: "junk"; offset: number; length: number }
  | { what: "torn"; offset: number };

interface PackVectors {
  headers: { good: { number: number; bytes: string }[]; bad: { name: string; bytes: string }[] };
  packs: { name: string; bytes: string; found: FoundJson[] }[];
}

function load<T>(name: string): T {
  return JSON.parse(
    Deno.readTextFileSync(new URL(`../vectors/${name}.json`, import.meta.url)),
  ) as T;
}

function scan(bytes: Bytes, { from = 0, verify = true, end = bytes.length } = {}): Scanned[] {
  const disk = new MemoryDisk();
  disk.rewrite("/p", () => bytes);
  return [...scanFrames(disk.open("/p", "read"), { from, end }, { verify })];
}

function jsonOf(found: Scanned): FoundJson {
  if (found.what === "junk" || found.what === "torn") return found;
  const { what, header: { kind, address }, offset } = found;
  return { what, kind, offset, address: toHex(address) };
}

Deno.test("encodeFrameHeader, decodeFrameHeader: the vectors, both ways", () => {
  for (const { name, kind, length, address, header } of load<FrameVectors>("frame").good) {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES + 3);
    encodeFrameHeader({ kind, address: fromHex(address), length }, bytes, 3);
    assertEquals(toHex(bytes.subarray(3)), header, name);
    assertEquals(decodeFrameHeader(fromHex(header)), { kind, address: fromHex(address), length });
  }
});

Deno.test("decodeFrameHeader: refuses what is none", () => {
  for (const { name, header } of load<FrameVectors>("frame").bad) {
    assertEquals(decodeFrameHeader(fromHex(header)), null, name);
  }
});

Deno.test("decodeFrameHeader: no flipped bit goes unnoticed", () => {
  const header = frameBytes(makeObject(1)).slice(0, FRAME_HEADER_BYTES);
  for (let bit = 0; bit < header.length * 8; bit++) {
    const flipped = header.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    assertEquals(decodeFrameHeader(flipped), null, `bit ${bit}`);
  }
});

Deno.test("encodePackHeader, decodePackHeader: the vectors, both ways, and bad ones refused", () => {
  const { good, bad } = load<PackVectors>("pack").headers;
  for (const { number, bytes } of good) {
    assertEquals(toHex(encodePackHeader(number)), bytes);
    assertEquals(decodePackHeader(fromHex(bytes)), number);
  }
  for (const { name, bytes } of bad) assertEquals(decodePackHeader(fromHex(bytes)), null, name);
});

Deno.test("packName, packNumber: one name for each number", () => {
  for (const number of [1, 42, 99_999_999, 100_000_000, 999_999_999_999_999]) {
    assertEquals(packNumber(packName(number)), number);
  }
  for (const name of ["1.pack", "000000001.pack", "00000001.pack.new", "0000000a.pack", "x"]) {
    assertEquals(packNumber(name), null, name);
  }
});

Deno.test("scanFrames: finds in the vectors what they say", () => {
  for (const { name, bytes, found } of load<PackVectors>("pack").packs) {
    assertEquals(scan(fromHex(bytes), { from: PACK_HEADER_BYTES }).map(jsonOf), found, name);
  }
});

Deno.test("scanFrames: without verifying, only segments are read", () => {
  const objects = [makeObject(1), makeObject(2, { kind: "segment" })];
  const bytes = concatBytes(objects.map(frameBytes));
  const found = scan(bytes, { verify: false });
  assertEquals(found.map((each) => each.what === "frame" && each.payload), [
    null,
    objects[1]!.bytes,
  ]);
  bytes[FRAME_HEADER_BYTES]! ^= 1;
  bytes[bytes.length - 1]! ^= 1;
  assertEquals(scan(bytes, { verify: false }).map(({ what }) => what), ["frame", "damaged"]);
});

Deno.test("scanFrames: hands out the first 64 bytes of a payload, or all of a shorter one", () => {
  const objects = [makeObject(1, { length: 20 }), makeObject(2, { length: 500_000 })];
  const found = scan(concatBytes(objects.map(frameBytes)), { verify: false });
  assertEquals(found.map((each) => each.what === "frame" && each.prefix), [
    objects[0]!.bytes,
    objects[1]!.bytes.slice(0, 64),
  ]);
});

Deno.test("scanFrames: finds the next header wherever it lies", () => {
  const frame = frameBytes(makeObject(1));
  const window = 256 * 1024;
  for (
    const at of [1, window / 2 - 1, window / 2, window - 49, window - 1, window, 3 * window - 2]
  ) {
    for (const fill of [0, "G".charCodeAt(0)]) {
      const found = scan(concatBytes([new Uint8Array(at).fill(fill), frame]));
      assertEquals(found.map(({ what, offset }) => [what, offset]), [["junk", 0], ["frame", at]]);
    }
  }
});

Deno.test("scanFrames: does not read behind the end it is given", () => {
  const [a, b] = makeObjects(2).map(frameBytes) as [Bytes, Bytes];
  const found = scan(concatBytes([a, b]), { end: a.length + 10 });
  assertEquals(found.map(({ what, offset }) => [what, offset]), [["frame", 0], ["torn", a.length]]);
});

Deno.test("scanFrames: whatever the bytes, it covers them once and finds every whole frame outside junk", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seededRandom(seed);
    const parts: Bytes[] = [];
    const frames: number[] = [];
    let at = 0;
    for (let i = 0; i < 8; i++) {
      const object = makeObject(seed * 10 + i, { length: Math.floor(random() * 300) });
      const frame = frameBytes(object);
      const part = random() < 0.6
        ? frame
        : random() < 0.5
        ? frame.slice(0, Math.floor(random() * 40))
        : objectOf(Uint8Array.from({ length: 1 + random() * 200 }, () => random() * 256)).bytes;
      if (part === frame) frames.push(at);
      parts.push(part);
      at += part.length;
    }
    const bytes = concatBytes(parts);
    const found = scan(bytes);
    let end = 0;
    for (const each of found) {
      assertEquals(each.offset, end, `seed ${seed}`);
      if (each.what === "junk" || each.what === "damaged") end += each.length;
      else if (each.what === "torn") end = bytes.length;
      else end += FRAME_HEADER_BYTES + each.header.length;
    }
    assertEquals(end, bytes.length, `seed ${seed}`);
    const offsets = found.filter(({ what }) => what === "frame").map(({ offset }) => offset);
    for (const offset of frames) assert(offsets.includes(offset), `seed ${seed}`);
  }
});
