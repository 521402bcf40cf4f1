import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  CHUNK_BYTES_AVG,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  encodeUtf8,
  isVaultError,
} from "../../src/base/mod.ts";
import {
  assertSameBytes,
  collect,
  failure,
  hex,
  homeWithNewVault,
  homeWithVault,
  keyNames,
  packFrames,
  randomBytes,
  read,
  splice,
  version,
  withVault,
} from "./helpers.ts";

async function* inPieces(bytes: Uint8Array, pieces: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of pieces) yield bytes.subarray(at, at += length);
  yield bytes.subarray(at);
}

Deno.test("put: bytes of every size about the chunker's bounds come back, from a vault opened anew", async () => {
  using folder = await homeWithVault();
  const sizes = [0, 1, 2048, 3 * 1024 * 1024 + 1].concat(
    [CHUNK_BYTES_MIN, CHUNK_BYTES_AVG, CHUNK_BYTES_MAX].flatMap((n) => [n - 1, n, n + 1]),
  );
  await withVault(folder, async (vault) => {
    for (const size of sizes) {
      const result = await vault.put(`file ${size}`, randomBytes(size));
      assertEquals(result.size, size);
      assertEquals(result.chunks === 0, size === 0);
      if (size <= CHUNK_BYTES_MIN) assertEquals(result.chunks, Math.min(1, size));
      if (size > CHUNK_BYTES_MAX) assert(result.chunks > 1);
      assertEquals(result.newChunks, result.chunks);
      assertSameBytes(await read(vault, `file ${size}`), randomBytes(size), `of ${size}`);
    }
  });
  await withVault(folder, async (vault) => {
    for (const size of sizes) {
      assertSameBytes(await read(vault, `file ${size}`), randomBytes(size), `of ${size}`);
    }
    assertEquals((await vault.verify()).problems, []);
  });
});

Deno.test("put: a stream and an async iterable store what bytes store, however they are cut", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const bytes = randomBytes(3 * 1024 * 1024 + 1);
    const first = await vault.put("bytes", bytes);
    assert(first.newChunks > 1);
    const sources = [
      new Blob([bytes]).stream(),
      inPieces(bytes, [0, 1, 0, 65_536, 2_000_000]),
      ReadableStream.from(inPieces(bytes, Array.from({ length: 100 }, (_, i) => i * 100))),
    ];
    for (const [i, source] of sources.entries()) {
      const result = await vault.put(`source ${i}`, source);
      assertEquals([result.size, result.newChunks], [bytes.length, 0], "the same chunks");
      assertSameBytes(await read(vault, `source ${i}`), bytes);
    }
    const empty = await vault.put("nothing", inPieces(new Uint8Array(0), [0, 0]));
    assertEquals([empty.size, empty.chunks], [0, 0]);
  });
});

Deno.test("put: a stream that fails makes no version, is closed, and leaves the vault working", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    let returned = false;
    async function* failing(): AsyncGenerator<Uint8Array> {
      try {
        yield randomBytes(3_000_000);
        throw new Error("the line is down");
      } finally {
        returned = true;
      }
    }
    await vault.put("key", randomBytes(10)).then(() => vault.put("key", failing())).then(
      () => assert(false, "it should have failed"),
      (error) => assertEquals(error.message, "the line is down"),
    );
    assert(returned);
    assertEquals((await vault.history("key")).length, 1);
    await failure("not_found", () => vault.history("other"));
    assertEquals((await vault.put("key", randomBytes(11))).version, 2);
  });
});

Deno.test("put: a signal that fires in the middle makes no version", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const controller = new AbortController();
    async function* stopping(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 40; i++) {
        yield randomBytes(1 << 20, i);
        if (i === 9) controller.abort();
      }
    }
    const error = await vault.put("key", stopping(), { signal: controller.signal }).catch((e) => e);
    assert(isVaultError(error, "interrupted"), String(error));
    await failure("not_found", () => vault.get("key"));
  });
});

