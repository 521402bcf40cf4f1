import { assert, assertEquals } from "@std/assert";
import { encodeUtf8 } from "../../src/base/mod.ts";
import { openVault } from "../../src/vault/mod.ts";
import {
  collect,
  filesUnder,
  homeWithNewVault,
  includes,
  randomBytes,
  type TempFolder,
  version,
} from "./helpers.ts";

const PASSPHRASE = "a passphrase that nobody may find";
const SECRETS = {
  text: "It was a dark and stormy night; the rain fell in torrents.",
  key: "diaries/unmistakable-key-name.txt",
  folder: "unmistakable-folder",
  file: "unmistakable-file",
  tag: "unmistakable tag name",
  target: "../unmistakable/link/target",
  later: "secret/unmistakable-later-name",
  passphrase: PASSPHRASE,
};

/** What of the secrets stands in the home, in UTF-8 or UTF-16. */
function found(folder: TempFolder, extra: readonly Uint8Array[] = []): string[] {
  const hits: string[] = [];
  for (const { path, bytes } of filesUnder(folder.home)) {
    for (const [name, text] of Object.entries(SECRETS)) {
      const wide = new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer);
      if (includes(bytes, encodeUtf8(text)) || includes(bytes, wide)) hits.push(`${name}: ${path}`);
      if (includes(encodeUtf8(path.slice(folder.home.length)), encodeUtf8(text))) hits.push(path);
    }
    if (extra.some((part) => includes(bytes, part))) hits.push(`bytes: ${path}`);
  }
  return hits;
}

Deno.test("put, tag, delete, prune: no content, no name and no passphrase stands in the home", async () => {
  using folder = await homeWithNewVault({ passphrase: PASSPHRASE });
  Deno.mkdirSync(folder.at(SECRETS.folder));
  Deno.writeTextFileSync(folder.at(SECRETS.folder, SECRETS.file), SECRETS.text);
  const noise = randomBytes(3_000_000);
  const parts = [0, 1_000_000, 2_999_968].map((at) => noise.slice(at, at + 32));
  const vault = await openVault({ home: folder.home, passphrase: PASSPHRASE });
  try {
    await vault.put(SECRETS.key, encodeUtf8(SECRETS.text));
    await vault.put(SECRETS.key, encodeUtf8(SECRETS.text.repeat(5000)));
    await vault.put(SECRETS.later, noise);
    await collect(vault.putPath(folder.at(SECRETS.folder), { recursive: true }));
    const link = { type: "link", mode: 0o777, mtime: 0, target: SECRETS.target } as const;
    await vault.put("link", new Uint8Array(0), { meta: link });
    await vault.tag(SECRETS.tag);
    await vault.restore(SECRETS.key, version(1));
    await vault.delete(SECRETS.later);
    assertEquals(found(folder, parts), [], "while it is open, with SQLite's WAL");
    await vault.prune({ keepLast: 1 });
    await vault.verify({ repair: true });
    assertEquals(found(folder, parts), []);
  } finally {
    await vault.close();
  }
  assertEquals(found(folder, parts), [], "when it is closed");
  assert(includes(encodeUtf8(`x${SECRETS.text}`), encodeUtf8(SECRETS.text)), "the search finds");
});

Deno.test("put: the master key does not stand in a protected home", async () => {
  using folder = await homeWithNewVault();
  const keyText = Deno.readTextFileSync(folder.at("home", "keys", "vault.key"));
  const secret = (JSON.parse(keyText) as { secret: string }).secret;
  assertEquals(secret.length, 64);
  const vault = await openVault({ home: folder.home });
  await vault.put("key", encodeUtf8("text"));
  await vault.protect(PASSPHRASE);
  await vault.close();
  const raw = Uint8Array.from(secret.match(/../g)!, (pair) => parseInt(pair, 16));
  for (const { path, bytes } of filesUnder(folder.home)) {
    assert(!includes(bytes, encodeUtf8(secret)) && !includes(bytes, raw), path);
  }
});
