import { assertEquals, assertRejects } from "@std/assert";
import { VaultError } from "../../src/base/mod.ts";
import {
  answerPassphrase,
  choosePassphrase,
  readPassphraseFile,
  readRecoveryPhrase,
} from "../../src/cli/passphrase.ts";
import { type FakeIo, fakeIo } from "./fake_io.ts";

function asker(io: FakeIo, file?: string) {
  return { io, signal: new AbortController().signal, flags: { "passphrase-file": file } };
}

async function fileWith(text: string): Promise<string> {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, text);
  return path;
}

const OPEN = { attempt: 1 };

Deno.test("answerPassphrase: a file goes before the environment", async () => {
  const environment = { GOVAULT_PASSPHRASE: "from env" };
  const path = await fileWith("from file\r\nsecond line\n");
  assertEquals(await answerPassphrase(asker(fakeIo({ environment })), OPEN), "from env");
  assertEquals(await answerPassphrase(asker(fakeIo({ environment }), path), OPEN), "from file");
  await Deno.remove(path);
});

Deno.test("answerPassphrase: a given one that was wrong is not tried again", async () => {
  const who = asker(fakeIo({ environment: { GOVAULT_PASSPHRASE: "x" } }));
  const error = await assertRejects(
    () => answerPassphrase(who, { attempt: 2 }),
    VaultError,
    "wrong passphrase",
  );
  assertEquals(error.code, "denied");
});

Deno.test("answerPassphrase: on the terminal each attempt is asked for", async () => {
  const io = fakeIo({ isTerminalIn: true, typed: ["one", "two"] });
  assertEquals(await answerPassphrase(asker(io), { attempt: 1 }), "one");
  assertEquals(await answerPassphrase(asker(io), { attempt: 2 }), "two");
  assertEquals(io.said.err, "Passphrase: Wrong passphrase.\nPassphrase: ");
});

Deno.test("answerPassphrase: with nobody to ask it is denied, with a hint", async () => {
  const error = await assertRejects(() => answerPassphrase(asker(fakeIo()), OPEN), VaultError);
  assertEquals(error.code, "denied");
  assertEquals(error.hint, "set GOVAULT_PASSPHRASE or use --passphrase-file");
});

Deno.test("answerPassphrase: input that ends is no passphrase", async () => {
  const who = asker(fakeIo({ isTerminalIn: true, typed: [null] }));
  await assertRejects(() => answerPassphrase(who, OPEN), VaultError, "no passphrase");
});

Deno.test("choosePassphrase: a new one is typed twice the same, and isn't empty", async () => {
  const io = fakeIo({ isTerminalIn: true, typed: ["", "a", "b", "same", "same"] });
  assertEquals(await choosePassphrase(asker(io)), "same");
  const never = fakeIo({ isTerminalIn: true, typed: ["a", "b", "c", "d", "e", "f"] });
  await assertRejects(() => choosePassphrase(asker(never)), VaultError, "twice");
});

Deno.test("readPassphraseFile: an empty first line and a missing file are refused", async () => {
  const path = await fileWith("\nsecret\n");
  await assertRejects(() => readPassphraseFile(path, fakeIo()), VaultError, "first line is empty");
  await Deno.remove(path);
  await assertRejects(() => readPassphraseFile(path, fakeIo()), VaultError, "no such file");
});

Deno.test("readRecoveryPhrase: words typed or piped, whatever stands between them", async () => {
  const typed = fakeIo({ isTerminalIn: true, typed: ["  able\tbaker  charlie "] });
  assertEquals(await readRecoveryPhrase(asker(typed)), "able baker charlie");
  const piped = (text: string) => fakeIo({ input: () => new Blob([text]).stream() });
  assertEquals(
    await readRecoveryPhrase(asker(piped("able baker\ncharlie\n"))),
    "able baker charlie",
  );
  await assertRejects(() => readRecoveryPhrase(asker(piped(" \n"))), VaultError, "no words");
  await assertRejects(() => readRecoveryPhrase(asker(piped("x".repeat(9999)))), VaultError);
});
