/** Keys: passphrase, recovery phrase, and that nothing of the files shows in the home. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { filesUnder, Sandbox } from "./harness.ts";

const RIGHT = { env: { GOVAULT_PASSPHRASE: "correct horse" } };
const WRONG = { env: { GOVAULT_PASSPHRASE: "battery staple" } };

Deno.test("init: prints the recovery phrase once, makes one vault only", async () => {
  await using box = await Sandbox.make();
  const made = await box.json("init");
  assertEquals(Object.keys(made).sort(), ["home", "network", "node", "phrase", "vault"]);
  assertEquals(String(made["phrase"]).split(" ").length, 24);
  assertEquals(made["home"], box.home);
  assertEquals((await box.ok("key", "phrase")).out, `${made["phrase"]}\n`);
  const words = String(made["phrase"]).split(" ").slice(0, 3).join(" ");
  for (const path of await filesUnder(box.home)) {
    const text = new TextDecoder("latin1").decode(await Deno.readFile(path));
    assertEquals(text.includes(words), false, path);
  }
  const again = await box.error("init");
  assertEquals([again.exit, again.code], [1, "exists"]);
});

Deno.test("init --passphrase: from the environment, or denied where nobody can be asked", async () => {
  await using box = await Sandbox.make();
  assertEquals((await box.error("init", "--passphrase")).exit, 7);
  assertEquals((await box.runWith(RIGHT, "init", "--passphrase")).code, 0);
  const status = await box.runWith(RIGHT, "status", "--json");
  assertEquals(JSON.parse(status.out).protected, true);
});

Deno.test("key protect: sets, changes and removes the passphrase", async () => {
  await using box = await Sandbox.withVault();
  await box.runWith({ stdin: "content" }, "put", "-", "--key", "f");
  assertEquals((await box.runWith(RIGHT, "key", "protect")).code, 0);

  const unasked = await box.run("get", "f", "-o", "-");
  assertEquals([unasked.code, unasked.out], [7, ""]);
  assertStringIncludes(unasked.err, "hint: set GOVAULT_PASSPHRASE or use --passphrase-file");
  const wrong = await box.runWith(WRONG, "get", "f", "-o", "-", "--json");
  assertEquals([wrong.code, wrong.out, JSON.parse(wrong.err).error.code], [7, "", "denied"]);
  assertEquals((await box.runWith(RIGHT, "get", "f", "-o", "-")).out, "content");

  await box.write("old", "correct horse\n");
  await box.write("new", "battery staple\n");
  await box.ok("key", "protect", "--passphrase-file", "old", "--new-passphrase-file", "new");
  assertEquals((await box.runWith(RIGHT, "ls")).code, 7);
  await box.ok("key", "protect", "--remove", "--passphrase-file", "new");
  assertEquals((await box.ok("get", "f", "-o", "-")).out, "content");
});

Deno.test("recover --phrase: the words alone bring the packs back to life", async () => {
  await using box = await Sandbox.make();
  const { phrase, vault } = await box.json("init");
  await box.runWith({ stdin: "content" }, "put", "-", "--key", "f");
  await Deno.remove(`${box.home}/keys`, { recursive: true });
  await Deno.remove(`${box.home}/vault.db`);
  assertEquals((await box.error("get", "f", "-o", "-")).exit, 4);

  const stdin = `${String(phrase).replaceAll(" ", "\n")}\n`;
  const recovered = await box.runWith({ stdin }, "recover", "--phrase", "--json");
  assertEquals([recovered.code, recovered.err], [0, ""]);
  const document = JSON.parse(recovered.out);
  assertEquals([document.vault, document.keys, document.versions], [vault, 1, 1]);
  assertEquals((await box.ok("get", "f", "-o", "-")).out, "content");
});

Deno.test("recover: what is no recovery phrase is refused", async () => {
  await using box = await Sandbox.make();
  for (const stdin of ["", "abandon abandon", "abandon ".repeat(24), "x".repeat(5000)]) {
    const { code, out } = await box.runWith({ stdin }, "recover", "--phrase");
    assertEquals([code, out], [2, ""], stdin.slice(0, 20));
  }
  assertEquals((await box.error("recover")).exit, 2);
  assertEquals(await Deno.stat(box.home).catch(() => null), null);
});

Deno.test("put: neither content nor names stand in the home", async () => {
  await using box = await Sandbox.withVault();
  await box.write(
    "tree-of-Babel/Nimrod.txt",
    "a tower whose top may reach unto heaven\n".repeat(300),
  );
  await box.write("tree-of-Babel/tiny", "brick for stone");
  await box.ok("put", "-r", "tree-of-Babel");
  await box.ok("tag", "Shinar");
  const secrets = ["tower whose top", "brick for stone", "Babel", "Nimrod", "tiny", "Shinar"];
  const files = await filesUnder(box.home);
  assert(files.length > 4);
  for (const path of files) {
    const content = new TextDecoder("latin1").decode(await Deno.readFile(path));
    for (const secret of secrets) {
      assert(!content.includes(secret), `${secret} stands in ${path}`);
      assert(!path.slice(box.home.length).includes(secret));
    }
  }
});

Deno.test({
  name: "init: the keys are their owner's alone",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using box = await Sandbox.make();
    await box.ok("init");
    for (const path of await filesUnder(`${box.home}/keys`)) {
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600, path);
    }
    assertEquals((await Deno.stat(box.home)).mode! & 0o077, 0);
    await box.ok("status"); // the index is there once a vault was opened
    for (const path of await filesUnder(box.home)) {
      assertEquals((await Deno.stat(path)).mode! & 0o077, 0, path);
    }
    // A folder that was there is its owner's to judge; what comes into it is private all the same.
    const open = box.path("open");
    await Deno.mkdir(open);
    await Deno.chmod(open, 0o755);
    await box.ok("init", "--home", open, "--quiet");
    assertEquals((await Deno.stat(open)).mode! & 0o777, 0o755);
    for (const path of await filesUnder(open)) {
      assertEquals((await Deno.stat(path)).mode! & 0o077, 0, path);
    }
  },
});

Deno.test("put, init: packs whose key is lost are not given a new one; the phrase brings them back", async () => {
  await using box = await Sandbox.make();
  const { phrase } = await box.json<{ phrase: string }>("init");
  await box.write("a.txt", "alpha");
  await box.ok("put", "a.txt");
  await Deno.remove(`${box.home}/keys/vault.key`);
  for (const args of [["put", "a.txt"], ["init"], ["history", "a.txt"]]) {
    const error = await box.error(...args);
    assertEquals([error.exit, error.code], [4, "damaged"], args[0]);
    assertStringIncludes(error.hint ?? "", "recover --phrase");
  }
  await box.runWith({ stdin: phrase }, "recover", "--phrase");
  assertEquals((await box.ok("get", "a.txt", "-o", "-")).out, "alpha");
});

Deno.test("padding: set by init, shown and changed by padding, told by status", async () => {
  await using box = await Sandbox.make();
  await box.ok("init", "--padding");
  assertEquals((await box.json("status"))["padding"], true);
  assertEquals((await box.ok("padding")).out, "on\n");
  assertEquals(await box.json("padding", "off"), { padding: false });
  assertEquals((await box.ok("padding")).out, "off\n");
  const wrong = await box.error("padding", "maybe");
  assertEquals([wrong.exit, wrong.code], [2, "usage"]);
  await using _node = await box.serve();
  await box.ok("padding", "on");
  assertStringIncludes((await box.ok("status")).out, "padding     yes\n");
});
