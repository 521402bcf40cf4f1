/** Decoders of src/peer: the handshake, statements, secrets, tokens, letters. */

import fc from "fast-check";
import { Buffer } from "node:buffer";
import {
  type Bytes,
  compareBytes,
  concatBytes,
  type Ed25519Signer,
  encodeUtf8,
  sha256,
} from "../../src/base/mod.ts";
import {
  type Admission,
  admitByAuthority,
  admitByTicket,
  decodeAdmission,
  decodeChallenge,
  decodeHello,
  decodeProof,
  decodeSecret,
  decodeStatement,
  decodeToken,
  decodeWelcome,
  encodeAdmission,
  encodeChallenge,
  encodeHello,
  encodeProof,
  encodeRefusal,
  encodeSecret,
  encodeToken,
  encodeWelcome,
  isRefusal,
  type RefusalReason,
  type SecretRef,
  signEviction,
  signMember,
  signSecret,
  signSettings,
} from "../../src/peer/mod.ts";
import { decodeLetter, signLetter } from "../../src/peer/mail.ts";
import {
  AUTHORITY,
  memberOf,
  NETWORK,
  nodeOf,
  signerOf,
  T0,
  ticketOf,
} from "../peer/statements_helpers.ts";
import { anyId, blob } from "./changes.ts";
import type { Target } from "./harness.ts";

const NODE = signerOf("fuzzed");
const TICKET = ticketOf("fuzzed");
const SIGNATURE_BYTES = 64;
/** Magic, kind, network id. */
const STATEMENT_PUBLIC_KEY_AT = 4 + 1 + 32;

/** Whole numbers that a number holds exactly. */
const moment = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const ref: fc.Arbitrary<SecretRef> = fc.record({ epoch: u32, id: blob(8) });
const statement = fc.oneof(fc.constant(null), blob(1, 200));

const refusal = fc.record({
  reason: fc.constantFrom<RefusalReason>(
    ...["version", "network", "secret", "evicted", "busy", "member"] as const,
  ),
  detail: blob(0, 60),
}).map(encodeRefusal);

/** Signs all but the last 64 bytes anew. @param prefix what the signature is over, besides */
function signedAgain(bytes: Bytes, prefix: string, signer: Ed25519Signer): Bytes {
  const unsigned = bytes.subarray(0, Math.max(0, bytes.length - SIGNATURE_BYTES));
  return concatBytes([unsigned, signer.sign(concatBytes([encodeUtf8(prefix), unsigned]))]);
}

/** Changes leave the magic and the network's id as they are where `restores` puts them back. */
function withBytes(bytes: Bytes, at: number, restored: Bytes): Bytes {
  if (bytes.length < at + restored.length) return bytes;
  const out = bytes.slice();
  out.set(restored, at);
  return out;
}

const admission: fc.Arbitrary<Admission> = fc.oneof(
  moment.map((joined) =>
    admitByAuthority(NETWORK, { publicKey: NODE.publicKey, joined }, AUTHORITY)
  ),
  fc.integer({ min: T0, max: T0 + 1000 }).map((joined) =>
    admitByTicket(NETWORK, { publicKey: NODE.publicKey, joined }, TICKET)
  ),
);

const memberClaim = fc.record({
  stamp: moment,
  certificate: blob(0, 200),
  name: fc.string({ unit: "grapheme", maxLength: 20 }).map((text) =>
    text.replaceAll(/\p{Cc}/gu, "_")
  ),
  addresses: fc.array(
    fc.constantFrom("a.example:1", "[2001:db8::1]:3000", "10.0.0.1:65535"),
    { maxLength: 8 },
  ),
  weight: fc.integer({ min: 0, max: 1 << 24 }),
  admission,
});

const statementBytes = fc.oneof(
  fc.record({ stamp: moment, replicas: fc.integer({ min: 1, max: 255 }) })
    .map((claim) => signSettings(NETWORK, claim, AUTHORITY)),
  memberClaim.map((claim) => signMember(NETWORK, claim, NODE)),
  fc.record({
    node: anyId,
    stamp: moment,
    lastSequence: u64,
    ticketId: fc.oneof(fc.constant(null), blob(16)),
    spared: fc.uniqueArray(anyId, { maxLength: 5, comparator: (a, b) => compareBytes(a, b) === 0 }),
  }).map((claim) => signEviction(NETWORK, claim, AUTHORITY)),
);

/** What a statement says, signed anew. */
function statementAgain(bytes: Bytes): Bytes {
  const read = decodeStatement(bytes, NETWORK);
  switch (read.kind) {
    case "settings":
      return signSettings(NETWORK, read, AUTHORITY);
    case "member":
      return signMember(NETWORK, read, NODE);
    case "eviction":
      return signEviction(NETWORK, read, AUTHORITY);
  }
}

function mendedStatement(bytes: Bytes): Bytes {
  const isMember = bytes[4] === 2;
  let fixed = withBytes(bytes, 5, NETWORK.networkId);
  if (isMember) fixed = withBytes(fixed, STATEMENT_PUBLIC_KEY_AT, NODE.publicKey);
  return signedAgain(fixed, "govault statement 1", isMember ? NODE : AUTHORITY);
}

const letter = fc.record({
  to: fc.oneof(fc.constant("all" as const), anyId),
  counter: u64,
  time: moment,
  text: fc.string({ unit: "grapheme", maxLength: 60 }),
}).map((each) => signLetter(NETWORK, each, NODE));

const secret = fc.record({ epoch: u32, secret: anyId })
  .map((each) => signSecret(NETWORK, each, AUTHORITY));

export const STATEMENTS: fc.Arbitrary<Bytes> = statementBytes;

