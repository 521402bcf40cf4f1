/**
 * The messages of a handshake, byte by byte (docs/protocol.md, "Handshake"), and what both ends prove about them.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  encodeUtf8,
  HASH_BYTES,
  NETWORK_SECRETS_MAX,
  sha256,
  STATEMENT_BYTES_MAX,
} from "../base/mod.ts";
import { SECRET_ID_BYTES, type SecretRef } from "./session_secrets.ts";

/** The versions of the protocol that are spoken here. */
export const PROTOCOL_VERSIONS = { min: 1, max: 1 } as const;

const MAGIC = encodeUtf8("GVH1");
/** Length of a nonce. */
export const NONCE_BYTES = 32;
/** Length of the proof of a secret. */
const SECRET_PROOF_BYTES = 32;

const REFUSED = 0;
const ACCEPTED = 1;

/** Why one end won't talk to the other, as it is said. Nothing else is said. */
export type RefusalReason = "version" | "network" | "secret" | "evicted" | "busy" | "member";
const REASONS: readonly RefusalReason[] = [
  "version",
  "network",
  "secret",
  "evicted",
  "busy",
  "member",
];

/** First message: the dialler's. */
export interface Hello {
  readonly versions: { readonly min: number; readonly max: number };
  readonly networkId: Bytes;
  /** The dialler's Ed25519 public key. */
  readonly nodeKey: Bytes;
  readonly nonce: Bytes;
  /** What the secrets that it has are called, newest first. */
  readonly secrets: readonly SecretRef[];
}

/** What the listener answers, without the proofs behind it. */
export interface ChallengeBody {
  readonly version: number;
  /** The listener's Ed25519 public key. */
  readonly nodeKey: Bytes;
  readonly nonce: Bytes;
  /** The newest secret that both have. */
  readonly secret: SecretRef;
}

/** What shows that an end has the secret, and is who it says. */
export interface Proofs {
  /** HMAC-SHA-256 with the secret. */
  readonly code: Bytes;
  /** Ed25519, by the node's key. */
  readonly signature: Bytes;
}

/** Second message: the listener's. */
export interface Challenge extends ChallengeBody, Proofs {}

/** Third message: the dialler's. */
export interface Proof extends Proofs {
  /** Its member statement; `null` if it has none, and hopes to be known. */
  readonly member: Bytes | null;
}

/** Fourth message: the listener's. */
export interface Welcome {
  /** The dialler's address as the listener sees it; the port is that of the connection. */
  readonly seen: string;
  /** The listener's newest secret. */
  readonly newest: SecretRef;
  /** Its member statement. */
  readonly member: Bytes | null;
  /** HMAC-SHA-256 with the secret. */
  readonly code: Bytes;
}

/** In the place of the second or the fourth message. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** `evicted`: the eviction; `version`: the lowest and the highest version spoken. Else empty. */
  readonly detail: Bytes;
}

function writeRef(writer: ByteWriter, { epoch, id }: SecretRef): ByteWriter {
  return writer.u32(epoch).raw(id);
}

function readRef(reader: ByteReader): SecretRef {
  return { epoch: reader.u32(), id: reader.raw(SECRET_ID_BYTES) };
}

function writeStatement(writer: ByteWriter, statement: Bytes | null): void {
  writer.u16(statement?.length ?? 0);
  if (statement !== null) writer.raw(statement);
}

function readStatement(reader: ByteReader): Bytes | null {
  const length = reader.count(reader.u16(), STATEMENT_BYTES_MAX, 1);
  return length === 0 ? null : reader.raw(length);
}

export function encodeHello(hello: Hello): Bytes {
  const writer = new ByteWriter().raw(MAGIC).u8(hello.versions.min).u8(hello.versions.max);
  writer.raw(hello.networkId).raw(hello.nodeKey).raw(hello.nonce).u8(hello.secrets.length);
  for (const ref of hello.secrets) writeRef(writer, ref);
  return writer.finish();
}

/** @throws VaultError `damaged` */
export function decodeHello(bytes: Bytes): Hello {
  const reader = new ByteReader(bytes, "hello");
  reader.expect(MAGIC);
  const versions = { min: reader.u8(), max: reader.u8() };
  const networkId = reader.raw(HASH_BYTES);
  const nodeKey = reader.raw(ED25519_PUBLIC_KEY_BYTES);
  const nonce = reader.raw(NONCE_BYTES);
  const count = reader.count(reader.u8(), NETWORK_SECRETS_MAX, 4 + SECRET_ID_BYTES);
  const secrets = Array.from({ length: count }, () => readRef(reader));
  reader.end();
  return { versions, networkId, nodeKey, nonce, secrets };
}

