/** The everyday: put, edit, put again, look at the history, get. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { noise, Sandbox } from "./harness.ts";

const HEX_ID = /^[0-9a-f]{64}$/;
const ISO_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

Deno.test("put, get: an edited file, and its first version byte for byte", async () => {
  await using box = await Sandbox.make();
  const first = noise(3_000_000);
  const second = first.slice();
  second.set(noise(4096, 2), 1_500_000);
  await box.ok("init");

  await box.write("file.bin", first);
  assertMatch((await box.ok("put", "file.bin")).out, /^stored file\.bin {2}version 1 {2}2\.9 MiB/);
  await box.write("file.bin", second);
  const again = await box.json("put", "file.bin");
  assertEquals(again["version"], 2);
  assert(Number(again["newChunks"]) < Number(again["chunks"]), "chunks are shared");

  await box.ok("get", "file.bin", "--version", "1", "-o", "old.bin");
  assertEquals(await box.read("old.bin"), first);
  await box.ok("get", "file.bin", "-o", "new.bin");
  assertEquals(await box.read("new.bin"), second);
  await box.ok("get", "file.bin", "--version", String(again["id"]).slice(0, 10), "-o", "by-id.bin");
  assertEquals(await box.read("by-id.bin"), second);
});

Deno.test("put, get: megabytes that can be compressed, little or very much", async () => {
  await using box = await Sandbox.withVault();
  // Enough for another thread to take part. By chunks: to a twentieth or less, to half.
  const lines = Array.from(
    { length: 200_000 },
    (_, i) => `${i % 1000}: the same words, again and again\n`,
  );
  const much = new TextEncoder().encode(lines.join("").repeat(2));
  const little = noise(8_000_000).map((byte) => byte & 15);
  for (const [name, content] of Object.entries({ much, little })) {
    await box.write(name, content);
    await box.ok("put", name);
    await box.ok("get", name, "-o", `${name}.out`);
    assertEquals(await box.read(`${name}.out`), content);
  }
});

Deno.test("put --json: one document per file, with these fields", async () => {
  await using box = await Sandbox.withVault();
  await box.write("a.txt", "alpha");
  await box.write("b.txt", "");
  const { out } = await box.ok("put", "a.txt", "b.txt", "--json");
  const [a, b, ...rest] = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(rest, []);
  assertMatch(a.id, HEX_ID);
  assert(a.addedBytes > 0);
  const { id: _id, addedBytes: _added, ...plain } = a;
  assertEquals(plain, {
    key: "a.txt",
    version: 1,
    size: 5,
    chunks: 1,
    newChunks: 1,
    copies: 1,
    type: "file",
    unchanged: false,
  });
  assertEquals([b.key, b.size, b.chunks], ["b.txt", 0, 0]);
});

Deno.test("put: what has not changed makes no new version", async () => {
  await using box = await Sandbox.withVault();
  await box.write("a.txt", "alpha");
  await box.ok("put", "a.txt");
  assertEquals((await box.ok("put", "a.txt")).out, "unchanged a.txt  version 1\n");
  assertEquals((await box.json("put", "a.txt"))["unchanged"], true);
});

Deno.test("history --json: versions oldest first, with these fields", async () => {
  await using box = await Sandbox.withVault();
  for (const text of ["one", "two!"]) {
    await box.write("a.txt", text);
    await box.ok("put", "a.txt");
  }
  await box.ok("delete", "a.txt");
  const { key, versions } = await box.json<{ key: string; versions: Record<string, unknown>[] }>(
    "history",
    "a.txt",
  );
  assertEquals(key, "a.txt");
  assertEquals(
    versions.map((
      { version, op, size, latest, conflict },
    ) => [version, op, size, latest, conflict]),
    [[1, "put", 3, false, false], [2, "put", 4, false, false], [3, "delete", 0, true, false]],
  );
  for (const version of versions) {
    assertMatch(String(version["id"]), HEX_ID);
    assertMatch(String(version["node"]), HEX_ID);
    assertMatch(String(version["time"]), ISO_UTC);
    assertEquals(typeof version["addedBytes"], "number");
  }
  const text = (await box.ok("history", "a.txt")).out;
  assertEquals(text.split("\n").length, 5);
  assertMatch(text, /^ +3 {2}\* {2}[0-9a-f]{12} {2}delete/m);
});

Deno.test("put -, get -o -: standard input and output, through a pipe and unchanged", async () => {
  await using box = await Sandbox.withVault();
  const bytes = noise(2_500_000, 3);
  const stored = await box.runWith({ stdin: bytes }, "put", "-", "--key", "pipes/data");
  assertEquals([stored.code, stored.err], [0, ""]);
  const fetched = await box.ok("get", "pipes/data", "-o", "-");
  assertEquals(fetched.outBytes, bytes);
  await box.runWith({ stdin: "" }, "put", "-", "-k", "pipes/empty");
  assertEquals((await box.ok("get", "pipes/empty", "-o", "-")).outBytes.length, 0);
});

Deno.test("get: without -o the file has the key's last name", async () => {
  await using box = await Sandbox.withVault();
  await box.runWith({ stdin: "content" }, "put", "-", "--key", "deep/in/note.txt");
  const document = await box.json("get", "deep/in/note.txt");
  assertEquals([document["key"], document["version"], document["size"]], [
    "deep/in/note.txt",
    1,
    7,
  ]);
  assertEquals(await Deno.readTextFile(box.path("note.txt")), "content");
});

Deno.test("put: makes the vault, and says so with the recovery phrase on standard error", async () => {
  await using box = await Sandbox.make();
  await box.write("a.txt", "alpha");
  const { code, out, err } = await box.run("put", "a.txt");
  assertEquals(code, 0);
  assertMatch(out, /^stored a\.txt/);
  assert(!out.includes("phrase"));
  assertStringIncludes(err, "recovery phrase");
  const words = (await box.ok("key", "phrase")).out.trim().split(" ");
  assertEquals(words.length, 24);
  for (const word of words) assertStringIncludes(err, word);
  assertEquals((await box.ok("put", "a.txt")).out, "unchanged a.txt  version 1\n");
});

Deno.test("put --json: a vault it makes is told as a document on standard error", async () => {
  await using box = await Sandbox.make();
  await box.write("a.txt", "alpha");
  const { out, err } = await box.run("put", "a.txt", "--json");
  assertEquals(JSON.parse(out).key, "a.txt");
  const { created } = JSON.parse(err);
  assertEquals(created.phrase.split(" ").length, 24);
  assertEquals([HEX_ID.test(created.vault), HEX_ID.test(created.node)], [true, true]);
});

Deno.test("put: a file that fails is told, the others are stored, the exit code is the first's", async () => {
  await using box = await Sandbox.withVault();
  await box.write("a.txt", "alpha");
  await box.write("c.txt", "gamma");
  const { code, out, err } = await box.run("put", "a.txt", "missing.txt", "c.txt");
  assertEquals(code, 1);
  assertMatch(out, /stored a\.txt[^]*stored c\.txt[^]*2 stored, 1 failed/);
  assertStringIncludes(err, "missing.txt");
});

Deno.test("put: a folder needs -r, and --key one file", async () => {
  await using box = await Sandbox.withVault();
  await box.write("folder/a.txt", "alpha");
  await box.write("b.txt", "beta");
  const folder = await box.run("put", "folder");
  assert(folder.code !== 0);
  assertMatch(folder.err, /hint: .*-r/);
  assertEquals((await box.error("put", "b.txt", "folder/a.txt", "--key", "k")).code, "usage");
  assertEquals((await box.error("put", "-")).code, "usage");
  assertEquals((await box.json<{ keys: unknown[] }>("ls")).keys, []);
});

Deno.test("put --key: names that no vault can hold are wrong usage", async () => {
  await using box = await Sandbox.make();
  await box.write("a.txt", "alpha");
  for (const key of ["..", "a/../b", "/etc/passwd", "a//b", "./a", "x".repeat(5000)]) {
    const error = await box.error("put", "a.txt", `--key=${key}`);
    assertEquals([error.exit, error.code], [2, "bad_key"], key);
  }
  assertEquals((await box.error("put", "a.txt", "--key=")).exit, 2);
  assertEquals((await box.error("get", "../a.txt")).exit, 2);
});

Deno.test("put, get: both Unicode forms of a name are one key", async () => {
  await using box = await Sandbox.withVault();
  const nfd = "Cafe\u0301", nfc = "Caf\u00e9";
  await box.runWith({ stdin: "one" }, "put", "-", "--key", nfd);
  assertEquals((await box.ok("get", nfc, "-o", "-")).out, "one");
  await box.runWith({ stdin: "two" }, "put", "-", "--key", nfc);
  assertEquals((await box.json<{ versions: unknown[] }>("history", nfd)).versions.length, 2);
});

Deno.test("put, get: keys that look like flags, numbers and booleans", async () => {
  await using box = await Sandbox.withVault();
  for (const name of ["-x", "007", "true", "1e3"]) {
    await box.write(name, name);
    await box.ok("put", "--json", "--", name);
    assertEquals((await box.ok("get", "-o", "-", "--", name)).out, name);
  }
  assertEquals((await box.ok("get", "--quiet", "true", "-o", "-")).out, "true");
});

Deno.test("put: a file that is not there leaves no new vault behind", async () => {
  await using box = await Sandbox.make();
  const error = await box.error("put", "no-such-file.txt");
  assertEquals([error.exit, error.code], [1, "failed"]);
  assertEquals((await box.error("status")).code, "not_found");
});

Deno.test("put: how many nodes hold it is told when copies were asked for", async () => {
  await using box = await Sandbox.withVault();
  await box.write("f", "content");
  const line = async (...flags: string[]) => (await box.ok("put", "f", ...flags)).out;
  assertMatch(await line(), /^stored f {2}version 1 .* added\n$/);
  assertEquals(await line("--copies", "1"), "unchanged f  version 1  on 1 node\n");
  await box.write("f", "other content");
  assertMatch(await line("--copies", "1"), /^stored f {2}version 2 .* added {2}on 1 node\n$/);
});
