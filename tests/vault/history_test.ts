import { assert, assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { encodePackHeader, packName } from "../../src/store/mod.ts";
import { recoverVault, type Vault } from "../../src/vault/mod.ts";
import {
  atTime,
  collect,
  copyHome,
  failure,
  hex,
  homeWithNewVault,
  homeWithVault,
  keyNames,
  nextMillisecond,
  packPaths,
  randomBytes,
  read,
  splice,
  TempFolder,
  version,
  withVault,
} from "./helpers.ts";

/** Three versions of `key`; returns a moment after each. */
async function threeVersions(vault: Vault): Promise<number[]> {
  const moments: number[] = [];
  for (const text of ["one", "two", "three"]) {
    await vault.put("key", encodeUtf8(text));
    moments.push(nextMillisecond());
  }
  return moments;
}

const text = async (vault: Vault, select?: Parameters<typeof read>[2]) =>
  new TextDecoder().decode(await read(vault, "key", select));

Deno.test("get: a version is chosen by number, id, beginning of an id, time, or as the latest", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const moments = await threeVersions(vault);
    const history = await vault.history("key");
    assertEquals(await text(vault), "three");
    for (const [i, expected] of ["one", "two", "three"].entries()) {
      const id = hex(history[i]!.id);
      assertEquals(await text(vault, version(i + 1)), expected);
      assertEquals(await text(vault, { kind: "id", prefix: id }), expected);
      assertEquals(await text(vault, { kind: "id", prefix: id.slice(0, 16) }), expected);
      assertEquals(
        await text(vault, { kind: "id", prefix: id.slice(0, 16).toUpperCase() }),
        expected,
      );
      assertEquals(await text(vault, { kind: "time", time: moments[i]! }), expected);
      assertEquals(await text(vault, { kind: "time", time: history[i]!.time }), expected);
    }
    await failure("not_found", () => vault.get("key", { select: version(4) }));
    await failure("not_found", () => vault.get("key", { select: version(0) }));
    await failure("not_found", () => vault.get("key", { select: { kind: "time", time: 0 } }));
    await failure("not_found", () => vault.get("key", { select: { kind: "id", prefix: "zz" } }));
    await failure("not_found", () => vault.get("other"));
  });
});

Deno.test("get: the beginning of several ids is refused", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await Promise.all(
      Array.from({ length: 17 }, (_, i) => vault.put("key", encodeUtf8(`text ${i}`))),
    );
    const first = (await vault.history("key")).map(({ id }) => hex(id)[0]!);
    const twice = first.find((digit, i) => first.indexOf(digit) !== i)!; // 17 ids, 16 digits
    const error = await failure(
      "usage",
      () => vault.get("key", { select: { kind: "id", prefix: twice } }),
    );
    assertEquals(error.hint, "type more of the id");
  });
});

Deno.test("history: says what, when, how much and who, oldest first", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const before = Date.now();
    await threeVersions(vault);
    await vault.delete("key");
    await vault.restore("key", version(2));
    const history = await vault.history("key");
    const { node } = await vault.status();
    assertEquals(history.map(({ version }) => version), [1, 2, 3, 4, 5]);
    assertEquals(history.map(({ op }) => op), ["put", "put", "put", "delete", "restore"]);
    assertEquals(history.map(({ size }) => size), [3, 3, 5, 0, 3]);
    assertEquals(history.map(({ latest }) => latest), [false, false, false, false, true]);
    assertEquals(history.map(({ addedBytes }) => addedBytes > 0), [true, true, true, false, false]);
    for (const each of history) {
      assertEquals([each.key as string, hex(each.node)], ["key", hex(node)]);
      assertEquals([each.conflict, each.damaged], [false, false]);
      assert(each.time >= before && each.time <= Date.now());
    }
    assertEquals(history, history.toSorted((a, b) => a.time - b.time));
    await failure("not_found", () => vault.history("other"));
  });
});

Deno.test("history: times never go back, even if the machine's clock does", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await atTime(2_000_000, () => vault.put("key", encodeUtf8("one")));
    await atTime(1_000_000, () => vault.put("key", encodeUtf8("two")));
    await atTime(3_000_000, () => vault.put("key", encodeUtf8("three")));
    assertEquals(
      (await vault.history("key")).map(({ time }) => time),
      [2_000_000, 2_000_000, 3_000_000],
    );
    assertEquals(await text(vault, { kind: "time", time: 2_500_000 }), "two");
  });
});

