/** Files of many chunks: written out of order, by several threads, and still whole or not there. */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes, equalBytes } from "../../src/base/mod.ts";
import {
  prepareCompression,
  ReferenceBuilder,
  type ReferenceFields,
} from "../../src/content/mod.ts";
import { deriveVaultKeys } from "../../src/seal/mod.ts";
import { LocalCipher, WorkerCipher } from "../../src/vault/chunk_cipher.ts";
import { type ChunkRun, type FoundChunk, RunWriter } from "../../src/vault/chunk_run.ts";
import type { VaultContext } from "../../src/vault/context.ts";
import { fillFile } from "../../src/vault/get_large.ts";
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
    await withWorker((worker) => work((run) => worker.write(run)));
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

/** Has a worker do something for the test. */
async function withWorker(work: (worker: WorkerCipher) => Promise<void>): Promise<void> {
  const worker = new WorkerCipher(masterKey);
  worker.start();
  try {
    await work(worker);
  } finally {
    worker.close();
  }
}

/** The sealed bytes of chunks, each in a buffer of its own. */
function sealedBytes({ chunks }: ChunkRun): Bytes[] {
  return chunks.map(({ pack, offset, reference }) =>
    Deno.readFileSync(pack).slice(offset, offset + reference.sealedLength)
  );
}

Deno.test("WorkerCipher.place: chunks come to their places; what is wrong comes back as it was", async () => {
  using folder = new TempFolder();
  const { plains, run } = await sealedChunks(folder);
  const { path, chunks } = run;
  const [long, zeros] = chunks as [Chunk, Chunk, Chunk];
  const [whole] = sealedBytes(run) as [Bytes];
  const wrong = whole.slice();
  wrong[1000]! ^= 1;
  await withWorker(async (worker) => {
    const placed = await Promise.all(
      sealedBytes(run).map((sealed, i) => worker.place({ path, sealed, ...chunks[i]! })),
    );
    assertEquals(placed, [null, null, null]);
    const given = { path, reference: long.reference, to: 500_000 };
    const back = await worker.place({ ...given, sealed: wrong.slice() });
    assertSameBytes(back!, wrong);
    const other = { ...given, reference: zeros.reference, sealed: whole.slice() };
    assertSameBytes((await worker.place(other))!, whole);
    const nowhere = { ...given, path: folder.at("nowhere", "to"), sealed: whole.slice() };
    assertSameBytes((await worker.place(nowhere))!, whole);
  });
  assertSameBytes(Deno.readFileSync(path), concatBytes(plains));
});

Deno.test("fillFile: a wrong chunk that the worker finds is asked for again, checked; one that nobody has whole fails", async () => {
  using folder = new TempFolder();
  const { plains, run } = await sealedChunks(folder);
  const sealed = sealedBytes(run);
  const builder = new ReferenceBuilder();
  for (const { reference } of run.chunks) builder.add(reference);
  const references = builder.finish();
  const asked: string[] = [];
  let isWhole = true;
  const remote = {
    fetch: (address: Bytes, { isUnchecked = false } = {}) => {
      const i = run.chunks.findIndex(({ reference }) => equalBytes(reference.address, address));
      asked.push(`${i} ${isUnchecked ? "unchecked" : "checked"}`);
      const bytes = sealed[i]!.slice();
      if (i === 0 && isUnchecked) bytes[1000]! ^= 1;
      return Promise.resolve(i === 0 && !isUnchecked && !isWhole ? null : bytes);
    },
  };
  const local = new LocalCipher(sealer);
  await withWorker(async (worker) => {
    let returned = 0;
    const context = {
      store: {
        locate: (addresses: Bytes[]) => addresses.map(() => null),
        get: () => Promise.resolve(null),
        hasSync: () => false,
      },
      attachment: { remote },
      ciphers: {
        expect() {},
        isFreeForRun: false,
        place: async (chunk: FoundChunk) => {
          const back = await worker.place(chunk);
          returned += Number(back !== null);
          return back;
        },
        open: (bytes: Bytes, reference: ReferenceFields) => local.open(bytes, reference),
      },
    } as unknown as VaultContext;
    const fill = async () => {
      using file = Deno.openSync(run.path, { write: true, truncate: true });
      const attempt = (work: () => void) => Promise.resolve(work());
      await fillFile(context, { references, file, path: run.path, attempt, onBytes() {} });
    };
    await fill();
    assertSameBytes(Deno.readFileSync(run.path), concatBytes(plains));
    assertEquals(asked.sort(), ["0 checked", "0 unchecked", "1 unchecked", "2 unchecked"]);
    assertEquals(returned, 1);
    isWhole = false;
    const error = await failure("damaged", fill);
    assert(/its bytes do not match its address/.test(error.message), error.message);
    assert(Deno.readFileSync(run.path).subarray(0, 150_000).every((byte) => byte === 0));
  });
});

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
