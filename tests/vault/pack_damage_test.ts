/**
 * A flipped bit anywhere in a pack: what it hits fails as damaged, everything else stays readable, with the index that was
 * there and with one made anew.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  isVaultError,
  sha256,
  shortHex,
  type VaultError,
} from "../../src/base/mod.ts";
import { decodeManifest, decompress } from "../../src/content/mod.ts";
import { deriveVaultKeys, keyOfPhrase } from "../../src/seal/mod.ts";
import { encodeFrameHeader, FRAME_HEADER_BYTES, PACK_HEADER_BYTES } from "../../src/store/mod.ts";
import type { Vault } from "../../src/vault/mod.ts";
import {
  assertSameBytes,
  collect,
  copyHome,
  Dice,
  flipBit,
  homeWithNewVault,
  homeWithVault,
  type PackFrame,
  packFrames,
  packPaths,
  randomBytes,
  read,
  readFrame,
  splice,
  TempFolder,
  version,
  withVault,
} from "./helpers.ts";

/** What a test vault holds: the bytes of each version of each key. */
type Contents = Map<string, Bytes[]>;

interface Filled {
  folder: TempFolder;
  contents: Contents;
  phrase: string;
}

/** A vault with small files, and on request with a long one in three versions, so with manifests of its own. */
async function filled(sizes: "small" | "long"): Promise<Filled> {
  const folder = await homeWithVault();
  const contents: Contents = new Map([
    ["small", [randomBytes(10), randomBytes(1000), randomBytes(100_000)]],
    ["other", [randomBytes(5000)]],
  ]);
  if (sizes === "long") {
    const long = randomBytes(17_000_000);
    const second = splice(long, { at: 9_000_000, insert: randomBytes(5) });
    contents.set("long", [long, second, long.slice(1)]);
  } else contents.set("more", [randomBytes(300_000), randomBytes(20), randomBytes(30)]);
  const phrase = await withVault(folder, async (vault) => {
    for (const [key, versions] of contents) {
      for (const bytes of versions) await vault.put(key, bytes);
    }
    return vault.phrase();
  });
  return { folder, contents, phrase };
}

/** Which versions can be read; one that can must have the right bytes, one that can't must say that it is damaged. */
async function readable(vault: Vault, contents: Contents): Promise<string[]> {
  const whole: string[] = [];
  for (const [key, versions] of contents) {
    for (const [i, bytes] of versions.entries()) {
      try {
        assertSameBytes(await read(vault, key, version(i + 1)), bytes, `of ${key} ${i + 1}`);
        whole.push(`${key} ${i + 1}`);
      } catch (error) {
        const { code, message } = error as VaultError;
        // A record that is lost takes its version along, number and all.
        assert(code === "damaged" || code === "not_found", `${key} ${i + 1}: ${message}`);
      }
    }
  }
  return whole;
}

/** The keys that are listed, and whether these are all: it is said after them if not. */
async function nameable(vault: Vault): Promise<{ names: string[]; isWhole: boolean }> {
  const names: string[] = [];
  try {
    for await (const { key } of vault.list()) names.push(key);
    return { names, isWhole: true };
  } catch (error) {
    assert(isVaultError(error, "damaged"), String(error));
    assertEquals(error.message, "Cannot list 1 key: the records that say its name can't be read");
    return { names, isWhole: false };
  }
}

/** All versions as {@link readable} names them. */
function all(contents: Contents): string[] {
  return [...contents].flatMap(([key, versions]) => versions.map((_, i) => `${key} ${i + 1}`));
}

/** What each frame is, and which versions need it. */
function anatomy(folder: TempFolder, phrase: string): { frame: PackFrame; what: string }[] {
  const keys = deriveVaultKeys(keyOfPhrase(phrase));
  return packFrames(folder).map((frame) => {
    if (frame.kind !== "sealed") return { frame, what: frame.kind };
    try {
      decodeManifest(keys.manifest.openSync(readFrame(frame), null, decompress));
      return { frame, what: "manifest" };
    } catch {
      return { frame, what: "chunk" };
    }
  });
}

/** Runs `check` on the damaged vault, as it is and again with its index made anew. */
async function onBoth(
  { folder, damage }: { folder: TempFolder; damage: (copy: TempFolder) => void },
  check: (vault: Vault, index: "kept" | "made anew") => Promise<void>,
): Promise<void> {
  for (const index of ["kept", "made anew"] as const) {
    using copy = new TempFolder();
    copyHome(folder.home, copy.home);
    damage(copy);
    if (index === "made anew") Deno.removeSync(copy.at("home", "vault.db"));
    await withVault(copy, (vault) => check(vault, index));
  }
}

function pathIn(copy: TempFolder, folder: TempFolder, path: string): string {
  return copy.path + path.slice(folder.path.length);
}

