/**
 * The handshake: two nodes prove to each other that they have the network's secret and who they are, before anything
 * else is said. The dialler knows by TLS whose certificate it reached; that certificate is part of what both sign, so
 * that nobody in between, another member included, can pass one handshake on into another connection.
 *
 *     dialler  → hello      network, key, nonce, names of secrets
 *     listener → challenge  key, nonce, which secret; proves both
 *     dialler  → proof      proves both; its member statement
 *     listener → welcome    where it sees the dialler; its member statement
 *
 * The listener proves itself first: who dials a wrong address tells nothing but its key. Decisions are pure functions;
 * {@link shakeHandsAsDialler} and {@link shakeHandsAsListener} put them on a connection.
 *
 * @module
 */

import {
  type Bytes,
  type Clock,
  type Ed25519Signer,
  ed25519Verify,
  equalBytes,
  equalCodes,
  HANDSHAKE_MESSAGE_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  Hmac,
  isVaultError,
  type NodeId,
  type Random,
  sha256,
  type Timers,
  VaultError,
} from "../base/mod.ts";
import type { Connection } from "../net/mod.ts";
import {
  type Challenge,
  challengeTranscript,
  decodeChallenge,
  decodeHello,
  decodeProof,
  decodeWelcome,
  encodeChallenge,
  encodeChallengeBody,
  encodeHello,
  encodeProof,
  encodeRefusal,
  encodeWelcome,
  encodeWelcomeBody,
  type Hello,
  isRefusal,
  NONCE_BYTES,
  type Proof,
  proofTranscript,
  PROTOCOL_VERSIONS,
  type Refusal,
  type RefusalReason,
  type Welcome,
  welcomeTranscript,
} from "./handshake_messages.ts";
import type { Roster } from "./roster.ts";
import {
  compareSecretRefs,
  type NetworkSecret,
  type SecretRef,
  secretRef,
  type SecretRing,
} from "./session_secrets.ts";
import { decodeStatement, type NetworkIdentity } from "./statements.ts";

const EMPTY: Bytes = new Uint8Array();

/** This end of a handshake. */
export interface HandshakeSelf {
  readonly network: NetworkIdentity;
  /** The node's key. */
  readonly signer: Ed25519Signer;
  readonly secrets: SecretRing;
  readonly roster: Pick<Roster, "stateOf" | "eviction" | "merge">;
  /** The node's member statement, `null` if it has none. */
  readonly member: Bytes | null;
  /** Whether a session stands with a node: then no second one is begun. */
  readonly isUp?: (node: NodeId) => boolean;
}

/** How a handshake ended that kept to the rules. */
export type HandshakeOutcome =
  | {
    readonly kind: "session";
    readonly node: NodeId;
    /** The newest secret that the other end has. */
    readonly newest: SecretRef;
    /** A member statement that is new to the roster it was entered in, to be told to others. */
    readonly news: Bytes | null;
    /** For the dialler: where the listener sees it. */
    readonly seen: string | null;
  }
  | {
    readonly kind: "refused";
    readonly by: "us" | "them";
    readonly reason: RefusalReason | "self" | "up";
    /** Of the other end, if it has proven who it is. */
    readonly node: NodeId | null;
    /** If it was us who were evicted: the eviction. */
    readonly eviction: Bytes | null;
  };

type Refused = Extract<HandshakeOutcome, { kind: "refused" }>;