Deno.test("put: what has not changed makes no version; other metadata does", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const meta = { type: "file", mode: 0o640, mtime: 1000, target: "" } as const;
    for (const size of [0, 5, 3_000_000]) {
      const key = `file ${size}`;
      const first = await vault.put(key, randomBytes(size), { meta });
      assert(!first.unchanged);
      const again = await vault.put(key, randomBytes(size), { meta });
      assert(again.unchanged);
      assertEquals([hex(again.id), again.version, again.addedBytes], [hex(first.id), 1, 0]);
      assert((await vault.put(key, randomBytes(size))).unchanged, "no metadata given: only bytes");
      const moved = await vault.put(key, randomBytes(size), { meta: { ...meta, mtime: 2000 } });
      assertEquals([moved.version, moved.unchanged, moved.newChunks], [2, false, 0]);
      assertEquals((await vault.history(key)).map(({ meta }) => meta.mtime), [1000, 2000]);
    }
  });
});

Deno.test("put: many at once to one key give a chain, never a conflict", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const contents = Array.from({ length: 20 }, (_, i) => randomBytes(1000 + i * 7));
    const results = await Promise.all(contents.map((bytes) => vault.put("key", bytes)));
    assertEquals(results.map(({ version }) => version), contents.map((_, i) => i + 1));
    const history = await vault.history("key");
    assertEquals(history.map((each) => each.version), contents.map((_, i) => i + 1));
    assertEquals(history.filter(({ conflict }) => conflict), []);
    assertEquals(history.filter(({ latest }) => latest).map((each) => each.version), [20]);
    for (const [i, bytes] of contents.entries()) {
      assertSameBytes(await read(vault, "key", version(i + 1)), bytes);
    }
  });
});

Deno.test("put: many at once to many keys share segments", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => vault.put(`key ${i}`, encodeUtf8(`text ${i}`))),
    );
    assertEquals((await keyNames(vault)).length, 200);
    for (let i = 0; i < 200; i += 17) {
      assertEquals(await read(vault, `key ${i}`), encodeUtf8(`text ${i}`));
    }
  });
  const segments = packFrames(folder).filter(({ kind }) => kind === "segment");
  assert(segments.length < 20, `${segments.length} segments for 200 puts`);
});

Deno.test("put: the same bytes are stored once, whichever key, place or time they come from", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const bytes = randomBytes(4_000_000);
    const first = await vault.put("a", bytes);
    assert(first.addedBytes > bytes.length);
    assertEquals((await vault.put("b", bytes)).newChunks, 0);
    await vault.put("a", randomBytes(10));
    const back = await vault.put("a", bytes);
    assertEquals([back.version, back.newChunks], [3, 0]);
    const shifted = await vault.put("c", splice(bytes, { at: 0, insert: randomBytes(1000) }));
    assert(shifted.newChunks <= 3, `${shifted.newChunks} new chunks behind an insertion`);
  });
  await withVault(folder, async (vault) => {
    assertEquals((await vault.put("d", randomBytes(4_000_000))).newChunks, 0, "after opening anew");
  });
});

Deno.test("put: twins within one file that are in work at once are sealed once", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const zeros = new Uint8Array(10 * CHUNK_BYTES_MAX);
    const result = await vault.put("zeros", zeros);
    assertEquals([result.chunks, result.newChunks], [10, 1]);
    assertSameBytes(await read(vault, "zeros"), zeros);
  });
});

Deno.test("put: two vaults never make the same addresses", async () => {
  using one = await homeWithNewVault();
  using other = await homeWithNewVault();
  for (const folder of [one, other]) {
    await withVault(folder, (vault) => vault.put("key", randomBytes(1000)));
  }
  const addresses = [one, other].map((folder) => hex(packFrames(folder)[0]!.address));
  assertNotEquals(addresses[0], addresses[1]);
});

