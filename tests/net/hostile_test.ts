/** What a node does with an end that does not keep to the protocol: it loses that channel, and nothing else. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  CHANNEL_REQUESTS_MAX,
  concatBytes,
  sha256,
  VaultError,
} from "../../src/base/mod.ts";
import {
  type Channel,
  type Connection,
  openChannel,
  type RequestName,
  type Requests,
} from "../../src/net/mod.ts";
import { Dice } from "../log/helpers.ts";
import { handlerOf, memoryPair, settled, VirtualTime } from "./helpers.ts";

const address = sha256(new Uint8Array([1]));
const FIRST = 0x80;
const LAST = 0x40;

interface FrameParts {
  type: number;
  tag?: number;
  id?: number;
  piece?: Uint8Array;
  /** Length as claimed. */
  length?: number;
  /** Length of the whole message as claimed. */
  total?: number;
}

/** A frame as docs/protocol.md has it, true or not. */
function frame({ type, tag = 0, id = 0, piece = new Uint8Array(0), ...claims }: FrameParts): Bytes {
  const head = new Uint8Array(claims.total === undefined ? 10 : 14);
  const view = new DataView(head.buffer);
  view.setUint32(0, claims.length ?? piece.length);
  view.setUint8(4, type);
  view.setUint8(5, tag);
  view.setUint32(6, id);
  if (claims.total !== undefined) view.setUint32(10, claims.total);
  return concatBytes([head, piece]);
}

/** A channel whose other end is ours to write as we like. */
async function open(
  answers: Parameters<typeof handlerOf>[0] = {},
): Promise<
  { channel: Channel; wire: Connection; heard: () => Bytes; time: VirtualTime; events: unknown[] }
> {
  const time = new VirtualTime();
  const { a: wire, b } = await memoryPair(time);
  const handler = handlerOf(answers);
  const channel = openChannel(b, handler, { clock: time, timers: time });
  const pieces: Uint8Array[] = [];
  (async () => {
    const buffer = new Uint8Array(65_536);
    for (let n = await wire.read(buffer); n !== null; n = await wire.read(buffer)) {
      pieces.push(buffer.slice(0, n));
    }
  })().catch(() => {});
  return { channel, wire, heard: () => concatBytes(pieces), time, events: handler.events };
}

/** The channel must end for this reason, having said so. */
async function violates(bytes: Uint8Array, reason: string, ask?: RequestName): Promise<void> {
  const never = () => new Promise<never>(() => {});
  const { channel, wire, heard } = await open({ keep: never, push: never });
  if (ask !== undefined) {
    channel.request(ask, { address } as Requests["get"]["ask"]).catch(() => {});
    await settled();
  }
  await wire.write(bytes).catch(() => {});
  const end = await channel.ended;
  assertEquals(end.kind, "violation", end.reason);
  assert(end.reason.includes(reason), end.reason);
  await settled();
  const said = new TextDecoder().decode(heard());
  assert(said.includes(reason), `${reason} is not said`);
  await assertRejects(() => wire.write(new Uint8Array(1)), VaultError);
}

Deno.test("hostile: random bytes end the channel, and take no time", async () => {
  const dice = new Dice(11);
  for (let round = 0; round < 100; round++) {
    const { channel, wire } = await open();
    const bytes = Uint8Array.from({ length: 200 + dice.roll(3000) }, () => dice.roll(256));
    bytes[4] = 0x10 | dice.roll(16); // a type that is none
    await wire.write(bytes).catch(() => {});
    assertEquals((await channel.ended).kind, "violation");
  }
});

Deno.test("hostile: claims of 4 GiB are refused at the header", async () => {
  await violates(frame({ type: 1, tag: 9, id: 1, length: 0xffff_ffff }), "4294967295 bytes");
  await violates(
    frame({ type: 1 | FIRST, tag: 9, id: 1, piece: new Uint8Array(9), total: 0xffff_ffff }),
    "of a message of 4294967295",
  );
});