/** What a handshake needs of the world. */
export interface HandshakeTools {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Says what a refusal means, as the end of a sentence. */
export function describeRefusal({ by, reason }: Pick<Refused, "by" | "reason">): string {
  const texts: Record<Refused["reason"], string> = {
    version: "it speaks other versions of the protocol",
    network: "it is of a different network",
    secret: by === "us" ? "it lacks the network's secret" : "it has another secret of the network",
    evicted: by === "us" ? "it was evicted" : "this node was evicted from the network",
    busy: "it has as many sessions as it can take",
    member: by === "us" ? "it is no member" : "this node is no member, and has no valid ticket",
    self: "it is this node itself",
    up: "a session with it stands already",
  };
  return texts[reason];
}

function refused(
  by: "us" | "them",
  reason: Refused["reason"],
  more: Partial<Pick<Refused, "node" | "eviction">> = {},
): Refused {
  return { kind: "refused", by, reason, node: null, eviction: null, ...more };
}

function codeOf(secret: NetworkSecret, transcript: Bytes): Bytes {
  return new Hmac("sha256", secret.secret).digest(transcript);
}

function areProven(
  proofs: { code: Bytes; signature: Bytes },
  by: { secret: NetworkSecret; nodeKey: Bytes; transcript: Bytes },
): boolean {
  const { nodeKey: publicKey, transcript: message } = by;
  return equalCodes(proofs.code, codeOf(by.secret, message)) &&
    ed25519Verify({ publicKey, signature: proofs.signature, message });
}

/** Whether a secret that both have is good enough for this node, given what it knows of the other. */
function isGoodEnough(self: HandshakeSelf, secret: SecretRef, node: NodeId): boolean {
  return compareSecretRefs(secret, self.secrets.newestRef) >= 0 ||
    self.roster.stateOf(node) === "member";
}

/**
 * Enters what the other end says of itself, if it may. A newcomer's ticket must be valid by our clock; that of a known member was once.
 *
 * @returns what is new, `null` if nothing is; `false` if the other end is no member
 */
function admit(
  self: HandshakeSelf,
  other: { node: NodeId; member: Bytes | null; nowMs: number },
): Bytes | null | false {
  const isKnown = self.roster.stateOf(other.node) === "member";
  if (other.member === null) return isKnown ? null : false;
  try {
    const member = decodeStatement(other.member, self.network);
    if (member.kind !== "member" || !equalBytes(member.node, other.node)) return isKnown && null;
    const { ticket } = member.admission;
    if (!isKnown && ticket !== null && other.nowMs > ticket.expires) return false;
  } catch (error) {
    if (isVaultError(error)) return isKnown && null;
    throw error;
  }
  const { added } = self.roster.merge([other.member]);
  if (self.roster.stateOf(other.node) !== "member") return false;
  return added[0]?.bytes ?? null;
}

/** What the listener says to a hello. */
function answerHello(
  self: HandshakeSelf,
  heard: { hello: Hello; bytes: Bytes; certificate: Bytes; nonce: Bytes },
): { challenge: Challenge; secret: NetworkSecret; transcript: Bytes } | Refusal {
  const { min, max } = heard.hello.versions;
  const version = Math.min(max, PROTOCOL_VERSIONS.max);
  if (version < Math.max(min, PROTOCOL_VERSIONS.min)) {
    const detail = Uint8Array.of(PROTOCOL_VERSIONS.min, PROTOCOL_VERSIONS.max);
    return { reason: "version", detail };
  }
  if (!equalBytes(heard.hello.networkId, self.network.networkId)) {
    return { reason: "network", detail: EMPTY };
  }
  const shared = self.secrets.shared(heard.hello.secrets);
  if (shared === null || !isGoodEnough(self, shared.ref, sha256(heard.hello.nodeKey))) {
    // An evicted node that has only old secrets learns no more here than who never had one.
    const isEvicted = shared !== null &&
      self.roster.stateOf(sha256(heard.hello.nodeKey)) === "evicted";
    if (!isEvicted) return { reason: "secret", detail: EMPTY };
  }
  const { ref, secret } = shared!;
  const nodeKey = self.signer.publicKey;
  const body = { version, nodeKey, nonce: heard.nonce, secret: ref };
  const transcript = challengeTranscript({
    hello: heard.bytes,
    challengeBody: encodeChallengeBody(body),
    certificate: heard.certificate,
  });
  const code = codeOf(secret, transcript);
  const challenge = { ...body, code, signature: self.signer.sign(transcript) };
  return { challenge, secret, transcript };
}

/** What the dialler makes of the challenge: the proof, or why not. */
function answerChallenge(
  self: HandshakeSelf,
  heard: { challenge: Challenge; bytes: Bytes; hello: Bytes; certificate: Bytes },
): { proof: Proof; secret: NetworkSecret; transcript: Bytes; node: NodeId } | Refused {
  const { challenge } = heard;
  const { version, nodeKey } = challenge;
  const node = sha256(nodeKey);
  if (version < PROTOCOL_VERSIONS.min || version > PROTOCOL_VERSIONS.max) {
    return refused("us", "version");
  }
  if (equalBytes(nodeKey, self.signer.publicKey)) return refused("us", "self");
  const secret = self.secrets.find(challenge.secret);
  if (secret === null) return refused("us", "secret");
  const transcript = challengeTranscript({
    hello: heard.hello,
    challengeBody: encodeChallengeBody(challenge),
    certificate: heard.certificate,
  });
  if (!areProven(challenge, { secret, nodeKey, transcript })) return refused("us", "secret");
  if (self.roster.stateOf(node) === "evicted") return refused("us", "evicted", { node });
  if (!isGoodEnough(self, challenge.secret, node)) return refused("us", "secret", { node });
  const next = proofTranscript({ transcript, challenge: heard.bytes, member: self.member });
  const proof = {
    code: codeOf(secret, next),
    signature: self.signer.sign(next),
    member: self.member,
  };
  return { proof, secret, transcript: next, node };
}

/** What the listener makes of the proof. */
function judgeProof(
  self: HandshakeSelf,
  heard: {
    proof: Proof;
    hello: Hello;
    secret: NetworkSecret;
    /** That of the challenge, and the challenge. */
    transcript: Bytes;
    challenge: Bytes;
    nowMs: number;
  },
): { node: NodeId; news: Bytes | null; transcript: Bytes } | Refusal {
  const { proof, secret, challenge, nowMs } = heard;
  const { nodeKey } = heard.hello;
  const { member } = proof;
  const transcript = proofTranscript({ transcript: heard.transcript, challenge, member });
  if (!areProven(proof, { secret, nodeKey, transcript })) {
    return { reason: "secret", detail: EMPTY };
  }
  const node = sha256(nodeKey);
  const eviction = self.roster.eviction(node);
  if (eviction !== null) return { reason: "evicted", detail: eviction.bytes };
  // Asked again, as a new secret may have come meanwhile.
  if (!isGoodEnough(self, secretRef(secret), node)) return { reason: "secret", detail: EMPTY };
  const news = admit(self, { node, member, nowMs });
  if (news === false) return { reason: "member", detail: EMPTY };
  return { node, news, transcript };
}

/** What the dialler makes of the welcome. */
function judgeWelcome(
  self: HandshakeSelf,
  heard: {
    welcome: Welcome;
    node: NodeId;
    secret: NetworkSecret;
    transcript: Bytes;
    nowMs: number;
  },
): HandshakeOutcome {
  const { welcome, node, secret, nowMs } = heard;
  const welcomeBody = encodeWelcomeBody(welcome);
  const transcript = welcomeTranscript({ transcript: heard.transcript, welcomeBody });
  if (!equalCodes(welcome.code, codeOf(secret, transcript))) {
    return refused("us", "secret", { node });
  }
  const news = admit(self, { node, member: welcome.member, nowMs });
  if (news === false) return refused("us", "member", { node });
  return { kind: "session", node, newest: welcome.newest, news, seen: welcome.seen };
}

function refusedByThem(
  self: HandshakeSelf,
  { reason, detail }: Refusal,
  node: NodeId | null,
): Refused {
  return refused("them", reason, {
    node,
    eviction: reason === "evicted" ? evidence(self, detail) : null,
  });
}

/** An eviction of this very node; anything else is no evidence. */
function evidence(self: HandshakeSelf, detail: Bytes): Bytes | null {
  try {
    const statement = decodeStatement(detail, self.network);
    const isOurs = statement.kind === "eviction" &&
      equalBytes(statement.node, sha256(self.signer.publicKey));
    return isOurs ? statement.bytes : null;
  } catch (error) {
    if (isVaultError(error)) return null;
    throw error;
  }
}

function hungUp(): VaultError {
  return new VaultError("failed", "Cannot shake hands: the other end hung up");
}

/** Length-prefixed messages on a connection that belongs to somebody else afterwards: no byte too many is read. */
class Messages {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async write(message: Bytes): Promise<void> {
    const bytes = new Uint8Array(2 + message.length);
    new DataView(bytes.buffer).setUint16(0, message.length);
    bytes.set(message, 2);
    await this.#connection.write(bytes);
  }

