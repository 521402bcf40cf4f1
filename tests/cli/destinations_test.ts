/** Where a get may write, and what an interrupt leaves behind. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { filesUnder, noise, Sandbox } from "./harness.ts";

async function boxWith(key: string, content: string | Uint8Array<ArrayBuffer>): Promise<Sandbox> {
  const box = await Sandbox.withVault();
  const { code } = await box.runWith({ stdin: content }, "put", "-", "--key", key);
  assertEquals(code, 0);
  return box;
}

Deno.test("get: a file with foreign content is left alone, unless --force is given", async () => {
  await using box = await boxWith("note.txt", "from the vault");
  await box.write("note.txt", "my own");
  const error = await box.error("get", "note.txt");
  assertEquals([error.exit, error.code], [1, "exists"]);
  assertEquals(await Deno.readTextFile(box.path("note.txt")), "my own");
  await box.ok("get", "note.txt", "--force");
  assertEquals(await Deno.readTextFile(box.path("note.txt")), "from the vault");
});

Deno.test("get: a file whose content the vault holds is replaced", async () => {
  await using box = await boxWith("note.txt", "first");
  await box.runWith({ stdin: "second" }, "put", "-", "--key", "note.txt");
  await box.ok("get", "note.txt", "--version", "1");
  await box.ok("get", "note.txt");
  assertEquals(await Deno.readTextFile(box.path("note.txt")), "second");
});

Deno.test("get: a folder in the way is refused, with or without --force", async () => {
  await using box = await boxWith("note.txt", "content");
  await box.write("note.txt/inside", "stays");
  for (const args of [["get", "note.txt"], ["get", "note.txt", "--force"]]) {
    assertEquals((await box.run(...args)).code, 1);
  }
  assertEquals(await Deno.readTextFile(box.path("note.txt/inside")), "stays");
});

Deno.test("get: a destination that can't be written leaves nothing behind", async () => {
  await using box = await boxWith("note.txt", "content");
  await box.write("plain", "a file, no folder");
  for (const path of ["no/such/folder/note.txt", "plain/note.txt"]) {
    const { code, err } = await box.run("get", "note.txt", "-o", path);
    assert(code !== 0);
    assertStringIncludes(err, "govault: Cannot ");
  }
  assertEquals(await filesUnder(box.folder), [box.path("plain")]);
});

Deno.test({
  name: "get: a folder without write permission is no permission",
  ignore: Deno.build.os === "windows" || Deno.uid() === 0, // root may write anywhere
  async fn() {
    await using box = await boxWith("note.txt", "content");
    await Deno.mkdir(box.path("closed"), { mode: 0o500 });
    assertEquals((await box.error("get", "note.txt", "-o", "closed/note.txt")).exit, 7);
  },
});

Deno.test("get: a damaged pack gives exit code 4 and no file", async () => {
  const content = noise(400_000, 5);
  await using box = await boxWith("big.bin", content);
  const pack = (await filesUnder(`${box.home}/packs`))[0]!;
  const bytes = await Deno.readFile(pack);
  bytes[200_000]! ^= 1;
  await Deno.writeFile(pack, bytes);

  const error = await box.error("get", "big.bin");
  assertEquals([error.exit, error.code], [4, "damaged"]);
  assertEquals(await filesUnder(box.folder), []);
  const verified = await box.run("verify", "--json");
  assertEquals(verified.code, 4);
  const { checked, damaged, repaired, missing } = JSON.parse(verified.out);
  assertEquals([checked > 0, damaged, repaired, missing], [true, 1, 0, 0]);
  assertEquals((await box.run("verify")).code, 4);
});

Deno.test("ls, get -r: keys whose names can't be read are told of after the others: exit code 4", async () => {
  await using box = await boxWith("whole", "x");
  const [pack] = await filesUnder(`${box.home}/packs`) as [string];
  const before = (await Deno.readFile(pack)).length;
  await box.runWith({ stdin: "y" }, "put", "-", "--key", "lost");
  const bytes = await Deno.readFile(pack);
  bytes[bytes.length - 200]! ^= 1; // signatures, or names, of the last segment
  assert(bytes.length - 200 > before);
  await Deno.writeFile(pack, bytes);

  const listed = await box.run("ls");
  assertEquals(listed.code, 4);
  assertStringIncludes(listed.out, "whole");
  assertStringIncludes(
    listed.err,
    "Cannot list 1 key: the records that say its name can't be read",
  );
  const { code, out } = await box.run("ls", "--json");
  const { keys } = JSON.parse(out);
  assertEquals([code, keys.map(({ key }: { key: string }) => key)], [4, ["whole"]]);
  const got = await box.run("get", "-r", "", "-o", box.path("tree"));
  assertEquals(got.code, 4);
  assertStringIncludes(got.err, "Cannot get 1 key");
  assertEquals(await filesUnder(box.path("tree")), [box.path("tree/whole")]);
});

Deno.test("put -: holds the home, and Ctrl-C leaves no version", async () => {
  await using box = await boxWith("other", "x");
  const child = box.start(["put", "-", "--key", "slow"]);
  const writer = child.stdin.getWriter();
  await writer.write(noise(3_000_000, 6));
  await box.untilLocked();
  const waiting = await box.error("ls", "--lock-wait", "0");
  assertEquals([waiting.exit, waiting.code], [6, "locked"]);

  child.kill("SIGINT");
  const { code, stdout, stderr } = await child.output();
  await writer.close().catch(() => {});
  assertEquals([code, stdout.length], [130, 0]);
  assertStringIncludes(new TextDecoder().decode(stderr), "interrupted");
  assertEquals((await box.run("history", "slow")).code, 3);
  assertEquals((await box.ok("get", "other", "-o", "-")).out, "x");
});

Deno.test("get: an interrupt leaves the whole file or none", async () => {
  const content = noise(48 * 1024 * 1024, 7);
  await using box = await boxWith("big.bin", content);
  const child = box.start(["get", "big.bin"]);
  const output = child.output();
  child.stdin.close();
  let running = true;
  output.finally(() => running = false);
  // The temporary file shows that it has begun.
  while (running && (await filesUnder(box.folder)).length === 0);
  try {
    child.kill("SIGINT");
  } catch {
    // it was quicker
  }
  const { code } = await output;
  assert(code === 130 || code === 0, String(code));
  const left = await filesUnder(box.folder);
  assertEquals(left, code === 0 ? [box.path("big.bin")] : []);
});

Deno.test("get -o -: Ctrl-C ends it even if nobody reads", async () => {
  await using box = await boxWith("big.bin", noise(8 * 1024 * 1024, 8));
  const child = box.start(["get", "big.bin", "-o", "-"]);
  const reader = child.stdout.getReader();
  assertEquals((await reader.read()).done, false);
  child.kill("SIGINT");
  assertEquals((await child.status).code, 130);
  await Promise.all([reader.cancel(), child.stdin.close(), child.stderr.cancel()]);
});

Deno.test("ls: a reader that goes away ends it without a word", async () => {
  await using box = await Sandbox.withVault();
  for (let i = 0; i < 600; i++) await box.write(`many/${"x".repeat(200)}${i}`, `${i}`);
  await box.ok("put", "-r", "many", "--quiet");
  const child = box.start(["ls", "--json"]);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const [{ code }, err] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assertEquals(err, "");
  assert(code === 1 || code === 0, String(code));
});
