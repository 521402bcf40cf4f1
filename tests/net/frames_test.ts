import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  concatBytes,
  equalBytes,
  fromHex,
  MESSAGE_BYTES_MAX,
  toHex,
  VaultError,
  WIRE_FRAME_BYTES_MAX,
} from "../../src/base/mod.ts";
import { FrameReader, type MessageHead } from "../../src/net/frames.ts";
import { Outbox } from "../../src/net/outbox.ts";
import { assertAllRefused, type BadVector, Dice, loadVectors } from "../log/helpers.ts";

interface MessageJson {
  type: string;
  tag: number;
  id: number;
  bytes: string;
}

const vectors = loadVectors<{
  good: { name: string; messages: MessageJson[]; bytes: string }[];
  bad: BadVector[];
}>("frames");

interface Message {
  head: MessageHead;
  bytes: Bytes;
}

/** Reads bytes as they might come in: at most `step()` at a time. */
function readFrames(bytes: Uint8Array, step: () => number): Message[] {
  const messages: Message[] = [];
  const reader = new FrameReader({
    begins: () => true,
    complete: (head, bytes) => messages.push({ head, bytes }),
    passed: () => {},
  });
  for (let at = 0; at < bytes.length;) {
    const space = reader.space();
    const piece = bytes.subarray(at, at + Math.min(space.length, Math.max(1, step())));
    space.set(piece);
    reader.arrived(piece.length);
    at += piece.length;
  }
  return messages;
}

function messageJson({ head: { type, tag, id }, bytes }: Message): MessageJson {
  return { type, tag, id, bytes: toHex(bytes) };
}

/** All that an outbox has to send. */
function drain(outbox: Outbox): Bytes {
  const pieces: Bytes[] = [];
  for (let taken = outbox.take(); taken.length > 0; taken = outbox.take()) {
    pieces.push(taken.slice());
  }
  return concatBytes(pieces);
}

Deno.test("FrameReader: good vectors, however they are cut", () => {
  for (const { name, messages, bytes } of vectors.good) {
    for (const step of [1, 2, 3, 7, 13, 1000]) {
      const read = readFrames(fromHex(bytes), () => step).map(messageJson);
      assertEquals(read, messages, `${name}, by ${step}`);
    }
  }
});

Deno.test("FrameReader: bad vectors are refused, however they are cut", () => {
  for (const step of [1, 5, 1000]) {
    assertAllRefused(vectors.bad, (bytes) => readFrames(bytes, () => step));
  }
});

Deno.test("Outbox, FrameReader: messages of all sizes arrive as they were sent", () => {
  const dice = new Dice(3);
  for (let round = 0; round < 20; round++) {
    const outbox = new Outbox();
    const sent: Message[] = [];
    for (let id = 1; id <= 20; id++) {
      const length = dice.pick([0, 1, 100, 4097, 16_384, 65_536, 262_144, 262_145, 700_000]) +
        dice.roll(3);
      const bytes = new Uint8Array(length).fill(id);
      const cut = dice.roll(length + 1);
      const head: MessageHead = { type: "reply", tag: 6, id, length };
      sent.push({ head, bytes });
      outbox.add(
        { head, pieces: [bytes.subarray(0, cut), bytes.subarray(cut)] },
        dice.pick(["control", "bulk"]),
      );
    }
    const wire = drain(outbox);
    const read = readFrames(wire, () => 1 + dice.roll(dice.pick([10, 20_000, 100_000])));
    read.sort((a, b) => a.head.id - b.head.id);
    assertEquals(read.map(({ head }) => head), sent.map(({ head }) => head));
    read.forEach(({ bytes }, i) => assert(equalBytes(bytes, sent[i]!.bytes), `message ${i}`));
  }
});

Deno.test("Outbox: frames are put together, two large ones at most, control messages first", () => {
  const outbox = new Outbox();
  const message = (id: number, length: number) => ({
    head: { type: "reply" as const, tag: 6, id, length },
    pieces: [new Uint8Array(length)],
  });
  outbox.add(message(1, 800_000), "bulk");
  for (let id = 2; id < 100; id++) outbox.add(message(id, 200), "control");
  assertEquals(outbox.take().length, 98 * 210 + 14 + WIRE_FRAME_BYTES_MAX);
  outbox.add(message(100, 3), "control");
  const rest = 800_000 - 2 * WIRE_FRAME_BYTES_MAX;
  assertEquals(outbox.take().length, 13 + 10 + WIRE_FRAME_BYTES_MAX);
  outbox.add(message(101, 3), "control");
  assertEquals(
    outbox.take().length,
    13 + 10 + WIRE_FRAME_BYTES_MAX + 10 + rest - WIRE_FRAME_BYTES_MAX,
  );
  assertEquals(outbox.take().length, 0);
  assertEquals(outbox.isEmpty, true);
});

Deno.test("Outbox: large messages take turns, eight at a time", () => {
  const outbox = new Outbox();
  const done: number[] = [];
  for (let id = 1; id <= 10; id++) {
    const length = id === 1 ? 4 * WIRE_FRAME_BYTES_MAX : 2 * WIRE_FRAME_BYTES_MAX;
    outbox.add({
      head: { type: "reply", tag: 6, id, length },
      pieces: [new Uint8Array(length)],
      onTaken: () => done.push(id),
    }, "bulk");
  }
  while (outbox.take().length > 0);
  assertEquals(done.slice(0, 7), [2, 3, 4, 5, 6, 7, 8]);
  assertEquals(done.slice(7).sort((a, b) => a - b), [1, 9, 10]);
});

Deno.test("FrameReader: a claim allocates nothing but for what has arrived", () => {
  const reader = new FrameReader({ begins: () => true, complete: () => {}, passed: () => {} });
  const header = (flags: number, id: number, length: number, total?: number) => {
    const bytes = new Uint8Array(total === undefined ? 10 : 14);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, length);
    view.setUint8(4, 2 | flags);
    view.setUint8(5, 6);
    view.setUint32(6, id);
    if (total !== undefined) view.setUint32(10, total);
    return bytes;
  };
  reader.space().set(header(0x80, 1, WIRE_FRAME_BYTES_MAX, MESSAGE_BYTES_MAX));
  reader.arrived(14);
  let received = 0;
  while (received < WIRE_FRAME_BYTES_MAX) {
    const space = reader.space();
    const limit = Math.max(64 * 1024, 8 * received);
    assert(space.buffer.byteLength <= limit, `${space.buffer.byteLength} after ${received}`);
    const count = Math.min(space.length, 10_000, WIRE_FRAME_BYTES_MAX - received);
    reader.arrived(count);
    received += count;
  }
});

Deno.test("FrameReader: a message that nobody wants is let go by, one that is refused ends it", () => {
  const passed: number[] = [];
  const reader = new FrameReader({
    begins: ({ id }) => {
      if (id === 3) throw new VaultError("damaged", "no more");
      return id !== 1;
    },
    complete: () => {},
    passed: ({ id }) => passed.push(id),
  });
  const outbox = new Outbox();
  const send = (id: number) => {
    const head = { type: "reply" as const, tag: 6, id, length: 600_000 };
    outbox.add({ head, pieces: [new Uint8Array(head.length)] }, "bulk");
    const wire = drain(outbox);
    for (let at = 0; at < wire.length;) {
      const space = reader.space();
      const piece = wire.subarray(at, at + space.length);
      space.set(piece);
      reader.arrived(piece.length);
      at += piece.length;
    }
  };
  send(1);
  send(2);
  assertEquals(passed, [1]);
  assertThrows(() => send(3), VaultError, "no more");
});