  async read(): Promise<Bytes> {
    const prefix = await this.#exactly(2);
    const length = new DataView(prefix.buffer).getUint16(0);
    if (length <= HANDSHAKE_MESSAGE_BYTES_MAX) return await this.#exactly(length);
    throw new VaultError("damaged", `Cannot shake hands: a message of ${length} bytes`);
  }

  async #exactly(length: number): Promise<Bytes> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const read = await this.#connection.read(bytes.subarray(filled));
      if (read === null) {
        throw hungUp();
      }
      filled += read;
    }
    return bytes;
  }
}

/** Does the work within the time of a handshake; closes the connection unless a session comes of it. */
async function inTime(
  connection: Connection,
  timers: Timers,
  work: (messages: Messages) => Promise<HandshakeOutcome>,
): Promise<HandshakeOutcome> {
  let isLate = false;
  const stop = timers.after(HANDSHAKE_TIMEOUT_MS, () => {
    isLate = true;
    connection.close();
  });
  let outcome: HandshakeOutcome | undefined;
  try {
    outcome = await work(new Messages(connection));
    return outcome;
  } catch (error) {
    if (!isLate) throw error;
    const seconds = HANDSHAKE_TIMEOUT_MS / 1000;
    throw new VaultError("denied", `Cannot shake hands: not done within ${seconds} s`, {
      cause: error,
    });
  } finally {
    stop();
    if (outcome?.kind !== "session") connection.close();
  }
}

