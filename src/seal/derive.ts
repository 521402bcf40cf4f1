/**
 * From the master key to every other secret of a vault (docs/format.md, section 1).
 *
 * @module
 */

import { hkdfSync } from "node:crypto";
import { type Bytes, Ed25519Signer, encodeUtf8, Hmac, sha256, VaultError } from "../base/mod.ts";
import { Sealer } from "./sealer.ts";

/** Length of the master key and of every secret derived from it. */
export const SECRET_BYTES = 32;
/** Length of a key tag and of a tag-name tag. */
const NAME_TAG_BYTES = 16;

const SALT = "govault/1";

/** The `info` of every secret. */
const INFO = {
  chunkId: "chunk id",
  chunkSeal: "chunk seal",
  manifestId: "manifest id",
  manifestSeal: "manifest seal",
  bodyId: "body id",
  bodySeal: "body seal",
  gear: "gear",
  keyTag: "key tag",
  sign: "vault sign",
} as const;

/** The secrets of a vault, 32 bytes each. */
export type VaultSecrets = Readonly<Record<keyof typeof INFO, Bytes>>;

/** What the owner of a vault can do with its secrets. */
export interface VaultKeys {
  readonly chunk: Sealer;
  readonly manifest: Sealer;
  readonly body: Sealer;
  /** Seed of the chunker's table. */
  readonly gearSeed: Bytes;
  /** Signs segments for the vault. */
  readonly signer: Ed25519Signer;
  /** SHA-256 of the signer's public key. */
  readonly vaultId: Bytes;
  /** 16 bytes that stand for a key's name where peers can see it; both Unicode forms of a name give the same. */
  keyTag(name: string): Bytes;
  /** 16 bytes that stand for a tag's name; never those of a key. */
  tagNameTag(name: string): Bytes;
  /** Whether the three sealers pad from here on; not to begin with. */
  setPadding(on: boolean): void;
}

/**
 * Every secret of a vault, by HKDF-SHA-256 (RFC 5869).
 *
 * @throws VaultError `damaged` if the master key has not 32 bytes
 */
export function deriveVaultSecrets(masterKey: Bytes): VaultSecrets {
  if (masterKey.length !== SECRET_BYTES) {
    throw new VaultError(
      "damaged",
      `Cannot derive the vault's keys: the master key has ${masterKey.length} bytes, ${SECRET_BYTES} expected`,
    );
  }
  const derive = (info: string) =>
    new Uint8Array(hkdfSync("sha256", masterKey, SALT, info, SECRET_BYTES));
  return {
    chunkId: derive(INFO.chunkId),
    chunkSeal: derive(INFO.chunkSeal),
    manifestId: derive(INFO.manifestId),
    manifestSeal: derive(INFO.manifestSeal),
    bodyId: derive(INFO.bodyId),
    bodySeal: derive(INFO.bodySeal),
    gear: derive(INFO.gear),
    keyTag: derive(INFO.keyTag),
    sign: derive(INFO.sign),
  };
}

/**
 * The working keys of a vault.
 *
 * @throws VaultError `damaged` if the master key has not 32 bytes
 */
export function deriveVaultKeys(masterKey: Bytes): VaultKeys {
  const secrets = deriveVaultSecrets(masterKey);
  const signer = new Ed25519Signer(secrets.sign);
  const nameHmac = new Hmac("sha256", secrets.keyTag);
  const tag = (...pieces: Bytes[]) => nameHmac.digest(...pieces).slice(0, NAME_TAG_BYTES);
  const sealers = {
    chunk: new Sealer("chunk", { idKey: secrets.chunkId, sealKey: secrets.chunkSeal }),
    manifest: new Sealer("manifest", { idKey: secrets.manifestId, sealKey: secrets.manifestSeal }),
    body: new Sealer("body", { idKey: secrets.bodyId, sealKey: secrets.bodySeal }),
  };
  return {
    ...sealers,
    gearSeed: secrets.gear,
    signer,
    vaultId: sha256(signer.publicKey),
    keyTag: (name) => tag(encodeUtf8(name.normalize("NFC"))),
    tagNameTag: (name) => tag(Uint8Array.of(0), encodeUtf8(name)),
    setPadding: (on) => {
      for (const sealer of Object.values(sealers)) sealer.isPadding = on;
    },
  };
}
