/**
 * Letters between people or scripts: signed by the node that sends them, delivered at most once and in order, to members
 * that are up.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  compareIds,
  ED25519_SIGNATURE_BYTES,
  type Ed25519Signer,
  ed25519Verify,
  encodeUtf8,
  equalBytes,
  HASH_BYTES,
  MAIL_TEXT_BYTES_MAX,
  type NodeId,
  sha256,
  VaultError,
} from "../base/mod.ts";
import { nextClock } from "../log/mod.ts";

const MAGIC = encodeUtf8("GVL1");
const SIGNED_PREFIX = encodeUtf8("govault letter 1");
const TO_NODE = 0;
const TO_ALL = 1;

/** A letter. */
export interface Letter {
  readonly from: NodeId;
  readonly to: NodeId | "all";
  /** Larger than those of all letters that the node sent before. */
  readonly counter: bigint;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** At most 4 KiB of UTF-8. */
  readonly text: string;
}

/** The counter of the next letter. @param last that of the last one */
export function nextLetterCounter(last: bigint, nowMs: number): bigint {
  return nextClock(last, nowMs);
}

/** @throws VaultError `usage` if the text is too long */
export function signLetter(
  network: { readonly networkId: Bytes },
  letter: Omit<Letter, "from">,
  node: Ed25519Signer,
): Bytes {
  const { to, counter, time, text } = letter;
  const utf8 = encodeUtf8(text);
  if (utf8.length > MAIL_TEXT_BYTES_MAX) {
    throw new VaultError(
      "usage",
      `Cannot send the message: it has ${utf8.length} bytes, the limit is ${MAIL_TEXT_BYTES_MAX}`,
    );
  }
  const writer = new ByteWriter().raw(MAGIC).raw(network.networkId).raw(sha256(node.publicKey));
  if (to === "all") writer.u8(TO_ALL);
  else writer.u8(TO_NODE).raw(to);
  const unsigned = writer.u64(counter).u64(time).text16(text).finish();
  const message = new ByteWriter().raw(SIGNED_PREFIX).raw(unsigned).finish();
  return new ByteWriter(unsigned.length + ED25519_SIGNATURE_BYTES).raw(unsigned)
    .raw(node.sign(message)).finish();
}

/**
 * Reads a letter and checks its signature.
 *
 * @param senderKey the public key of the node that it must be from
 * @throws VaultError `damaged` for bytes that are none, `denied` if it is of another network or sender
 */
export function decodeLetter(
  bytes: Bytes,
  network: { readonly networkId: Bytes },
  senderKey: Bytes,
): Letter {
  const reader = new ByteReader(bytes, "letter");
  reader.expect(MAGIC);
  const isOfNetwork = equalBytes(reader.raw(HASH_BYTES), network.networkId);
  const from = reader.raw(HASH_BYTES).slice();
  const kind = reader.u8();
  if (kind > TO_ALL) throw reader.fail("unknown kind of addressee");
  const to = kind === TO_ALL ? "all" : reader.raw(HASH_BYTES).slice();
  const counter = reader.u64();
  const time = reader.size64();
  const text = reader.text16();
  if (encodeUtf8(text).length > MAIL_TEXT_BYTES_MAX) throw reader.fail("the text is too long");
  const length = reader.offset;
  const signature = reader.raw(ED25519_SIGNATURE_BYTES);
  reader.end();
  const message = new ByteWriter().raw(SIGNED_PREFIX).raw(bytes.subarray(0, length)).finish();
  if (!isOfNetwork || compareIds(from, sha256(senderKey)) !== 0) {
    throw new VaultError("denied", "Cannot take a letter: it is not of the node that brought it");
  }
  if (!ed25519Verify({ publicKey: senderKey, signature, message })) {
    throw new VaultError("denied", "Cannot take a letter: its signature is wrong");
  }
  return { from, to, counter, time, text };
}
