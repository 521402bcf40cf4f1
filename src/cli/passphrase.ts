/**
 * Where passphrases and recovery phrases come from: a file, the environment, the terminal, a pipe.
 *
 * @module
 */

import { LimitedBytesTransformStream } from "@std/streams/limited-bytes-transform-stream";
import { toText } from "@std/streams/to-text";
import { asVaultError, VaultError } from "../base/mod.ts";
import type { Context } from "./command.ts";
import { formatKey } from "./format.ts";

/** How often a new passphrase may be typed before the two are the same. */
const NEW_PASSPHRASE_ATTEMPTS_MAX = 3;
/** Most bytes read from standard input where a recovery phrase is expected; 24 words have some 200. */
const PHRASE_BYTES_MAX = 4096;

const NO_TERMINAL_HINT = "set GOVAULT_PASSPHRASE or use --passphrase-file";

type Asker = Pick<Context, "io" | "signal"> & {
  flags: Pick<Context["flags"], "passphrase-file">;
};

/** The passphrase that `--passphrase-file` or `GOVAULT_PASSPHRASE` gives, the file first. */
export async function givenPassphrase({ io, flags }: Asker): Promise<string | undefined> {
  const file = flags["passphrase-file"];
  return file === undefined ? io.env("GOVAULT_PASSPHRASE") : await readPassphraseFile(file, io);
}

/** The first line of a file. @throws VaultError if it can't be read or is empty */
export async function readPassphraseFile(
  typedPath: string,
  io: Pick<Context["io"], "path">,
): Promise<string> {
  const action = `Cannot read the passphrase from ${formatKey(typedPath)}`;
  let text: string;
  try {
    text = await Deno.readTextFile(io.path(typedPath));
  } catch (error) {
    throw asVaultError(error, action);
  }
  const line = text.split("\n", 1)[0]!.replace(/\r$/, "");
  if (line === "") throw new VaultError("usage", `${action}: its first line is empty`);
  return line;
}

/**
 * Answers the vault's question for its passphrase. The vault counts the attempts and gives up after three.
 *
 * @throws VaultError `denied` if the given one was wrong, and if there is nobody to ask
 */
export async function answerPassphrase(asker: Asker, ask: { attempt: number }): Promise<string> {
  const given = await givenPassphrase(asker);
  if (given !== undefined) {
    if (ask.attempt === 1) return given;
    throw new VaultError("denied", "Cannot unlock the vault key: wrong passphrase");
  }
  if (ask.attempt > 1) asker.io.err("Wrong passphrase.\n");
  return await typed(asker, "Passphrase: ");
}

/** A passphrase to set: the given one, or one typed twice. */
export async function choosePassphrase(asker: Asker): Promise<string> {
  return await givenPassphrase(asker) ?? await newPassphrase(asker);
}

/** A new passphrase, typed twice on the terminal. */
export async function newPassphrase(asker: Asker): Promise<string> {
  for (let attempt = 1; attempt <= NEW_PASSPHRASE_ATTEMPTS_MAX; attempt++) {
    const first = await typed(asker, "New passphrase: ");
    if (first === "") {
      asker.io.err("A passphrase can't be empty.\n");
      continue;
    }
    if (first === await typed(asker, "The same again: ")) return first;
    asker.io.err("The two differ.\n");
  }
  throw new VaultError("denied", "Cannot set the passphrase: it was not typed twice the same");
}

async function typed({ io, signal }: Asker, message: string): Promise<string> {
  if (!io.isTerminalIn) {
    throw new VaultError("denied", "Cannot ask for the passphrase: there is no terminal", {
      hint: NO_TERMINAL_HINT,
    });
  }
  const answer = await io.secret(message, signal);
  if (answer === null) throw new VaultError("denied", "Cannot go on: no passphrase was given");
  return answer;
}

/** The words of a recovery phrase, joined by single spaces: typed without echo, or piped in. */
export async function readRecoveryPhrase({ io, signal }: Asker): Promise<string> {
  const text = io.isTerminalIn
    ? await io.secret("Recovery phrase (24 words): ", signal) ?? ""
    : await readPiped(io.input(signal));
  const words = text.trim().split(/\s+/).join(" ");
  if (words === "") throw new VaultError("usage", "Cannot recover the vault: no words were given");
  return words;
}

async function readPiped(input: ReadableStream<Uint8Array>): Promise<string> {
  try {
    const limited = new LimitedBytesTransformStream(PHRASE_BYTES_MAX, { error: true });
    return await toText(input.pipeThrough(limited));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new VaultError("usage", "Cannot recover the vault: that is no recovery phrase");
  }
}
