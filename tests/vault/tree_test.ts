import { assert, assertEquals } from "@std/assert";
import { encodeUtf8, isVaultError } from "../../src/base/mod.ts";
import type { GetOutcome, Vault } from "../../src/vault/mod.ts";
import {
  collect,
  failure,
  filesUnder,
  homeWithVault,
  keyNames,
  nextMillisecond,
  randomBytes,
  type TempFolder,
  withVault,
} from "./helpers.ts";

const LINUX = Deno.build.os !== "windows";

function link(target: string) {
  return { type: "link", mode: 0o777, mtime: 0, target } as const;
}

const NOTHING = new Uint8Array(0);

/** What is under a folder, the folder's own path left out. */
function listing(path: string): string[] {
  const names: string[] = [];
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(path)) {
    const mark = isSymlink ? `@${Deno.readLinkSync(`${path}/${name}`)}` : isDirectory ? "/" : "";
    names.push(name + mark);
    if (isDirectory) names.push(...listing(`${path}/${name}`).map((inner) => `${name}/${inner}`));
  }
  return names.sort();
}

function errors(outcomes: readonly GetOutcome[]): string[] {
  return outcomes.flatMap((each) => "error" in each ? [each.error.code] : []);
}

/** Everything outside the destination, to see that nothing of it changes. */
function outside(folder: TempFolder): string[] {
  return [...filesUnder(folder.path)]
    .filter(({ path }) => !path.startsWith(folder.home) && !path.startsWith(folder.at("out")))
    .map(({ path, bytes }) => `${path} ${new TextDecoder().decode(bytes)}`).sort();
}

Deno.test("putPath, getTree: a tree comes back with modes, times, links, empty files and folders", async () => {
  using folder = await homeWithVault();
  const tree = folder.at("tree");
  for (const path of ["tree/sub/empty", "tree/sub/deep"]) {
    Deno.mkdirSync(folder.at(path), { recursive: true });
  }
  Deno.writeFileSync(folder.at("tree/nothing"), NOTHING);
  Deno.writeTextFileSync(folder.at("tree/sub/run"), "#!/bin/sh");
  Deno.writeFileSync(folder.at("tree/sub/deep/large"), randomBytes(3_000_000));
  if (LINUX) {
    Deno.symlinkSync("sub/run", folder.at("tree/link"));
    Deno.symlinkSync("../nowhere", folder.at("tree/dangling"));
    Deno.chmodSync(folder.at("tree/sub/run"), 0o750);
    Deno.chmodSync(folder.at("tree/sub/deep"), 0o700);
  }
  Deno.utimeSync(folder.at("tree/sub/run"), 1_000, 1_000);
  Deno.utimeSync(folder.at("tree/sub/empty"), 2_000, 2_000);
  Deno.utimeSync(folder.at("tree/sub/deep"), 3_000, 3_000);
  await withVault(folder, async (vault) => {
    const stored = await collect(vault.putPath(tree, { recursive: true }));
    assert(stored.every((outcome) => "result" in outcome));
    assertEquals(stored.length, LINUX ? 9 : 7);
    const fetched = await collect(vault.getTree("tree", folder.at("out")));
    assertEquals(errors(fetched), []);
    assertEquals(listing(folder.at("out")), listing(tree));
    assertEquals(Deno.readFileSync(folder.at("out/sub/deep/large")), randomBytes(3_000_000));
    for (const name of ["sub/run", "sub/empty", "sub/deep"]) {
      const [was, is] = [`tree/${name}`, `out/${name}`].map((path) =>
        Deno.statSync(folder.at(path))
      );
      assertEquals([is!.mode! & 0o777, is!.mtime], [was!.mode! & 0o777, was!.mtime], name);
    }
    const again = await collect(vault.putPath(tree, { recursive: true }));
    assertEquals(
      again.filter((each) => "result" in each && each.result.unchanged).length,
      stored.length,
    );
    assertEquals(
      errors(await collect(vault.getTree("tree", folder.at("out")))),
      [],
      "a second time",
    );
  });
});