export function encodeChallengeBody(body: ChallengeBody): Bytes {
  const writer = new ByteWriter().u8(ACCEPTED).u8(body.version).raw(body.nodeKey).raw(body.nonce);
  return writeRef(writer, body.secret).finish();
}

export function encodeChallenge(challenge: Challenge): Bytes {
  return new ByteWriter().raw(encodeChallengeBody(challenge)).raw(challenge.code)
    .raw(challenge.signature).finish();
}

export function encodeProof(proof: Proof): Bytes {
  const writer = new ByteWriter().raw(proof.code).raw(proof.signature);
  writeStatement(writer, proof.member);
  return writer.finish();
}

/** @throws VaultError `damaged` */
export function decodeProof(bytes: Bytes): Proof {
  const reader = new ByteReader(bytes, "proof");
  const code = reader.raw(SECRET_PROOF_BYTES);
  const signature = reader.raw(ED25519_SIGNATURE_BYTES);
  const member = readStatement(reader);
  reader.end();
  return { code, signature, member };
}

/** What of a welcome its code covers. */
export function encodeWelcomeBody(welcome: Omit<Welcome, "code">): Bytes {
  const writer = new ByteWriter().u8(ACCEPTED).text16(welcome.seen);
  writeRef(writer, welcome.newest);
  writeStatement(writer, welcome.member);
  return writer.finish();
}

export function encodeWelcome(welcome: Welcome): Bytes {
  return new ByteWriter().raw(encodeWelcomeBody(welcome)).raw(welcome.code).finish();
}

export function encodeRefusal({ reason, detail }: Refusal): Bytes {
  const writer = new ByteWriter().u8(REFUSED).u8(REASONS.indexOf(reason) + 1);
  return writer.u16(detail.length).raw(detail).finish();
}

function readRefusal(reader: ByteReader): Refusal {
  const reason = REASONS[reader.u8() - 1];
  if (reason === undefined) throw reader.fail("unknown reason");
  const detail = reader.raw(reader.count(reader.u16(), STATEMENT_BYTES_MAX, 1));
  reader.end();
  return { reason, detail };
}

/** @throws VaultError `damaged` */
export function decodeChallenge(bytes: Bytes): Challenge | Refusal {
  const reader = new ByteReader(bytes, "challenge");
  if (readIsRefusal(reader)) return readRefusal(reader);
  const body = {
    version: reader.u8(),
    nodeKey: reader.raw(ED25519_PUBLIC_KEY_BYTES),
    nonce: reader.raw(NONCE_BYTES),
    secret: readRef(reader),
  };
  const code = reader.raw(SECRET_PROOF_BYTES);
  const signature = reader.raw(ED25519_SIGNATURE_BYTES);
  reader.end();
  return { ...body, code, signature };
}

/** @throws VaultError `damaged` */
export function decodeWelcome(bytes: Bytes): Welcome | Refusal {
  const reader = new ByteReader(bytes, "welcome");
  if (readIsRefusal(reader)) return readRefusal(reader);
  const seen = reader.text16();
  const newest = readRef(reader);
  const member = readStatement(reader);
  const code = reader.raw(SECRET_PROOF_BYTES);
  reader.end();
  return { seen, newest, member, code };
}

function readIsRefusal(reader: ByteReader): boolean {
  const kind = reader.u8();
  if (kind > ACCEPTED) throw reader.fail("unknown answer");
  return kind === REFUSED;
}

/** Whether an answer is a refusal. */
export function isRefusal(answer: Challenge | Welcome | Refusal): answer is Refusal {
  return "reason" in answer;
}

/** What the listener proves: all that was said, and the certificate by which it was reached. */
export function challengeTranscript(
  said: { hello: Bytes; challengeBody: Bytes; certificate: Bytes },
): Bytes {
  return sha256(
    encodeUtf8("govault challenge 1"),
    sha256(said.hello),
    sha256(said.challengeBody),
    sha256(said.certificate),
  );
}

/** What the dialler proves: the same, what the listener proved, and its own member statement. */
export function proofTranscript(
  said: { transcript: Bytes; challenge: Bytes; member: Bytes | null },
): Bytes {
  return sha256(
    encodeUtf8("govault proof 1"),
    said.transcript,
    sha256(said.challenge),
    sha256(said.member ?? new Uint8Array()),
  );
}

/** What the welcome's code covers. */
export function welcomeTranscript(said: { transcript: Bytes; welcomeBody: Bytes }): Bytes {
  return sha256(encodeUtf8("govault welcome 1"), said.transcript, sha256(said.welcomeBody));
}
