/** A random value of every message, within its limits. */

import { compareBytes } from "../../src/base/mod.ts";
import type {
  EventName,
  Events,
  LogHead,
  Presence,
  RequestName,
  Requests,
} from "../../src/net/mod.ts";
import type { Dice } from "../log/helpers.ts";

type Makers =
  & { [N in RequestName as `${N} ask`]: (dice: Dice) => Requests[N]["ask"] }
  & { [N in RequestName as `${N} reply`]: (dice: Dice) => Requests[N]["reply"] }
  & { [N in EventName as `${N} event`]: (dice: Dice) => Events[N] };

const bytes = (dice: Dice, length: number) => Uint8Array.from({ length }, () => dice.roll(256));
const id = (dice: Dice) => bytes(dice, 32);
const some = <T>(dice: Dice, make: (dice: Dice) => T): T[] =>
  Array.from({ length: dice.roll(6) }, () => make(dice));
const u64 = (dice: Dice) => BigInt(dice.roll(2 ** 32)) * 2n ** BigInt(dice.roll(33));
const blobs = (dice: Dice) => some(dice, () => bytes(dice, 1 + dice.roll(100)));
const flags = (dice: Dice) => Array.from({ length: dice.roll(40) }, () => dice.chance(50));
const kind = (dice: Dice) => dice.pick(["sealed", "public", "segment"] as const);
const head = (dice: Dice): LogHead => ({ node: id(dice), last: u64(dice), digest: id(dice) });
const heads = (dice: Dice) => some(dice, head).sort((a, b) => compareBytes(a.node, b.node));
const presence = (dice: Dice): Presence => ({
  headsDigest: id(dice),
  rosterDigest: id(dice),
  missing: u64(dice),
  missingBytes: u64(dice),
  storedBytes: u64(dice),
  heard: some(dice, () => ({ node: id(dice), secondsAgo: dice.roll(2 ** 32) })),
});

const makers: Makers = {
  "ping ask": presence,
  "ping reply": presence,
  "roster ask": (dice) => ({ known: some(dice, id) }),
  "roster reply": (dice) => ({ statements: blobs(dice) }),
  "heads ask": (dice) => ({ heads: heads(dice) }),
  "heads reply": (dice) => ({ heads: heads(dice) }),
  "segments ask": (dice) => ({ node: id(dice), after: u64(dice) }),
  "segments reply": (dice) => ({ segments: blobs(dice) }),
  "segmentList ask": (dice) => ({ node: id(dice), after: id(dice) }),
  "segmentList reply": (dice) => ({
    addresses: some(dice, id).sort(compareBytes),
    isAll: dice.chance(50),
  }),
  "get ask": (dice) => ({ address: id(dice) }),
  "get reply": (dice) => ({
    object: dice.chance(20) ? null : { kind: kind(dice), bytes: bytes(dice, 1 + dice.roll(999)) },
  }),
  "have ask": (dice) => ({ addresses: some(dice, id), heads: heads(dice) }),
  "have reply": (dice) => ({ held: flags(dice), isBehind: dice.chance(50) }),
  "keep ask": (dice) => ({
    log: dice.chance(50) ? null : { node: id(dice), last: u64(dice) },
    needs: some(dice, () => ({ address: id(dice), length: 1 + dice.roll(4_194_304) })),
  }),
  "keep reply": (dice) => ({ held: flags(dice) }),
  "push ask": (dice) => ({
    kind: kind(dice),
    address: id(dice),
    bytes: bytes(dice, 1 + dice.roll(999)),
  }),
  "push reply": (dice) => ({ isTaken: dice.chance(50) }),
  "mail ask": (dice) => ({ letter: bytes(dice, 1 + dice.roll(999)) }),
  "mail reply": () => ({}),
  "rekey ask": (dice) => ({ secret: bytes(dice, 1 + dice.roll(999)) }),
  "rekey reply": () => ({}),
  "advance event": head,
  "news event": (dice) => ({ statements: blobs(dice) }),
  "bye event": (dice) => ({
    reason: some(dice, () => dice.pick(["now", "ä", "…", " ", "💾"])).join(""),
  }),
};

/** A value of one side of a message. */
export function randomMessage(
  message: RequestName | EventName,
  side: "ask" | "reply" | "event",
  dice: Dice,
): unknown {
  return makers[`${message} ${side}` as keyof Makers](dice);
}
