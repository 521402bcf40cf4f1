/**
 * Refusals: an error's code and message as they travel (docs/protocol.md, "Frames").
 *
 * @module
 */

import {
  type ByteReader,
  ByteWriter,
  type ErrorCode,
  REASON_BYTES_MAX,
  VaultError,
} from "../base/mod.ts";
import type { Refusal } from "./channel_types.ts";
import { type Codec, cutReason, readReason } from "./codec.ts";

/** Numbers of the codes on the wire; none is ever given to another code. */
const CODE_NUMBERS: Readonly<Record<ErrorCode, number>> = {
  failed: 1,
  usage: 2,
  bad_key: 3,
  not_found: 4,
  damaged: 5,
  too_few_peers: 6,
  locked: 7,
  denied: 8,
  no_space: 9,
  exists: 10,
  changed: 11,
  interrupted: 12,
};

const CODE_OF_NUMBER: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(CODE_NUMBERS) as ErrorCode[]).map((code) => [CODE_NUMBERS[code], code]),
);

/** `u8 code ‖ message`; a code that is not known here is `failed`. */
export const refusalCodec: Codec<Refusal> = {
  bytesMax: 1 + 2 + REASON_BYTES_MAX,
  encode: ({ code, message }) => [
    new ByteWriter(3 + message.length).u8(CODE_NUMBERS[code]).text16(cutReason(message)).finish(),
  ],
  decode: (reader) => ({
    code: CODE_OF_NUMBER.get(reader.u8()) ?? "failed",
    message: readReason(reader),
  }),
};

/** The last word: why a channel ends. */
export const endCodec: Codec<string> = {
  bytesMax: 2 + REASON_BYTES_MAX,
  encode: (reason) => [new ByteWriter().text16(cutReason(reason)).finish()],
  decode: (reader: ByteReader) => readReason(reader),
};

/** What travels of an error: all of ours, of others only that there was one. */
export function refusalOf(error: unknown, name: string): Refusal {
  if (error instanceof VaultError) return { code: error.code, message: error.message };
  return { code: "failed", message: `Cannot answer ${name}: something went wrong` };
}
