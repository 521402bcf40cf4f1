/** The formats of docs/protocol.md, sections 2 and 5, by vectors that were made from the text. */

import { assertEquals, assertThrows } from "@std/assert";
import {
  Ed25519Signer,
  encodeUtf8,
  fromHex,
  sha256,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { MemoryNetwork } from "../../src/net/mod.ts";
import { shakeHandsAsDialler, shakeHandsAsListener } from "../../src/peer/handshake.ts";
import {
  decodeChallenge,
  decodeHello,
  decodeProof,
  decodeWelcome,
  encodeRefusal,
  type RefusalReason,
} from "../../src/peer/handshake_messages.ts";
import { decodeLetter } from "../../src/peer/mail.ts";
import { Roster } from "../../src/peer/roster.ts";
import {
  decodeSecret,
  encodeSecret,
  secretRef,
  SecretRing,
} from "../../src/peer/session_secrets.ts";
import { decodeStatement, signMember } from "../../src/peer/statements.ts";
import { roleOf } from "../../src/peer/statements_admission.ts";
import { decodeToken, encodeToken } from "../../src/peer/token.ts";
import { assertAllRefused, type BadVector, loadVectors } from "../log/helpers.ts";
import { VirtualTime } from "../net/helpers.ts";
import { T0 } from "./statements_helpers.ts";

interface Good {
  name: string;
  kind: string;
  bytes: string;
  [field: string]: unknown;
}

const vectors = loadVectors<{
  founding: string;
  networkId: string;
  authority: string;
  good: Good[];
  bad: BadVector[];
  denied: BadVector[];
  secret: { epoch: number; secret: string; name: string; bytes: string };
  token: { text: string; masterKey: string; ticketSeed: string };
  letter: { senderKey: string; bytes: string; counter: string; time: number; text: string };
}>("statements");

const network = {
  networkId: fromHex(vectors.networkId),
  authority: fromHex(vectors.authority),
};

Deno.test("vectors: statements say what they should", () => {
  const prefix = encodeUtf8("govault network 1");
  assertEquals(toHex(sha256(prefix, fromHex(vectors.founding))), vectors.networkId);
  for (const { name, kind, bytes, ...fields } of vectors.good) {
    const statement = decodeStatement(fromHex(bytes), network);
    assertEquals(statement.kind, kind, name);
    const read: Record<string, unknown> = statement.kind === "member"
      ? {
        node: toHex(statement.node),
        stamp: statement.stamp,
        memberName: statement.name,
        addresses: statement.addresses,
        weight: statement.weight,
        role: roleOf(statement.admission),
        certificate: toHex(statement.certificate),
      }
      : statement.kind === "eviction"
      ? {
        node: toHex(statement.node),
        lastSequence: String(statement.lastSequence),
        ticketId: statement.ticketId && toHex(statement.ticketId),
        spared: statement.spared.map(toHex),
      }
      : { stamp: statement.stamp, replicas: statement.replicas };
    assertEquals(read, fields, name);
  }
});

Deno.test("vectors: a member statement is encoded as the text says", () => {
  const statement = decodeStatement(fromHex(vectors.good[2]!.bytes), network);
  if (statement.kind !== "member") throw new Error(statement.kind);
  const seed = sha256(encodeUtf8("node"));
  assertEquals(
    toHex(signMember(network, statement, new Ed25519Signer(seed))),
    vectors.good[2]!.bytes,
  );
});

Deno.test("vectors: bad statements are refused for their reason", () => {
  assertAllRefused(vectors.bad, (bytes) => decodeStatement(bytes, network));
  for (const { name, bytes, why } of vectors.denied) {
    const error = assertThrows(
      () => decodeStatement(fromHex(bytes), network),
      VaultError,
      why,
      name,
    );
    assertEquals(error.code, "denied", name);
  }
});

Deno.test("vectors: secret, token and letter", () => {
  const secret = decodeSecret(fromHex(vectors.secret.bytes), network);
  assertEquals([secret.epoch, toHex(secret.secret)], [vectors.secret.epoch, vectors.secret.secret]);
  assertEquals(toHex(secretRef(secret).id), vectors.secret.name);
  assertEquals(toHex(encodeSecret(network, secret)), vectors.secret.bytes);

  const { member: _, ...token } = decodeToken(vectors.token.text);
  assertEquals(toHex(token.masterKey!), vectors.token.masterKey);
  assertEquals(toHex(token.ticket!.seed), vectors.token.ticketSeed);
  assertEquals(encodeToken(token), vectors.token.text);

  const { senderKey, bytes, counter, time, text } = vectors.letter;
  const { from, ...letter } = decodeLetter(fromHex(bytes), network, fromHex(senderKey));
  assertEquals(letter, { to: "all", counter: BigInt(counter), time, text });
  assertEquals(toHex(from), toHex(sha256(fromHex(senderKey))));
});

const shake = loadVectors<{
  seeds: { dialler: string; listener: string };
  secret: { epoch: number; secret: string; signature: string };
  certificate: string;
  diallerNonce: string;
  listenerNonce: string;
  seen: string;
  diallerMember: string;
  listenerMember: string;
  hello: string;
  challenge: string;
  proof: string;
  welcome: string;
  refusals: { reason: RefusalReason; detail: string; bytes: string }[];
  bad: (BadVector & { message: "hello" | "challenge" | "proof" | "welcome" })[];
}>("handshake");

Deno.test("vectors: a handshake says these bytes", async () => {
  const time = new VirtualTime();
  const certificate = fromHex(shake.certificate);
  const net = new MemoryNetwork({ timers: time });
  const listener = await net.host("b").listen({
    host: "b",
    port: 1,
    credentials: { certificate, privateKey: new Uint8Array() },
  });
  const dialled = await net.host("a").dial("b:1", { certificate, timeoutMs: 1000 });
  const accepted = (await listener.accept()[Symbol.asyncIterator]().next()).value;
  const said: string[] = [];
  for (const end of [dialled, accepted]) {
    const write = end.write.bind(end);
    end.write = (bytes: Uint8Array) => {
      said.push(toHex(bytes));
      return write(bytes);
    };
  }
  Object.defineProperty(accepted, "remote", { value: shake.seen });
  const { epoch, secret, signature } = shake.secret;
  const ring = () =>
    new SecretRing([{ epoch, secret: fromHex(secret), signature: fromHex(signature) }]);
  const end = (who: "dialler" | "listener") => ({
    self: {
      network,
      signer: new Ed25519Signer(fromHex(shake.seeds[who])),
      secrets: ring(),
      roster: new Roster(network),
      member: fromHex(shake[`${who}Member`]),
    },
    certificate,
    tools: {
      clock: { now: () => T0 },
      timers: time,
      random: { bytes: () => fromHex(shake[`${who}Nonce`]) },
    },
  });
  const outcomes = await Promise.all([
    shakeHandsAsDialler(dialled, end("dialler")),
    shakeHandsAsListener(accepted, end("listener")),
  ]);
  assertEquals(outcomes.map(({ kind }) => kind), ["session", "session"]);
  const framed = [shake.hello, shake.challenge, shake.proof, shake.welcome]
    .map((hex) => (hex.length / 2).toString(16).padStart(4, "0") + hex);
  assertEquals(said, framed);
  listener.close();
});

Deno.test("vectors: refusals and bad messages of a handshake", () => {
  for (const { reason, detail, bytes } of shake.refusals) {
    assertEquals(toHex(encodeRefusal({ reason, detail: fromHex(detail) })), bytes);
    assertEquals(decodeChallenge(fromHex(bytes)), { reason, detail: fromHex(detail) });
    assertEquals(decodeWelcome(fromHex(bytes)), { reason, detail: fromHex(detail) });
  }
  const decoders = {
    hello: decodeHello,
    challenge: decodeChallenge,
    proof: decodeProof,
    welcome: decodeWelcome,
  };
  assertAllRefused(shake.bad, (bytes, { message }) => decoders[message](bytes));
});