Deno.test("hostile: a message longer than any of its kind is refused at the header", async () => {
  const piece = new Uint8Array(100);
  await violates(frame({ type: 1, tag: 6, id: 1, piece }), "100 bytes ask for get");
  await violates(frame({ type: 2, tag: 6, id: 1, length: 0 }), "which was not asked");
  await violates(
    frame({ type: 2 | FIRST, tag: 6, id: 1, piece, total: 4_194_306 }),
    "4194306 bytes answer get",
    "get",
  );
  await violates(frame({ type: 4, tag: 128, piece }), "100 bytes of event 128");
  await violates(frame({ type: 5, id: 1, piece }), "a cancel that says more");
  await violates(frame({ type: 6, length: 3000 }), "an end that says more");
});

Deno.test("hostile: what does not decode ends the channel", async () => {
  await violates(frame({ type: 1, tag: 9, id: 1, piece: new Uint8Array(40) }), "unknown kind 0");
  const piece = Uint8Array.of(9, 9);
  await violates(frame({ type: 2, tag: 6, id: 1, piece }), "unknown kind 9", "get");
  await violates(frame({ type: 3, tag: 6, id: 1, piece }), "bytes wanted", "get");
  await violates(frame({ type: 4, tag: 128, piece }), "bytes wanted");
  await violates(frame({ type: 6, piece }), "bytes wanted");
});

Deno.test("hostile: answers to what was not asked end the channel", async () => {
  await violates(frame({ type: 2, tag: 6, id: 7, piece: Uint8Array.of(0) }), "not asked");
  await violates(frame({ type: 3, tag: 6, id: 7, piece: Uint8Array.of(1, 0, 0) }), "not asked");
  await violates(frame({ type: 2, tag: 7, id: 1, piece: Uint8Array.of(0) }), "an answer 7", "get");
  const answer = frame({ type: 2, tag: 6, id: 1, piece: Uint8Array.of(0) });
  await violates(concatBytes([answer, answer]), "not asked", "get");
});

Deno.test("hostile: ids are used once at a time, and never 0", async () => {
  const keep = (id: number) => frame({ type: 1, tag: 8, id, piece: Uint8Array.of(0, 0, 0) });
  await violates(keep(0), "id 0 is taken");
  await violates(concatBytes([keep(5), keep(5)]), "id 5 is taken");
  await violates(frame({ type: 4, tag: 130, id: 1 }), "an event with id 1");
});

Deno.test("hostile: one request too many, and bytes too many, end the channel", async () => {
  const keeps = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => frame({ type: 1, tag: 8, id: i + 1, piece: Uint8Array.of(0, 0, 0) }),
    );
  const { channel, wire } = await open({ keep: () => new Promise(() => {}) });
  await wire.write(concatBytes(keeps(CHANNEL_REQUESTS_MAX)));
  await settled();
  const isOver = await Promise.race([channel.ended, settled()]);
  assertEquals(isOver, undefined);
  await channel.close("done");
  await violates(concatBytes(keeps(CHANNEL_REQUESTS_MAX + 1)), "more than 64 at once");
  const pushes = [1, 2, 3, 4].map((id) =>
    frame({ type: 1 | FIRST, tag: 9, id, piece: new Uint8Array(9), total: 4_194_330 })
  );
  await violates(concatBytes(pushes), "more than 16777216 bytes at once");
});

Deno.test("hostile: a request is refused its place until its answer is written", async () => {
  const { channel, wire, time } = await open({ keep: () => ({ held: [] }) });
  for (let round = 0; round < 10; round++) {
    const keeps = Array.from(
      { length: CHANNEL_REQUESTS_MAX },
      (_, i) => frame({ type: 1, tag: 8, id: i + 1, piece: Uint8Array.of(0, 0, 0) }),
    );
    await wire.write(concatBytes(keeps));
    await settled();
  }
  assertEquals(await Promise.race([channel.ended, time.pass(1)]), undefined);
  await channel.close("done");
});