Deno.test("list: by prefix of whole parts, sorted, deleted ones on request", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const keys = ["b", "a/x", "a", "ab", "a/y/z", "ä", "a.b"];
    await Promise.all(keys.map((key) => vault.put(key, encodeUtf8(key))));
    await vault.delete("a/x");
    assertEquals(await keyNames(vault), ["a", "a.b", "a/y/z", "ab", "b", "ä"]);
    assertEquals(await keyNames(vault, { prefix: "a" }), ["a", "a/y/z"]);
    assertEquals(await keyNames(vault, { prefix: "a/" }), ["a/y/z"]);
    assertEquals(await keyNames(vault, { prefix: "a/", deleted: true }), ["a/x", "a/y/z"]);
    assertEquals(await keyNames(vault, { prefix: "nothing" }), []);
    const { node } = await vault.status();
    assertEquals((await keyNames(vault, { node: hex(node).slice(0, 8) })).length, 6);
    assertEquals(await keyNames(vault, { node: "00000000" }), []);
  });
});

Deno.test("list: shows any moment of the past", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const start = nextMillisecond();
    await vault.put("a", encodeUtf8("1"));
    await vault.put("b", encodeUtf8("1"));
    const both = nextMillisecond();
    await vault.delete("a");
    await vault.put("b", encodeUtf8("12"));
    const one = nextMillisecond();
    await vault.put("a", encodeUtf8("123"));
    const sizes = async (at?: number) =>
      (await collect(vault.list(at === undefined ? {} : { at }))).map(({ key, size, version }) =>
        `${key} ${size} v${version}`
      );
    assertEquals(await sizes(start - 1), []);
    assertEquals(await sizes(both), ["a 1 v1", "b 1 v1"]);
    assertEquals(await sizes(one), ["b 2 v2"]);
    assertEquals(await sizes(), ["a 3 v3", "b 2 v2"]);
    assertEquals(await keyNames(vault, { at: one, deleted: true }), ["a", "b"]);
  });
});

Deno.test("diff: names the bytes that differ, to the byte, on both sides", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const one = randomBytes(6_000_000);
    await vault.put("key", one);
    await vault.put("key", splice(one, { at: 3_000_000, insert: encodeUtf8("inserted") }));
    await vault.put("key", splice(one, { at: 1_000_000, remove: 10 }));
    await vault.put("key", encodeUtf8(""));
    const inserted = await vault.diff("key", version(1), version(2));
    // The first inserted byte may happen to be the one that followed: then the range is one later.
    assertEquals(inserted.onlyInA, []);
    assertEquals(inserted.onlyInB.length, 1);
    const [{ start, end }] = inserted.onlyInB as [{ start: number; end: number }];
    assertEquals(end - start, 8);
    assert(start >= 3_000_000 && start <= 3_000_008);
    assert(inserted.sharedChunks >= inserted.chunksA - 2);
    const removed = await vault.diff("key", version(1), version(3));
    assertEquals(removed.onlyInB, []);
    assertEquals(removed.onlyInA.map(({ start, end }) => end - start), [10]);
    const same = await vault.diff("key", version(2), version(2));
    assertEquals([same.onlyInA, same.onlyInB, same.metaChanged], [[], [], false]);
    const emptied = await vault.diff("key", version(1), version(4));
    assertEquals([emptied.onlyInA, emptied.onlyInB], [[{ start: 0, end: one.length }], []]);
    assertEquals([emptied.chunksB, emptied.sharedChunks], [0, 0]);
    await vault.delete("key");
    await failure("not_found", () => vault.diff("key", version(1), version(5)));
  });
});

Deno.test("tag: is listed by time, refused twice, removed, and free to be given again", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const before = Date.now();
    await vault.tag("first");
    nextMillisecond();
    await vault.tag("zweite: ä");
    const names = async () => (await vault.tags()).map(({ name }) => name);
    assertEquals(await names(), ["first", "zweite: ä"]);
    assert((await vault.tags()).every(({ time }) => time >= before && time <= Date.now()));
    await failure("exists", () => vault.tag("first"));
    await vault.untag("first");
    await failure("not_found", () => vault.untag("first"));
    assertEquals(await names(), ["zweite: ä"]);
    nextMillisecond();
    await vault.tag("first");
    assertEquals(await names(), ["zweite: ä", "first"]);
    await failure("usage", () => vault.tag(""));
  });
  await withVault(folder, async (vault) => assertEquals((await vault.tags()).length, 2));
});

