/**
 * How errors are told: one line, a hint where there is one, never a stack trace unless asked for.
 *
 * @module
 */

import { EXIT_CODES, quoteKey, VaultError } from "../base/mod.ts";
import type { Io } from "./io.ts";
import { errorDocument, jsonLine } from "./json.ts";

/** Tells the user of an error on standard error; the exit code that goes with it. */
export function reportError(
  error: VaultError,
  options: { io: Pick<Io, "err" | "env">; json: boolean },
): number {
  const { io, json } = options;
  if (json) {
    io.err(jsonLine(errorDocument(error)));
  } else {
    io.err(`govault: ${oneLine(error.message)}\n`);
    if (error.hint !== undefined) io.err(`hint: ${oneLine(error.hint)}\n`);
  }
  if (io.env("GOVAULT_DEBUG") !== undefined) io.err(stackOf(error));
  return EXIT_CODES[error.code];
}

/** A path as it was typed, and made absolute. */
export interface TypedPath {
  typed: string;
  path: string;
}

/** An error about a path, told by the name that the user typed for it; any other as it is. */
export function inTypedWords<E>(error: E, { path, typed }: TypedPath): E | VaultError {
  if (!(error instanceof VaultError) || path.length < 2) return error;
  const retold = (text: string) =>
    text.replaceAll(quoteKey(path), quoteKey(typed)).replaceAll(path, typed);
  const message = retold(error.message);
  const hint = error.hint === undefined ? undefined : retold(error.hint);
  if (message === error.message && hint === error.hint) return error;
  return new VaultError(error.code, message, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Errors from below may quote anything; control characters must not reach the terminal. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must go
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}

function stackOf(error: unknown): string {
  let text = "";
  for (let at = error; at instanceof Error; at = at.cause) {
    text += `${text === "" ? "" : "caused by "}${at.stack ?? at.message}\n`;
  }
  return text;
}