/**
 * The dialler's side. If a session comes of it the connection is ready for a channel, else it is closed.
 *
 * @param certificate what the listener was reached by
 * @throws VaultError `damaged` if the other end does not keep to the rules, `denied` if it took too long,
 *   `failed` if it hung up
 */
export function shakeHandsAsDialler(
  connection: Connection,
  { self, certificate, tools }: { self: HandshakeSelf; certificate: Bytes; tools: HandshakeTools },
): Promise<HandshakeOutcome> {
  return inTime(connection, tools.timers, async (messages) => {
    const hello = encodeHello({
      versions: PROTOCOL_VERSIONS,
      networkId: self.network.networkId,
      nodeKey: self.signer.publicKey,
      nonce: tools.random.bytes(NONCE_BYTES),
      secrets: self.secrets.refs(),
    });
    await messages.write(hello);
    const bytes = await messages.read();
    const challenge = decodeChallenge(bytes);
    if (isRefusal(challenge)) return refusedByThem(self, challenge, null);
    const answer = answerChallenge(self, { challenge, bytes, hello, certificate });
    if ("reason" in answer) return answer;
    // Before the proof: the listener has no session of it yet that would take the other's place.
    if (self.isUp?.(answer.node)) return refused("us", "up", { node: answer.node });
    await messages.write(encodeProof(answer.proof));
    const welcome = decodeWelcome(await messages.read());
    if (isRefusal(welcome)) return refusedByThem(self, welcome, answer.node);
    return judgeWelcome(self, { ...answer, welcome, nowMs: tools.clock.now() });
  });
}

/**
 * The listener's side, as {@link shakeHandsAsDialler}.
 *
 * @param options.certificate the node's own
 * @param options.isFull asked before anybody is let in
 */
export function shakeHandsAsListener(
  connection: Connection,
  { self, certificate, tools, isFull }: {
    self: HandshakeSelf;
    certificate: Bytes;
    tools: HandshakeTools;
    isFull?: () => boolean;
  },
): Promise<HandshakeOutcome> {
  return inTime(connection, tools.timers, async (messages) => {
    const bytes = await messages.read();
    const hello = decodeHello(bytes);
    const refuse = async (refusal: Refusal, node: NodeId | null) => {
      await messages.write(encodeRefusal(refusal));
      return refused("us", refusal.reason, { node });
    };
    const nonce = tools.random.bytes(NONCE_BYTES);
    const answer = answerHello(self, { hello, bytes, certificate, nonce });
    if ("reason" in answer) return await refuse(answer, null);
    const challenge = encodeChallenge(answer.challenge);
    await messages.write(challenge);
    const proof = decodeProof(await messages.read());
    const nowMs = tools.clock.now();
    const verdict = judgeProof(self, { ...answer, challenge, proof, hello, nowMs });
    if ("reason" in verdict) return await refuse(verdict, sha256(hello.nodeKey));
    const { node, news, transcript } = verdict;
    if (isFull?.()) return await refuse({ reason: "busy", detail: EMPTY }, node);
    const body = {
      seen: connection.remote.slice(0, 255),
      newest: self.secrets.newestRef,
      member: self.member,
    };
    const welcomeBody = encodeWelcomeBody(body);
    const code = codeOf(answer.secret, welcomeTranscript({ transcript, welcomeBody }));
    await messages.write(encodeWelcome({ ...body, code }));
    const newest = hello.secrets.toSorted(compareSecretRefs).at(-1)!;
    return { kind: "session", node, newest, news, seen: null };
  });
}
