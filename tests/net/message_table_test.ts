import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  FRAME_BYTES_MAX,
  fromHex,
  isVaultError,
  MESSAGE_BYTES_MAX,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import { type Codec, cutReason, decodeAll, encodeAll } from "../../src/net/codec.ts";
import { EVENT_OF_TAG, EVENTS, REQUEST_OF_TAG, REQUESTS } from "../../src/net/message_table.ts";
import type { EventName, RequestName } from "../../src/net/mod.ts";
import { assertAllRefused, assertStrict, Dice, loadVectors } from "../log/helpers.ts";
import { randomMessage } from "./random_messages.ts";

type Side = "ask" | "reply" | "event";

interface Vector {
  name: string;
  message: RequestName | EventName;
  side: Side;
  bytes: string;
}

const vectors = loadVectors<{
  good: (Vector & { value: unknown })[];
  bad: (Vector & { why: string; zeros?: number })[];
}>("messages");

function codecOf(message: RequestName | EventName, side: Side): Codec<unknown> {
  return side === "event"
    ? EVENTS[message as EventName].event
    : REQUESTS[message as RequestName][side];
}

/** Every side of every message. */
const sides: { message: RequestName | EventName; side: Side }[] = [
  ...Object.keys(REQUESTS).flatMap((message) =>
    (["ask", "reply"] as const).map((side) => ({ message: message as RequestName, side }))
  ),
  ...Object.keys(EVENTS).map((message) => ({
    message: message as EventName,
    side: "event" as const,
  })),
];

/** Values as vectors write them. */
function fromJson(json: unknown): unknown {
  if (typeof json === "string" && json.startsWith("0x")) return fromHex(json.slice(2));
  if (typeof json === "string" && /^\d+n$/.test(json)) return BigInt(json.slice(0, -1));
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, fromJson(value)]));
}

function encode(codec: Codec<unknown>, value: unknown): Bytes {
  return concatBytes(encodeAll(codec, value, "value").pieces);
}

Deno.test("message table: good vectors, encoded and decoded", () => {
  for (const { name, message, side, value, bytes } of vectors.good) {
    const codec = codecOf(message, side);
    const label = `${message} ${side}: ${name}`;
    assertEquals(toHex(encode(codec, fromJson(value))), bytes, label);
    assertEquals(decodeAll(codec, fromHex(bytes), message), fromJson(value), label);
  }
});

Deno.test("message table: bad vectors are refused", () => {
  const bad = vectors.bad.map((vector) => ({
    ...vector,
    name: `${vector.message} ${vector.side}: ${vector.name}`,
    bytes: vector.bytes + "00".repeat(vector.zeros ?? 0),
  }));
  assertAllRefused(
    bad,
    (bytes, { message, side }) => decodeAll(codecOf(message, side), bytes, message),
  );
});

Deno.test("message table: every side of every message has vectors, good and bad", () => {
  for (const { message, side } of sides) {
    const isHere = (vector: Vector) => vector.message === message && vector.side === side;
    assert(vectors.good.some(isHere), `${message} ${side} has no good vector`);
    assert(vectors.bad.some(isHere), `${message} ${side} has no bad vector`);
  }
});

Deno.test("message table: each number is one message's", () => {
  const requests = Object.values(REQUESTS).map(({ tag }) => tag);
  const events = Object.values(EVENTS).map(({ tag }) => tag);
  assertEquals(new Set([...requests, ...events]).size, requests.length + events.length);
  assertEquals(requests.every((tag) => tag >= 1 && tag <= 127), true);
  assertEquals(events.every((tag) => tag >= 128 && tag <= 255), true);
  assertEquals([REQUEST_OF_TAG.size, EVENT_OF_TAG.size], [requests.length, events.length]);
});

