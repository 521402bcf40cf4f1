/**
 * What may stand as an address in statements, files and tokens: stricter than what a user may type, as it comes from
 * others and is shown and dialled.
 *
 * @module
 */

import { MEMBER_TEXT_BYTES_MAX } from "../base/mod.ts";

const SHAPE = /^(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.-]+):(\d{1,5})$/;

/** Whether a text is `host:port` or `[v6]:port`, in ASCII. */
export function isDialAddress(text: string): boolean {
  const port = Number(text.length > MEMBER_TEXT_BYTES_MAX ? NaN : SHAPE.exec(text)?.[1]);
  return port >= 1 && port <= 65_535;
}

/** The host of an address, IPv6 without brackets; the whole text if it is none. */
export function hostOf(address: string): string {
  return /^(.*):\d{1,5}$/.exec(address)?.[1]?.replace(/^\[|\]$/g, "") ?? address;
}
