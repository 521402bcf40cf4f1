/**
 * What clients store: contents that follow from a number, so that the oracle need not remember them, and names and
 * contents that can be recognised wherever they should not stand.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../../src/base/mod.ts";
import { Dice } from "../soak/dice.ts";

/** Stands in every content, in the clear and again in the middle. */
export const CONTENT_MARK = "SIM-PLAINTEXT-MARK";
/** Stands in every key. */
export const NAME_MARK = "SIM-KEY-NAME-MARK";

/** The name of a key. */
export function keyName(number: number): string {
  return `${NAME_MARK}/${number}.bin`;
}

/** The content of one put: its number in the clear, then bytes that follow from it. */
export function makeContent(number: number, length: number): Uint8Array<ArrayBuffer> {
  const head = encodeUtf8(`${CONTENT_MARK} ${number} ${length}\n`);
  const dice = new Dice(number);
  // Half text, which is compressed, half noise, which is not.
  const noise = dice.bytes(length >>> 1);
  const text = encodeUtf8(`${CONTENT_MARK} ${number}; `.repeat(Math.ceil(length / 40)));
  return concatBytes([head, noise, text]).slice(0, head.length + length);
}

/** The number of the put that made a content, or `null` if it is none of ours to the last byte. */
export function numberOf(content: Uint8Array): number | null {
  const text = new TextDecoder().decode(content.subarray(0, 80));
  const match = /^SIM-PLAINTEXT-MARK (\d+) (\d+)\n/.exec(text);
  if (match === null) return null;
  const whole = makeContent(Number(match[1]), Number(match[2]));
  if (whole.length !== content.length) return null;
  return whole.every((byte, i) => byte === content[i]) ? Number(match[1]) : null;
}
