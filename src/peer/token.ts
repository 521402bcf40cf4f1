/**
 * Tokens: what `govault invite` prints, one line that lets a node into a network. Whoever has it gets in: it is a secret.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  ByteReader,
  type Bytes,
  ByteWriter,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SEED_BYTES,
  Ed25519Signer,
  equalBytes,
  HASH_BYTES,
  isVaultError,
  sha256,
  STATEMENT_BYTES_MAX,
  TOKEN_CHARS_MAX,
  VaultError,
} from "../base/mod.ts";
import { type NetworkSecret, readSecret, refuseSecret, writeSecret } from "./session_secrets.ts";
import { decodeStatement, type NetworkIdentity, type StatementOf } from "./statements.ts";
import { readTicket, refuseTicket, type Ticket, writeTicket } from "./statements_admission.ts";

const PREFIX = "govault1-";
const CHECKSUM_BYTES = 8;
const MASTER_KEY_BYTES = 32;
const HAS_TICKET = 1;
const HAS_MASTER_KEY = 2;

/** What a token holds. */
export interface Token {
  readonly network: NetworkIdentity;
  /** The newest. */
  readonly secret: NetworkSecret;
  /** The member statement of the node that invites: its addresses and its certificate. */
  readonly inviter: Bytes;
  /** `null` if the inviter can't admit anyone: then the token serves those who are members already, or hold the vault's key. */
  readonly ticket: { readonly ticket: Ticket; readonly seed: Bytes } | null;
  /** The founding vault's master key, 32 bytes, for another owner. */
  readonly masterKey: Bytes | null;
}

/** A token that was read, with its inviter's statement decoded. */
export interface ReadToken extends Token {
  readonly member: StatementOf<"member">;
}

/** The token as text, without a line break. */
export function encodeToken(token: Token): string {
  const { network, ticket, masterKey } = token;
  const writer = new ByteWriter().raw(network.networkId).raw(network.authority);
  writeSecret(writer, token.secret);
  writer.u16(token.inviter.length).raw(token.inviter);
  writer.u8((ticket === null ? 0 : HAS_TICKET) | (masterKey === null ? 0 : HAS_MASTER_KEY));
  if (ticket !== null) {
    writeTicket(writer, ticket.ticket);
    writer.raw(ticket.seed);
  }
  if (masterKey !== null) writer.raw(masterKey);
  const payload = writer.finish();
  const checksum = sha256(payload).subarray(0, CHECKSUM_BYTES);
  return PREFIX + Buffer.from(new ByteWriter().raw(payload).raw(checksum).finish())
    .toString("base64url");
}

function unreadable(state: string): VaultError {
  return new VaultError("usage", `Cannot read the token: ${state}`, {
    hint: "copy the whole line that `govault invite` printed",
  });
}

/**
 * Reads a token and checks everything in it that can be checked.
 *
 * @throws VaultError `usage`, saying what is wrong with it
 */
export function decodeToken(text: string): ReadToken {
  const trimmed = text.trim();
  if (trimmed.length > TOKEN_CHARS_MAX) throw unreadable("it is too long");
  if (!trimmed.startsWith(PREFIX)) {
    throw unreadable(
      /^govault\d+-/.test(trimmed)
        ? "it is of another version of GoVault"
        : `it does not begin with ${PREFIX}`,
    );
  }
  const encoded = trimmed.slice(PREFIX.length);
  if (!/^[A-Za-z0-9_-]*$/.test(encoded)) throw unreadable("it has characters that no token has");
  const bytes = new Uint8Array(Buffer.from(encoded, "base64url"));
  // The last character may hold bits to spare, which are zero in the one encoding that there is.
  if (Buffer.from(bytes).toString("base64url") !== encoded) {
    throw unreadable("a part of it is missing or was changed");
  }
  const payload = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  const checksum = bytes.subarray(payload.length);
  if (!equalBytes(checksum, sha256(payload).subarray(0, CHECKSUM_BYTES))) {
    throw unreadable("a part of it is missing or was changed");
  }
  try {
    return readPayload(payload);
  } catch (error) {
    if (!isVaultError(error)) throw error;
    throw new VaultError("usage", `Cannot read the token: ${error.message}`, { cause: error });
  }
}

function readPayload(payload: Bytes): ReadToken {
  const reader = new ByteReader(payload, "token");
  const networkId = reader.raw(HASH_BYTES).slice();
  const authority = reader.raw(ED25519_PUBLIC_KEY_BYTES).slice();
  const network = { networkId, authority };
  const secret = readSecret(reader);
  const inviter = reader.raw(reader.count(reader.u16(), STATEMENT_BYTES_MAX, 1)).slice();
  const flags = reader.u8();
  if (flags > (HAS_TICKET | HAS_MASTER_KEY)) throw reader.fail("unknown flags");
  const ticket = (flags & HAS_TICKET) === 0
    ? null
    : { ticket: readTicket(reader), seed: reader.raw(ED25519_SEED_BYTES).slice() };
  const masterKey = (flags & HAS_MASTER_KEY) === 0 ? null : reader.raw(MASTER_KEY_BYTES).slice();
  reader.end();
  refuseSecret(secret, network);
  if (ticket !== null) {
    refuseTicket(ticket.ticket, network);
    if (!equalBytes(new Ed25519Signer(ticket.seed).publicKey, ticket.ticket.publicKey)) {
      throw reader.fail("the ticket's halves don't belong together");
    }
  }
  const member = decodeStatement(inviter, network);
  if (member.kind !== "member") throw reader.fail("it names no inviter");
  return { network, secret, inviter, ticket, masterKey, member };
}