Deno.test("put: progress counts up to the whole", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const seen: number[] = [];
    const size = 9_000_000;
    await vault.put("key", randomBytes(size), {
      sizeHint: size,
      onProgress: ({ doneBytes, totalBytes }) => {
        assertEquals(totalBytes, size);
        seen.push(doneBytes);
      },
    });
    assertEquals(seen.at(-1), size);
    assertEquals(seen, seen.toSorted((a, b) => a - b));
  });
});

Deno.test("put: a size hint that is wrong changes nothing", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const bytes = randomBytes(9_000_000);
    const { chunks } = await vault.put("right", bytes, { sizeHint: bytes.length });
    for (const sizeHint of [0, 1, 1000, CHUNK_BYTES_MAX, 8_999_999, 9_000_001, 20_000_000]) {
      const result = await vault.put(`hint ${sizeHint}`, inPieces(bytes, [4097]), { sizeHint });
      assertEquals([result.chunks, result.newChunks], [chunks, 0], `hint ${sizeHint}`);
    }
  });
});

Deno.test("get: a stream that is not read to its end lets go of everything", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", randomBytes(9_000_000));
    const { stream, version } = await vault.get("key");
    assertEquals([version.version, version.size, version.latest], [1, 9_000_000, true]);
    const reader = stream.getReader();
    const { value } = await reader.read();
    assertSameBytes(value!, randomBytes(9_000_000).subarray(0, value!.length));
    await reader.cancel();
  });
});

Deno.test("get: a signal ends it", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", randomBytes(9_000_000));
    const controller = new AbortController();
    const { stream } = await vault.get("key", { signal: controller.signal });
    const reader = stream.getReader();
    await reader.read();
    controller.abort();
    const error = await (async () => {
      while (!(await reader.read()).done);
    })().catch((e) => e);
    assert(isVaultError(error, "interrupted"), String(error));
  });
});

Deno.test("delete: then put goes on in one history, and what was deleted stays readable", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("one"));
    const { version: tombstone } = await vault.delete("key");
    assertEquals([tombstone.version, tombstone.op, tombstone.latest], [2, "delete", true]);
    assertEquals(await keyNames(vault), []);
    assertEquals(await keyNames(vault, { deleted: true }), ["key"]);
    await failure("not_found", () => vault.get("key"));
    await failure("not_found", () => vault.get("key", { select: version(2) }));
    await failure("not_found", () => vault.delete("key"));
    assertEquals(await read(vault, "key", version(1)), encodeUtf8("one"));
    assertEquals((await vault.put("key", encodeUtf8("one"))).version, 3, "not unchanged: deleted");
    assertEquals((await vault.history("key")).map(({ op }) => op), ["put", "delete", "put"]);
    await failure("not_found", () => vault.delete("other"));
  });
});

Deno.test("restore: an old version comes back as the newest, bytes and metadata", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    const first = randomBytes(4_000_000);
    await vault.put("key", first, { meta: { mode: 0o755, mtime: 77 } });
    await vault.put("key", splice(first, { at: 1_000_000, remove: 500_000 }));
    await vault.put("key", encodeUtf8("short"));
    await vault.delete("key");
    const restored = await vault.restore("key", version(1));
    assertEquals([restored.version, restored.op, restored.size], [5, "restore", first.length]);
    assertEquals([restored.meta.mode, restored.meta.mtime], [0o755, 77]);
    assertEquals([restored.addedBytes, restored.latest], [0, true]);
    assertSameBytes(await read(vault, "key"), first);
    assertEquals((await vault.restore("key", { kind: "latest" })).version, 5, "it is the newest");
    await failure("not_found", () => vault.restore("key", version(4)));
    await failure("not_found", () => vault.restore("key", version(9)));
  });
  await withVault(folder, async (vault) => {
    assertEquals(
      (await vault.history("key")).map(({ op }) => op),
      ["put", "put", "put", "delete", "restore"],
    );
    assertEquals((await collect(vault.list())).map(({ version }) => version), [5]);
  });
});
