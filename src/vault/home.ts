/**
 * The home: one folder that holds everything of a vault on one machine (docs/format.md §8), made once and then opened.
 *
 * @module
 */

import { join } from "@std/path";
import {
  asVaultError,
  type Bytes,
  denoDisk,
  type Disk,
  Ed25519Signer,
  encodeUtf8,
  type Random,
  readSmallFile,
  sha256,
  VaultError,
  writeFileDurably,
} from "../base/mod.ts";
import {
  decodeKeyFile,
  encodeKeyFile,
  isProtected,
  type KeyKind,
  SECRET_BYTES,
} from "../seal/mod.ts";

export { defaultHome } from "../base/default_home.ts";

const KEY_FILE_BYTES_MAX = 4096;
const CONFIG_BYTES_MAX = 64 * 1024;

/** The one format of a home that this program knows. */
const HOME_FORMAT = 1;

/** Where things lie in a home. */
export interface HomePaths {
  home: string;
  config: string;
  keys: string;
  packs: string;
  index: string;
  lock: string;
}

/** The paths of a home. */
export function homePaths(home: string): HomePaths {
  return {
    home,
    config: join(home, "config.json"),
    keys: join(home, "keys"),
    packs: join(home, "packs"),
    index: join(home, "vault.db"),
    lock: join(home, "lock"),
  };
}

function keyPath(home: string, kind: KeyKind): string {
  return join(homePaths(home).keys, `${kind}.key`);
}

/** Whether a vault has been made in this home. */
export function hasVault(home: string, disk: Disk = denoDisk): boolean {
  return disk.stat(keyPath(home, "vault")) !== null;
}

/** What a home's key files hold. */
export interface HomeSecrets {
  /** 32 bytes: everything of the vault derives from it. */
  masterKey: Bytes;
  node: Ed25519Signer;
  /** The node's Ed25519 seed, 32 bytes. */
  nodeSeed: Bytes;
  /** 32 bytes that admit to the network. */
  networkSecret: Bytes;
}

/** Public name of a network: tells networks apart without telling the secret. */
export function networkId(networkSecret: Bytes): Bytes {
  return sha256(encodeUtf8("govault network 1"), networkSecret);
}

/** Packs without a key are a vault whose key file is lost: a new key would never read them. */
function refuseLostKey(home: string, disk: Disk): void {
  const { keys, packs } = homePaths(home);
  if (hasVault(home, disk) || disk.list(packs).length === 0) return;
  throw new VaultError(
    "damaged",
    `Cannot open the vault in ${home}: ${join(keys, "vault.key")} is lost`,
    {
      hint:
        "bring the key back with `govault recover --phrase`, or name another folder with --home",
    },
  );
}

/** @throws VaultError `exists` if there is a vault in a home, `damaged` if there are packs of one whose key is lost */
export function refuseOldVault(home: string, disk: Disk = denoDisk): void {
  refuseLostKey(home, disk);
  if (!hasVault(home, disk)) return;
  throw new VaultError("exists", `Cannot make a vault in ${home}: there is one already`);
}

/**
 * Makes the folders and key files of a home. The vault's key is written last: a home is made when that is there.
 *
 * @throws VaultError `exists` if there is a vault already
 */
export async function makeHome(
  home: string,
  options: {
    masterKey: Bytes;
    passphrase?: string;
    random: Random;
    disk?: Disk;
    /** The key is that of the packs which are there already. */
    recovered?: boolean;
    /** Whether what is sealed is padded; as the home says already, or not, if not given. */
    padding?: boolean;
  },
): Promise<void> {
  const disk = options.disk ?? denoDisk;
  if (!options.recovered) refuseOldVault(home, disk);
  const paths = homePaths(home);
  try {
    for (const folder of [paths.home, paths.keys, paths.packs]) disk.makeFolder(folder);
    const padding = options.padding ?? readSettings(home, disk).padding;
    await writeSettings(home, { padding }, disk);
    for (const kind of ["node", "network"] as const) {
      if (disk.stat(keyPath(home, kind)) !== null) continue;
      await writeKey(home, { kind, secret: options.random.bytes(SECRET_BYTES) }, options);
    }
    const { masterKey: secret, passphrase } = options;
    await writeKey(home, {
      kind: "vault",
      secret,
      ...(passphrase !== undefined ? { passphrase } : {}),
    }, options);
  } catch (error) {
    throw asVaultError(error, `Cannot make a vault in ${home}`);
  }
}

