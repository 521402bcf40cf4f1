import { assertEquals, assertThrows } from "@std/assert";
import { type Bytes, fromHex, PLAIN_BYTES_MAX, toHex, VaultError } from "../../src/base/mod.ts";
import { CODEC_PADDED, LABEL_BYTES, labelOfSealed, parseSealedHeader } from "../../src/seal/mod.ts";
import { encodeSealedHeader } from "../../src/seal/header.ts";
import vectors from "../vectors/seal.json" with { type: "json" };

Deno.test("parseSealedHeader: reads the header of every vector, and encoding gives it back", () => {
  for (const vector of vectors.good) {
    const header = parseSealedHeader(fromHex(vector.sealed));
    assertEquals(header.codec, vector.codec);
    assertEquals(header.length, vector.plaintext.length / 2);
    assertEquals(toHex(header.id), vector.id);
    assertEquals(header.headerLength, vector.header.length / 2);
    assertEquals(header.check === undefined, vector.codec === 0);
    assertEquals(toHex(encodeSealedHeader(header)), vector.header);
  }
});

Deno.test("parseSealedHeader: refuses other formats, codecs, lengths, and any cut", () => {
  const header = fromHex(vectors.good.find((vector) => vector.codec === 1)!.header);
  const tooLong = header.slice();
  new DataView(tooLong.buffer).setUint32(2, PLAIN_BYTES_MAX + 1);
  refused(tooLong);
  for (const format of [0, 2, 255]) refused(withByte(header, 0, format));
  for (const codec of [3, 255]) refused(withByte(header, 1, codec));
  for (let length = 0; length < header.length; length++) refused(header.subarray(0, length));
});

Deno.test("parseSealedHeader: of a padded object it gives the payload's length, within its bounds", () => {
  const bytes = fromHex(vectors.padded[0]!.sealed);
  const header = parseSealedHeader(bytes);
  assertEquals([header.codec, header.length], [CODEC_PADDED, bytes.length - 86]);
  assertEquals(toHex(encodeSealedHeader(header)), vectors.padded[0]!.header);
  assertEquals(toHex(labelOfSealed(bytes)!), vectors.padded[0]!.id);
  for (const length of [0, 1024 - 87, PLAIN_BYTES_MAX + PLAIN_BYTES_MAX / 16 + 1]) {
    const other = bytes.slice();
    new DataView(other.buffer).setUint32(2, length);
    refused(other);
  }
});

Deno.test("labelOfSealed: is the id out of the first bytes, or null", () => {
  const [vector] = vectors.good;
  const prefix = fromHex(vector!.sealed).subarray(0, LABEL_BYTES);
  assertEquals(toHex(labelOfSealed(prefix)!), vector!.id);
  assertEquals(labelOfSealed(prefix.subarray(0, LABEL_BYTES - 1)), null);
  assertEquals(labelOfSealed(withByte(prefix, 0, 0x47)), null); // "G", as inventories begin
  assertEquals(labelOfSealed(withByte(prefix, 1, 3)), null);
});

function withByte(bytes: Bytes, at: number, value: number): Bytes {
  return bytes.map((byte, i) => i === at ? value : byte);
}

function refused(bytes: Bytes): void {
  const error = assertThrows(() => parseSealedHeader(bytes), VaultError);
  assertEquals(error.code, "damaged");
}
