/** Nothing that decodes is left out: what src exports under the names of decoders is tried here, or it is said why not. */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { ALL_TEXT_TARGETS, BYTES_TARGETS } from "./targets.ts";

const HERE = fromFileUrl(new URL("./", import.meta.url));
const SOURCES = join(HERE, "../../src");

/** Names by which decoders go. Whatever begins with `decode` is one; of the others, those in {@link NO_DECODERS} are none. */
const DECODER =
  /\bexport (?:async )?function\*? ((?:decode|parse|read|unpad|scan|decompress|keyOfPhrase|fromHex)\w*)/g;

/** Tried in tests of their own in this folder, with more than one argument or a state. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  decompress: "sealed_test.ts",
  scanFrames: "packs_test.ts",
};

/** Functions with such a name that decode nothing that comes from outside, each with what it does. */
const NO_DECODERS: Readonly<Record<string, string>> = {
  "base/disk.ts readSmallFile": "reads a file up to a limit; tried by way of readSettings",
  "cli/passphrase.ts readPassphraseFile": "takes the first line of a file as it is",
  "cli/passphrase.ts readRecoveryPhrase": "joins typed words; keyOfPhrase decodes them",
  "cli/prompt.ts readSecretLine": "takes a line from the terminal as it is",
  "cli/values.ts readText": "gives the text as it is",
  "vault/content_reader.ts readChunk": "opens by way of Sealer.open",
  "vault/content_reader.ts readContent": "opens by way of Sealer.open",
  "vault/home.ts readMasterKey": "decodeKeyFile of a file",
  "vault/home.ts readSecrets": "decodeKeyFile of three files",
  "vault/live_lists.ts decodedObject": "has decodeInventory or decodePruneList read what it found",
  "vault/read_object.ts readObject": "gets an object, whose address is checked",
  "vault/record_rows.ts readVersion":
    "a row of the index, under its CRC: tests/vault/index_damage_test.ts",
  "vault/record_rows.ts readKey":
    "a row of the index, under its CRC: tests/vault/index_damage_test.ts",
  "vault/record_rows.ts readSegment":
    "a row of the index, under its CRC: tests/vault/index_damage_test.ts",
  "vault/record_rows.ts readTag":
    "a row of the index, under its CRC: tests/vault/index_damage_test.ts",
  "vault/record_rows.ts readTotals":
    "a row of the index, under its CRC: tests/vault/index_damage_test.ts",
  "vault/small_work.ts readReply": "what our own thread answers",
  "vault/whole_records.ts readRecords": "has another read, once more after healing what it read",
  "vault/versions.ts readBody": "decodeBodies of an opened segment",
};

async function* sourceFiles(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* sourceFiles(path);
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) yield path;
  }
}

Deno.test("decoders: each exported one is tried with changed and arbitrary inputs", async () => {
  const tried = new Set([...BYTES_TARGETS, ...ALL_TEXT_TARGETS].flatMap(({ covers }) => covers));
  const left: string[] = [];
  const found = new Set<string>();
  for await (const path of sourceFiles(SOURCES)) {
    const file = path.slice(SOURCES.length + 1).replaceAll("\\", "/");
    for (const [, name] of (await Deno.readTextFile(path)).matchAll(DECODER)) {
      found.add(name!);
      if (tried.has(name!) || name! in ELSEWHERE || `${file} ${name}` in NO_DECODERS) continue;
      left.push(`${file}: ${name}`);
    }
  }
  assertEquals(left, [], "decoders that no test of this folder tries");
  assertEquals([...tried].filter((name) => !found.has(name)), [], "tried, but not in src");
});

Deno.test("decoders: what is said to be tried is called by the tests of this folder", async () => {
  let text = "";
  for await (const { name } of Deno.readDir(HERE)) {
    if (name !== "complete_test.ts") text += await Deno.readTextFile(join(HERE, name));
  }
  // Parts of others: fields of messages and statements, the flags of a command line.
  const byOthers =
    /^(?:read(?:Hash|Hashes|Head|Heads|Flag|Bits|Blobs|Reason|Ticket|Admission|Secret)|parseFlags)$/;
  const names = [...BYTES_TARGETS, ...ALL_TEXT_TARGETS].flatMap(({ covers }) => covers);
  const isCalled = (name: string) => new RegExp(`\\b${name}(?:\\(|,|\\))`).test(text);
  assertEquals(names.filter((name) => !byOthers.test(name) && !isCalled(name)), []);
});
