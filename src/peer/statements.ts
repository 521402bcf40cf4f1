/**
 * Statements: the small signed byte strings of which a network's membership consists (docs/protocol.md, "Statements").
 * Whoever has a set of them can check each by itself, knowing only the network's id and the key of its authority, the
 * vault that founded it. {@link "./roster.ts"} draws the conclusions.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  CERTIFICATE_BYTES_MAX,
  compareIds,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  type Ed25519Signer,
  ed25519Verify,
  encodeUtf8,
  EVICTION_SPARED_MAX,
  HASH_BYTES,
  MEMBER_ADDRESSES_MAX,
  MEMBER_TEXT_BYTES_MAX,
  type NodeId,
  REPLICAS_MAX,
  sha256,
  STATEMENT_BYTES_MAX,
  VaultError,
  WEIGHT_GIB_MAX,
} from "../base/mod.ts";
import { isDialAddress } from "./session_address.ts";
import {
  type Admission,
  readAdmission,
  refuseAdmission,
  TICKET_ID_BYTES,
  writeAdmission,
} from "./statements_admission.ts";

const MAGIC = encodeUtf8("GVN1");
const SIGNED_PREFIX = encodeUtf8("govault statement 1");

const KIND = { settings: 1, member: 2, eviction: 3 } as const;

/** What a network is known by. */
export interface NetworkIdentity {
  /** 32 bytes, made from the founding secret. */
  readonly networkId: Bytes;
  /** The founding vault's Ed25519 public key: signs settings, tickets, evictions, secrets. */
  readonly authority: Bytes;
}

/** What a member says of itself. */
export interface MemberClaim {
  /** Its Ed25519 public key. */
  readonly publicKey: Bytes;
  /** The certificate it listens with, DER. */
  readonly certificate: Bytes;
  /** For people; no control characters. */
  readonly name: string;
  /** Where it is reached, as `host:port`, best first. */
  readonly addresses: readonly string[];
  /** Its capacity, GiB: what its share of the objects is in proportion to. 0: it holds none for others. */
  readonly weight: number;
  /** Milliseconds since 1970; of several statements of one node the one with the highest counts. */
  readonly stamp: number;
  readonly admission: Admission;
}

/** What the authority wants of the network. */
export interface SettingsClaim {
  /** As with members: the highest counts. */
  readonly stamp: number;
  /** How many members hold each object. */
  readonly replicas: number;
}

/** That a node is no member any more, for good. */
export interface EvictionClaim {
  readonly node: NodeId;
  readonly stamp: number;
  /** The last record of its log that still counts; 0: none. */
  readonly lastSequence: bigint;
  /** The ticket it came with, which admits nobody any more but for `spared`; `null`: it came without. */
  readonly ticketId: Bytes | null;
  /** Members that came with the same ticket and stay; ascending. */
  readonly spared: readonly NodeId[];
}

/** A statement whose signatures hold. */
export type Statement =
  & {
    /** SHA-256 of `bytes`. */
    readonly id: Bytes;
    readonly bytes: Bytes;
  }
  & (
    | { readonly kind: "settings" } & SettingsClaim
    | { readonly kind: "member"; readonly node: NodeId } & MemberClaim
    | { readonly kind: "eviction" } & EvictionClaim
  );

/** A {@link Statement} of one kind. */
export type StatementOf<K extends Statement["kind"]> = Extract<Statement, { kind: K }>;

function begin(network: NetworkIdentity, kind: keyof typeof KIND): ByteWriter {
  return new ByteWriter().raw(MAGIC).u8(KIND[kind]).raw(network.networkId);
}

function signed(writer: ByteWriter, signer: Ed25519Signer): Bytes {
  const message = new ByteWriter(writer.length + SIGNED_PREFIX.length)
    .raw(SIGNED_PREFIX).raw(writer.finish()).finish();
  const bytes = new ByteWriter(message.length + ED25519_SIGNATURE_BYTES)
    .raw(message.subarray(SIGNED_PREFIX.length)).raw(signer.sign(message)).finish();
  if (bytes.length <= STATEMENT_BYTES_MAX) return bytes;
  throw new VaultError(
    "failed",
    `Cannot sign a statement: it has ${bytes.length} bytes, the limit is ${STATEMENT_BYTES_MAX}`,
  );
}

/** A settings statement. @param authority the network's authority */
export function signSettings(
  network: NetworkIdentity,
  claim: SettingsClaim,
  authority: Ed25519Signer,
): Bytes {
  return signed(begin(network, "settings").u64(claim.stamp).u8(claim.replicas), authority);
}

/** A member statement. @param node the member's key */
export function signMember(
  network: NetworkIdentity,
  claim: Omit<MemberClaim, "publicKey">,
  node: Ed25519Signer,
): Bytes {
  const writer = begin(network, "member").raw(node.publicKey).u64(claim.stamp);
  writer.u16(claim.certificate.length).raw(claim.certificate).text16(claim.name);
  writer.u8(claim.addresses.length);
  for (const address of claim.addresses) writer.text16(address);
  writer.u32(claim.weight);
  writeAdmission(writer, claim.admission);
  return signed(writer, node);
}

