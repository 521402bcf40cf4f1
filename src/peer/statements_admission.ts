/**
 * How a node comes to be a member: by a signature of the authority itself, which any node that holds the founding vault's key can make,
 * or by a ticket. A ticket is a key pair of its own that the authority vouches for; its private half travels in a token
 * and admits whoever shows it to be theirs, so that members who see the public half can admit nobody with it.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  Ed25519Signer,
  ed25519Verify,
  encodeUtf8,
  sha256,
  VaultError,
} from "../base/mod.ts";

const TICKET_PREFIX = encodeUtf8("govault ticket 1");
const ADMISSION_PREFIX = encodeUtf8("govault admission 1");

/** Length of a ticket's id. */
export const TICKET_ID_BYTES = 16;

/** What a member may do: `owner` holds the founding vault's key, `storage` keeps bytes it can't read. */
export type MemberRole = "owner" | "storage";
const ROLES: readonly MemberRole[] = ["owner", "storage"];

/** Something of the network as {@link "./statements.ts"}'s `NetworkIdentity` has it. */
interface Network {
  readonly networkId: Bytes;
  readonly authority: Bytes;
}

/** The public half of a ticket. */
export interface Ticket {
  readonly publicKey: Bytes;
  readonly role: MemberRole;
  /** Milliseconds since 1970. */
  readonly issued: number;
  readonly expires: number;
  /** The authority's. */
  readonly signature: Bytes;
}

/** What makes a node a member. */
export interface Admission {
  /** `null` if the authority itself signed. */
  readonly ticket: Ticket | null;
  /** When, milliseconds since 1970, as the newcomer says; with a ticket in that one's time. */
  readonly joined: number;
  /** Of the authority or of the ticket. */
  readonly signature: Bytes;
}

/** First 16 bytes of the SHA-256 of its public key. */
export function ticketIdOf(ticket: Pick<Ticket, "publicKey">): Bytes {
  return sha256(ticket.publicKey).slice(0, TICKET_ID_BYTES);
}

/** What an admission allows. */
export function roleOf(admission: Admission): MemberRole {
  return admission.ticket?.role ?? "owner";
}

function ticketMessage(network: Network, ticket: Omit<Ticket, "signature">): Bytes {
  const writer = new ByteWriter().raw(TICKET_PREFIX).raw(network.networkId);
  writer.raw(ticket.publicKey).u8(ROLES.indexOf(ticket.role));
  return writer.u64(ticket.issued).u64(ticket.expires).finish();
}

function admissionMessage(network: Network, nodeKey: Bytes, joined: number): Bytes {
  return new ByteWriter().raw(ADMISSION_PREFIX).raw(network.networkId).raw(nodeKey)
    .u64(joined).finish();
}

/** Makes a ticket. @param seed 32 fresh random bytes, its private half */
export function signTicket(
  network: Network,
  claim: { seed: Bytes; role: MemberRole; issued: number; expires: number },
  authority: Ed25519Signer,
): Ticket {
  const { seed, ...rest } = claim;
  const ticket = { ...rest, publicKey: new Ed25519Signer(seed).publicKey };
  return { ...ticket, signature: authority.sign(ticketMessage(network, ticket)) };
}

/** The authority admits a node. */
export function admitByAuthority(
  network: Network,
  node: { publicKey: Bytes; joined: number },
  authority: Ed25519Signer,
): Admission {
  const message = admissionMessage(network, node.publicKey, node.joined);
  return { ticket: null, joined: node.joined, signature: authority.sign(message) };
}

/** A ticket admits a node. @param seed the ticket's private half */
export function admitByTicket(
  network: Network,
  node: { publicKey: Bytes; joined: number },
  { ticket, seed }: { ticket: Ticket; seed: Bytes },
): Admission {
  const message = admissionMessage(network, node.publicKey, node.joined);
  return { ticket, joined: node.joined, signature: new Ed25519Signer(seed).sign(message) };
}

/** Appends a ticket. */
export function writeTicket(writer: ByteWriter, ticket: Ticket): void {
  writer.raw(ticket.publicKey).u8(ROLES.indexOf(ticket.role));
  writer.u64(ticket.issued).u64(ticket.expires).raw(ticket.signature);
}

/** Reads what {@link writeTicket} wrote; checks no signature. */
export function readTicket(reader: ByteReader): Ticket {
  const publicKey = reader.raw(ED25519_PUBLIC_KEY_BYTES);
  const role = ROLES[reader.u8()];
  if (role === undefined) throw reader.fail("unknown role");
  const issued = reader.size64();
  const expires = reader.size64();
  return { publicKey, role, issued, expires, signature: reader.raw(ED25519_SIGNATURE_BYTES) };
}

/** Appends an admission. */
export function writeAdmission(writer: ByteWriter, { ticket, joined, signature }: Admission): void {
  writer.u8(ticket === null ? 0 : 1);
  if (ticket !== null) writeTicket(writer, ticket);
  writer.u64(joined).raw(signature);
}

/** Reads what {@link writeAdmission} wrote; checks no signature. */
export function readAdmission(reader: ByteReader): Admission {
  const kind = reader.u8();
  if (kind > 1) throw reader.fail(`unknown kind of admission ${kind}`);
  const ticket = kind === 1 ? readTicket(reader) : null;
  return { ticket, joined: reader.size64(), signature: reader.raw(ED25519_SIGNATURE_BYTES) };
}

/** An admission by itself, as files and tokens keep it. */
export function encodeAdmission(admission: Admission): Bytes {
  const writer = new ByteWriter();
  writeAdmission(writer, admission);
  return writer.finish();
}

/** @throws VaultError `damaged` for anything that {@link encodeAdmission} would not have written */
export function decodeAdmission(bytes: Bytes): Admission {
  const reader = new ByteReader(bytes, "admission");
  const admission = readAdmission(reader);
  reader.end();
  return admission;
}

/** @throws VaultError `denied` unless the authority signed the ticket */
export function refuseTicket(ticket: Ticket, network: Network): void {
  const message = ticketMessage(network, ticket);
  if (ed25519Verify({ publicKey: network.authority, signature: ticket.signature, message })) return;
  throw new VaultError("denied", "Cannot take a ticket: the network's authority did not sign it");
}

/**
 * Holds an admission against the network and the node it is for. Not against a clock: a member stays one after its ticket
 * has expired, and a node that hears of it late must come to the same result.
 *
 * @throws VaultError `denied`, saying why
 */
export function refuseAdmission(admission: Admission, nodeKey: Bytes, network: Network): void {
  const { ticket, joined, signature } = admission;
  const deny = (state: string) => new VaultError("denied", `Cannot take a member: ${state}`);
  if (ticket !== null) {
    refuseTicket(ticket, network);
    if (joined < ticket.issued || joined > ticket.expires) {
      throw deny("its ticket was not valid when it joined");
    }
  }
  const publicKey = ticket?.publicKey ?? network.authority;
  const message = admissionMessage(network, nodeKey, joined);
  if (!ed25519Verify({ publicKey, signature, message })) throw deny("nobody admitted it");
}
