import { assert, assertEquals } from "@std/assert";
import { CHUNK_BYTES_MIN, encodeUtf8, isVaultError, READ_BYTES } from "../../src/base/mod.ts";
import type { PutOutcome, Vault } from "../../src/vault/mod.ts";
import {
  BATCH_BYTES,
  BATCH_ENTRY_BYTES,
  BATCH_HELD_DIVISOR,
  ENTRIES_IN_WORK,
} from "../../src/vault/tree_work.ts";
import {
  collect,
  failure,
  filesUnder,
  homeWithVault,
  keyNames,
  randomBytes,
  read,
  version,
  withVault,
} from "./helpers.ts";

const BAD_KEYS = [
  "",
  "..",
  ".",
  "../up",
  "a/../b",
  "a/./b",
  "/absolute",
  "a//b",
  "a/",
  "nul\0byte",
  "half \ud800 a pair",
  "x".repeat(5000),
  "ä".repeat(2049),
];

Deno.test("put, get, history, delete, restore, diff: refuse what can't be a key, and lose nothing", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    for (const key of BAD_KEYS) {
      await failure("bad_key", () => vault.put(key, encodeUtf8("text")));
      await failure("bad_key", () => vault.get(key));
      await failure("bad_key", () => vault.history(key));
      await failure("bad_key", () => vault.delete(key));
      await failure("bad_key", () => Promise.resolve().then(() => vault.restore(key, version(1))));
      await failure("bad_key", () => vault.diff(key, version(1), version(1)));
      await failure("bad_key", () => vault.delete(key, { purge: true }));
    }
    assertEquals(await keyNames(vault), []);
  });
});

Deno.test("put: odd but good keys are taken as they are; both Unicode forms are one key", async () => {
  using folder = await homeWithVault();
  const keys = [
    "...",
    ".hidden",
    "a\nb",
    "-",
    " ",
    "C:\\x",
    "x".repeat(4096),
    "tab\t",
    "日本/語",
    "%2e",
  ];
  await withVault(folder, async (vault) => {
    for (const key of keys) await vault.put(key, encodeUtf8(key));
    for (const key of keys) assertEquals(await read(vault, key), encodeUtf8(key));
    assertEquals((await keyNames(vault)).length, keys.length);
    await vault.put("Zoe\u0308", encodeUtf8("one"));
    assertEquals((await vault.put("Zo\u00eb", encodeUtf8("two"))).version, 2);
    assertEquals((await vault.history("Zoe\u0308"))[0]!.key as string, "Zo\u00eb");
  });
});

/** The only outcome of a path. */
async function putOne(vault: Vault, path: string): Promise<PutOutcome> {
  const outcomes = await collect(vault.putPath(path));
  assertEquals(outcomes.length, 1);
  return outcomes[0]!;
}

/**
 * Puts a file that something happens to once its first bytes have been read: `change` runs when progress is first
 * reported, while the rest of the file is still to be read.
 */
async function putWhile(vault: Vault, path: string, change: () => void): Promise<PutOutcome[]> {
  let changed = false;
  return await collect(vault.putPath(path, {
    onProgress: () => {
      if (changed) return;
      changed = true;
      change();
    },
  }));
}

