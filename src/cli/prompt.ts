/**
 * Asking for a secret on the terminal, without echo.
 *
 * `@std/cli/prompt-secret` won't do: it writes its prompt to standard output, where `get -o -` writes the file,
 * and it blocks the event loop, so that Ctrl-C at the prompt is never heard.
 *
 * @module
 */

/** What {@link readSecretLine} needs of a terminal's input. */
export interface SecretSource {
  read(into: Uint8Array): Promise<number | null>;
  setRaw(mode: boolean, options?: { cbreak: boolean }): void;
}

const CTRL_C = "\x03";
const CTRL_D = "\x04";
const CTRL_U = "\x15";
const BACKSPACES = ["\b", "\x7f"];

/** What became of a line after some keystrokes. */
export interface SecretLine {
  text: string;
  state: "open" | "done" | "ended" | "interrupted";
}

/** The line after one more piece of typed text: backspace, Ctrl-U, Ctrl-C and Ctrl-D do what they do elsewhere. */
export function typeInto(line: SecretLine, typed: string): SecretLine {
  let { text } = line;
  for (const character of typed) {
    if (character === "\r" || character === "\n") return { text, state: "done" };
    if (character === CTRL_C) return { text: "", state: "interrupted" };
    if (character === CTRL_D && text === "") return { text, state: "ended" };
    if (character === CTRL_U) text = "";
    else if (BACKSPACES.includes(character)) text = Array.from(text).slice(0, -1).join("");
    else if (character >= " ") text += character;
  }
  return { text, state: "open" };
}

/**
 * Shows `message` through `write` and reads one line that is not shown; `null` if the input ended instead.
 *
 * @throws the signal's reason once it fires, and an `AbortError` on Ctrl-C where the terminal sends no signal
 */
export async function readSecretLine(
  message: string,
  options: { source: SecretSource; write: (text: string) => void; signal: AbortSignal },
): Promise<string | null> {
  const { source, write, signal } = options;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const decoder = new TextDecoder();
  const piece = new Uint8Array(256);
  let line: SecretLine = { text: "", state: "open" };
  // Before the prompt: who answers at once must not see the answer. With cbreak Ctrl-C still sends its signal; Windows has no such mode.
  source.setRaw(true, Deno.build.os === "windows" ? undefined : { cbreak: true });
  write(message);
  try {
    while (line.state === "open") {
      const length = await Promise.race([source.read(piece), aborted]);
      if (length === null) return null;
      line = typeInto(line, decoder.decode(piece.subarray(0, length), { stream: true }));
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    source.setRaw(false);
    write("\n");
  }
  if (line.state === "interrupted") throw new DOMException("interrupted", "AbortError");
  return line.state === "done" ? line.text : null;
}
