import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type ByteStream,
  CONTROL_MESSAGE_BYTES_MAX,
  CONTROL_VERSION,
  ControlConnection,
  type ControlMessage,
  ControlViolation,
  decodeControl,
  encodeControl,
} from "../../src/daemon/control_protocol.ts";
import { HELLO } from "./helpers.ts";

const MESSAGES: ControlMessage[] = [
  { kind: "hello", version: CONTROL_VERSION, hello: HELLO },
  { kind: "hello", version: CONTROL_VERSION, hello: { ...HELLO, args: ["x".repeat(70_000), "ü"] } },
  { kind: "input", bytes: new Uint8Array([0, 255]) },
  { kind: "inputEnd" },
  { kind: "answer", text: "correct horse" },
  { kind: "answer", text: null },
  { kind: "cancel" },
  { kind: "outputClosed" },
  { kind: "output", bytes: new Uint8Array(0) },
  { kind: "error", bytes: new Uint8Array([7]) },
  { kind: "want" },
  { kind: "ask", message: "Passphrase: " },
  { kind: "exit", code: 130 },
  { kind: "refused", reason: "stopping", version: 9, message: "the node stops" },
];

/** A message's bytes without the length. */
function body(message: ControlMessage): Uint8Array {
  return encodeControl(message).subarray(4);
}

Deno.test("decodeControl: gives back what encodeControl was given", () => {
  for (const message of MESSAGES) assertEquals(decodeControl(body(message)), message);
});

Deno.test("decodeControl: bytes that are cut off or left over are refused, wherever", () => {
  for (const message of MESSAGES) {
    if ("bytes" in message) continue; // they end where they end
    const whole = body(message);
    const cuts = whole.length > 1000 ? [1, 7, 500, whole.length - 1] : whole.keys();
    for (const length of cuts) {
      assertThrows(() => decodeControl(whole.subarray(0, length)), ControlViolation);
    }
    assertThrows(() => decodeControl(new Uint8Array([...whole, 0])), ControlViolation, "left over");
  }
});

Deno.test("decodeControl: what is no message is refused", () => {
  for (const bytes of [[], [0], [200], [4, 2], [70, 9, 0, 0, 0, 0, 0, 0]]) {
    assertThrows(() => decodeControl(new Uint8Array(bytes)), ControlViolation);
  }
  const http = new TextEncoder().encode("\x01GET / HTTP/1.1");
  assertThrows(() => decodeControl(http), ControlViolation, "no govault");
  const text = new Uint8Array([68, 0, 0, 0, 1, 0xff]);
  assertThrows(() => decodeControl(text), ControlViolation, "UTF-8");
});

Deno.test("decodeControl: of another version's hello only the version is read", () => {
  const other = encodeControl({ kind: "hello", version: 7, hello: null });
  const longer = new Uint8Array([...other.subarray(4), 1, 2, 3]);
  assertEquals(decodeControl(longer), { kind: "hello", version: 7, hello: null });
});

/** A stream that gives these bytes, so many at a time, and takes everything, three bytes at a time. */
function streamOf(bytes: Uint8Array, size = bytes.length): ByteStream & { taken: number[] } {
  const taken: number[] = [];
  let at = 0;
  return {
    taken,
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const piece = bytes.subarray(at, at + Math.min(size, into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
    write(bytes) {
      const some = bytes.subarray(0, 3);
      taken.push(...some);
      return Promise.resolve(some.length);
    },
    close() {},
  };
}

Deno.test("ControlConnection.receive: messages come whole, however the bytes come", async () => {
  const bytes = new Uint8Array(MESSAGES.flatMap((message) => [...encodeControl(message)]));
  for (const size of [1, 5, 1000, bytes.length]) {
    const connection = new ControlConnection(streamOf(bytes, size));
    for (const message of MESSAGES) {
      const received = await connection.receive();
      assertEquals(
        received !== null && "bytes" in received
          ? { ...received, bytes: received.bytes.slice() }
          : received,
        message,
      );
    }
    assertEquals(await connection.receive(), null);
  }
});

Deno.test("ControlConnection.receive: a length that is too large is refused before its bytes come", async () => {
  for (const length of [0, CONTROL_MESSAGE_BYTES_MAX + 1, 0xffffffff]) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, length);
    const connection = new ControlConnection(streamOf(prefix));
    await assertRejects(() => connection.receive(), ControlViolation, `${length} bytes`);
  }
});

Deno.test("ControlConnection.receive: an end in the middle of a message is refused", async () => {
  const bytes = encodeControl({ kind: "ask", message: "?" });
  for (const length of [1, 4, bytes.length - 1]) {
    const connection = new ControlConnection(streamOf(bytes.subarray(0, length)));
    await assertRejects(() => connection.receive(), ControlViolation, "cut off");
  }
});

Deno.test("ControlConnection.send: messages go whole and in order, though nobody waits", async () => {
  const stream = streamOf(new Uint8Array(0));
  const connection = new ControlConnection(stream);
  await Promise.all(MESSAGES.slice(2).map((message) => connection.send(message)));
  assertEquals(stream.taken, MESSAGES.slice(2).flatMap((message) => [...encodeControl(message)]));
  assertEquals(connection.waitingBytes, 0);
});

Deno.test("ControlConnection.sendSoon: goes with what is said next, before it, or else by itself", async () => {
  const stream = streamOf(new Uint8Array(0));
  const writes: number[] = [];
  stream.write = (bytes) => Promise.resolve(writes[writes.push(bytes.length) - 1]!);
  const connection = new ControlConnection(stream);
  const [output, exit] = [MESSAGES[9]!, MESSAGES[12]!];
  const lengthOf = (...messages: ControlMessage[]) =>
    messages.reduce((sum, message) => sum + encodeControl(message).length, 0);
  connection.sendSoon(output);
  connection.sendSoon(output);
  assertEquals(connection.waitingBytes, lengthOf(output, output));
  await connection.send(exit);
  assertEquals(writes, [lengthOf(output, output, exit)]);
  connection.sendSoon(output);
  while (writes.length < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([writes[1], connection.waitingBytes], [lengthOf(output), 0]);
});
