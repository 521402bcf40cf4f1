/**
 * Segments: the consecutive records of one node's log that are signed and stored together (format §5). A record's
 * id hangs on all records before it and on its secret part, so that the chain of ids fixes the whole log.
 *
 * Writing takes two steps, as a version may name one of the same segment as its parent: {@link SegmentBuilder.add}
 * gives each record's id, {@link SegmentBuilder.finish} signs.
 *
 * @module
 */

import {
  type Address,
  ByteReader,
  type Bytes,
  ByteWriter,
  concatBytes,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  type Ed25519Signer,
  ed25519Verify,
  encodeUtf8,
  equalBytes,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  type NodeId,
  type RecordId,
  SEGMENT_BODY_BYTES_MAX,
  SEGMENT_RECORDS_MAX,
  sha256,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import { hasBody } from "./body.ts";
import { decodeRecord, encodeRecord, RECORD_BYTES_MIN, type RecordPublic } from "./record.ts";

const MAGIC = encodeUtf8("GVS1");
const SIGNED_PREFIX = encodeUtf8("govault segment 1");
const RECORD_PREFIX = encodeUtf8("govault record 1");

const KEY_BYTES = ED25519_PUBLIC_KEY_BYTES;
const SIGNATURES_BYTES = 2 * ED25519_SIGNATURE_BYTES;
/** Sequence numbers fit a signed integer too, as databases have them. */
const SEQUENCE_MAX = 2n ** 63n - 1n;

/** Most bytes of a segment's sealed bodies: sealing and padding add less than 1/16 to the plaintext's limit. */
const SEALED_BODIES_BYTES_MAX = SEGMENT_BODY_BYTES_MAX + SEGMENT_BODY_BYTES_MAX / 16;

/** Bytes of a segment beside its sealed bodies and its records, each of which stands behind 4 bytes of length. */
export const SEGMENT_FIXED_BYTES = MAGIC.length + 2 * KEY_BYTES + 8 + HASH_BYTES + 4 + 2 +
  SIGNATURES_BYTES;

/** What the first record of a log has in place of the id before it. */
export const NO_RECORD: RecordId = new Uint8Array(HASH_BYTES);

/** What a segment says before its records. */
export interface SegmentHeader {
  /** The vault's Ed25519 public key, 32 bytes. */
  readonly vaultKey: Bytes;
  /** The writing node's Ed25519 public key, 32 bytes. */
  readonly nodeKey: Bytes;
  /** Sequence number of the first record; a log begins at 1. */
  readonly firstSequence: bigint;
  /** Id of the record before the first, {@link NO_RECORD} if there is none. */
  readonly previous: RecordId;
  /** The bodies as one sealed object; empty if no record has a body. */
  readonly sealedBodies: Bytes;
}

/** A segment whose signatures hold. */
export interface Segment extends SegmentHeader {
  readonly vaultId: Bytes;
  readonly nodeId: NodeId;
  readonly records: readonly RecordPublic[];
  /** The records' ids, in the same order. */
  readonly ids: readonly RecordId[];
}

/** A segment ready to be stored. */
export interface SignedSegment {
  readonly bytes: Bytes;
  readonly address: Address;
  /** The records' ids, in the order they were added. */
  readonly ids: readonly RecordId[];
}

/** Whoever can sign with a key: the vault's or the node's. */
export type Signer = Pick<Ed25519Signer, "publicKey" | "sign">;

/** A record's sequence number and its place in the segment. */
const PLACE_BYTES = 8 + 2;

/** Ids of a segment's records, one after the other. */
class IdChain {
  readonly #firstSequence: bigint;
  /** What is hashed with each record: the same for all but for the id before it and the place. */
  readonly #before: Bytes;
  readonly #place: DataView;
  #index = 0;

  constructor({ sealedBodies, previous, vaultKey, nodeKey, firstSequence }: SegmentHeader) {
    this.#firstSequence = firstSequence;
    const place = new Uint8Array(PLACE_BYTES);
    const pieces = [RECORD_PREFIX, previous, sha256(sealedBodies), vaultKey, nodeKey, place];
    this.#before = concatBytes(pieces);
    this.#place = new DataView(this.#before.buffer, this.#before.length - PLACE_BYTES);
  }

  next(record: Uint8Array): RecordId {
    this.#place.setBigUint64(0, this.#firstSequence + BigInt(this.#index));
    this.#place.setUint16(8, this.#index);
    this.#index++;
    const id = sha256(this.#before, record);
    this.#before.set(id, RECORD_PREFIX.length);
    return id;
  }
}

function idsOf(header: SegmentHeader, encoded: readonly Bytes[]): RecordId[] {
  const chain = new IdChain(header);
  return encoded.map((record) => chain.next(record));
}

/** The rule that a header breaks, in words, or `null`. */
function brokenHeader(header: SegmentHeader): string | null {
  const { vaultKey, nodeKey, firstSequence, previous, sealedBodies } = header;
  if (vaultKey.length !== KEY_BYTES || nodeKey.length !== KEY_BYTES) return "a key is not 32 bytes";
  if (previous.length !== HASH_BYTES) return "the previous id is not 32 bytes";
  if (firstSequence < 1n || firstSequence > SEQUENCE_MAX - BigInt(SEGMENT_RECORDS_MAX)) {
    return `sequence ${firstSequence} is out of range`;
  }
  if ((firstSequence === 1n) !== equalBytes(previous, NO_RECORD)) {
    return firstSequence === 1n
      ? "a first record that follows another"
      : "a later record that follows none";
  }
  if (sealedBodies.length > SEALED_BODIES_BYTES_MAX) {
    return `${sealedBodies.length} bytes of sealed bodies, the limit is ${SEALED_BODIES_BYTES_MAX}`;
  }
  return null;
}

/** The rule that records and sealed bodies break together, in words, or `null`. */
function brokenBodies(records: readonly RecordPublic[], sealedBodies: Bytes): string | null {
  const wanted = records.some((record) => hasBody(record.kind));
  if (wanted === sealedBodies.length > 0) return null;
  return wanted ? "records without their bodies" : "bodies that no record has";
}

/**
 * What the bytes of a segment say is the sequence number of its first record, unchecked; 0 for what is too short to say. Good
 * for putting segments into the order in which they follow one another.
 */
export function firstSequenceOf(bytes: Bytes): number {
  const at = MAGIC.length + 2 * KEY_BYTES;
  if (bytes.length < at + 8) return 0;
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at));
}

