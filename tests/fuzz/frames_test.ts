/** Streams of frames on the wire: what is put together of them, however they are cut, and of what is none. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concatBytes, isVaultError, toHex } from "../../src/base/mod.ts";
import {
  FrameReader,
  type MessageHead,
  type MessageSink,
  type MessageType,
  writeFrameHeader,
} from "../../src/net/frames.ts";
import { Dice } from "../log/helpers.ts";
import { allocatedBy } from "./allocation.ts";
import { anyBytes, bytesOf, changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";

const TYPES: readonly MessageType[] = [
  ...["ask", "reply", "refusal", "event", "cancel", "end", "nudge"] as const,
];
const PIECE_BYTES_MAX = 256 * 1024;
/** Messages of several pieces that may be unfinished at a time. */
const UNFINISHED_MAX = 9;

interface Sent {
  readonly head: MessageHead;
  readonly bytes: Bytes;
}

/** A message on its way. */
interface Travelling extends Sent {
  at: number;
}

/** Messages, each with an id of its own, and the bytes of their frames, which take turns. */
function stream(seed: number): { sent: Sent[]; bytes: Bytes } {
  const dice = new Dice(seed);
  const waiting: Sent[] = Array.from({ length: 1 + dice.roll(12) }, (_, i) => {
    const length = dice.chance(10) ? dice.roll(400_000) : dice.roll(600);
    const type = dice.pick(TYPES);
    const bytes = bytesOf(dice.roll(2 ** 32), length);
    return { head: { type, tag: dice.roll(256), id: i, length }, bytes };
  });
  const sent: Sent[] = [];
  const out: Bytes[] = [];
  const begun: Travelling[] = [];
  const frame = (message: Travelling, length: number) => {
    const isFirst = message.at === 0;
    const isLast = message.at + length === message.bytes.length;
    const header = new Uint8Array(14);
    const taken = writeFrameHeader(header, 0, message.head, { length, isFirst, isLast });
    out.push(header.subarray(0, taken), message.bytes.subarray(message.at, message.at + length));
    message.at += length;
    if (isLast) sent.push(message);
    return isLast;
  };
  while (waiting.length > 0 || begun.length > 0) {
    if (waiting.length > 0 && (begun.length === 0 || dice.chance(50))) {
      const message = { ...waiting.pop()!, at: 0 };
      const whole = message.bytes.length;
      const isWhole = whole < 2 || begun.length === UNFINISHED_MAX || dice.chance(40);
      if (isWhole && whole <= PIECE_BYTES_MAX) frame(message, whole);
      else if (begun.length < UNFINISHED_MAX) {
        frame(message, Math.min(PIECE_BYTES_MAX, 1 + dice.roll(whole - 1)));
        begun.push(message);
      } else waiting.push(message);
      if (begun.length < UNFINISHED_MAX) continue;
    }
    const message = dice.pick(begun);
    const left = Math.min(PIECE_BYTES_MAX, message.bytes.length - message.at);
    if (frame(message, dice.chance(50) ? left : 1 + dice.roll(left))) {
      begun.splice(begun.indexOf(message), 1);
    }
  }
  return { sent, bytes: concatBytes(out) };
}

/** Takes all messages, or only those with an even tag. */
class Taker implements MessageSink {
  readonly taken: Sent[] = [];
  begun = 0;
  readonly #takes: (head: MessageHead) => boolean;

  constructor(takes: (head: MessageHead) => boolean) {
    this.#takes = takes;
  }

  begins(head: MessageHead): boolean {
    this.begun++;
    return this.#takes(head);
  }

  complete(head: MessageHead, bytes: Bytes): void {
    this.taken.push({ head, bytes });
  }

  passed(head: MessageHead): void {
    this.taken.push({ head, bytes: new Uint8Array(0) });
  }
}

/** Feeds a reader as a connection would, in pieces of some size. */
function feed(reader: FrameReader, bytes: Bytes, seed: number): void {
  const dice = new Dice(seed);
  for (let at = 0; at < bytes.length;) {
    const space = reader.space();
    assert(space.length > 0, "no room to read into: a connection would stand still");
    const count = Math.min(
      space.length,
      bytes.length - at,
      1 + dice.roll(dice.pick([3, 900, 1e6])),
    );
    space.set(bytes.subarray(at, at + count));
    at += count;
    reader.arrived(count);
  }
}

const seed = fc.nat({ max: 0xffff_ffff });

Deno.test("FrameReader: puts together what was sent, however it is cut and mixed", () => {
  fc.assert(
    fc.property(seed, seed, (what, how) => {
      const { sent, bytes } = stream(what);
      const sink = new Taker(({ tag }) => tag % 2 === 0);
      feed(new FrameReader(sink), bytes, how);
      assertEquals(sink.taken.length, sent.length);
      sent.forEach(({ head, bytes }, i) => {
        const taken = sink.taken[i]!;
        assertEquals(taken.head, head);
        const expected = head.tag % 2 === 0 ? toHex(bytes) : "";
        assert(toHex(taken.bytes) === expected, "other bytes");
      });
    }),
    trying(120),
  );
});

Deno.test("FrameReader: takes what breaks the rules for damaged, and allocates as bytes arrive", async () => {
  const broken = fc.tuple(seed, changes, seed).map(([what, made, other]) =>
    changed(stream(what).bytes, made, stream(other).bytes)
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(broken, anyBytes), seed, async (bytes, how) => {
      const sink = new Taker(() => true);
      let allocated = 0;
      try {
        await allocatedBy(() => feed(new FrameReader(sink), bytes, how), (count) => {
          allocated = count;
        });
      } catch (error) {
        assert(isVaultError(error, "damaged"), String(error));
      }
      // The reader's own buffer; 64 KiB for each message that begins; then eight times what is there, and that an eighth before.
      const max = 64 * 1024 * (1 + sink.begun) + 12 * bytes.length;
      assert(allocated <= max, `${allocated} bytes allocated for ${bytes.length}`);
    }),
    trying(300),
  );
});
