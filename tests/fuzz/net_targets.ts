/** Decoders of src/net: every message of the table, refusals, farewells. */

import fc from "fast-check";
import { type Bytes, concatBytes, type ErrorCode } from "../../src/base/mod.ts";
import { Dice } from "../log/helpers.ts";
import { type Codec, decodeAll, encodeAll } from "../../src/net/codec.ts";
import { EVENTS, REQUESTS } from "../../src/net/message_table.ts";
import type { EventName, RequestName } from "../../src/net/messages.ts";
import { endCodec, refusalCodec } from "../../src/net/refusal.ts";
import { randomMessage } from "../net/random_messages.ts";
import type { Target } from "./harness.ts";

/** A codec of a message, or of anything that travels like one. */
function codecTarget<T>(
  name: string,
  codec: Codec<T>,
  valid: fc.Arbitrary<T>,
  runs = 120,
): Target<Bytes> {
  const encode = (value: T) => concatBytes(encodeAll(codec, value, name).pieces);
  return {
    name,
    covers: [
      "decodeAll",
      "readHash",
      "readHashes",
      "readHead",
      "readHeads",
      "readFlag",
      "readBits",
      "readBlobs",
    ],
    valid: valid.map(encode),
    recode: (bytes) => encode(decodeAll(codec, bytes, name)),
    allocates: (length) => 80 * length + 4096, // bits become an array of as many values
    runs,
  };
}

const dice = fc.nat({ max: 0xffff_ffff }).map((seed) => new Dice(seed));

const messages: Target<Bytes>[] = [
  ...(Object.keys(REQUESTS) as RequestName[]).flatMap((name) =>
    (["ask", "reply"] as const).map((side) =>
      codecTarget(
        `${name} ${side}`,
        REQUESTS[name][side] as Codec<unknown>,
        dice.map((each) => randomMessage(name, side, each)),
        80,
      )
    )
  ),
  ...(Object.keys(EVENTS) as EventName[]).map((name) =>
    codecTarget(
      `${name} event`,
      EVENTS[name].event as Codec<unknown>,
      dice.map((each) => randomMessage(name, "event", each)),
      80,
    )
  ),
];

const CODES: readonly ErrorCode[] = ["failed", "usage", "bad_key", "not_found", "interrupted"];
const reason = fc.string({ unit: "grapheme", maxLength: 40 })
  .map((text) => text.replaceAll(/\p{Cc}/gu, "_"));

const refusal: Target<Bytes> = codecTarget(
  "refusal",
  refusalCodec,
  fc.record({ code: fc.constantFrom(...CODES), message: reason }),
);

export const NET_TARGETS: readonly Target<Bytes>[] = [
  ...messages,
  {
    ...refusal,
    covers: ["readReason"],
    // Codes of later versions read as `failed`, so these have many writings.
    recode: (bytes) => bytes[0]! > 12 || bytes[0] === 0 ? readOnly(bytes) : refusal.recode(bytes),
  },
  codecTarget("end", endCodec, reason),
];

function readOnly(bytes: Bytes): null {
  decodeAll(refusalCodec, bytes, "refusal");
  return null;
}
