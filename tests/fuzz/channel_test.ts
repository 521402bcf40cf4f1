/** A channel whose other end says messages that were changed on the way. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concatBytes } from "../../src/base/mod.ts";
import { type Codec, encodeAll } from "../../src/net/codec.ts";
import { WIRE_FIRST_HEADER_BYTES, writeFrameHeader } from "../../src/net/frames.ts";
import { EVENTS, REQUESTS } from "../../src/net/message_table.ts";
import { type EventName, openChannel, type RequestName } from "../../src/net/mod.ts";
import { Dice } from "../log/helpers.ts";
import { handlerOf, memoryPair, settled, VirtualTime } from "../net/helpers.ts";
import { randomMessage } from "../net/random_messages.ts";
import { changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";

const REQUEST_NAMES = Object.keys(REQUESTS) as RequestName[];
const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

/** Requests and events, a frame each. */
function said(seed: number): Bytes {
  const dice = new Dice(seed);
  const frames = Array.from({ length: 1 + dice.roll(8) }, (_, i) => {
    const isEvent = dice.chance(30);
    const name = isEvent ? dice.pick(EVENT_NAMES) : dice.pick(REQUEST_NAMES);
    const { tag } = isEvent ? EVENTS[name as EventName] : REQUESTS[name as RequestName];
    const codec = isEvent ? EVENTS[name as EventName].event : REQUESTS[name as RequestName].ask;
    const value = randomMessage(name, isEvent ? "event" : "ask", dice);
    const { pieces, length } = encodeAll(codec as Codec<unknown>, value, name);
    const head = { type: isEvent ? "event" : "ask", tag, id: isEvent ? 0 : i + 1, length } as const;
    const header = new Uint8Array(WIRE_FIRST_HEADER_BYTES);
    const taken = writeFrameHeader(header, 0, head, { length, isFirst: true, isLast: true });
    return concatBytes([header.subarray(0, taken), ...pieces]);
  });
  return concatBytes(frames);
}

const seed = fc.nat({ max: 0xffff_ffff });

Deno.test("Channel: whatever the other end says, it answers, or ends and says why, and nothing else happens", async () => {
  const bytes = fc.tuple(seed, changes, seed)
    .map(([what, made, other]) => changed(said(what), made, said(other)));
  let violations = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(bytes, bytes, seed.map(said)), async (wire) => {
      const time = new VirtualTime();
      const { a, b } = await memoryPair(time);
      const faults: unknown[] = [];
      const handler = handlerOf();
      const channel = openChannel(b, handler, {
        clock: time,
        timers: time,
        onError: (error) => faults.push(error),
      });
      const into = new Uint8Array(65_536);
      const reading = (async () => {
        while (await a.read(into).catch(() => null) !== null);
      })();
      await a.write(wire).catch(() => {/* it has ended meanwhile */});
      await settled();
      await time.pass(2000);
      a.close();
      await time.pass(2000);
      const end = await channel.ended;
      await reading;
      assertEquals(faults, []);
      assert(["violation", "broken", "closed"].includes(end.kind), end.kind);
      violations += Number(end.kind === "violation");
    }),
    trying(120),
  );
  assert(violations > 0, "no rule was ever broken");
});
