/** Files of many chunks: written out of order, by several threads, and still whole or not there. */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes } from "../../src/base/mod.ts";
import type { ReferenceFields } from "../../src/content/mod.ts";
import { prepareCompression } from "../../src/content/mod.ts";
import { deriveVaultKeys } from "../../src/seal/mod.ts";
import { LocalCipher, WorkerCipher } from "../../src/vault/chunk_cipher.ts";
import { type ChunkRun, RunWriter } from "../../src/vault/chunk_run.ts";
import {
  assertSameBytes,
  failure,
  flipBit,
  homeWithVault,
  packFrames,
  randomBytes,
  TempFolder,
  withVault,
} from "./helpers.ts";

const masterKey = new Uint8Array(32).fill(9);
const sealer = deriveVaultKeys(masterKey).chunk;
await prepareCompression();

/** Plain chunks, one that compresses among them, and a file with their sealed ones behind 7 bytes of something else. */
async function sealedChunks(folder: TempFolder): Promise<{ plains: Bytes[]; run: ChunkRun }> {
  const cipher = new LocalCipher(sealer);
  const plains = [randomBytes(150_000), new Uint8Array(90_000).fill(3), randomBytes(10)];
  const pieces: Bytes[] = [new Uint8Array(7)];
  const run: ChunkRun = { path: folder.at("to"), chunks: [] };
  let offset = 7;
  let to = 0;
  for (const plain of plains) {
    const id = sealer.id(plain);
    const { address, header, body, length: sealedLength } = await cipher.seal(plain, id);
    const reference: ReferenceFields = { id, address, length: plain.length, sealedLength };
    run.chunks.push({ pack: folder.at("pack"), offset, reference, to });
    pieces.push(header, body);
    offset += sealedLength;
    to += plain.length;
  }
  Deno.writeFileSync(folder.at("pack"), concatBytes(pieces));
  Deno.writeFileSync(run.path, new Uint8Array(0));
  return { plains, run };
}

for (const thread of ["RunWriter", "WorkerCipher"] as const) {
  const withWriter = async (work: (write: RunWriter["write"]) => Promise<void>): Promise<void> => {
    if (thread === "RunWriter") {
      const writer = new RunWriter(sealer);
      return await work((run) => writer.write(run));
    }
    const worker = new WorkerCipher(masterKey);
    worker.start();
    try {
      await work((run) => worker.write(run));
    } finally {
      worker.close();
    }
  };

  Deno.test(`${thread}.write: chunks come to their places, whatever their order`, async () => {
    using folder = new TempFolder();
    const { plains, run } = await sealedChunks(folder);
    await withWriter(async (write) => {
      run.chunks.reverse();
      assertEquals(await write(run), [true, true, true]);
    });
    assertSameBytes(Deno.readFileSync(run.path), concatBytes(plains));
  });

  Deno.test(`${thread}.write: says which chunk is damaged, another one, cut off or gone; the others come`, async () => {
    using folder = new TempFolder();
    const { plains, run } = await sealedChunks(folder);
    const [long, zeros, short] = run.chunks as [Chunk, Chunk, Chunk];
    const end = short.offset + short.reference.sealedLength;
    await withWriter(async (write) => {
      flipBit(long.pack, long.offset + 1000);
      const chunks = [
        long,
        zeros,
        { ...zeros, reference: { ...zeros.reference, id: short.reference.id }, to: 500_000 },
        { ...short, offset: end - 5, to: 500_000 },
        { ...short, pack: folder.at("gone"), to: 500_000 },
        short,
      ];
      assertEquals(await write({ ...run, chunks }), [false, true, false, false, false, true]);
      assertEquals(await write({ path: folder.at("nowhere", "to"), chunks: [zeros] }), [false]);
      assertEquals(await write({ ...run, chunks: [short] }), [true], "and goes on after that");
    });
    const written = Deno.readFileSync(run.path);
    assertSameBytes(written.subarray(150_000), concatBytes(plains.slice(1)));
    assert(written.subarray(0, 150_000).every((byte) => byte === 0), "nothing of the damaged one");
  });
}

type Chunk = ChunkRun["chunks"][number];

/** A vault with a file of about 34 chunks. */
async function withLongFile(work: (folder: TempFolder, bytes: Bytes) => Promise<void>) {
  using folder = await homeWithVault();
  const bytes = randomBytes(17_000_000);
  await withVault(folder, (vault) => vault.put("long", bytes));
  Deno.mkdirSync(folder.at("into"));
  await work(folder, bytes);
}

Deno.test("getToFile: a file of many chunks comes back, and the bytes that are done add up", async () => {
  await withLongFile(async (folder, bytes) => {
    const done: number[] = [];
    await withVault(folder, (vault) =>
      vault.getToFile("long", folder.at("into", "long"), {
        onProgress: ({ doneBytes }) => done.push(doneBytes),
      }));
    assertSameBytes(Deno.readFileSync(folder.at("into", "long")), bytes);
    assertEquals(done, done.toSorted((a, b) => a - b));
    assertEquals(done.at(-1), bytes.length);
  });
});

Deno.test("getToFile: with one chunk damaged it fails, and leaves nothing", async () => {
  await withLongFile(async (folder) => {
    const chunks = packFrames(folder).filter(({ kind, length }) =>
      kind === "sealed" && length > 128 * 1024
    );
    const { path, offset } = chunks[chunks.length >> 1]!;
    flipBit(path, offset + 500);
    const error = await failure(
      "damaged",
      () => withVault(folder, (vault) => vault.getToFile("long", folder.at("into", "long"))),
    );
    assert(/chunk/.test(error.message), error.message);
    assertEquals([...Deno.readDirSync(folder.at("into"))], []);
  });
});

Deno.test("getToFile: stopped in the middle it leaves nothing", async () => {
  await withLongFile(async (folder) => {
    const stop = new AbortController();
    await failure(
      "interrupted",
      () =>
        withVault(folder, (vault) =>
          vault.getToFile("long", folder.at("into", "long"), {
            signal: stop.signal,
            onProgress: () => stop.abort(),
          })),
    );
    assertEquals([...Deno.readDirSync(folder.at("into"))], []);
  });
});
