import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  encodeUtf8,
  freeBytes,
  isVaultError,
  PLAIN_BYTES_MAX,
} from "../../src/base/mod.ts";
import {
  compress,
  COMPRESS_BYTES_MIN,
  decompress,
  looksIncompressible,
  prepareCompression,
} from "../../src/content/mod.ts";
import { frameContentLength, nativeZstd, wasmZstd, type Zstd } from "../../src/content/zstd.ts";
import { assertDamaged, Dice, prose } from "./helpers.ts";

const wasm = await wasmZstd();
const native = nativeZstd();
/** Every implementation that this runtime has. */
const implementations: [string, Zstd][] = [["wasm", wasm]];
if (native !== null) implementations.push(["native", native]);

/** Runs a test with each implementation in turn. */
function testEach(name: string, act: (implementation: string) => void): void {
  Deno.test(name, async () => {
    for (const [label, zstd] of implementations) {
      await prepareCompression(zstd);
      act(label);
    }
    await prepareCompression(native ?? wasm);
  });
}

/** A frame's header: single segment, with the content length in four bytes. */
function header(length: number, descriptor = 0xa0): Bytes {
  const bytes = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, descriptor, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(5, length, true);
  return bytes;
}

/** A block that repeats one byte. */
function repeat(length: number, isLast: boolean): Bytes {
  const word = length << 3 | 1 << 1 | (isLast ? 1 : 0);
  return Uint8Array.of(word & 0xff, word >>> 8 & 0xff, word >>> 16, 0x61);
}

/** A checksum-less frame of `n` bytes 0x61, up to 128 KiB. */
function frameOfRepeat(n: number): Bytes {
  return concatBytes([header(n), repeat(n, true)]);
}

testEach("compress: gives back what it was given", (label) => {
  for (
    const length of [
      COMPRESS_BYTES_MIN,
      255,
      256,
      1023,
      1024,
      65_791,
      65_792,
      131_071,
      131_073,
      PLAIN_BYTES_MAX,
    ]
  ) {
    for (const bytes of [prose(length, length), new Uint8Array(length)]) {
      const frame = compress(bytes);
      if (frame === null) {
        assert(length < 1000 && bytes[0] !== 0, `${label}: ${length} bytes were not compressed`);
        continue;
      }
      assert(frame.length < bytes.length);
      assertEquals(decompress(frame, length), bytes, `${label}: ${length}`);
    }
  }
});

Deno.test("compress: what one implementation writes any other reads", () => {
  for (const [, writer] of implementations) {
    for (const [, reader] of implementations) {
      const bytes = prose(1, 300_000);
      assertEquals(reader.decompress(writer.compress(bytes), bytes.length), bytes);
    }
  }
});

Deno.test("Zstd.compress: writes one frame of the form that we read, whatever its size", () => {
  for (const [label, zstd] of implementations) {
    for (let length = 1; length < PLAIN_BYTES_MAX; length = Math.ceil(length * 1.7)) {
      for (const bytes of [prose(length, length), new Dice(length).bytes(length)]) {
        const stated = frameContentLength(zstd.compress(bytes));
        assertEquals(stated, length, `${label}: ${length} bytes`);
      }
    }
  }
});

testEach("compress: leaves alone what is too short or does not pay", () => {
  assertEquals(compress(new Uint8Array(COMPRESS_BYTES_MIN - 1)), null);
  assertEquals(compress(new Uint8Array(0)), null);
  assert(compress(new Uint8Array(COMPRESS_BYTES_MIN)) !== null);
  const dice = new Dice(31);
  for (const length of [64, 500, 1023, 1024, 9000, 600_000]) {
    assertEquals(compress(dice.bytes(length)), null, `${length} random bytes`);
  }
  // Zeros in random bytes, which zstd can save: at 1 % it does not pay, at 10 % it does.
  const mixed = (share: number) => {
    const bytes = new Dice(32).bytes(1000);
    bytes.fill(0, 1000 - 1000 * share);
    return bytes;
  };
  assertEquals(compress(mixed(0.02)), null);
  assert(compress(mixed(0.1)) !== null);
});

Deno.test("compress: does not hand random data to zstd", async () => {
  let calls = 0;
  await prepareCompression({
    ...wasm,
    compress(bytes) {
      calls++;
      return wasm.compress(bytes);
    },
  });
  const dice = new Dice(33);
  for (const length of [1024, 1025, 4095, 4096, 5000, 100_000]) {
    for (let round = 0; round < 20; round++) compress(dice.bytes(length));
  }
  compress(dice.bulk(PLAIN_BYTES_MAX));
  assertEquals(calls, 0);
  compress(prose(1, 5000));
  assertEquals(calls, 1);
  await prepareCompression(native ?? wasm);
});