Deno.test("putPath: a file that grows, shrinks or is rewritten while it is read makes no version", async () => {
  using folder = await homeWithVault();
  const path = folder.at("file");
  const size = 5 * READ_BYTES;
  const rewrite = () => {
    using file = Deno.openSync(path, { write: true });
    file.writeSync(encodeUtf8("other"));
  };
  const changes: [string, () => void][] = [
    ["grew", () => Deno.writeFileSync(path, randomBytes(10), { append: true })],
    ["shrank", () => Deno.truncateSync(path, size - 1)],
    ["shrank", () => Deno.truncateSync(path, 0)],
    ["was changed", rewrite],
  ];
  await withVault(folder, async (vault) => {
    for (const [state, change] of changes) {
      Deno.writeFileSync(path, randomBytes(size));
      Deno.utimeSync(path, 1000, 1000);
      const [outcome] = await putWhile(vault, path, change) as [PutOutcome];
      assert("error" in outcome, state);
      assertEquals(outcome.error.code, "changed");
      assert(
        outcome.error.message.includes(`it ${state} while it was read`),
        outcome.error.message,
      );
      assertEquals(await keyNames(vault), []);
    }
    Deno.writeFileSync(path, randomBytes(size));
    assert("result" in await putOne(vault, path), "once it rests");
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("putPath: a file that is replaced or removed while it is read is stored as it was", async () => {
  using folder = await homeWithVault();
  const path = folder.at("file");
  const bytes = randomBytes(3 * READ_BYTES);
  const changes = [
    () => Deno.removeSync(path),
    () => {
      Deno.writeFileSync(folder.at("new"), randomBytes(10));
      Deno.renameSync(folder.at("new"), path);
    },
  ];
  await withVault(folder, async (vault) => {
    for (const [i, change] of changes.entries()) {
      Deno.writeFileSync(path, bytes);
      Deno.utimeSync(path, i, i);
      const [outcome] = await putWhile(vault, path, change) as [PutOutcome];
      assert("result" in outcome, JSON.stringify(outcome));
      assertEquals(outcome.result.version, i + 1);
      assertEquals(await read(vault, "file"), bytes);
    }
  });
});

Deno.test("putPath: a file that vanishes is a failure of its own; the rest is stored", async () => {
  using folder = await homeWithVault();
  const held = CHUNK_BYTES_MIN / BATCH_HELD_DIVISOR + BATCH_ENTRY_BYTES;
  const count = Math.ceil(ENTRIES_IN_WORK.bytesMax / held + 3 * BATCH_BYTES / CHUNK_BYTES_MIN);
  const name = (i: number) => `f${String(i).padStart(4, "0")}`;
  Deno.mkdirSync(folder.at("tree"));
  for (let i = 0; i < count; i++) {
    Deno.writeTextFileSync(folder.at("tree", name(i)), name(i));
    Deno.truncateSync(folder.at("tree", name(i)), CHUNK_BYTES_MIN);
  }
  await withVault(folder, async (vault) => {
    const outcomes: PutOutcome[] = [];
    for await (const outcome of vault.putPath(folder.at("tree"), { recursive: true })) {
      // The names have been read, but the last of them has not had its turn: too many are in work.
      if (outcomes.length === 0) Deno.removeSync(folder.at("tree", name(count - 1)));
      outcomes.push(outcome);
    }
    assertEquals(outcomes.length, count + 1, "the folder and its files");
    const failed = outcomes.filter((outcome) => "error" in outcome);
    assertEquals(failed.map(({ path }) => path), [folder.at("tree", name(count - 1))]);
    assertEquals(failed.map(({ error }) => error.code), ["failed"], "not 3: no key is missing");
    assertEquals((await keyNames(vault)).length, count);

    const gone = await putOne(vault, folder.at("gone"));
    assert("error" in gone && gone.error.code === "failed");
  });
});

Deno.test("putPath: a pipe is read to its end", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithVault();
  const path = folder.at("pipe");
  const made = await new Deno.Command("mkfifo", { args: [path] }).output();
  assert(made.success);
  const bytes = randomBytes(1_000_000);
  const from = folder.at("from");
  Deno.writeFileSync(from, bytes);
  await withVault(folder, async (vault) => {
    const writer = new Deno.Command("sh", { args: ["-c", 'cat "$1" > "$2"', "sh", from, path] });
    const writing = writer.output();
    const outcome = await putOne(vault, path);
    assert((await writing).success);
    assert("result" in outcome, JSON.stringify(outcome));
    assertEquals(outcome.result.size, bytes.length);
    assertEquals(await read(vault, "pipe"), bytes);
  });
});

Deno.test("putPath: a folder needs to be asked for, and one without a name needs a key", async () => {
  using folder = await homeWithVault();
  Deno.mkdirSync(folder.at("tree"));
  await withVault(folder, async (vault) => {
    const outcome = await putOne(vault, folder.at("tree"));
    assert("error" in outcome && outcome.error.code === "usage");
    const [root] = await collect(vault.putPath("/", { recursive: true })) as [PutOutcome];
    assert("error" in root && root.error.code === "usage");
    Deno.writeTextFileSync(folder.at("tree", "file"), "text");
    const bad = await collect(vault.putPath(folder.at("tree"), { recursive: true, key: "../x" }));
    assertEquals(bad.map((each) => "error" in each && each.error.code), ["bad_key"]);
    assertEquals(await keyNames(vault, { deleted: true }), []);
  });
});

Deno.test("getToFile: writes where nothing is, or where the vault's own bytes are; nowhere else", async () => {
  using folder = await homeWithVault();
  const path = folder.at("out");
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("one"));
    await vault.put("key", encodeUtf8("two!"), { meta: { mode: 0o600, mtime: 5_000 } });
    await vault.getToFile("key", path);
    assertEquals(Deno.readTextFileSync(path), "two!");
    assertEquals(Deno.statSync(path).mtime!.getTime(), 5_000);
    if (Deno.build.os !== "windows") assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);

    await vault.getToFile("key", path, { select: version(1) });
    assertEquals(Deno.readTextFileSync(path), "one", "over another version's bytes");
    await vault.getToFile("key", path);

    for (const foreign of ["foreign", "", "two?", "two! and more"]) {
      Deno.writeTextFileSync(path, foreign);
      await failure("exists", () => vault.getToFile("key", path));
      assertEquals(Deno.readTextFileSync(path), foreign);
    }
    await vault.getToFile("key", path, { force: true });
    assertEquals(Deno.readTextFileSync(path), "two!");
  });
});

