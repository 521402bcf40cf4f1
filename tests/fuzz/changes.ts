/**
 * Changes to bytes and texts that were right: bits turned over, ends cut off, fields of other values put in, lengths that
 * promise too much. What fast-check finds with them it shrinks to the fewest.
 *
 * @module
 */

import fc from "fast-check";
import { type Bytes, concatBytes } from "../../src/base/mod.ts";

/** Numbers that formats tend to stumble over. */
const NUMBERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 16n, 17n, 31n, 32n, 33n, 64n, 65n, 127n, 128n, 255n],
  ...[256n, 1023n, 1024n, 1025n, 2048n, 2049n, 4095n, 4096n, 4097n, 8192n, 32_767n, 32_768n],
  ...[65_535n, 65_536n, 65_537n, 0xff_ffffn, 0x100_0000n, 0x100_0001n, 0x7fff_ffffn],
  ...[0x8000_0000n, 0xffff_fffen, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 53n - 1n, 2n ** 53n],
  ...[8_640_000_000_000_000n, 8_640_000_000_000_001n, 2n ** 63n - 1025n, 2n ** 63n - 1n, 2n ** 63n],
  ...[2n ** 64n - 1n, 2n ** 64n - 8_640_000_000_000_001n],
];

/** Bytes that a number fixes. */
export function bytesOf(seed: number, length: number): Bytes {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    bytes[i] = t >>> 24;
  }
  return bytes;
}

const anySeed = fc.nat({ max: 0xffff_ffff });

/** Bytes of some length, each as likely as the others. */
export function blob(min: number, max = min): fc.Arbitrary<Bytes> {
  return fc.tuple(anySeed, fc.integer({ min, max })).map(([seed, length]) => bytesOf(seed, length));
}

/** 32 bytes. */
export const anyId: fc.Arbitrary<Bytes> = blob(32);

/** Whatever bytes: many as chance gives them, many of few values. */
export const anyBytes: fc.Arbitrary<Bytes> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }) as fc.Arbitrary<Bytes>,
  blob(0, 2000),
  fc.array(fc.constantFrom(0, 1, 2, 3, 4, 0x7f, 0x80, 0xff), { maxLength: 200 })
    .map((values) => Uint8Array.from(values)),
);

/** One change; places are taken modulo the length there is. */
interface Change {
  readonly kind: typeof KINDS[number];
  readonly at: number;
  readonly length: number;
  readonly number: bigint;
  readonly width: 1 | 2 | 4 | 8;
}

const KINDS = [
  "flip",
  "flip",
  "byte",
  "number",
  "number",
  "cut",
  "extend",
  "remove",
  "repeat",
  "insert",
  "splice",
  "splice",
] as const;

const place = fc.oneof(fc.nat({ max: 127 }), fc.nat({ max: 0x7fff_ffff }));

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: place,
  length: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 200 })),
  number: fc.oneof(fc.constantFrom(...NUMBERS), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  width: fc.constantFrom(1, 2, 4, 8),
});

/** One to four changes. */
export const changes: fc.Arbitrary<readonly Change[]> = fc.array(change, {
  minLength: 1,
  maxLength: 4,
});

function numberBytes(number: bigint, width: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number);
  return bytes.slice(8 - width);
}

/** The bytes with all changes made. @param other where pieces may come from */
export function changed(bytes: Bytes, made: readonly Change[], other: Bytes): Bytes {
  let now: Bytes = bytes.slice();
  for (const { kind, at: anywhere, length, number, width } of made) {
    const at = now.length === 0 ? 0 : anywhere % now.length;
    const end = Math.min(now.length, at + length);
    switch (kind) {
      case "flip":
        if (now.length > 0) now[at]! ^= 1 << (length & 7);
        break;
      case "byte":
        if (now.length > 0) now[at] = Number(number & 0xffn);
        break;
      case "number":
        now.set(numberBytes(number, width).subarray(0, now.length - at), at);
        break;
      case "cut":
        now = now.slice(0, at);
        break;
      case "extend":
        now = concatBytes([now, bytesOf(anywhere, length)]);
        break;
      case "remove":
        now = concatBytes([now.subarray(0, at), now.subarray(end)]);
        break;
      case "repeat":
        now = concatBytes([now.subarray(0, end), now.subarray(at)]);
        break;
      case "insert":
        now = concatBytes([now.subarray(0, at), numberBytes(number, width), now.subarray(at)]);
        break;
      case "splice": {
        const piece = other.subarray(Math.min(at, other.length), at + length);
        now.set(piece.subarray(0, now.length - at), at);
        break;
      }
    }
  }
  return now;
}

/** Pieces of text that parsers tend to stumble over. */
const PIECES = [
  ...['"', "\\", "{", "}", "[", "]", ",", ":", "null", "true", "-1", "0", "1e999", "1.5", "-0"],
  ...["9007199254740993", '""', "{}", "[]", '"__proto__":1,', '"format":2,', "\0", "\n", "\r\n"],
  ...[
    " ",
    "\t",
    "\u00a0",
    "\ufeff",
    "\ud800",
    "\udc00",
    "é",
    "e\u0301",
    "💾",
    "/",
    "..",
    "./",
    "//",
  ],
  ...[
    "-",
    "--",
    "=",
    "_",
    "A",
    "f",
    "9",
    "99",
    "999999",
    ".",
    "Z",
    "+99:99",
    "%",
    "y",
    "d",
    "T",
    "999999y",
    "2147484",
  ],
];

/** One to four changes to a text: as those of bytes, by characters. */
export const textChanges: fc.Arbitrary<
  readonly { at: number; remove: number; insert: string }[]
> = fc.array(
  fc.record({
    at: place,
    remove: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 8 }), fc.nat({ max: 0xffff })),
    insert: fc.oneof(
      fc.constant(""),
      fc.constantFrom(...PIECES),
      fc.string({ unit: "binary", maxLength: 6 }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

/** The text with all changes made. */
export function textChanged(
  text: string,
  made: readonly { at: number; remove: number; insert: string }[],
): string {
  let now = text;
  for (const { at: anywhere, remove, insert } of made) {
    const at = anywhere % (now.length + 1);
    now = now.slice(0, at) + insert + now.slice(at + remove);
  }
  return now;
}

/** Whatever text. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: "binary-ascii", maxLength: 200 }),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join("")),
  fc.json(),
);
