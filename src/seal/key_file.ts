/**
 * Key files (docs/format.md, section 8): one line of JSON that holds one secret, in the clear or sealed with a
 * passphrase. What the file claims is checked, and its scrypt cost bounded, before anything is computed from it.
 *
 * @module
 */

import { scrypt } from "node:crypto";
import {
  asVaultError,
  type Bytes,
  concatBytes,
  encodeUtf8,
  fromHex,
  quoteKey,
  type Random,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { decryptGcmSync, encryptGcmSync, TAG_BYTES } from "./aes_gcm.ts";
import { SECRET_BYTES } from "./derive.ts";

/** What a key file is for. */
export type KeyKind = "vault" | "node" | "network";

/** Cost of scrypt (RFC 7914): takes 128 · n · r bytes, and time in proportion to n · r · p. */
interface ScryptCost {
  n: number;
  r: number;
  p: number;
}

/** Of files we write: 64 MiB, about half a second. */
const SCRYPT_COST: ScryptCost = { n: 65_536, r: 8, p: 2 };

const SCRYPT_N_MIN = 2 ** 14;
const SCRYPT_N_MAX = 2 ** 20;
const SCRYPT_R_MAX = 16;
const SCRYPT_P_MAX = 16;
/** Most memory that a file may ask for. */
const SCRYPT_BYTES_MAX = 512 * 1024 * 1024;

/** Longest text that is taken for a key file; ours have some 300 characters. */
const KEY_FILE_CHARS_MAX = 4096;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const SEALED_BYTES = NONCE_BYTES + SECRET_BYTES + TAG_BYTES;

/** A key file, read and checked, not unlocked. */
type KeyFile =
  & { kind: KeyKind }
  & ({ secret: Bytes } | { cost: ScryptCost; salt: Bytes; sealed: Bytes });

/** What {@link encodeKeyFile} writes. */
export interface KeyFileInput {
  kind: KeyKind;
  /** 32 bytes. */
  secret: Bytes;
  /** Seals the secret; without one it stands in the clear. */
  passphrase?: string;
}

/** What {@link decodeKeyFile} needs. */
export interface KeyFileUse {
  /** What the file must be for. */
  kind: KeyKind;
  /** Asked only if the file is protected. */
  passphrase: () => Promise<string> | string;
}

/**
 * The text of a key file, with the line break at its end.
 *
 * @throws VaultError `usage` if the passphrase is empty, `damaged` if the secret has not 32 bytes
 */
export async function encodeKeyFile(input: KeyFileInput, random: Random): Promise<string> {
  const { kind, secret, passphrase } = input;
  if (secret.length !== SECRET_BYTES) {
    throw new VaultError(
      "damaged",
      `Cannot write the ${kind} key file: the secret has ${secret.length} bytes, ${SECRET_BYTES} expected`,
    );
  }
  if (passphrase === undefined) {
    return JSON.stringify({ format: 1, kind, secret: toHex(secret) }) + "\n";
  }
  const salt = random.bytes(SALT_BYTES);
  const nonce = random.bytes(NONCE_BYTES);
  const key = await keyOfPassphrase(passphrase, { cost: SCRYPT_COST, salt });
  const sealed = encryptGcmSync({ key, nonce, additionalData: boundTo(kind) }, secret);
  const { n, r, p } = SCRYPT_COST;
  return JSON.stringify({
    format: 1,
    kind,
    kdf: { name: "scrypt", n, r, p, salt: toHex(salt) },
    sealed: toHex(concatBytes([nonce, sealed])),
  }) + "\n";
}

/**
 * The secret in a key file, 32 bytes.
 *
 * @throws VaultError `damaged` if the text is no key file of that kind, `denied` if the passphrase is wrong,
 *   `usage` if it is empty
 */
export async function decodeKeyFile(text: string, use: KeyFileUse): Promise<Bytes> {
  const file = parseKeyFile(text, use.kind);
  if (file.kind !== use.kind) throw unreadable(use.kind, `it is for a ${file.kind} key`);
  if ("secret" in file) return file.secret;
  const key = await keyOfPassphrase(await use.passphrase(), file);
  const nonce = file.sealed.subarray(0, NONCE_BYTES);
  const context = { key, nonce, additionalData: boundTo(use.kind) };
  const secret = decryptGcmSync(context, file.sealed.subarray(NONCE_BYTES));
  if (secret === null) {
    throw new VaultError("denied", `Cannot unlock the ${use.kind} key: wrong passphrase`);
  }
  return secret;
}

/**
 * Whether a key file asks for a passphrase.
 *
 * @throws VaultError `damaged` if the text is no key file
 */
export function isProtected(text: string): boolean {
  return "sealed" in parseKeyFile(text, undefined);
}

/** Additional data of the seal: a file of one kind can't be passed off as another. */
function boundTo(kind: KeyKind): Bytes {
  return encodeUtf8(`govault ${kind}.key 1`);
}

function unreadable(kind: KeyKind | undefined, state: string): VaultError {
  const file = kind === undefined ? "key" : `${kind} key`;
  return new VaultError("damaged", `Cannot read the ${file} file: ${state}`);
}

async function keyOfPassphrase(
  passphrase: string,
  { cost, salt }: { cost: ScryptCost; salt: Bytes },
): Promise<Bytes> {
  if (passphrase === "") throw new VaultError("usage", "Cannot use the passphrase: it is empty");
  const password = encodeUtf8(passphrase.normalize("NFKC"));
  const { n, r, p } = cost;
  // The bound was checked; twice that leaves room for what scrypt needs beside its table.
  const options = { N: n, r, p, maxmem: 2 * SCRYPT_BYTES_MAX };
  try {
    return await new Promise((resolve, reject) => {
      scrypt(password, salt, SECRET_BYTES, options, (error, key) => {
        if (error) reject(error);
        else resolve(new Uint8Array(key));
      });
    });
  } catch (error) {
    throw asVaultError(error, "Cannot derive a key from the passphrase");
  }
}

/** Reads the fields strictly; `kind` is for messages alone. */
function parseKeyFile(text: string, kind: KeyKind | undefined): KeyFile {
  const refuse = (state: string) => unreadable(kind, state);
  if (text.length > KEY_FILE_CHARS_MAX) throw refuse("it is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse("it is not JSON"); // without its cause, which quotes the text
  }
  const outer = fieldsOf(json, refuse);
  const format = outer.take("format");
  if (format !== 1) throw refuse("unknown format");
  const fileKind = outer.take("kind");
  if (fileKind !== "vault" && fileKind !== "node" && fileKind !== "network") {
    throw refuse("unknown kind");
  }
  if (!outer.has("kdf")) {
    const secret = outer.hex("secret", SECRET_BYTES);
    outer.end();
    return { kind: fileKind, secret };
  }
  const kdf = fieldsOf(outer.take("kdf"), refuse);
  if (kdf.take("name") !== "scrypt") throw refuse("unknown key derivation");
  const cost = {
    n: kdf.integer("n", { min: SCRYPT_N_MIN, max: SCRYPT_N_MAX }),
    r: kdf.integer("r", { min: 1, max: SCRYPT_R_MAX }),
    p: kdf.integer("p", { min: 1, max: SCRYPT_P_MAX }),
  };
  if (!Number.isInteger(Math.log2(cost.n))) throw refuse('"n" is not a power of two');
  if (128 * cost.n * cost.r > SCRYPT_BYTES_MAX) {
    throw refuse(`unlocking it would take more than ${SCRYPT_BYTES_MAX / 2 ** 20} MiB of memory`);
  }
  const salt = kdf.hex("salt", SALT_BYTES);
  kdf.end();
  const sealed = outer.hex("sealed", SEALED_BYTES);
  outer.end();
  return { kind: fileKind, cost, salt, sealed };
}

/** Takes the fields of a JSON object one by one; `end` refuses what is left. No value is ever quoted. */
function fieldsOf(json: unknown, refuse: (state: string) => VaultError) {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw refuse("an object was expected");
  }
  const left = new Map<string, unknown>(Object.entries(json));
  const take = (name: string): unknown => {
    if (!left.has(name)) throw refuse(`"${name}" is missing`);
    const value = left.get(name);
    left.delete(name);
    return value;
  };
  return {
    has: (name: string) => left.has(name),
    take,
    integer(name: string, range: { min: number; max: number }): number {
      const value = take(name);
      if (typeof value !== "number" || !Number.isInteger(value)) {
        throw refuse(`"${name}" is not an integer`);
      }
      if (value < range.min || value > range.max) {
        throw refuse(`"${name}" is not within ${range.min} … ${range.max}`);
      }
      return value;
    },
    hex(name: string, bytes: number): Bytes {
      const value = take(name);
      if (typeof value !== "string" || value.length !== 2 * bytes || !/^[0-9a-f]*$/.test(value)) {
        throw refuse(`"${name}" is not ${2 * bytes} lowercase hex digits`);
      }
      return fromHex(value);
    },
    end(): void {
      for (const name of left.keys()) throw refuse(`unknown field ${quoteKey(name)}`);
    },
  };
}