Deno.test("getTree: any moment of the past, a part of the tree, one key", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("t/a", encodeUtf8("1"));
    await vault.put("t/b/c", encodeUtf8("1"));
    const then = nextMillisecond();
    await vault.put("t/a", encodeUtf8("22"));
    await vault.delete("t/b/c");
    await vault.put("t/d", encodeUtf8("22"));
    const fetch = async (prefix: string, out: string, at?: number) => {
      const options = at === undefined ? {} : { at };
      assertEquals(errors(await collect(vault.getTree(prefix, folder.at(out), options))), []);
      return listing(folder.at(out));
    };
    assertEquals(await fetch("t", "now"), ["a", "d"]);
    assertEquals(await fetch("t", "then", then), ["a", "b/", "b/c"]);
    assertEquals(Deno.readTextFileSync(folder.at("then/a")), "1");
    assertEquals(await fetch("t/b", "part", then), ["c"]);
    assertEquals(await fetch("", "all", then), ["t/", "t/a", "t/b/", "t/b/c"]);
    await failure("not_found", () => collect(vault.getTree("t/b", folder.at("none"))));
    await failure("bad_key", () => collect(vault.getTree("../t", folder.at("none"))));
    assertEquals(
      Array.from(Deno.readDirSync(folder.path)).some(({ name }) => name === "none"),
      false,
    );
  });
});

Deno.test("getTree: foreign files are left alone, the others are fetched", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    for (const key of ["t/a", "t/b", "t/c"]) await vault.put(key, encodeUtf8(key));
    Deno.mkdirSync(folder.at("out"));
    Deno.writeTextFileSync(folder.at("out/b"), "foreign");
    const outcomes = await collect(vault.getTree("t", folder.at("out")));
    assertEquals(errors(outcomes), ["exists"]);
    assertEquals(Deno.readTextFileSync(folder.at("out/b")), "foreign");
    assertEquals(Deno.readTextFileSync(folder.at("out/c")), "t/c");
    assertEquals(errors(await collect(vault.getTree("t", folder.at("out"), { force: true }))), []);
    assertEquals(Deno.readTextFileSync(folder.at("out/b")), "t/b");
  });
});

Deno.test("getTree: keys a and a/b at once: one of them is refused, whatever the order", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("t/a", encodeUtf8("file"));
    await vault.put("t/a/b", encodeUtf8("inner"));
    await vault.put("t/c/d", encodeUtf8("inner"));
    await vault.put("t/c", encodeUtf8("file"));
    const outcomes = await collect(vault.getTree("t", folder.at("out")));
    assertEquals(errors(outcomes).length, 2);
    assert(errors(outcomes).every((code) => code === "exists"), String(errors(outcomes)));
    assertEquals(outside(folder), []);
  });
});

/** A vault as an attacker with write access to it would fill it. */
async function hostile(vault: Vault, target: string): Promise<void> {
  await vault.put("t/x", NOTHING, { meta: link(target) });
  await vault.put("t/x/evil", encodeUtf8("evil"));
  await vault.put("t/y", NOTHING, { meta: link("..") });
  await vault.put("t/y/evil", encodeUtf8("evil"));
  await vault.put("t/y/victim", encodeUtf8("evil"));
  await vault.put("t/z", NOTHING, { meta: { ...link(""), type: "folder", mode: 0o7777 } });
  await vault.put("t/z/a", NOTHING, { meta: link(target) });
  await vault.put("t/z/a/b/evil", encodeUtf8("evil"));
  await vault.put("t/set-user-id", encodeUtf8("#!"), { meta: { mode: 0o6755 } });
}

Deno.test("getTree: links in the vault lead nothing outside the destination", async () => {
  if (!LINUX) return;
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("outside"));
  Deno.writeTextFileSync(folder.at("victim"), "victim");
  await withVault(folder, async (vault) => {
    await hostile(vault, folder.at("outside"));
    const before = outside(folder);
    for (const force of [false, true, true]) { // the third time all links are there
      const outcomes = await collect(vault.getTree("t", folder.at("out"), { force }));
      assert(errors(outcomes).length >= 3);
      assertEquals(outside(folder), before);
    }
    assertEquals(Deno.statSync(folder.at("out/set-user-id")).mode! & 0o7000, 0, "no special bits");
    assertEquals(Deno.statSync(folder.at("out/z")).mode! & 0o7000, 0);
  });
});