Deno.test("compress: takes a frame of another form for not worth it", async () => {
  const frame = frameOfRepeat(5000);
  await prepareCompression({ ...wasm, compress: () => frame });
  assertEquals(compress(new Uint8Array(5000)), frame);
  await prepareCompression({ ...wasm, compress: () => concatBytes([frame, frame]) });
  assertEquals(compress(new Uint8Array(5000)), null);
  await prepareCompression({ ...wasm, compress: () => frameOfRepeat(4999) });
  assertEquals(compress(new Uint8Array(5000)), null);
  await prepareCompression(native ?? wasm);
});

Deno.test("looksIncompressible: knows random data from what has order", () => {
  const dice = new Dice(34);
  const base64 = encodeUtf8(btoa(String.fromCharCode(...dice.bytes(6000))));
  const records = dice.bytes(64_000).map((byte, i) => i % 32 < 24 ? byte : 0);
  const counters = new Uint8Array(new Uint32Array(4000).map((_, i) => 1000 * i).buffer);
  for (const bytes of [prose(2, 10_000), base64, records, counters, new Uint8Array(5000)]) {
    assertEquals(looksIncompressible(bytes), false);
  }
  for (const length of [1024, 2000, 4096, 70_000, 1_000_000]) {
    assertEquals(looksIncompressible(dice.bytes(length)), true, `${length} random bytes`);
  }
});

testEach("decompress: refuses every truncation and everything behind the frame", (label) => {
  const bytes = prose(3, 2000);
  const frame = compress(bytes)!;
  for (let length = 0; length < frame.length; length++) {
    assertDamaged(() => decompress(frame.slice(0, length), bytes.length), `${label}: ${length}`);
  }
  for (const behind of [new Uint8Array(1), new Uint8Array(9), frame.subarray(0, 5)]) {
    assertDamaged(() => decompress(concatBytes([frame, behind]), bytes.length), label);
  }
  const two = concatBytes([frameOfRepeat(100), frameOfRepeat(100)]);
  assertDamaged(() => decompress(two, 100), `${label}: two frames`);
  assertDamaged(() => decompress(two, 200), `${label}: two frames`);
});

testEach("decompress: refuses any length but the right one", (label) => {
  const bytes = prose(4, 100_000);
  const frame = compress(bytes)!;
  for (const length of [0, 1, 99_999, 100_001, frame.length, -1, NaN, 2 ** 32 + 100_000]) {
    assertDamaged(() => decompress(frame, length), `${label}: ${length}`);
  }
});

testEach("decompress: refuses a frame that is not smaller than what it holds", (label) => {
  const raw = concatBytes([header(4), Uint8Array.of(4 << 3 | 1, 0, 0), encodeUtf8("abcd")]);
  assertEquals(frameContentLength(raw), 4);
  assertDamaged(() => decompress(raw, 4), label);
});

testEach("decompress: refuses frames of any other form", (label) => {
  const block = repeat(100, true);
  for (const length of [14, 63, 100, 131_072]) {
    assertEquals(decompress(frameOfRepeat(length), length), new Uint8Array(length).fill(0x61));
  }
  const bad: [string, Bytes][] = [
    ["no magic", concatBytes([new Uint8Array(4), header(100).subarray(4), block])],
    ["a window descriptor", concatBytes([header(100, 0x80), Uint8Array.of(0), block])],
    ["a window of terabytes", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, ...block)],
    ["a reserved bit", concatBytes([header(100, 0xa8), block])],
    ["the unused bit", concatBytes([header(100, 0xb0), block])],
    ["a checksum", concatBytes([header(100, 0xa4), block, new Uint8Array(4)])],
    ["a dictionary", concatBytes([header(100, 0xa1), Uint8Array.of(7), block])],
    ["length in eight bytes", concatBytes([header(100, 0xe0), new Uint8Array(4), block])],
    ["a reserved block", concatBytes([header(100), Uint8Array.of(7, 0, 0)])],
    ["no last block", concatBytes([header(100), repeat(100, false)])],
    ["no block", header(100)],
    ["a skippable frame", Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4)],
    [
      "a skippable frame first",
      concatBytes([
        Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0),
        frameOfRepeat(100),
      ]),
    ],
  ];
  for (const [what, frame] of bad) {
    assertEquals(frameContentLength(frame), null, what);
    assertDamaged(() => decompress(frame, 100), `${label}: ${what}`);
  }
});

