/** Sealed objects and zstd frames: what whoever has the keys could seal, and bombs. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Bytes,
  ByteWriter,
  concatBytes,
  equalBytes,
  isVaultError,
  PLAIN_BYTES_MAX,
} from "../../src/base/mod.ts";
import { compress, decompress, prepareCompression } from "../../src/content/mod.ts";
import { nativeZstd, wasmZstd, type Zstd } from "../../src/content/zstd.ts";
import { CODEC_RAW, CODEC_ZSTD, deriveVaultKeys } from "../../src/seal/mod.ts";
import { Sealer } from "../../src/seal/sealer.ts";
import { prose } from "../content/helpers.ts";
import { allocatedBy } from "./allocation.ts";
import { anyBytes, blob, changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";

await prepareCompression();

const text = fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 300, max: 6000 }))
  .map(([seed, length]) => prose(seed, length));
const frame = text.map((bytes) => compress(bytes)).filter((bytes) => bytes !== null);

/** A frame of one segment that says to hold `length` bytes, of blocks that are runs of a byte. */
function bomb(length: number, blocks: readonly number[]): Bytes {
  const writer = new ByteWriter().raw(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0));
  const little = new Uint8Array(4);
  new DataView(little.buffer).setUint32(0, length, true);
  writer.raw(little);
  blocks.forEach((size, i) => {
    const header = size << 3 | 1 << 1 | Number(i === blocks.length - 1);
    writer.u8(header & 0xff).u8(header >>> 8 & 0xff).u8(header >>> 16).u8(0x61);
  });
  return writer.finish();
}

const implementations: readonly (readonly [name: string, zstd: Zstd | null])[] = [
  ["the runtime's zstd", nativeZstd()],
  ["zstd in WebAssembly", await wasmZstd()],
];

for (const [name, zstd] of implementations) {
  if (zstd === null) continue;

  Deno.test(`decompress: takes with ${name} one whole frame of the length that is asked for, and nothing else`, async () => {
    await prepareCompression(zstd);
    try {
      const broken = fc.tuple(frame, changes, frame)
        .map(([good, made, other]) => changed(good, made, other));
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(broken, broken, anyBytes),
          fc.oneof(fc.integer({ min: 0, max: 8000 }), fc.nat({ max: 2 ** 32 })),
          async (payload, wanted) => {
            // The length that the frame itself states is the one that leads on.
            const stated = payload.length > 7 && (payload[4]! >>> 6) === 1
              ? payload[5]! + payload[6]! * 256 + 256
              : wanted;
            for (const length of [wanted, stated]) await tryDecompress(payload, length);
          },
        ),
        trying(250),
      );
    } finally {
      await prepareCompression(implementations[0]![1] ?? zstd);
    }
  });

  Deno.test(`decompress: refuses bombs with ${name}`, async () => {
    await prepareCompression(zstd);
    try {
      const block = 128 * 1024;
      const good = bomb(2 * block, [block, block]);
      assertEquals(decompress(good, 2 * block).length, 2 * block);
      const bombs: [what: string, payload: Bytes, length: number][] = [
        ["more blocks than it says", bomb(block, Array(16).fill(block)), block],
        ["one byte more than it says", bomb(block, [block, 1]), block],
        ["fewer bytes than it says", bomb(2 * block, [block, block - 1]), 2 * block],
        ["as much as there can be", bomb(2 ** 32 - 1, Array(2 ** 15).fill(block)), 2 ** 32 - 1],
        ["one byte over the limit", bomb(PLAIN_BYTES_MAX + 1, [block]), PLAIN_BYTES_MAX + 1],
        ["another length than is asked for", good, block],
        ["two frames", concatBytes([bomb(block, [block]), bomb(block, [block])]), block],
      ];
      for (const [what, payload, length] of bombs) {
        assertEquals(await tryDecompress(payload, length), "damaged", what);
      }
    } finally {
      await prepareCompression(implementations[0]![1] ?? zstd);
    }
  });
}

/** Decompresses; what comes out has the length that was asked for, and nothing larger was asked of the runtime. */
async function tryDecompress(payload: Bytes, length: number): Promise<"damaged" | "read"> {
  let allocated = 0;
  try {
    const bytes = await allocatedBy(() => decompress(payload, length), (count) => {
      allocated = count;
    });
    assertEquals(bytes.length, length);
    return "read";
  } catch (error) {
    assert(isVaultError(error, "damaged"), String(error));
    return "damaged";
  } finally {
    assert(allocated <= 2 * PLAIN_BYTES_MAX + 64 * 1024, `${allocated} bytes allocated`);
  }
}

const keys = deriveVaultKeys(new Uint8Array(32).fill(7));
const { chunk: SEALER } = keys;

/** Seals, as objects are stored. */
async function sealed(plain: Bytes, isPadding: boolean): Promise<Bytes> {
  const sealer = SEALER;
  sealer.isPadding = isPadding;
  const smaller = compress(plain);
  const { header, body } = await sealer.seal({
    id: sealer.id(plain),
    length: plain.length,
    payload: smaller ?? plain,
    codec: smaller === null ? CODEC_RAW : CODEC_ZSTD,
  });
  return concatBytes([header, body]);
}

const plaintext = fc.oneof(text, blob(0, 200), blob(900, 1200));

Deno.test("Sealer.openSync: opens what was sealed, and nothing that was changed", async () => {
  assert(SEALER instanceof Sealer);
  await fc.assert(
    fc.asyncProperty(
      plaintext,
      plaintext,
      fc.boolean(),
      changes,
      async (plain, other, isPadding, made) => {
        const object = await sealed(plain, isPadding);
        const expected = { id: SEALER.id(plain), length: plain.length };
        assert(equalBytes(SEALER.openSync(object, expected, decompress), plain));
        const bad = changed(object, made, await sealed(other, isPadding));
        if (equalBytes(bad, object)) return;
        for (const open of [SEALER.openSync.bind(SEALER), SEALER.open.bind(SEALER)]) {
          try {
            await open(bad, expected, decompress);
          } catch (error) {
            assert(isVaultError(error, "damaged"), String(error));
            continue;
          }
          throw new Error("what was changed was opened");
        }
      },
    ),
    trying(150),
  );
});

Deno.test("Sealer.openSync: whatever the bytes, it is damage", () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      try {
        SEALER.openSync(bytes, null, decompress);
      } catch (error) {
        assert(isVaultError(error, "damaged"), String(error));
        return;
      }
      throw new Error("bytes that nobody sealed were opened");
    }),
    trying(150),
  );
});