Deno.test("getTree: links that stand at the destination already are not followed", async () => {
  if (!LINUX) return;
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("outside/deep"), { recursive: true });
  Deno.writeTextFileSync(folder.at("outside/file"), "victim");
  Deno.mkdirSync(folder.at("out"));
  Deno.symlinkSync(folder.at("outside"), folder.at("out/sub"));
  Deno.symlinkSync(folder.at("outside/file"), folder.at("out/file"));
  Deno.symlinkSync(folder.at("nowhere"), folder.at("out/new"));
  await withVault(folder, async (vault) => {
    await vault.put("t/sub/file", encodeUtf8("text"));
    await vault.put("t/sub/deep/file", encodeUtf8("text"));
    await vault.put("t/sub/made/file", encodeUtf8("text"));
    await vault.put("t/file", encodeUtf8("text"));
    await vault.put("t/new", encodeUtf8("text"));
    await vault.put("t/sub/made", NOTHING, { meta: { ...link(""), type: "folder", mode: 0o700 } });
    const before = outside(folder);
    const outcomes = await collect(vault.getTree("t", folder.at("out")));
    assertEquals(errors(outcomes), ["exists", "exists", "exists", "exists", "exists", "exists"]);
    assertEquals(outside(folder), before);
    assertEquals(listing(folder.at("outside")), ["deep/", "file"]);

    const forced = await collect(vault.getTree("t", folder.at("out"), { force: true }));
    assertEquals(errors(forced), ["exists", "exists", "exists", "exists"], "files replace links");
    assertEquals(outside(folder), before);
    assert(
      Deno.lstatSync(folder.at("out/file")).isFile && Deno.lstatSync(folder.at("out/new")).isFile,
    );
  });
});

Deno.test("getTree: the destination itself may be a link, as the user named it", async () => {
  if (!LINUX) return;
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("real"));
  Deno.symlinkSync(folder.at("real"), folder.at("out"));
  await withVault(folder, async (vault) => {
    await vault.put("t/a", encodeUtf8("text"));
    assertEquals(errors(await collect(vault.getTree("t", folder.at("out")))), []);
    assertEquals(listing(folder.at("real")), ["a"]);
  });
});

Deno.test("putPath: two names that are one key: the second is reported, the first stays", async () => {
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("tree"));
  for (const name of ["Zoe\u0308", "Zo\u00eb"]) {
    Deno.writeTextFileSync(folder.at("tree", name), name);
  }
  if ([...Deno.readDirSync(folder.at("tree"))].length < 2) return; // this disk makes them one
  await withVault(folder, async (vault) => {
    const outcomes = await collect(vault.putPath(folder.at("tree"), { recursive: true }));
    const failed = outcomes.flatMap((each) => "error" in each ? [each.error] : []);
    assertEquals(failed.map(({ code }) => code), ["bad_key"]);
    assertEquals((await vault.history("tree/Zo\u00eb")).length, 1);
  });
});

Deno.test("putPath: leaves the vault's own home out, by whatever way it is reached", async () => {
  using folder = await homeWithVault();
  Deno.writeTextFileSync(folder.at("file"), "text");
  await withVault(folder, async (vault) => {
    const roots = [folder.path];
    if (LINUX) {
      Deno.symlinkSync(folder.path, folder.at("way"));
      roots.push(folder.at("way"));
    }
    for (const root of roots) {
      const outcomes = await collect(vault.putPath(root, { recursive: true, key: "all" }));
      assertEquals(outcomes.filter((each) => "error" in each), []);
      const expected = LINUX ? ["all", "all/file", "all/way"] : ["all", "all/file"];
      assertEquals(await keyNames(vault), expected);
    }
    const [own] = await collect(vault.putPath(folder.home, { recursive: true }));
    assert("error" in own! && own.error.code === "usage");
  });
});