Deno.test("getToFile: refuses a folder, a missing folder and a folder without permission", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("text"));
    Deno.mkdirSync(folder.at("folder"));
    const error = await failure("exists", () => vault.getToFile("key", folder.at("folder")));
    assert(error.hint!.includes(folder.at("folder", "key")));
    await failure(
      "exists",
      () => vault.getToFile("key", folder.at("folder"), { force: true }),
    );
    const missing = await failure(
      "failed",
      () => vault.getToFile("key", folder.at("missing", "out")),
    );
    assert(missing.hint!.includes("mkdir"));
    Deno.writeTextFileSync(folder.at("file"), "a file");
    await failure("failed", () => vault.getToFile("key", folder.at("file", "out")));
    await failure("not_found", () => vault.getToFile("other", folder.at("out")));
    await failure(
      "not_found",
      () => vault.getToFile("key", folder.at("out"), { select: version(7) }),
    );
    assertEquals([...Deno.readDirSync(folder.at("folder"))], []);
    const names = Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort();
    assertEquals(names, ["file", "folder", "home"], "no temporary file is left");
  });
});

Deno.test("getToFile: a folder that may not be written to is said so", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("text"));
    if (Deno.build.os !== "linux") return;
    // Not even root may make files here.
    const error = await vault.getToFile("key", "/proc/out").catch((e) => e);
    assert(error.code === "denied" || error.code === "failed", String(error));
    assert(error.message.startsWith("Cannot write /proc/out: "), error.message);
  });
});

Deno.test("getToFile: a link is replaced, not followed", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("text"));
    Deno.writeTextFileSync(folder.at("victim"), "victim");
    Deno.symlinkSync(folder.at("victim"), folder.at("out"));
    await failure("exists", () => vault.getToFile("key", folder.at("out")));
    await vault.getToFile("key", folder.at("out"), { force: true });
    assertEquals(Deno.readTextFileSync(folder.at("victim")), "victim");
    assert(Deno.lstatSync(folder.at("out")).isFile);
  });
});

Deno.test("getToFile: stopped in the middle it leaves what was there, and no temporary file", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("old"));
    await vault.getToFile("key", folder.at("out"));
    await vault.put("key", randomBytes(20_000_000));
    const controller = new AbortController();
    const error = await vault.getToFile("key", folder.at("out"), {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    }).catch((e) => e);
    assert(isVaultError(error, "interrupted"), String(error));
    assertEquals(Deno.readTextFileSync(folder.at("out")), "old");
    const outside = [...filesUnder(folder.path)].filter(({ path }) =>
      !path.startsWith(folder.home)
    );
    assertEquals(outside.map(({ path }) => path), [folder.at("out")]);
  });
});
