/** Folders: what comes back is what went in, and nothing lands outside. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { filesUnder, Sandbox } from "./harness.ts";

const WINDOWS = Deno.build.os === "windows";

/** Everything under a folder: kind, mode, time, content or target, by path. */
async function snapshot(folder: string, below = ""): Promise<Record<string, unknown[]>> {
  const seen: Record<string, unknown[]> = {};
  for await (const entry of Deno.readDir(join(folder, below))) {
    const name = below === "" ? entry.name : `${below}/${entry.name}`;
    const path = join(folder, name);
    const { mode, mtime } = await Deno.lstat(path);
    const bits = (mode ?? 0) & 0o7777;
    if (entry.isSymlink) {
      seen[name] = ["link", await Deno.readLink(path)];
    } else if (entry.isDirectory) {
      seen[name] = ["folder", bits, mtime?.getTime()];
      Object.assign(seen, await snapshot(folder, name));
    } else {
      seen[name] = ["file", bits, mtime?.getTime(), await Deno.readTextFile(path)];
    }
  }
  return seen;
}

Deno.test({
  name: "put -r, get -r: a tree comes back with modes, times, links and empty places",
  ignore: WINDOWS,
  async fn() {
    await using box = await Sandbox.withVault();
    await box.write("tree/readme.txt", "hello");
    await box.write("tree/empty", "");
    await box.write("tree/sub/run.sh", "#!/bin/sh\n");
    await box.write("tree/sub/odd \n näme", "odd");
    await Deno.mkdir(box.path("tree/hollow"));
    await Deno.symlink("readme.txt", box.path("tree/link"));
    await Deno.symlink("../nowhere", box.path("tree/sub/dangling"));
    await Deno.chmod(box.path("tree/sub/run.sh"), 0o755);
    await Deno.chmod(box.path("tree/readme.txt"), 0o640);
    await Deno.chmod(box.path("tree/hollow"), 0o750);
    const long = new Date("2020-02-02T02:02:02Z");
    for (const name of ["tree/readme.txt", "tree/sub/run.sh", "tree/hollow", "tree/sub", "tree"]) {
      await Deno.utime(box.path(name), long, long);
    }
    const before = await snapshot(box.path("tree"));

    const { out } = await box.ok("put", "-r", "tree", "--json");
    const stored = out.trimEnd().split("\n").map((line) => JSON.parse(line).key).sort();
    assertEquals(stored, [
      "tree/empty",
      "tree/link",
      "tree/readme.txt",
      "tree/sub/dangling",
      "tree/sub/odd \n näme",
      "tree/sub/run.sh",
    ]);
    await box.ok("get", "-r", "tree", "-o", "back");
    assertEquals(await snapshot(box.path("back")), before);
  },
});

Deno.test("put -r: only what changed makes new versions", async () => {
  await using box = await Sandbox.withVault();
  await box.write("tree/a", "one");
  await box.write("tree/b", "two");
  await box.ok("put", "-r", "tree");
  await box.write("tree/b", "changed");
  const { out } = await box.ok("put", "-r", "tree", "--json");
  const documents = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    documents.map(({ key, version, unchanged }) => [key, version, unchanged]).sort(),
    [["tree/a", 1, true], ["tree/b", 2, false]],
  );
});

Deno.test("get -r: a prefix names whole parts, and one that names nothing is not found", async () => {
  await using box = await Sandbox.withVault();
  for (const key of ["photos/a", "photos/b/c", "photosets/x"]) {
    await box.runWith({ stdin: key }, "put", "-", "--key", key);
  }
  await box.ok("get", "-r", "photos", "-o", "out");
  assertEquals(await filesUnder(box.path("out")), [box.path("out/a"), box.path("out/b/c")]);
  await box.ok("get", "-r", "photos/b/");
  assertEquals(await filesUnder(box.path("b")), [box.path("b/c")]);
  assertEquals((await box.error("get", "-r", "phot", "-o", "out2")).exit, 3);
});

Deno.test({
  name: "get -r: a link in the vault does not lead what follows out of the folder",
  ignore: WINDOWS,
  async fn() {
    await using box = await Sandbox.withVault();
    await Deno.mkdir(box.path("outside"));
    await Deno.mkdir(box.path("t"));
    await Deno.symlink(box.path("outside"), box.path("t/way"));
    await box.ok("put", "-r", "t");
    await box.runWith({ stdin: "evil" }, "put", "-", "--key", "t/way/evil.txt");
    await box.runWith({ stdin: "good" }, "put", "-", "--key", "t/zz.txt");
    const { code } = await box.run("get", "-r", "t", "-o", "out");
    assertEquals(await filesUnder(box.path("outside")), []);
    assert(code !== 0, "what could not be written is told");
    const fetched = (await filesUnder(box.path("out"))).map((path) => path.split("/").at(-1));
    assert(fetched.includes("zz.txt"), "and the rest is fetched");
  },
});

Deno.test({
  name: "get -r: a link that lies in the destination is not followed",
  ignore: WINDOWS,
  async fn() {
    await using box = await Sandbox.withVault();
    await box.runWith({ stdin: "evil" }, "put", "-", "--key", "t/sub/evil.txt");
    await Deno.mkdir(box.path("outside"));
    await Deno.mkdir(box.path("out"));
    await Deno.symlink(box.path("outside"), box.path("out/sub"));
    for (const flags of [[], ["--force"]]) {
      assertEquals((await box.run("get", "-r", "t", "-o", "out", ...flags)).code, 1);
    }
    assertEquals(await filesUnder(box.path("outside")), []);
  },
});

Deno.test("ls: names that would steer a terminal are shown quoted", async () => {
  await using box = await Sandbox.withVault();
  const key = "evil\x1b[2J\u202ename";
  await box.runWith({ stdin: "x" }, "put", "-", "--key", key);
  const { out } = await box.ok("ls");
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert(!/[\x00-\x09\x0b-\x1f\u202e]/.test(out), JSON.stringify(out));
  const { keys } = await box.json<{ keys: { key: string }[] }>("ls");
  assertEquals(keys[0]!.key, key);
});