Deno.test("putPath: what is neither file, folder nor link is reported, the rest is stored", async () => {
  if (!LINUX) return;
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("tree"));
  await new Deno.Command("mkfifo", { args: [folder.at("tree/pipe")] }).output();
  Deno.writeTextFileSync(folder.at("tree/file"), "text");
  await withVault(folder, async (vault) => {
    const outcomes = await collect(vault.putPath(folder.at("tree"), { recursive: true }));
    assertEquals(
      outcomes.map((each) => "error" in each ? each.error.code : each.result.key as string),
      ["tree", "tree/file", "failed"],
    );
  });
});

Deno.test("putPath: stopped in the middle it throws, and what was stored stays", async () => {
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("tree"));
  for (let i = 0; i < 20; i++) {
    Deno.writeFileSync(folder.at(`tree/${i}`), randomBytes(3_000_000, i));
  }
  await withVault(folder, async (vault) => {
    const controller = new AbortController();
    const stored: string[] = [];
    const work = async () => {
      const options = { recursive: true, signal: controller.signal };
      for await (const outcome of vault.putPath(folder.at("tree"), options)) {
        if ("result" in outcome) stored.push(outcome.result.key);
        if (stored.length === 4) controller.abort();
      }
    };
    const error = await work().catch((e) => e);
    assert(isVaultError(error, "interrupted"), String(error));
    const names = await keyNames(vault);
    assert(stored.every((key) => names.includes(key)) && names.length < 21);
  });
});

Deno.test({
  name: "getTree, getToFile: set-user-id, set-group-id and sticky bits are never applied",
  ignore: Deno.build.os === "windows",
  async fn() {
    using folder = await homeWithVault();
    await withVault(folder, async (vault) => {
      const meta = { type: "file", mode: 0o7755, mtime: 0 } as const;
      await vault.put("t/large", randomBytes(300_000), { meta });
      await vault.put("t/small", randomBytes(10), { meta });
      await vault.put("t/folder", new Uint8Array(), { meta: { ...meta, type: "folder" } });
      assertEquals(errors(await collect(vault.getTree("t", folder.at("out")))), []);
      await vault.getToFile("t/small", folder.at("single"));
      for (const name of ["out/large", "out/small", "out/folder", "single"]) {
        assertEquals(Deno.statSync(folder.at(name)).mode! & 0o7777, 0o755, name);
      }
    });
  },
});

Deno.test("getTree: of more keys than are listed at once each comes once, and links after all files", async () => {
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("many"));
  Deno.mkdirSync(folder.at("elsewhere"));
  for (let i = 0; i < 1100; i++) Deno.writeTextFileSync(folder.at(`many/${i}`), `${i}`);
  await withVault(folder, async (vault) => {
    await vault.put("tree/way", NOTHING, { meta: link("../elsewhere") });
    await collect(vault.putPath(folder.at("many"), { key: "tree/many", recursive: true }));
    await vault.put("tree/way/file", encodeUtf8("x"));
    await vault.delete("tree/many/7");
    const before = outside(folder);
    const outcomes = await collect(vault.getTree("tree", folder.at("out")));
    assertEquals(errors(outcomes), LINUX ? ["exists"] : ["failed"]);
    assertEquals(outcomes.length, 1 + 1099 + 1 + 1);
    assertEquals(outcomes.at(-1)!.path, folder.at("out/way"));
    assertEquals(outside(folder), before);
    const names = Array.from({ length: 1100 }, (_, i) => `${i}`).filter((name) => name !== "7");
    assertEquals(listing(folder.at("out/many")), names.sort());
    for (const name of names) {
      assertEquals(Deno.readTextFileSync(folder.at(`out/many/${name}`)), name);
    }
    assertEquals(listing(folder.at("out/way")), ["file"]);
    const listed = (await collect(vault.list({ prefix: "tree/many" }))).map(({ key }) => key);
    assertEquals(listed, [...listed].sort());
    assertEquals(listed.length, 1100);
  });
});