Deno.test("status: counts keys, versions, objects and bytes", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const empty = await vault.status();
    assertEquals([empty.keys, empty.versions, empty.chunks, empty.logicalBytes], [0, 0, 0, 0]);
    await vault.put("a", randomBytes(100_000));
    await vault.put("a", randomBytes(100_001));
    await vault.put("b", randomBytes(100_000));
    await vault.delete("a");
    const status = await vault.status();
    assertEquals([status.keys, status.versions, status.logicalBytes], [1, 4, 300_001]);
    assertEquals(status.chunks, 2 + 4, "two chunks, four segments");
    assert(status.storedBytes > 200_000 && status.storedBytes < 210_000);
    assertEquals([status.home, status.protected, status.underReplicated], [folder.home, false, 0]);
    assertEquals(new Set([status.node, status.vault, status.network].map(hex)).size, 3);
  });
});

/** Brings the log and the chunks of one home into another, as a sync between two nodes will. */
function bringOver(from: TempFolder, to: TempFolder): void {
  const [source] = packPaths(from) as [string];
  const bytes = Deno.readFileSync(source);
  bytes.set(encodePackHeader(2));
  Deno.writeFileSync(to.at("home", "packs", packName(2)), bytes);
}

Deno.test("history: two nodes that did not know of each other give a conflict, until the next put", async () => {
  using one = await homeWithNewVault();
  using other = new TempFolder();
  const phrase = await withVault(one, (vault) => Promise.resolve(vault.phrase()));
  await recoverVault({ home: other.home, phrase });
  await withVault(one, async (vault) => {
    await vault.put("key", encodeUtf8("from one"));
    await vault.put("mine", encodeUtf8("mine"));
  });
  await withVault(other, async (vault) => {
    await vault.put("key", encodeUtf8("from the other"));
    await vault.put("theirs", encodeUtf8("theirs"));
  });
  bringOver(other, one);
  await withVault(one, async (vault) => {
    assertEquals(await keyNames(vault), ["key", "mine", "theirs"]);
    const history = await vault.history("key");
    assertEquals(history.map(({ version }) => version), [1, 1]);
    assertEquals(history.map(({ conflict }) => conflict), [true, true]);
    assertEquals(history.map(({ latest }) => latest), [false, true]);
    assertEquals(await text(vault), "from the other", "the later one");
    assertEquals((await collect(vault.list())).map(({ conflict }) => conflict), [
      true,
      false,
      false,
    ]);

    const pruned = await vault.prune({ keepLast: 1 });
    assertEquals(pruned.droppedVersions, 0, "all heads stay");
    const both = history.map(({ id }) => ({ kind: "id", prefix: hex(id) }) as const);
    assertEquals([await text(vault, both[0]), await text(vault, both[1])], [
      "from one",
      "from the other",
    ]);

    const { version: number, unchanged } = await vault.put("key", encodeUtf8("from the other"));
    assertEquals(
      [number, unchanged],
      [2, false],
      "it settles the conflict, though the bytes are there",
    );
    assertEquals((await vault.history("key")).map(({ conflict }) => conflict), [
      false,
      false,
      false,
    ]);
    await vault.prune({ keepLast: 1 });
    assertEquals((await vault.history("key")).map(({ version }) => version), [2]);
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("verify: a log that forked is reported: a copy of the home was written to", async () => {
  using one = await homeWithNewVault();
  using copy = new TempFolder();
  copyHome(one.home, copy.home);
  for (const folder of [one, copy]) {
    await withVault(folder, (vault) => vault.put(folder === one ? "a" : "b", encodeUtf8("text")));
  }
  bringOver(copy, one);
  await withVault(one, async (vault) => {
    assertEquals(await keyNames(vault), ["a", "b"], "both are kept");
    const { problems, missing, damaged } = await vault.verify();
    assertEquals([problems.length, missing, damaged], [1, 0, 0]);
    assert(problems[0]!.includes("two records 1"), problems[0]);
  });
});