Deno.test("get: a flipped bit in a chunk damages the versions that hold it, and no other", async () => {
  const { folder, contents, phrase } = await filled("small");
  using _ = folder;
  const chunks = anatomy(folder, phrase).filter(({ what }) => what === "chunk");
  const small = chunks.find(({ frame }) => frame.length < 100)!.frame;
  for (const at of [0, 1, 6, 40, small.length - 1]) {
    const damage = (copy: TempFolder) =>
      flipBit(pathIn(copy, folder, small.path), small.offset + FRAME_HEADER_BYTES + at, 3);
    await onBoth({ folder, damage }, async (vault, index) => {
      const lost = all(contents).filter((name) => name !== "small 1");
      assertEquals(await readable(vault, contents), lost, `byte ${at}`);
      const { damaged, missing, problems } = await vault.verify();
      // An index made anew does not know the chunk any more.
      assertEquals([damaged, missing], index === "kept" ? [1, 0] : [1, 1]);
      assert(problems.some((text) => text.includes("small")), problems.join("; "));
      assertEquals(
        (await vault.history("small")).map(({ damaged }) => damaged),
        [false, false, false],
      );
    });
  }
});

Deno.test("get: a flipped bit in a manifest damages the versions over it, and no other key", async () => {
  const { folder, contents, phrase } = await filled("long");
  using _ = folder;
  const manifests = anatomy(folder, phrase).filter(({ what }) => what === "manifest");
  assertEquals(manifests.length, 3);
  for (const [i, { frame }] of manifests.entries()) {
    const damage = (copy: TempFolder) =>
      flipBit(pathIn(copy, folder, frame.path), frame.offset + FRAME_HEADER_BYTES + 60);
    await onBoth({ folder, damage }, async (vault) => {
      const whole = all(contents).filter((name) =>
        !name.startsWith("long") || Number(name.at(-1)) <= i
      );
      assertEquals(await readable(vault, contents), whole, `manifest ${i + 1}`);
      assertEquals((await vault.verify()).damaged, 1);
    });
  }
});

Deno.test("get: a flipped bit in a segment damages the version it records, and no other", async () => {
  const { folder, contents, phrase } = await filled("small");
  using _ = folder;
  const segments = anatomy(folder, phrase).filter(({ what }) => what === "segment");
  assertEquals(segments.length, all(contents).length);
  const places = [4, 40, 80, 108, 150, -100, -1];
  for (const [i, name] of all(contents).entries()) {
    const { frame } = segments[i]!;
    const at = (places[i]! + frame.length) % frame.length;
    const damage = (copy: TempFolder) =>
      flipBit(pathIn(copy, folder, frame.path), frame.offset + FRAME_HEADER_BYTES + at);
    await onBoth({ folder, damage }, async (vault, index) => {
      const whole = await readable(vault, contents);
      assertEquals(whole, all(contents).filter((other) => other !== name), `segment of ${name}`);
      const [key] = name.split(" ") as [string];
      const versions = contents.get(key)!.length;
      if (index === "kept") {
        const history = await vault.history(key);
        assertEquals(history.filter(({ damaged }) => damaged).length, 1);
        assertEquals(history.length, versions);
      } else if (versions > 1) {
        assertEquals((await vault.history(key)).length, versions - 1);
      }
      const { damaged, problems } = await vault.verify();
      assert(damaged > 0 && problems.length > 0, "verify knows that something is wrong");
      // Whatever was lost, the vault goes on, and says that a key's name can't be read.
      const isNameless = index === "kept" && versions === 1;
      const before = await nameable(vault);
      assertEquals(before.isWhole, !isNameless);
      assertEquals(before.names.includes(key), versions > 1);
      const put = await vault.put("new", randomBytes(10));
      assertEquals(put.version, 1);
      const after = await nameable(vault);
      assertEquals(after, { names: [...before.names, "new"].sort(), isWhole: !isNameless });
      using out = new TempFolder();
      const outcomes = await collect(vault.getTree("", out.path));
      assertEquals(
        outcomes.flatMap((outcome) => "error" in outcome ? [outcome.error.message] : []),
        [
          ...(index === "kept" && versions > 1 && name === `${key} ${versions}`
            ? [
              `Cannot read segment ${
                shortHex(frame.address)
              } of the log: its bytes do not match its address`,
            ]
            : []),
          ...(isNameless ? ["Cannot get 1 key: the records that say its name can't be read"] : []),
        ],
      );
    });
  }
});

