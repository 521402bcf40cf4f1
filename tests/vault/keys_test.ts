import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import {
  examineHome,
  hasVault,
  initVault,
  openVault,
  recoverVault,
  type Vault,
} from "../../src/vault/mod.ts";
import {
  failure,
  flipBit,
  hex,
  homeWithNewVault,
  homeWithVault,
  keyNames,
  randomBytes,
  read,
  TempFolder,
  version,
  withVault,
} from "./helpers.ts";

const open = (folder: TempFolder, passphrase?: string) => () =>
  withVault(folder, (vault) => vault.status(), passphrase === undefined ? {} : { passphrase });

Deno.test("init: makes a vault once, with secrets that only their owner can read", async () => {
  using folder = new TempFolder();
  assert(!hasVault(folder.home));
  const made = await initVault({ home: folder.home });
  assert(hasVault(folder.home));
  assertEquals(made.phrase.split(" ").length, 24);
  assertEquals(made.home, folder.home);
  await failure("exists", () => initVault({ home: folder.home }));
  await withVault(folder, async (vault) => {
    assertEquals(vault.phrase(), made.phrase);
    const status = await vault.status();
    assertEquals(
      [status.vault, status.node, status.network].map(hex),
      [made.vault, made.node, made.network].map(hex),
    );
  });
  if (Deno.build.os === "windows") return;
  for (const name of ["vault", "node", "network"]) {
    const { mode } = Deno.statSync(folder.at("home", "keys", `${name}.key`));
    assertEquals(mode! & 0o777, 0o600, name);
  }
});

Deno.test("open: makes no vault unless asked, and then tells the phrase once", async () => {
  using folder = new TempFolder();
  await failure("not_found", open(folder));
  assertEquals([...Deno.readDirSync(folder.path)], [], "nothing was made");
  const told: string[] = [];
  const options = {
    home: folder.home,
    create: true,
    onCreated: ({ phrase }: { phrase: string }) => void told.push(phrase),
  };
  for (let i = 0; i < 2; i++) {
    await using vault = await openVault(options);
    assertEquals(told, [vault.phrase()]);
  }
});

Deno.test("protect: seals the key with a passphrase, changes it, and takes it off", async () => {
  using folder = await homeWithVault();
  await withVault(folder, async (vault) => {
    await vault.put("key", encodeUtf8("text"));
    await vault.protect("correct horse");
    assert((await vault.status()).protected);
  });
  await failure("denied", open(folder));
  await failure("denied", open(folder, "wrong horse"));
  await withVault(folder, async (vault) => {
    assertEquals(await read(vault, "key"), encodeUtf8("text"));
    await vault.protect(null);
    assert(!(await vault.status()).protected);
  }, { passphrase: "correct horse" });
  await open(folder)();
});

Deno.test("open: asks for a passphrase three times, then gives up", async () => {
  using folder = await homeWithNewVault({ passphrase: "right" });
  const asked: number[] = [];
  const answers = ["wrong", "right"];
  const vault = await openVault({
    home: folder.home,
    passphrase: ({ attempt }) => {
      asked.push(attempt);
      return answers[attempt - 1]!;
    },
  });
  await vault.close();
  assertEquals(asked, [1, 2]);
  let count = 0;
  const always = () => {
    count++;
    return "wrong";
  };
  await failure("denied", () => openVault({ home: folder.home, passphrase: always }));
  assertEquals(count, 3);
});

Deno.test("recover: the words bring back a home whose keys are lost, with all in it", async () => {
  using folder = await homeWithNewVault();
  const phrase = await withVault(folder, async (vault) => {
    await vault.put("a", encodeUtf8("one"));
    await vault.put("a", encodeUtf8("two"));
    await vault.put("b", randomBytes(700_000));
    return vault.phrase();
  });
  await failure("exists", () => recoverVault({ home: folder.home, phrase }));
  Deno.removeSync(folder.at("home", "keys"), { recursive: true });
  await failure("damaged", open(folder)); // there are packs, so there was a key
  const other = await (async () => {
    using another = await homeWithNewVault();
    return await withVault(another, (vault) => Promise.resolve(vault.phrase()));
  })();
  await failure("denied", () => recoverVault({ home: folder.home, phrase: other }));
  await failure("usage", () => recoverVault({ home: folder.home, phrase: "not these words" }));
  assert(!hasVault(folder.home), "a refused recovery makes nothing");

  const recovered = await recoverVault({ home: folder.home, phrase, passphrase: "new" });
  assertEquals([recovered.keys, recovered.versions, recovered.phrase], [2, 3, phrase]);
  await failure("denied", open(folder));
  await withVault(folder, async (vault) => {
    assertEquals(await read(vault, "a"), encodeUtf8("two"));
    assertEquals(await read(vault, "a", version(1)), encodeUtf8("one"));
    assertEquals(await read(vault, "b"), randomBytes(700_000));
    const put = await vault.put("a", encodeUtf8("three"));
    assertEquals(put.version, 3);
    const history = await vault.history("a");
    assertNotEquals(hex(history[2]!.node), hex(history[1]!.node), "a node of its own");
    assertEquals((await vault.verify()).problems, []);
  }, { passphrase: "new" });
});