Deno.test("message table: whatever is sent arrives as it was, and nothing else decodes", () => {
  for (const { message, side } of sides) {
    const codec = codecOf(message, side);
    for (let seed = 1; seed <= 40; seed++) {
      const value = randomMessage(message, side, new Dice(seed));
      const bytes = encode(codec, value);
      assert(bytes.length <= codec.bytesMax);
      assertEquals(decodeAll(codec, bytes, message), value, `${message} ${side}, seed ${seed}`);
      const isOpenEnded = ["get", "push", "mail", "rekey"].includes(message);
      const recode = (bytes: Bytes) => encode(codec, decodeAll(codec, bytes, message));
      if (seed <= 3 && !isOpenEnded) assertStrict(bytes, recode);
    }
  }
});

Deno.test("message table: random bytes decode to what encodes to them, or are damaged", () => {
  const dice = new Dice(5);
  for (const { message, side } of sides) {
    const codec = codecOf(message, side);
    for (let round = 0; round < 200; round++) {
      const bytes = Uint8Array.from({ length: dice.roll(300) }, () => dice.pick([0, 1, 2, 255]));
      try {
        assertEquals(toHex(encode(codec, decodeAll(codec, bytes, message))), toHex(bytes));
      } catch (error) {
        assert(isVaultError(error, "damaged"), `${message} ${side}: ${error}`);
      }
    }
  }
});

Deno.test("message table: what breaks a limit is not sent", () => {
  const id = new Uint8Array(32);
  const head = { node: id, last: 1n, digest: id };
  const many = <T>(length: number, value: T) => Array.from({ length }, () => value);
  const wrong: [RequestName | EventName, Side, unknown, string][] = [
    ["roster", "ask", { known: many(4097, id) }, "there are 4097, the limit is 4096"],
    ["news", "event", { statements: [new Uint8Array(4097)] }, "one has 4097 bytes"],
    ["news", "event", { statements: [new Uint8Array(0)] }, "one has 0 bytes"],
    ["heads", "ask", { heads: [head, head] }, "out of order"],
    ["heads", "ask", { heads: [{ ...head, node: new Uint8Array(31) }] }, "31 bytes instead of 32"],
    ["segments", "reply", { segments: many(2, new Uint8Array(3_000_000)) }, "the limit is 4259840"],
    ["segmentList", "reply", { addresses: [id, id], isAll: true }, "out of order"],
    ["get", "reply", {
      object: { kind: "sealed", bytes: new Uint8Array(FRAME_BYTES_MAX + 1) },
    }, "4194305 bytes"],
    ["get", "reply", { object: { kind: "sealed", bytes: new Uint8Array(0) } }, "0 bytes"],
    ["have", "reply", { held: many(4097, true), isBehind: false }, "there are 4097"],
    ["keep", "ask", { log: null, needs: [{ address: id, length: 0 }] }, "0 bytes"],
    ["mail", "ask", { letter: new Uint8Array(65_537) }, "the limit is 65536"],
    ["mail", "ask", { letter: new Uint8Array(0) }, "it is empty"],
  ];
  for (const [message, side, value, why] of wrong) {
    const error = assertThrows(() => encode(codecOf(message, side), value), VaultError, why);
    assertEquals(error.code, "failed");
  }
});

Deno.test("message table: no message is larger than the protocol allows", () => {
  for (const { message, side } of sides) {
    assert(codecOf(message, side).bytesMax <= MESSAGE_BYTES_MAX, `${message} ${side}`);
  }
});

Deno.test("cutReason: cuts between characters, and takes out what a terminal would obey", () => {
  assertEquals(cutReason("a\u001b[2Jb\nc"), "a [2Jb c");
  assertEquals(cutReason("x".repeat(1024)), "x".repeat(1024));
  assertEquals(cutReason("x".repeat(1025)), "x".repeat(1021) + "…");
  for (let lead = 0; lead < 4; lead++) {
    const cut = cutReason("x".repeat(lead) + "💾".repeat(400));
    assert(new TextEncoder().encode(cut).length <= 1024);
    assert(/^x*(💾)+…$/u.test(cut), cut.slice(-3));
  }
  assertEquals(cutReason("\ud800"), "\ufffd");
});