Deno.test("get: a flipped bit in any header of a pack costs nothing while the index stands", async () => {
  const { folder, contents, phrase } = await filled("long");
  using _ = folder;
  const dice = new Dice(5);
  const [path] = packPaths(folder) as [string];
  const headers = anatomy(folder, phrase).map(({ frame, what }) => ({
    what,
    at: frame.offset + dice.below(FRAME_HEADER_BYTES),
  }));
  const picked = [
    { what: "pack header", at: dice.below(PACK_HEADER_BYTES) },
    ...["chunk", "manifest", "segment"].map((what) =>
      dice.pick(headers.filter((header) => header.what === what))
    ),
  ];
  for (const { what, at } of picked) {
    using copy = new TempFolder();
    copyHome(folder.home, copy.home);
    flipBit(pathIn(copy, folder, path), at, dice.below(8));
    await withVault(copy, async (vault) => {
      assertEquals(await readable(vault, contents), all(contents), `${what}, byte ${at}`);
    });
    // A new index can't see what has no header; all else it finds.
    Deno.removeSync(copy.at("home", "vault.db"));
    await withVault(copy, async (vault) => {
      const whole = await readable(vault, contents);
      const lost = all(contents).length - whole.length;
      assert(what === "pack header" ? lost === 0 : lost <= 3, `${what}: ${whole}`);
      assert(["small", "other"].every((key) => what !== "manifest" || whole.includes(`${key} 1`)));
      if (lost > 0) {
        const { problems, missing } = await vault.verify();
        assert(problems.length + missing > 0);
      }
    });
  }
});

Deno.test("verify: repair takes damage out, so that storing the file again heals it", async () => {
  const { folder, contents, phrase } = await filled("long");
  using _ = folder;
  const isLong = ({ what, frame }: { what: string; frame: PackFrame }) =>
    what === "chunk" && frame.length > 120_000;
  const chunk = anatomy(folder, phrase).find(isLong)!.frame;
  flipBit(chunk.path, chunk.offset + FRAME_HEADER_BYTES + 100);
  await withVault(folder, async (vault) => {
    const long = contents.get("long")!;
    const before = await readable(vault, contents);
    assert(before.length < all(contents).length);
    const { damaged, repaired } = await vault.verify({ repair: true });
    assertEquals([damaged, repaired], [1, 0]);
    const found = await vault.verify();
    assertEquals([found.damaged, found.missing], [0, 1]);
    assertEquals(await readable(vault, contents), before, "nothing else is lost");
    await vault.put("again", long[0]!);
    assertEquals(await readable(vault, contents), all(contents), "healed");
    assertEquals((await vault.verify()).problems, []);
  });
  await withVault(folder, async (vault) => {
    assertEquals(await readable(vault, contents), all(contents));
  });
});

Deno.test("verify: repair heals a frame of which only the header is damaged", async () => {
  const { folder, contents, phrase } = await filled("long");
  using _ = folder;
  const { frame } = anatomy(folder, phrase).find(({ what }) => what === "manifest")!;
  flipBit(frame.path, frame.offset + 9);
  await withVault(folder, async (vault) => {
    const { damaged, repaired } = await vault.verify({ repair: true });
    assertEquals([damaged, repaired], [1, 1]);
    assertEquals((await vault.verify()).problems, []);
  });
  Deno.removeSync(folder.at("home", "vault.db"));
  await withVault(folder, async (vault) => {
    assertEquals(await readable(vault, contents), all(contents));
  });
});

Deno.test("open: a pack that is cut off or gone costs what was in it, and never a wrong answer", async () => {
  const { folder, contents } = await filled("small");
  using _ = folder;
  const [path] = packPaths(folder) as [string];
  const size = Deno.statSync(path).size;
  for (const length of [size - 1, size - 5000, size >>> 1, 100, 16, 15, 0, null]) {
    const damage = (copy: TempFolder) => {
      const target = pathIn(copy, folder, path);
      if (length === null) Deno.removeSync(target);
      else Deno.truncateSync(target, length);
    };
    await onBoth({ folder, damage }, async (vault) => {
      const whole = await readable(vault, contents);
      assert(whole.length < all(contents).length || length === null);
      await vault.put("new", randomBytes(10));
      assertSameBytes(await read(vault, "new"), randomBytes(10));
      assertEquals(await readable(vault, contents), whole);
    });
  }
});

Deno.test("open: bytes of another vault's pack change nothing", async () => {
  const { folder, contents } = await filled("small");
  using _ = folder;
  using other = await homeWithNewVault();
  await withVault(other, (vault) => vault.put("foreign", randomBytes(10)));
  const [foreign] = packPaths(other) as [string];
  Deno.copyFileSync(foreign, folder.at("home", "packs", "00000002.pack"));
  await withVault(folder, async (vault) => {
    assertEquals(await readable(vault, contents), all(contents));
  });
});

Deno.test("open: a segment whose signature was forged is not believed", async () => {
  const { folder, contents, phrase } = await filled("small");
  using _ = folder;
  const { frame } = anatomy(folder, phrase).findLast(({ what }) => what === "segment")!;
  const bytes = readFrame(frame);
  // The same record under a right frame, with a bit of the vault's signature turned.
  bytes[bytes.length - 1]! ^= 1;
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  encodeFrameHeader({ ...frame, address: sha256(bytes) }, header, 0);
  Deno.truncateSync(frame.path, frame.offset);
  Deno.writeFileSync(frame.path, concatBytes([header, bytes]), { append: true });
  Deno.removeSync(folder.at("home", "vault.db"));
  await withVault(folder, async (vault) => {
    assertEquals(vault.problems().length, 1);
    const last = all(contents).at(-1)!;
    assertEquals(await readable(vault, contents), all(contents).filter((name) => name !== last));
  });
});