/** What both signatures are over. */
function signedMessage(unsigned: Uint8Array): Bytes {
  return new ByteWriter(SIGNED_PREFIX.length + HASH_BYTES)
    .raw(SIGNED_PREFIX).raw(sha256(unsigned)).finish();
}

/** Makes one segment. The bodies have been sealed before, as their hash goes into the records' ids. */
export class SegmentBuilder {
  readonly #header: SegmentHeader;
  readonly #chain: IdChain;
  readonly #records: RecordPublic[] = [];
  readonly #encoded: Bytes[] = [];
  readonly #ids: RecordId[] = [];
  #length: number;

  /** @throws VaultError `failed` if the header breaks a rule of the format */
  constructor(header: SegmentHeader) {
    const state = brokenHeader(header);
    if (state !== null) throw cannotWrite(state);
    this.#header = header;
    this.#chain = new IdChain(header);
    this.#length = SEGMENT_FIXED_BYTES + header.sealedBodies.length;
  }

  /**
   * Adds a record and gives its id, which records after it may name.
   *
   * @throws VaultError `failed` if the record breaks a rule of the format or finds no room
   */
  add(record: RecordPublic): RecordId {
    const encoded = encodeRecord(record);
    const length = this.#length + 4 + encoded.length;
    if (this.#records.length === SEGMENT_RECORDS_MAX) {
      throw cannotWrite(`more than ${SEGMENT_RECORDS_MAX} records`);
    }
    if (length > FRAME_BYTES_MAX) {
      throw cannotWrite(`${length} bytes, the limit is ${FRAME_BYTES_MAX}`);
    }
    this.#length = length;
    this.#records.push(record);
    this.#encoded.push(encoded);
    const id = this.#chain.next(encoded);
    this.#ids.push(id);
    return id;
  }

