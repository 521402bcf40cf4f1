/**
 * CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320): tells a torn or misread header from a whole one. It is
 * no protection against anyone; hashes and signatures are.
 *
 * @module
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** CRC-32 of the bytes, or of so many at their beginning, as an unsigned 32-bit integer. */
export function crc32(bytes: Uint8Array, length = bytes.length): number {
  let c = 0xffffffff;
  for (let i = 0; i < length; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