Deno.test("recover: into an empty folder gives the same vault, empty", async () => {
  using folder = new TempFolder();
  using original = await homeWithNewVault();
  const { phrase, vault } = await withVault(original, async (vault) => ({
    phrase: vault.phrase(),
    vault: (await vault.status()).vault,
  }));
  const recovered = await recoverVault({ home: folder.home, phrase });
  assertEquals([recovered.keys, hex(recovered.vault)], [0, hex(vault)]);
  await withVault(folder, async (vault) => assertEquals(await keyNames(vault), []));
});

Deno.test("open: a key file that is damaged, cut off or missing is said so, never a wrong vault", async () => {
  for (const kind of ["vault", "node", "network"]) {
    using folder = await homeWithNewVault();
    const path = folder.at("home", "keys", `${kind}.key`);
    const text = Deno.readTextFileSync(path);
    for (const state of ["", "{", "\0".repeat(80), "x".repeat(5000), text.slice(0, -9)]) {
      Deno.writeTextFileSync(path, state);
      await failure("damaged", open(folder));
    }
    Deno.removeSync(path);
    await failure(kind === "vault" ? "not_found" : "damaged", open(folder));
    Deno.writeTextFileSync(path, text);
    await open(folder)();
  }
});

Deno.test("open: a flipped bit in a sealed key file is refused", async () => {
  using folder = await homeWithNewVault({ passphrase: "right" });
  const path = folder.at("home", "keys", "vault.key");
  const length = Deno.statSync(path).size;
  flipBit(path, length - 8);
  const error = await withVault(folder, () => Promise.resolve(null), { passphrase: "right" })
    .catch((e) => e);
  assert(["denied", "damaged"].includes(error.code), String(error));
});

Deno.test("open: config.json is not needed to read", async () => {
  using folder = await homeWithVault();
  await withVault(folder, (vault) => vault.put("key", encodeUtf8("text")));
  Deno.removeSync(folder.at("home", "config.json"));
  await withVault(folder, async (vault) => {
    assertEquals(await read(vault, "key"), encodeUtf8("text"));
  });
});

Deno.test("open: a home of a later format is refused, and settings that can't be read are told of", async () => {
  using folder = await homeWithVault();
  const config = folder.at("home", "config.json");
  for (
    const [text, code] of [['{"format":2}', "failed"], ["{}", "failed"], ["{", "damaged"]] as const
  ) {
    Deno.writeTextFileSync(config, text);
    const error = await failure(code, () => openVault({ home: folder.home }));
    assert(error.hint !== undefined);
  }
  Deno.writeTextFileSync(config, '{"format":1,"more":true}');
  await withVault(folder, (vault) => vault.put("key", encodeUtf8("text")));
});

Deno.test("init, open: with a key that is given it is the same vault; one that is no key or another is refused", async () => {
  using folder = await homeWithVault();
  using other = new TempFolder();
  using third = new TempFolder();
  const { masterKey, vaultId } = await withVault(
    folder,
    (vault) => Promise.resolve(vault.peerSide()),
  );
  const made = await initVault({ home: other.home, masterKey });
  assertEquals(made.vault, vaultId);
  await withVault(
    other,
    (vault) => Promise.resolve(assertEquals(vault.peerSide().masterKey, masterKey)),
    {
      masterKey,
    },
  );
  await withVault(third, async (vault) => {
    assertEquals((await vault.status()).vault, vaultId);
  }, { masterKey, create: true });
  const wrong = masterKey.map((byte) => byte ^ 1);
  await failure("exists", () => openVault({ home: other.home, masterKey: wrong }));
  await failure(
    "usage",
    () => initVault({ home: folder.at("new"), masterKey: masterKey.slice(1) }),
  );
});

Deno.test("doctor: finds nothing in a sound home, and what is wrong in others", async () => {
  using folder = await homeWithVault();
  const bad = async () =>
    (await examineHome(folder.home, {})).filter(({ ok }) => !ok).map(({ check }) => check);
  assertEquals(await bad(), []);
  if (Deno.build.os !== "windows") {
    Deno.chmodSync(folder.at("home", "keys", "vault.key"), 0o644);
    assertEquals(await bad(), ["key files"]);
    Deno.chmodSync(folder.at("home", "keys", "vault.key"), 0o600);
  }
  await using held: Vault = await openVault({ home: folder.home });
  assertEquals(held.problems(), []);
  const findings = await examineHome(folder.home, { lockWaitMs: 0 });
  assertEquals(findings.filter(({ ok }) => !ok).map(({ check }) => check), ["vault"]);
  assertEquals(
    (await examineHome(folder.at("none"), {})).filter(({ ok }) => !ok).map(({ check }) => check),
    ["home"],
  );
});