  /**
   * Signs what has been added.
   *
   * @throws VaultError `failed` without records, if some record lacks a body or no record has one, or if a signer
   * has another key than the header names
   */
  finish({ vault, node }: { vault: Signer; node: Signer }): SignedSegment {
    const { vaultKey, nodeKey, firstSequence, previous, sealedBodies } = this.#header;
    if (this.#records.length === 0) throw cannotWrite("no records");
    const state = brokenBodies(this.#records, sealedBodies);
    if (state !== null) throw cannotWrite(state);
    if (!equalBytes(vault.publicKey, vaultKey) || !equalBytes(node.publicKey, nodeKey)) {
      throw cannotWrite("a signer has another key than the segment names");
    }
    const writer = new ByteWriter(this.#length)
      .raw(MAGIC).raw(vaultKey).raw(nodeKey).u64(firstSequence).raw(previous)
      .u32(sealedBodies.length).raw(sealedBodies).u16(this.#records.length);
    for (const encoded of this.#encoded) writer.u32(encoded.length).raw(encoded);
    const unsigned = writer.finish();
    const message = signedMessage(unsigned);
    const bytes = concatBytes([unsigned, node.sign(message), vault.sign(message)]);
    return { bytes, address: sha256(bytes), ids: [...this.#ids] };
  }
}

function cannotWrite(state: string): VaultError {
  return new VaultError("failed", `Cannot write segment: ${state}`);
}

/**
 * Reads a segment. The signatures are checked before anything else is looked at; whether the vault is ours and
 * the node is known is the caller's to ask, and {@link "./chain.ts"} says whether it follows what we have.
 * Everything in it is a view of `bytes`.
 *
 * @param options `signatures` may be left out for bytes that were decoded with them before and have not changed since
 * @throws VaultError `damaged` for anything that {@link SegmentBuilder} would not have written; a wrong signature is
 * named
 */
export function decodeSegment(
  bytes: Uint8Array,
  options: { signatures: "check" | "checked before" } = { signatures: "check" },
): Segment {
  const whole = new ByteReader(bytes, "segment");
  if (bytes.length > FRAME_BYTES_MAX) throw whole.fail(`${bytes.length} bytes are too many`);
  if (bytes.length < SEGMENT_FIXED_BYTES) throw whole.fail(`${bytes.length} bytes are too few`);
  const unsigned = whole.raw(bytes.length - SIGNATURES_BYTES);
  const nodeSignature = whole.raw(ED25519_SIGNATURE_BYTES);
  const vaultSignature = whole.raw(ED25519_SIGNATURE_BYTES);

  const reader = new ByteReader(unsigned, "segment");
  reader.expect(MAGIC);
  const vaultKey = reader.raw(KEY_BYTES);
  const nodeKey = reader.raw(KEY_BYTES);
  const nodeId = sha256(nodeKey);
  if (options.signatures === "check") {
    checkSignatures(unsigned, nodeId, [
      ["node", nodeKey, nodeSignature],
      ["vault", vaultKey, vaultSignature],
    ]);
  }

  const header: SegmentHeader = {
    vaultKey,
    nodeKey,
    firstSequence: reader.u64(),
    previous: reader.raw(HASH_BYTES),
    sealedBodies: reader.raw(reader.count(reader.u32(), SEALED_BODIES_BYTES_MAX, 1)),
  };
  const brokenHead = brokenHeader(header);
  if (brokenHead !== null) throw reader.fail(brokenHead);

  const count = reader.count(reader.u16(), SEGMENT_RECORDS_MAX, 4 + RECORD_BYTES_MIN);
  if (count === 0) throw reader.fail("no records");
  const encoded = Array.from({ length: count }, () => reader.raw(reader.u32()));
  const records = encoded.map(decodeRecord);
  reader.end();
  const brokenBody = brokenBodies(records, header.sealedBodies);
  if (brokenBody !== null) throw reader.fail(brokenBody);
  let ids: RecordId[] | undefined;
  return {
    ...header,
    vaultId: sha256(vaultKey),
    nodeId,
    records,
    // Whoever opens bodies doesn't ask for them.
    get ids() {
      return ids ??= idsOf(header, encoded);
    },
  };
}

function checkSignatures(
  unsigned: Uint8Array,
  nodeId: NodeId,
  signatures: readonly (readonly [name: string, publicKey: Bytes, signature: Bytes])[],
): void {
  const message = signedMessage(unsigned);
  for (const [name, publicKey, signature] of signatures) {
    if (ed25519Verify({ publicKey, signature, message })) continue;
    throw new VaultError(
      "damaged",
      `Cannot accept segment of node ${shortHex(nodeId)}: the ${name}'s signature is wrong`,
    );
  }
}
