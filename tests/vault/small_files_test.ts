/** Many small files at once: in batches, on both threads. */

import { assert, assertEquals } from "@std/assert";
import { CHUNK_BYTES_MIN } from "../../src/base/mod.ts";
import type { GetOutcome, PutOutcome } from "../../src/vault/mod.ts";
import {
  collect,
  filesUnder,
  flipBit,
  homeWithVault,
  type PackFrame,
  packFrames,
  randomBytes,
  read,
  type TempFolder,
  withVault,
} from "./helpers.ts";

/** Enough that a worker takes part. */
const FILES = 700;

function bytesOf(i: number): Uint8Array<ArrayBuffer> {
  if (i % 100 === 7) return new Uint8Array(0);
  if (i % 100 === 8) return new Uint8Array(CHUNK_BYTES_MIN).fill(i);
  if (i % 100 === 9) return randomBytes(CHUNK_BYTES_MIN + 1);
  return randomBytes(100 + i);
}

function nameOf(i: number): string {
  return `part ${i % 7}/file ${String(i).padStart(4, "0")}`;
}

function makeTree(folder: TempFolder): string {
  const tree = folder.at("tree");
  for (let part = 0; part < 7; part++) {
    Deno.mkdirSync(folder.at(`tree/part ${part}`), { recursive: true });
  }
  for (let i = 0; i < FILES; i++) {
    const path = folder.at("tree", nameOf(i));
    Deno.writeFileSync(path, bytesOf(i), { mode: i % 3 === 0 ? 0o600 : 0o444 });
    Deno.utimeSync(path, i, i);
  }
  return tree;
}

/** Everything under a path that `get` has to bring back. */
function listing(root: string): string[] {
  return [...filesUnder(root)].map(({ path, bytes }) => {
    const { mode, mtime } = Deno.statSync(path);
    return `${path.slice(root.length)} ${mode} ${mtime?.getTime()} ${bytes.length} ${
      bytes.slice(0, 50)
    }`;
  }).sort();
}

function errors(outcomes: readonly (PutOutcome | GetOutcome)[]): string[] {
  return outcomes.flatMap((each) => "error" in each ? [each.error.message] : []);
}

Deno.test("putPath, getTree: hundreds of files of all small sizes come back", async () => {
  using folder = await homeWithVault();
  const tree = makeTree(folder);
  await withVault(folder, async (vault) => {
    const stored = await collect(vault.putPath(tree, { recursive: true }));
    assertEquals(errors(stored), []);
    assertEquals(stored.length, FILES + 8);
    const files = stored.flatMap((each) =>
      "result" in each && each.result.type === "file" ? [each] : []
    );
    assertEquals(
      files.map(({ path }) => path),
      [...files.map(({ path }) => path)].sort(),
      "in order",
    );
    assert(files.every(({ result }) => result.version === 1 && !result.unchanged));
  });
  await withVault(folder, async (vault) => {
    assertEquals(errors(await collect(vault.getTree("tree", folder.at("out")))), []);
    assertEquals(listing(folder.at("out")), listing(tree));
    // Over files that are there, and beside them.
    for (let i = 0; i < FILES; i += 2) Deno.removeSync(folder.at("out", nameOf(i)));
    assertEquals(errors(await collect(vault.getTree("tree", folder.at("out")))), []);
    assertEquals(listing(folder.at("out")), listing(tree));
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("putPath: bytes that the vault has, under whatever key, take no new space; changed files get new versions", async () => {
  using folder = await homeWithVault();
  const tree = makeTree(folder);
  await withVault(folder, async (vault) => {
    await collect(vault.putPath(tree, { recursive: true }));
    const { chunks } = await vault.status();
    const copies = await collect(vault.putPath(tree, { recursive: true, key: "copy" }));
    assert(copies.every((each) => "result" in each && each.result.newChunks === 0));
    const segments = (await vault.status()).chunks - chunks;
    assert(segments < 50, `${segments} objects for ${FILES} records`);

    for (const i of [0, 300]) Deno.writeFileSync(folder.at("tree", nameOf(i)), randomBytes(99));
    const again = await collect(vault.putPath(tree, { recursive: true, reread: true }));
    const changed = again.flatMap((each) => {
      if (!("result" in each) || each.result.type !== "file" || each.result.unchanged) return [];
      return [[each.result.key, each.result.version]];
    });
    assertEquals(changed, [[`tree/${nameOf(0)}`, 2], [`tree/${nameOf(300)}`, 2]].sort());
    assertEquals(await read(vault, `tree/${nameOf(300)}`), randomBytes(99));
  });
});

Deno.test("getTree: a damaged chunk is told of its file, and leaves nothing of it; all others come", async () => {
  using folder = await homeWithVault();
  const tree = makeTree(folder);
  await withVault(folder, (vault) => collect(vault.putPath(tree, { recursive: true })));
  const isSmall = ({ kind, length }: PackFrame) =>
    kind === "sealed" && length > 300 && length < 600;
  const frame = packFrames(folder).find(isSmall)!;
  flipBit(frame.path, frame.offset + 200);
  await withVault(folder, async (vault) => {
    const outcomes = await collect(vault.getTree("tree", folder.at("out")));
    const [damage, ...others] = outcomes.flatMap((each) => "error" in each ? [each] : []);
    assertEquals([damage?.error.code, others.length], ["damaged", 0]);
    assertEquals([...filesUnder(folder.at("out"))].length, FILES - 1);
    assert(![...filesUnder(folder.at("out"))].some(({ path }) => path.endsWith(".govault")));
  });
});
