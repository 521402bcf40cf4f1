import { assertEquals, assertRejects } from "@std/assert";
import { readSecretLine, typeInto } from "../../src/cli/prompt.ts";

const EMPTY = { text: "", state: "open" } as const;

Deno.test("typeInto: letters, backspace and Ctrl-U", () => {
  assertEquals(typeInto(EMPTY, "abc"), { text: "abc", state: "open" });
  assertEquals(typeInto(EMPTY, "ab\x7fc\n"), { text: "ac", state: "done" });
  assertEquals(typeInto(EMPTY, "ä😀\x7f\r"), { text: "ä", state: "done" });
  assertEquals(typeInto(EMPTY, "wrong\x15right\n"), { text: "right", state: "done" });
  assertEquals(typeInto(EMPTY, "\x7f\n"), { text: "", state: "done" });
});

Deno.test("typeInto: Ctrl-C interrupts, Ctrl-D ends an empty line only", () => {
  assertEquals(typeInto({ text: "secret", state: "open" }, "\x03"), {
    text: "",
    state: "interrupted",
  });
  assertEquals(typeInto(EMPTY, "\x04").state, "ended");
  assertEquals(typeInto(EMPTY, "a\x04\n"), { text: "a", state: "done" });
});

/** A terminal on which these pieces are typed; then nothing more happens, or the input ends. */
function terminal(pieces: Uint8Array[], options: { ends?: boolean } = {}) {
  const log: string[] = [];
  return {
    log,
    write: (text: string) => void log.push(text),
    source: {
      read(into: Uint8Array): Promise<number | null> {
        const piece = pieces.shift();
        if (piece === undefined) {
          return options.ends ? Promise.resolve(null) : new Promise(() => {});
        }
        into.set(piece);
        return Promise.resolve(piece.length);
      },
      setRaw: (raw: boolean) => void log.push(raw ? "<raw>" : "<cooked>"),
    },
  };
}

const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("readSecretLine: shows the message, not the line; a character may come in two pieces", async () => {
  const [first, second] = [utf8("pä").subarray(0, 2), utf8("pä").subarray(2)];
  const { log, ...rest } = terminal([first, second, utf8("ss\n")]);
  const line = await readSecretLine("Word: ", { ...rest, signal: new AbortController().signal });
  assertEquals(line, "päss");
  assertEquals(log, ["<raw>", "Word: ", "<cooked>", "\n"]);
});

Deno.test("readSecretLine: the end of the input is no answer", async () => {
  const { log: _, ...rest } = terminal([utf8("half")], { ends: true });
  assertEquals(
    await readSecretLine("", { ...rest, signal: new AbortController().signal }),
    null,
  );
});

Deno.test("readSecretLine: an abort ends it and gives the terminal back", async () => {
  const { log, ...rest } = terminal([]);
  const controller = new AbortController();
  const reading = readSecretLine("Word: ", { ...rest, signal: controller.signal });
  controller.abort(new DOMException("stop", "AbortError"));
  await assertRejects(() => reading, DOMException, "stop");
  assertEquals(log.includes("<cooked>"), true);
});