Deno.test("decompress: calls zstd only when the header is right, and checks what comes out", async () => {
  const calls: number[] = [];
  await prepareCompression({
    ...wasm,
    decompress(_frame, length) {
      calls.push(length);
      return new Uint8Array(calls.length === 1 ? length : length - 1);
    },
  });
  assertDamaged(() => decompress(frameOfRepeat(100), 101), "the header says less");
  assertDamaged(() => decompress(frameOfRepeat(100), 99), "the header says more");
  const large = concatBytes([header(PLAIN_BYTES_MAX + 1), repeat(1, true)]);
  assertDamaged(() => decompress(large, PLAIN_BYTES_MAX + 1), "over the limit");
  assertEquals(calls, []);
  assertEquals(decompress(frameOfRepeat(100), 100).length, 100);
  assertDamaged(() => decompress(frameOfRepeat(100), 100), "zstd gives less");
  assertEquals(calls, [100, 100]);
  await prepareCompression(native ?? wasm);
});

Deno.test("nativeZstd: gives no more than it was asked for", () => {
  if (native === null) return; // this runtime has none
  assertThrows(() => native.decompress(frameOfRepeat(5000), 4999));
  assertEquals(native.decompress(frameOfRepeat(5000), 5000).length, 5000);
});

Deno.test("Zstd: large results have memory of their own, which goes when they are freed", () => {
  for (const [label, zstd] of implementations) {
    const bytes = prose(6, 300_000);
    const frame = zstd.compress(bytes);
    assertEquals(
      frame.buffer.byteLength,
      frame.length,
      `${label}: a frame keeps more than it needs`,
    );
    const [plain, twin] = [
      zstd.decompress(frame, bytes.length),
      zstd.decompress(frame, bytes.length),
    ];
    freeBytes(plain);
    assertEquals(plain.length, 0, label);
    assertEquals(twin, bytes, label);
  }
});

testEach("decompress: a bomb does not go off", (label) => {
  // 8000 blocks of 128 KiB: a gigabyte out of 32 KB, behind a header that promises 100,000 bytes.
  const blocks = Array.from({ length: 8000 }, (_, i) => repeat(131_072, i === 7999));
  const bomb = concatBytes([header(100_000), ...blocks]);
  assertEquals(frameContentLength(bomb), 100_000);
  assertDamaged(() => decompress(bomb, 100_000), label);
  const larger = concatBytes([header(1_000_000), ...blocks]);
  assertDamaged(() => decompress(larger, 1_000_000), label);
  const [, zstd] = implementations.find(([name]) => name === label)!;
  assertThrows(() => zstd.decompress(bomb, 100_000));
  assertThrows(() => zstd.decompress(larger, 1_000_000));
});

testEach("decompress: refuses a frame that holds less than its header says", (label) => {
  assertDamaged(() => decompress(concatBytes([header(100), repeat(99, true)]), 100), label);
  assertDamaged(() => decompress(concatBytes([header(100), repeat(0, true)]), 100), label);
});

testEach("decompress: damage is refused or gives the wrong bytes of the right length", (label) => {
  // A frame carries no checksum of ours: telling the rest apart is for the seal around it.
  const dice = new Dice(35);
  const bytes = prose(5, 20_000);
  const frame = compress(bytes)!;
  let refused = 0;
  for (let round = 0; round < 200; round++) {
    const damaged = frame.slice();
    damaged[dice.roll(damaged.length)]! ^= 1 << dice.roll(8);
    try {
      assertEquals(decompress(damaged, bytes.length).length, bytes.length);
    } catch (error) {
      assert(isVaultError(error, "damaged"), `${label}: ${error}`);
      refused++;
    }
  }
  assert(refused > 0);
  assertEquals(decompress(frame, bytes.length), bytes, `${label}: works on after all that`);
});

testEach("compress and decompress: their results share no memory with one another", () => {
  const a = compress(prose(6, 5000))!;
  const kept = a.slice();
  const b = compress(prose(7, 5000))!;
  assertEquals(a, kept);
  const plain = decompress(a, 5000);
  const plainKept = plain.slice();
  decompress(b, 5000);
  assertEquals(plain, plainKept);
});
