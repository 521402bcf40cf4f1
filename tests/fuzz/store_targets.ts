/** Decoders of src/store and what the vault keeps in its index: headers of packs and frames, lists of seen files. */

import fc from "fast-check";
import { type Bytes, concatBytes, crc32, FRAME_BYTES_MAX, VaultError } from "../../src/base/mod.ts";
import {
  decodeFrameHeader,
  decodePackHeader,
  encodeFrameHeader,
  encodePackHeader,
  FRAME_HEADER_BYTES,
  OBJECT_KINDS,
  type ObjectKind,
} from "../../src/store/mod.ts";
import { decodeSeen, encodeSeen } from "../../src/vault/seen.ts";
import { anyId, blob } from "./changes.ts";
import type { Target } from "./harness.ts";

/** What the decoders here answer with `null`. */
function found<T>(value: T | null): T {
  if (value === null) throw new VaultError("damaged", "Cannot decode: it is none");
  return value;
}

const CRC_AT = FRAME_HEADER_BYTES - 4;

function frameHeader(kind: ObjectKind, address: Bytes, length: number): Bytes {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  encodeFrameHeader({ kind, address, length }, bytes, 0);
  return bytes;
}

const seenFile = fc.record({
  marks: blob(40),
  tag: blob(16),
  id: anyId,
  version: fc.nat({ max: 0xffff_ffff }),
  chunks: fc.nat({ max: 0xffff_ffff }),
});

export const STORE_TARGETS: readonly Target<Bytes>[] = [
  {
    name: "decodePackHeader",
    covers: ["decodePackHeader"],
    valid: fc.tuple(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), blob(0, 60))
      .map(([number, behind]) => concatBytes([encodePackHeader(number), behind])),
    recode: (bytes) =>
      concatBytes([encodePackHeader(found(decodePackHeader(bytes))), bytes.subarray(16)]),
  },
  {
    name: "decodeFrameHeader",
    covers: ["decodeFrameHeader"],
    valid: fc.tuple(
      fc.constantFrom(...Object.keys(OBJECT_KINDS) as ObjectKind[]),
      anyId,
      fc.nat({ max: FRAME_BYTES_MAX }),
      blob(0, 60),
    ).map(([kind, address, length, behind]) =>
      concatBytes([frameHeader(kind, address, length), behind])
    ),
    recode(bytes) {
      const { kind, address, length } = found(decodeFrameHeader(bytes));
      return concatBytes([frameHeader(kind, address, length), bytes.subarray(FRAME_HEADER_BYTES)]);
    },
    mend(bytes) {
      if (bytes.length < FRAME_HEADER_BYTES) return bytes;
      const out = bytes.slice();
      new DataView(out.buffer).setUint32(CRC_AT, crc32(out.subarray(0, CRC_AT)));
      return out;
    },
  },
  {
    name: "decodeSeen",
    covers: ["decodeSeen"],
    valid: fc.dictionary(fc.string({ unit: "grapheme", maxLength: 12 }), seenFile, { maxKeys: 5 })
      .map((files) => encodeSeen(new Map(Object.entries(files)))),
    recode: (bytes) => encodeSeen(decodeSeen(bytes)),
  },
];
