/** The past: delete, restore, list, diff, tag, prune, status. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { noise, Sandbox } from "./harness.ts";

interface Version {
  version: number;
  time: string;
  id: string;
  node: string;
}

async function boxWithVersions(key: string, contents: (string | Uint8Array<ArrayBuffer>)[]) {
  const box = await Sandbox.withVault();
  for (const stdin of contents) await box.runWith({ stdin }, "put", "-", "--key", key);
  return box;
}

async function versionsOf(box: Sandbox, key: string): Promise<Version[]> {
  return (await box.json<{ versions: Version[] }>("history", key)).versions;
}

async function keysOf(box: Sandbox, ...args: string[]): Promise<Record<string, unknown>[]> {
  return (await box.json<{ keys: Record<string, unknown>[] }>("ls", ...args)).keys;
}

Deno.test("delete, restore: a tombstone that can be undone", async () => {
  await using box = await boxWithVersions("a.txt", ["one", "two"]);
  assertEquals((await box.ok("delete", "a.txt")).out, "deleted a.txt  version 3\n");
  assertEquals(await keysOf(box), []);
  assertEquals((await box.error("get", "a.txt")).exit, 3);
  assertEquals((await box.ok("get", "a.txt", "--version", "1", "-o", "-")).out, "one");

  const [tombstone] = await keysOf(box, "--deleted");
  assertEquals([tombstone!["key"], tombstone!["deleted"], tombstone!["version"]], [
    "a.txt",
    true,
    3,
  ]);
  assertEquals(
    (await box.ok("restore", "a.txt", "--version", "1")).out.slice(0, 26),
    "restored a.txt  version 4 ",
  );
  assertEquals((await box.ok("get", "a.txt", "-o", "-")).out, "one");
  assertEquals((await versionsOf(box, "a.txt")).length, 4);
});

Deno.test("ls --json: one document with these fields, for now and for then", async () => {
  await using box = await boxWithVersions("a.txt", ["one", "two!"]);
  const [first, second] = await versionsOf(box, "a.txt");
  assertEquals(await keysOf(box), [{
    key: "a.txt",
    version: 2,
    id: second!.id,
    size: 4,
    time: second!.time,
    node: second!.node,
    deleted: false,
    conflict: false,
    type: "file",
    mode: "0644",
  }]);
  assertEquals((await keysOf(box, "--at", first!.time))[0]!["version"], 1);
  assertEquals(await keysOf(box, "--at", "2001-01-01"), []);
  assertEquals((await box.ok("get", "a.txt", "--at", first!.time, "-o", "-")).out, "one");
  assertEquals((await box.error("get", "a.txt", "--at", "2001-01-01")).exit, 3);
});

Deno.test("ls: by prefix and by node, folders on demand, nothing as nothing", async () => {
  await using box = await boxWithVersions("photos/a", ["one"]);
  await box.write("tree/sub/file", "x");
  await box.ok("put", "-r", "tree");
  const [{ node }] = await versionsOf(box, "photos/a") as [Version];
  assertEquals((await keysOf(box, "photos")).map(({ key }) => key), ["photos/a"]);
  assertEquals((await keysOf(box, "--node", node.slice(0, 8))).length, 2);
  assertMatch((await box.ok("ls", "--all")).out, /tree\/sub\/\n/);
  assertMatch((await box.ok("ls", "tree")).out, /^ +SIZE .*\n +1 B .* tree\/sub\/file\n$/);
  assertEquals((await box.ok("ls", "nothing/here")).out, "");
  assertEquals(await keysOf(box, "nothing/here"), []);
});

Deno.test("delete --purge: forgets all versions and frees their space", async () => {
  await using box = await boxWithVersions("big", [noise(900_000, 1), noise(900_000, 2)]);
  await box.runWith({ stdin: "stays" }, "put", "-", "--key", "other");
  const purged = await box.json("delete", "big", "--purge");
  assertEquals(purged["purged"], true);
  assert(Number(purged["freedBytes"]) > 1_700_000, String(purged["freedBytes"]));
  for (const args of [["--version", "1"], ["--version", "2"], []]) {
    assertEquals((await box.error("get", "big", ...args)).exit, 3);
  }
  assert(Number((await box.json("status"))["storedBytes"]) < 200_000);
  assertEquals((await box.ok("get", "other", "-o", "-")).out, "stays");
});

Deno.test("tag, prune: drops what no rule and no tag keeps, and a dry run drops nothing", async () => {
  await using box = await boxWithVersions("f", [noise(300_000, 1)]);
  assertMatch((await box.ok("tag", "keep me")).out, /^tagged keep me {2}/);
  for (const seed of [2, 3]) {
    await box.runWith({ stdin: noise(300_000, seed) }, "put", "-", "--key", "f");
  }
  const { tags } = await box.json<{ tags: { name: string }[] }>("tag", "--list");
  assertEquals(tags.map(({ name }) => name), ["keep me"]);

  const dry = await box.json("prune", "--keep-last", "1", "--dry-run");
  const { id: dropped } = (await versionsOf(box, "f"))[1]!;
  assertEquals([dry["dryRun"], dry["droppedVersions"], dry["keptVersions"]], [true, 1, 2]);
  assertEquals((dry["dropped"] as Version[]).map(({ id }) => id), [dropped]);
  assertEquals((await versionsOf(box, "f")).length, 3);

  assertMatch((await box.ok("prune", "--keep-last", "1")).out, /1 of 3 versions dropped/);
  assertEquals((await versionsOf(box, "f")).map(({ version }) => version), [1, 3]);
  assertEquals((await box.ok("get", "f", "--version", "1", "-o", "-")).outBytes, noise(300_000, 1));
  assertEquals((await box.error("get", "f", "--version", "2")).exit, 3);

  await box.ok("tag", "--delete", "keep me");
  await box.ok("prune", "--keep-last", "1", "--quiet");
  assertEquals((await versionsOf(box, "f")).map(({ version }) => version), [3]);
  assertEquals((await box.error("tag", "--delete", "keep me")).exit, 3);
  await box.ok("verify");
});

Deno.test("diff: ranges to the byte, and shared chunks", async () => {
  const first = noise(2_000_000, 1);
  const second = first.slice();
  second.set(noise(100, 9), 1_000_000);
  await using box = await boxWithVersions("f", [first, second]);
  const diff = await box.json("diff", "f", "1", "2");
  assertEquals(Object.keys(diff).sort(), [
    "a",
    "b",
    "chunksA",
    "chunksB",
    "key",
    "metaChanged",
    "onlyInA",
    "onlyInB",
    "sharedChunks",
  ]);
  const [range] = diff["onlyInB"] as { start: number; end: number }[];
  assert(range!.start >= 999_990 && range!.end <= 1_000_110, JSON.stringify(range));
  assert(Number(diff["sharedChunks"]) >= 1);
  assertMatch((await box.ok("diff", "f", "1", "2")).out, /only in A {2}\d+\.\.\d+/);
  assertMatch((await box.ok("diff", "f", "1", "1")).out, /The contents are the same/);
  assertEquals((await box.error("diff", "f", "1", "7")).exit, 3);
});

Deno.test("status --json: these fields", async () => {
  await using box = await boxWithVersions("f", ["one", "two"]);
  const status = await box.json("status");
  assertEquals(Object.keys(status).sort(), [
    "address",
    "chunks",
    "dedupRatio",
    "healedInSeconds",
    "home",
    "keys",
    "logicalBytes",
    "network",
    "node",
    "padding",
    "peers",
    "protected",
    "replicas",
    "storedBytes",
    "underReplicated",
    "vault",
    "versions",
  ]);
  assertEquals(
    [status["address"], status["peers"], status["keys"], status["versions"], status["protected"]],
    [null, [], 1, 2, false],
  );
  assertEquals([status["logicalBytes"], status["underReplicated"]], [6, 0]);
  assertEquals(status["home"], box.home);
  for (const name of ["node", "vault", "network"]) {
    assertMatch(String(status[name]), /^[0-9a-f]{64}$/);
  }
  assertMatch((await box.ok("status")).out, /^versions +2, 6 B of files$/m);
});

Deno.test("verify, doctor: a healthy home", async () => {
  await using box = await boxWithVersions("f", ["one"]);
  const verified = await box.json("verify", "--repair", "--sample", "100%");
  assertEquals([verified["damaged"], verified["repaired"], verified["missing"]], [0, 0, 0]);
  const { findings } = await box.json<{ findings: { ok: boolean; check: string }[] }>("doctor");
  assert(findings.length > 0 && findings.every(({ ok }) => ok), JSON.stringify(findings));
  assertMatch((await box.ok("doctor")).out, /^ok +log +1 key, 1 version$/m);
});