Deno.test("hostile: unfinished messages are counted", async () => {
  const begun = Array.from(
    { length: 10 },
    (_, i) => frame({ type: 1 | FIRST, tag: 11, id: i + 1, piece: new Uint8Array(1), total: 9 }),
  );
  await violates(concatBytes(begun), "more than 9 unfinished messages");
});

Deno.test("hostile: a drip of bytes is taken for what it is, and answered", async () => {
  const { channel, wire, heard } = await open({ get: () => ({ object: null }) });
  for (const byte of frame({ type: 1, tag: 6, id: 9, piece: address })) {
    await wire.write(Uint8Array.of(byte));
    await settled();
  }
  assertEquals(heard(), frame({ type: 2, tag: 6, id: 9, piece: Uint8Array.of(0) }));
  await channel.close("done");
});

Deno.test("nudge: said once in each silence amidst a message, and heard without a word", async () => {
  const { channel, wire, heard, time } = await open({ get: () => ({ object: null }) });
  const nudge = frame({ type: 7 });
  const ask = frame({ type: 1, tag: 6, id: 9, piece: address });
  await wire.write(ask.subarray(0, 20));
  await time.pass(50);
  assertEquals(heard(), nudge);
  await wire.write(ask.subarray(20, 30));
  await time.pass(50);
  assertEquals(heard(), concatBytes([nudge, nudge]));
  await wire.write(concatBytes([ask.subarray(30), nudge]));
  await time.pass(50);
  const reply = frame({ type: 2, tag: 6, id: 9, piece: Uint8Array.of(0) });
  assertEquals(heard(), concatBytes([nudge, nudge, reply]));
  await channel.close("done");
  await violates(frame({ type: 7, id: 1 }), "a nudge that says more");
});

Deno.test("other versions: an unknown request is refused, an unknown event ignored", async () => {
  const { channel, wire, heard, events } = await open({ get: () => ({ object: null }) });
  const large = new Uint8Array(200_000);
  await wire.write(concatBytes([
    frame({ type: 4, tag: 255, piece: large }),
    frame({ type: 1, tag: 99, id: 1, piece: Uint8Array.of(1, 2, 3) }),
    frame({ type: 1 | FIRST, tag: 98, id: 2, piece: large, total: 400_000 }),
    frame({ type: 1 | LAST, tag: 98, id: 2, piece: large }),
    frame({ type: 5, id: 77 }),
    frame({ type: 1, tag: 6, id: 3, piece: address }),
  ]));
  await settled();
  const refusal = (tag: number, id: number) => {
    const text = new TextEncoder().encode(`Cannot answer: unknown request ${tag}`);
    return frame({
      type: 3,
      tag,
      id,
      piece: concatBytes([Uint8Array.of(2, 0, text.length), text]),
    });
  };
  assertEquals(
    heard(),
    concatBytes([
      refusal(99, 1),
      refusal(98, 2),
      frame({ type: 2, tag: 6, id: 3, piece: Uint8Array.of(0) }),
    ]),
  );
  assertEquals(events, []);
  await channel.close("done");
});

Deno.test("other versions: a refusal with an unknown code is a failure", async () => {
  const { channel, wire } = await open();
  const asked = assertRejects(() => channel.request("get", { address }), VaultError, "no");
  await settled();
  await wire.write(frame({ type: 3, tag: 6, id: 1, piece: Uint8Array.of(200, 0, 2, 110, 111) }));
  assertEquals((await asked).code, "failed");
  await channel.close("done");
});

Deno.test("hostile: an end that says it leaves is left, whatever it says after", async () => {
  const { channel, wire } = await open();
  const bye = frame({ type: 6, piece: Uint8Array.of(0, 3, 98, 121, 101) });
  await wire.write(concatBytes([bye, new Uint8Array(1000).fill(255)])).catch(() => {});
  assertEquals(await channel.ended, { kind: "closed", reason: "bye" });
});