/** An eviction. @param authority the network's authority */
export function signEviction(
  network: NetworkIdentity,
  claim: EvictionClaim,
  authority: Ed25519Signer,
): Bytes {
  const writer = begin(network, "eviction").raw(claim.node).u64(claim.stamp).u64(
    claim.lastSequence,
  );
  if (claim.ticketId === null) writer.u8(0);
  else writer.u8(1).raw(claim.ticketId);
  const spared = claim.spared.toSorted(compareIds);
  writer.u8(spared.length);
  for (const node of spared) writer.raw(node);
  return signed(writer, authority);
}

/**
 * Reads and checks one statement.
 *
 * @throws VaultError `damaged` for bytes that are none, or whose signature is wrong; `denied` for one of another
 *   network, and for a member that nobody admitted
 */
export function decodeStatement(bytes: Uint8Array, network: NetworkIdentity): Statement {
  const reader = new ByteReader(bytes.slice(), "statement");
  if (bytes.length > STATEMENT_BYTES_MAX) throw reader.fail(`${bytes.length} bytes are too many`);
  reader.expect(MAGIC);
  const kind = reader.u8();
  if (compareIds(reader.raw(HASH_BYTES), network.networkId) !== 0) {
    throw new VaultError("denied", "Cannot take a statement: it is of another network");
  }
  const claim = readClaim(reader, kind);
  const signature = reader.raw(ED25519_SIGNATURE_BYTES);
  reader.end();
  const signer = claim.kind === "member" ? claim.publicKey : network.authority;
  const own = bytes.slice() as Bytes;
  const message = new ByteWriter(own.length + SIGNED_PREFIX.length).raw(SIGNED_PREFIX)
    .raw(own.subarray(0, own.length - ED25519_SIGNATURE_BYTES)).finish();
  if (!ed25519Verify({ publicKey: signer, signature, message })) {
    throw new VaultError(
      "damaged",
      `Cannot take a statement (${claim.kind}): its signature is wrong`,
    );
  }
  if (claim.kind === "member") refuseAdmission(claim.admission, claim.publicKey, network);
  return { id: sha256(own), bytes: own, ...claim };
}

type Claim =
  | { kind: "settings" } & SettingsClaim
  | { kind: "member"; node: NodeId } & MemberClaim
  | { kind: "eviction" } & EvictionClaim;

function readClaim(reader: ByteReader, kind: number): Claim {
  switch (kind) {
    case KIND.settings:
      return { kind: "settings", stamp: readStamp(reader), replicas: readReplicas(reader) };
    case KIND.member:
      return readMember(reader);
    case KIND.eviction:
      return readEviction(reader);
    default:
      throw reader.fail(`unknown kind ${kind}`);
  }
}

/** Times of statements, milliseconds since 1970, as a number that is exact. */
function readStamp(reader: ByteReader): number {
  return reader.size64();
}

function readReplicas(reader: ByteReader): number {
  const replicas = reader.u8();
  if (replicas < 1 || replicas > REPLICAS_MAX) throw reader.fail("no copies are asked for");
  return replicas;
}

function readMember(reader: ByteReader): Claim {
  const publicKey = reader.raw(ED25519_PUBLIC_KEY_BYTES);
  const stamp = readStamp(reader);
  const length = reader.count(reader.u16(), CERTIFICATE_BYTES_MAX, 1);
  const certificate = reader.raw(length);
  const name = reader.text16();
  if (!isMemberName(name)) throw reader.fail("the name is too long or has control characters");
  const count = reader.count(reader.u8(), MEMBER_ADDRESSES_MAX, 2);
  const addresses = Array.from({ length: count }, () => {
    const address = reader.text16();
    if (!isDialAddress(address)) throw reader.fail("an address is not host:port");
    return address;
  });
  const weight = reader.u32();
  if (weight > WEIGHT_GIB_MAX) throw reader.fail(`weight ${weight} is out of range`);
  const admission = readAdmission(reader);
  const node = sha256(publicKey);
  return {
    kind: "member",
    node,
    publicKey,
    stamp,
    certificate,
    name,
    addresses,
    weight,
    admission,
  };
}

function readEviction(reader: ByteReader): Claim {
  const node = reader.raw(HASH_BYTES);
  const stamp = readStamp(reader);
  const lastSequence = reader.u64();
  const hasTicket = reader.u8();
  if (hasTicket > 1) throw reader.fail("a flag is neither 0 nor 1");
  const ticketId = hasTicket === 1 ? reader.raw(TICKET_ID_BYTES) : null;
  const count = reader.count(reader.u8(), EVICTION_SPARED_MAX, HASH_BYTES);
  const spared = Array.from({ length: count }, () => reader.raw(HASH_BYTES));
  if (spared.some((id, i) => i > 0 && compareIds(spared[i - 1]!, id) >= 0)) {
    throw reader.fail("spared members are out of order");
  }
  return { kind: "eviction", node, stamp, lastSequence, ticketId, spared };
}

/** Whether a text can be a member's name: short, without control characters. */
export function isMemberName(name: string): boolean {
  return encodeUtf8(name).length <= MEMBER_TEXT_BYTES_MAX && !/\p{Cc}/u.test(name);
}