/** What `config.json` says. */
export interface HomeSettings {
  /** Whether what is sealed is padded. */
  padding: boolean;
}

/**
 * The settings of a home, after refusing one that a later program has made. One without settings is read as it is.
 *
 * @throws VaultError `failed` for another format, `damaged` for settings that can't be read
 */
export function readSettings(home: string, disk: Disk = denoDisk): HomeSettings {
  const { config } = homePaths(home);
  if (disk.stat(config) === null) return { padding: false };
  let format: unknown;
  let padding: unknown;
  try {
    const text = new TextDecoder().decode(readSmallFile(disk, config, CONFIG_BYTES_MAX));
    ({ format, padding = false } = JSON.parse(text) as { format?: unknown; padding?: unknown });
    if (typeof padding !== "boolean") throw new TypeError("padding is not true or false");
  } catch (error) {
    throw new VaultError("damaged", `Cannot open the vault in ${home}: ${config} can't be read`, {
      hint: "remove that file, then `govault padding on` if what is stored was to be padded",
      cause: error,
    });
  }
  if (format === HOME_FORMAT) return { padding: padding as boolean };
  throw new VaultError(
    "failed",
    `Cannot open the vault in ${home}: its format is ${
      JSON.stringify(format)
    }, this program knows ${HOME_FORMAT}`,
    { hint: "open it with the govault that made it, or a later one" },
  );
}

/** Writes the settings of a home in the place of the old ones. */
export async function writeSettings(
  home: string,
  { padding }: HomeSettings,
  disk: Disk = denoDisk,
): Promise<void> {
  const config = { format: HOME_FORMAT, ...(padding ? { padding } : {}) };
  const text = JSON.stringify(config) + "\n";
  await writeFileDurably(disk, homePaths(home).config, encodeUtf8(text));
}

/** Writes one key file in the place of the old one. */
export async function writeKey(
  home: string,
  input: { kind: KeyKind; secret: Bytes; passphrase?: string },
  options: { random: Random; disk?: Disk },
): Promise<void> {
  const text = await encodeKeyFile(input, options.random);
  await writeFileDurably(options.disk ?? denoDisk, keyPath(home, input.kind), encodeUtf8(text));
}

function readKeyFile(home: string, kind: KeyKind, disk: Disk): string {
  const path = keyPath(home, kind);
  try {
    return new TextDecoder().decode(readSmallFile(disk, path, KEY_FILE_BYTES_MAX));
  } catch (error) {
    const wrapped = asVaultError(error, `Cannot read ${path}`);
    if (wrapped.code !== "not_found" && !(error instanceof RangeError)) throw wrapped;
    // A home that lacks one of its keys is no missing key of a file: exit code 3 is for those.
    throw new VaultError("damaged", wrapped.message, {
      hint: "put it back from a copy, or remove keys/vault.key and run `govault recover --phrase`",
      cause: error,
    });
  }
}

/** Whether the vault's key asks for a passphrase. */
export function isHomeProtected(home: string, disk: Disk = denoDisk): boolean {
  return isProtected(readKeyFile(home, "vault", disk));
}

/** The master key alone. @throws VaultError `denied` on a wrong passphrase, `damaged` on a bad file */
export function readMasterKey(
  home: string,
  passphrase: () => string | Promise<string>,
  disk: Disk = denoDisk,
): Promise<Bytes> {
  return decodeKeyFile(readKeyFile(home, "vault", disk), { kind: "vault", passphrase });
}

/**
 * All secrets of a home.
 *
 * @throws VaultError `not_found` if there is no vault, `denied` on a wrong passphrase, `damaged` on a bad file
 */
export async function readSecrets(
  home: string,
  passphrase: () => string | Promise<string>,
  disk: Disk = denoDisk,
): Promise<HomeSecrets> {
  if (!hasVault(home, disk)) {
    refuseLostKey(home, disk);
    throw new VaultError("not_found", `Cannot open a vault in ${home}: there is none`, {
      hint: "make one with `govault init`, or name its folder with --home",
    });
  }
  const unprotected = () => {
    throw new VaultError("damaged", "Cannot read the node's key: it is sealed");
  };
  const masterKey = await readMasterKey(home, passphrase, disk);
  const read = (kind: KeyKind) =>
    decodeKeyFile(readKeyFile(home, kind, disk), { kind, passphrase: unprotected });
  const nodeSeed = await read("node");
  return {
    masterKey,
    node: new Ed25519Signer(nodeSeed),
    nodeSeed,
    networkSecret: await read("network"),
  };
}