export const PEER_TARGETS: readonly Target<Bytes>[] = [
  {
    name: "decodeHello",
    covers: ["decodeHello"],
    valid: fc.record({
      versions: fc.record({ min: fc.nat({ max: 255 }), max: fc.nat({ max: 255 }) }),
      networkId: anyId,
      nodeKey: anyId,
      nonce: anyId,
      secrets: fc.array(ref, { maxLength: 5 }),
    }).map(encodeHello),
    recode: (bytes) => encodeHello(decodeHello(bytes)),
  },
  {
    name: "decodeChallenge",
    covers: ["decodeChallenge"],
    valid: fc.oneof(
      refusal,
      fc.record({
        version: fc.nat({ max: 255 }),
        nodeKey: anyId,
        nonce: anyId,
        secret: ref,
        code: anyId,
        signature: blob(64),
      }).map(encodeChallenge),
    ),
    recode(bytes) {
      const answer = decodeChallenge(bytes);
      return isRefusal(answer) ? encodeRefusal(answer) : encodeChallenge(answer);
    },
  },
  {
    name: "decodeProof",
    covers: ["decodeProof"],
    valid: fc.record({ code: anyId, signature: blob(64), member: statement }).map(encodeProof),
    recode: (bytes) => encodeProof(decodeProof(bytes)),
  },
  {
    name: "decodeWelcome",
    covers: ["decodeWelcome"],
    valid: fc.oneof(
      refusal,
      fc.record({
        seen: fc.constantFrom("", "10.0.0.1:3000", "é:1"),
        newest: ref,
        member: statement,
        code: anyId,
      }).map(encodeWelcome),
    ),
    recode(bytes) {
      const answer = decodeWelcome(bytes);
      return isRefusal(answer) ? encodeRefusal(answer) : encodeWelcome(answer);
    },
  },
  {
    name: "decodeStatement",
    covers: ["decodeStatement", "readAdmission", "readTicket"],
    valid: statementBytes,
    recode: statementAgain,
    mend: mendedStatement,
    codes: ["damaged", "denied"],
  },
  {
    name: "decodeAdmission",
    covers: ["decodeAdmission", "readAdmission", "readTicket"],
    valid: admission.map(encodeAdmission),
    recode: (bytes) => encodeAdmission(decodeAdmission(bytes)),
  },
  {
    name: "decodeLetter",
    covers: ["decodeLetter"],
    valid: letter,
    recode: (bytes) => signLetter(NETWORK, decodeLetter(bytes, NETWORK, NODE.publicKey), NODE),
    mend: (bytes) =>
      signedAgain(
        withBytes(withBytes(bytes, 4, NETWORK.networkId), 36, nodeOf("fuzzed")),
        "govault letter 1",
        NODE,
      ),
    codes: ["damaged", "denied"],
  },
  {
    name: "decodeSecret",
    covers: ["decodeSecret", "readSecret"],
    valid: secret.map((each) => encodeSecret(NETWORK, each)),
    recode: (bytes) => encodeSecret(NETWORK, decodeSecret(bytes, NETWORK)),
    mend(bytes) {
      const own = withBytes(bytes, 4, NETWORK.networkId);
      const claim = own.subarray(4, Math.max(4, own.length - SIGNATURE_BYTES));
      return concatBytes([
        own.subarray(0, 4 + claim.length),
        AUTHORITY.sign(concatBytes([encodeUtf8("govault secret 1"), claim])),
      ]);
    },
    codes: ["damaged", "denied"],
  },
];

const TOKEN_PREFIX = "govault1-";

const token = fc.record({
  secret,
  inviter: fc.constant(memberOf("fuzzed")),
  ticket: fc.constantFrom(null, TICKET),
  masterKey: fc.oneof(fc.constant(null), anyId),
}).map((each) => encodeToken({ network: NETWORK, ...each }));

/** The bytes of a token's text with a right checksum behind them. */
function tokenOf(payload: Uint8Array): string {
  const whole = concatBytes([payload, sha256(payload).subarray(0, 8)]);
  return TOKEN_PREFIX + Buffer.from(whole).toString("base64url");
}

export const TOKEN_TARGET: Target<string> = {
  name: "decodeToken",
  covers: ["decodeToken"],
  valid: token,
  // White space around it is what copying brings along.
  recode: (text) => text === text.trim() ? encodeToken(decodeToken(text)) : readOnly(text),
  mend(text) {
    const bytes = Buffer.from(text.trim().slice(TOKEN_PREFIX.length), "base64url");
    return tokenOf(bytes.subarray(0, Math.max(0, bytes.length - 8)));
  },
  codes: ["usage"],
};

function readOnly(text: string): null {
  decodeToken(text);
  return null;
}

/** The bytes in a token, the checksum left out: what changes reach only if it is put right after. */
export const TOKEN_BYTES_TARGET: Target<Bytes> = {
  name: "decodeToken, inside",
  covers: ["decodeToken"],
  valid: token.map((text) => {
    const whole = new Uint8Array(Buffer.from(text.slice(TOKEN_PREFIX.length), "base64url"));
    return whole.slice(0, whole.length - 8);
  }),
  recode(bytes) {
    const again = Buffer.from(
      encodeToken(decodeToken(tokenOf(bytes))).slice(TOKEN_PREFIX.length),
      "base64url",
    );
    return new Uint8Array(again.subarray(0, again.length - 8));
  },
  mend(bytes) {
    if (bytes.length < 196) return bytes;
    const own = withBytes(withBytes(bytes, 0, NETWORK.networkId), 32, NETWORK.authority);
    const claim = concatBytes([
      encodeUtf8("govault secret 1"),
      NETWORK.networkId,
      own.subarray(64, 100),
    ]);
    return withBytes(own, 100, AUTHORITY.sign(claim));
  },
  codes: ["usage"],
};
