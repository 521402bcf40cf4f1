/** Files that look as they did when they were stored are not read again, and those that may have changed are. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { PutOutcome, PutPathOptions, Vault } from "../../src/vault/mod.ts";
import {
  collect,
  filesUnder,
  flipBit,
  homeWithVault,
  randomBytes,
  read,
  type TempFolder,
  withVault,
} from "./helpers.ts";

const NAMES = ["a", "b", "sub/c"];

/** A tree with a few files in `tree`, one of them large. */
async function homeWithTree(): Promise<TempFolder> {
  const folder = await homeWithVault();
  Deno.mkdirSync(folder.at("tree/sub"), { recursive: true });
  for (const name of NAMES) {
    Deno.writeFileSync(folder.at("tree", name), randomBytes(name === "b" ? 300_000 : 1000));
  }
  return folder;
}

/** Runs `work` as if it were a minute later: what was written just now has rested by then. */
async function later<T>(work: () => Promise<T>): Promise<T> {
  const now = Date.now;
  Date.now = () => now() + 60_000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** Stores the tree; says which files were opened for it, and of which a new version was made. */
async function putTree(
  vault: Vault,
  folder: TempFolder,
  options: PutPathOptions = {},
): Promise<{ opened: string[]; stored: string[]; outcomes: PutOutcome[] }> {
  const tree = folder.at("tree");
  const opened = new Set<string>();
  const openSync = Deno.openSync;
  Deno.openSync = (path, ...rest) => {
    if (String(path).startsWith(tree)) opened.add(String(path).slice(tree.length + 1));
    return openSync(path, ...rest);
  };
  try {
    const outcomes = await collect(vault.putPath(tree, { recursive: true, ...options }));
    const stored = outcomes.flatMap((each) =>
      "result" in each && each.result.type === "file" && !each.result.unchanged
        ? [each.result.key.slice(5)]
        : []
    );
    return { opened: [...opened].sort(), stored, outcomes };
  } finally {
    Deno.openSync = openSync;
  }
}

Deno.test("putPath: files that have not changed are not read again, unless that is asked for", async () => {
  using folder = await homeWithTree();
  await withVault(folder, (vault) =>
    later(async () => {
      const first = await putTree(vault, folder);
      assertEquals([first.opened, first.stored], [NAMES, NAMES]);
      const again = await putTree(vault, folder);
      assertEquals([again.opened, again.stored], [[], []]);
      const told = (outcomes: PutOutcome[]) =>
        outcomes.map((each) =>
          "result" in each ? [each.result.key, each.result.version, each.result.chunks] : each
        );
      assertEquals(told(again.outcomes), told(first.outcomes));
      const asked = await putTree(vault, folder, { reread: true });
      assertEquals([asked.opened, asked.stored], [NAMES, []]);
    }));
  // Also by another process.
  await withVault(
    folder,
    (vault) => later(async () => assertEquals((await putTree(vault, folder)).opened, [])),
  );
});

Deno.test("putPath: a file that was changed when it was stored just before is read again", async () => {
  using folder = await homeWithTree();
  await withVault(folder, async (vault) => {
    await putTree(vault, folder);
    // Its times may be those of before, as file systems count in steps.
    assertEquals((await putTree(vault, folder)).opened, NAMES);
  });
});

Deno.test("putPath: another file of the same size and time in the same place is noticed", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithTree();
  await withVault(folder, (vault) =>
    later(async () => {
      await putTree(vault, folder);
      const path = folder.at("tree/a");
      const { mtime } = Deno.statSync(path);
      const bytes = randomBytes(1000, 7);
      Deno.writeFileSync(folder.at("other"), bytes);
      Deno.utimeSync(folder.at("other"), mtime!, mtime!);
      Deno.renameSync(folder.at("other"), path);
      const { opened, stored } = await putTree(vault, folder);
      assertEquals([opened, stored], [["a"], ["a"]]);
      assertEquals(await read(vault, "tree/a"), bytes);
    }));
});

Deno.test("putPath: a key that has another version since is stored again; a file that is gone is forgotten", async () => {
  using folder = await homeWithTree();
  await withVault(folder, (vault) =>
    later(async () => {
      await putTree(vault, folder);
      await vault.put("tree/a", randomBytes(5));
      await vault.delete("tree/sub/c");
      const { opened, stored } = await putTree(vault, folder);
      assertEquals([opened, stored], [["a", "sub/c"], ["a", "sub/c"]]);
      assertEquals((await read(vault, "tree/a")).length, 1000);

      const bytes = Deno.readFileSync(folder.at("tree/a"));
      Deno.removeSync(folder.at("tree/a"));
      assertEquals((await putTree(vault, folder)).opened, []);
      Deno.writeFileSync(folder.at("tree/a"), bytes);
      assertEquals((await putTree(vault, folder)).opened, ["a"]);
    }));
});

Deno.test("putPath: after damage was found files are read again, and heal it", async () => {
  using folder = await homeWithTree();
  const lost = join(folder.home, "packs", "00000001.pack");
  await withVault(folder, (vault) => later(() => putTree(vault, folder)));
  flipBit(lost, 1000);
  await withVault(folder, (vault) =>
    later(async () => {
      await vault.verify({ repair: true });
      assertEquals((await vault.verify()).missing, 1);
      assertEquals((await putTree(vault, folder)).opened, NAMES);
      for (const name of NAMES) {
        assertEquals(await read(vault, `tree/${name}`), Deno.readFileSync(folder.at("tree", name)));
      }
    }));
});

Deno.test("putPath: what is noted of files tells no names", async () => {
  using folder = await homeWithTree();
  Deno.writeTextFileSync(folder.at("tree/a-telling-name"), "x");
  await withVault(folder, (vault) => later(() => putTree(vault, folder)));
  const text = [...filesUnder(folder.home)].map(({ bytes }) =>
    new TextDecoder("latin1").decode(bytes)
  );
  assert(text.every((each) => !each.includes("telling")));
});

Deno.test("putPath: a folder is looked at like a file: only one that was changed gets a version", async () => {
  if (Deno.build.os === "windows") return;
  using folder = await homeWithTree();
  await withVault(folder, (vault) =>
    later(async () => {
      await putTree(vault, folder);
      const versions = async () =>
        (await putTree(vault, folder)).outcomes.flatMap((each) =>
          "result" in each && each.result.type === "folder"
            ? [`${each.result.key} ${each.result.version} ${each.result.unchanged}`]
            : []
        );
      assertEquals(await versions(), ["tree 1 true", "tree/sub 1 true"]);
      Deno.chmodSync(folder.at("tree/sub"), 0o700);
      assertEquals(await versions(), ["tree 1 true", "tree/sub 2 false"]);
      assertEquals(await versions(), ["tree 1 true", "tree/sub 2 true"]);
      await vault.delete("tree/sub");
      assertEquals(await versions(), ["tree 1 true", "tree/sub 4 false"]);
    }));
});
