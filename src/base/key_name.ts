/**
 * Key names: the one door through which a name enters a vault.
 *
 * @module
 */

import { encodeUtf8 } from "./bytes.ts";
import { VaultError } from "./errors.ts";
import { KEY_BYTES_MAX } from "./limits.ts";

/** A checked key: NFC, `/`-separated, no empty, `.` or `..` part, no NUL, at most {@link KEY_BYTES_MAX} bytes. */
export type KeyName = string & { readonly __brand: "KeyName" };

/**
 * Checks and normalises a key. Both Unicode forms of a name give the same key (NFC).
 *
 * @throws VaultError `bad_key`, saying which rule is broken
 */
export function parseKey(text: string): KeyName {
  if (isPlainKey(text)) return text as KeyName;
  const refuse = (state: string, hint?: string) =>
    new VaultError(
      "bad_key",
      `Cannot use ${quoteKey(text)} as a key: ${state}`,
      hint ? { hint } : {},
    );
  if (text === "") throw refuse("it is empty");
  if (!text.isWellFormed()) throw refuse("it is not valid Unicode");
  if (text.includes("\0")) throw refuse("it holds a NUL character");
  const key = text.normalize("NFC");
  const length = encodeUtf8(key).length;
  if (length > KEY_BYTES_MAX) throw refuse(`it has ${length} bytes, the limit is ${KEY_BYTES_MAX}`);
  if (key.startsWith("/")) throw refuse("it is absolute", "leave out the leading /");
  for (const part of key.split("/")) {
    if (part === "") throw refuse("a part between two slashes is empty");
    if (part === "." || part === "..") throw refuse(`it holds the part "${part}"`);
  }
  return key as KeyName;
}

/** Whether a text of printable ASCII alone is a key as it is, as nearly all are. */
function isPlainKey(text: string): boolean {
  return text.length <= KEY_BYTES_MAX && /^[\x20-\x7e]+$/.test(text) &&
    !/(?:^|\/)\.{0,2}(?:\/|$)/.test(text);
}

/**
 * Checks a prefix for `ls` and `get -r`: a key, with or without a slash at its end, or nothing.
 * `photos` names the key itself and all under `photos/`; `photos/` only what is under it.
 */
export function parsePrefix(text: string): string {
  if (text === "") return "";
  return text.endsWith("/") ? parseKey(text.slice(0, -1)) + "/" : parseKey(text);
}

/** Whether a key lies at or under a prefix, by whole parts. */
export function hasPrefix(key: string, prefix: string): boolean {
  if (prefix === "") return true;
  if (prefix.endsWith("/")) return key.startsWith(prefix);
  return key === prefix || key.startsWith(prefix + "/");
}

/** A name for messages and tables: quoted when it has anything but plain characters, cut when very long. */
export function quoteKey(text: string): string {
  const cut = text.length > 120 ? text.slice(0, 117) + "…" : text;
  // deno-lint-ignore no-control-regex -- control characters are what must not reach a terminal
  const odd = /[\x00-\x1f\x7f-\x9f"\\\u200e\u200f\u202a-\u202e\u2066-\u2069]|^\s|\s$|^$/u;
  if (!odd.test(cut)) return cut;
  return JSON.stringify(cut).replace(
    /[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}
