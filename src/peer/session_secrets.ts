/**
 * The secrets of a network. Each eviction brings a new one, signed by the authority; nodes keep the old ones, so that a
 * member that slept meanwhile is still known by what it has, and is then given the newest.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  compareBytes,
  ED25519_SIGNATURE_BYTES,
  type Ed25519Signer,
  ed25519Verify,
  encodeUtf8,
  equalBytes,
  HASH_BYTES,
  NETWORK_SECRETS_MAX,
  sha256,
  VaultError,
} from "../base/mod.ts";
import type { NetworkIdentity } from "./statements.ts";

const MAGIC = encodeUtf8("GVK1");
const SIGNED_PREFIX = encodeUtf8("govault secret 1");
const ID_PREFIX = encodeUtf8("govault secret id 1");

/** Length of a secret. */
export const NETWORK_SECRET_BYTES = 32;
/** Length of a secret's short name. */
export const SECRET_ID_BYTES = 8;

/** One secret. */
export interface NetworkSecret {
  /** 0 for the founding one, one more with each eviction. */
  readonly epoch: number;
  /** 32 bytes. */
  readonly secret: Bytes;
  /** The authority's. */
  readonly signature: Bytes;
}

/** What a secret is called in the clear. Two of one epoch, of two evictions at once, differ in it. */
export interface SecretRef {
  readonly epoch: number;
  readonly id: Bytes;
}

/** First 8 bytes of a hash of the secret: tells nothing of its 256 bits. */
export function secretRef({ epoch, secret }: Pick<NetworkSecret, "epoch" | "secret">): SecretRef {
  return { epoch, id: sha256(ID_PREFIX, secret).slice(0, SECRET_ID_BYTES) };
}

/** Which of two is newer: the same on every node. */
export function compareSecretRefs(a: SecretRef, b: SecretRef): number {
  return a.epoch - b.epoch || compareBytes(a.id, b.id);
}

function signedPart(network: NetworkIdentity, epoch: number, secret: Bytes): Bytes {
  return new ByteWriter().raw(SIGNED_PREFIX).raw(network.networkId).u32(epoch).raw(secret)
    .finish();
}

/** The authority's word for a secret. */
export function signSecret(
  network: NetworkIdentity,
  { epoch, secret }: { epoch: number; secret: Bytes },
  authority: Ed25519Signer,
): NetworkSecret {
  return { epoch, secret, signature: authority.sign(signedPart(network, epoch, secret)) };
}

/** @throws VaultError `denied` unless the authority signed it */
export function refuseSecret(secret: NetworkSecret, network: NetworkIdentity): void {
  const message = signedPart(network, secret.epoch, secret.secret);
  const { authority: publicKey } = network;
  if (ed25519Verify({ publicKey, signature: secret.signature, message })) return;
  throw new VaultError("denied", "Cannot take a secret: the network's authority did not sign it");
}

/** Appends a secret. */
export function writeSecret(writer: ByteWriter, secret: NetworkSecret): void {
  writer.u32(secret.epoch).raw(secret.secret).raw(secret.signature);
}

/** Reads what {@link writeSecret} wrote; checks no signature. */
export function readSecret(reader: ByteReader): NetworkSecret {
  const epoch = reader.u32();
  const secret = reader.raw(NETWORK_SECRET_BYTES).slice();
  return { epoch, secret, signature: reader.raw(ED25519_SIGNATURE_BYTES).slice() };
}

/** A secret as `rekey` carries it. */
export function encodeSecret(network: NetworkIdentity, secret: NetworkSecret): Bytes {
  const writer = new ByteWriter().raw(MAGIC).raw(network.networkId);
  writeSecret(writer, secret);
  return writer.finish();
}

/** @throws VaultError `damaged` for bytes that are none, `denied` unless the network's authority signed it */
export function decodeSecret(bytes: Uint8Array, network: NetworkIdentity): NetworkSecret {
  const reader = new ByteReader(bytes, "secret");
  reader.expect(MAGIC);
  if (!equalBytes(reader.raw(HASH_BYTES), network.networkId)) {
    throw new VaultError("denied", "Cannot take a secret: it is of another network");
  }
  const secret = readSecret(reader);
  reader.end();
  refuseSecret(secret, network);
  return secret;
}

/** All secrets that a node has had, bounded: beyond `NETWORK_SECRETS_MAX` the oldest go. */
export class SecretRing {
  #secrets: { ref: SecretRef; secret: NetworkSecret }[] = [];

  /** @param first at least one */
  constructor(first: readonly NetworkSecret[]) {
    for (const secret of first) this.add(secret);
    if (this.#secrets.length > 0) return;
    throw new VaultError("damaged", "Cannot join a network: there is no secret for it");
  }

  /** Its signature must have been checked. Returns whether it is new. */
  add(secret: NetworkSecret): boolean {
    const ref = secretRef(secret);
    if (this.find(ref) !== null) return false;
    this.#secrets.push({ ref, secret });
    this.#secrets.sort((a, b) => compareSecretRefs(b.ref, a.ref));
    this.#secrets.length = Math.min(this.#secrets.length, NETWORK_SECRETS_MAX);
    return this.find(ref) !== null;
  }

  /** The one that counts. */
  get newest(): NetworkSecret {
    return this.#secrets[0]!.secret;
  }

  get newestRef(): SecretRef {
    return this.#secrets[0]!.ref;
  }

  /** Newest first. */
  refs(): SecretRef[] {
    return this.#secrets.map(({ ref }) => ref);
  }

  /** Newest first. */
  all(): NetworkSecret[] {
    return this.#secrets.map(({ secret }) => secret);
  }

  find(ref: SecretRef): NetworkSecret | null {
    return this.#secrets.find((each) => compareSecretRefs(each.ref, ref) === 0)?.secret ?? null;
  }

  /** The newest that another one has too, by what it calls its own. */
  shared(theirs: readonly SecretRef[]): { ref: SecretRef; secret: NetworkSecret } | null {
    return this.#secrets.find(({ ref }) =>
      theirs.some((other) => compareSecretRefs(other, ref) === 0)
    ) ?? null;
  }
}
