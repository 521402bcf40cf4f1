/**
 * Watches over memory while a world runs: what waits in queues, travels or is remembered stays within the limits of
 * base/limits.ts, whoever asks for however much; and once nothing is to be done, none of it is left.
 *
 * @module
 */

import {
  CHANNEL_ASK_BYTES_MAX,
  CHANNEL_BULK_REQUESTS_MAX,
  CHANNEL_CONTROL_REPLY_BYTES_MAX,
  CHANNEL_EVENT_BYTES_MAX,
  CHANNEL_REPLY_BYTES_MAX,
  CHANNEL_REQUESTS_MAX,
  FETCH_ALL_IN_FLIGHT,
  HANDSHAKES_MAX,
  HEDGE_PEERS_MAX,
  KEEP_OBJECTS_IN_FLIGHT,
  KEEPS_PER_PEER_MAX,
  KEPT_REMEMBERED_MAX,
  LOG_PULLS_MAX,
  MAIL_QUEUE_MAX,
  MISSING_MAX,
  PINS_MAX,
  PUSH_BYTES_IN_FLIGHT,
  PUSH_QUEUE_BYTES,
  PUSH_QUEUE_OBJECTS,
  READ_AHEAD_CHUNKS,
  REPAIR_BYTES_IN_FLIGHT,
  REPAIR_OBJECTS_PER_PEER,
} from "../../src/base/mod.ts";
import type { ChannelLoad } from "../../src/net/mod.ts";
import type { ReplicationLoad } from "../../src/peer/replication.ts";
import type { SimNode } from "./node.ts";

/** Requests that may be refused or called off by the other end: small, and as many as may be under way. */
const REFUSALS_BYTES_MAX = CHANNEL_REQUESTS_MAX * 2048;

/** Limits of one channel. */
const OF_CHANNEL: Readonly<Record<keyof ChannelLoad, number>> = {
  asks: CHANNEL_REQUESTS_MAX,
  bulkAsks: CHANNEL_BULK_REQUESTS_MAX,
  askBytes: CHANNEL_ASK_BYTES_MAX,
  answers: CHANNEL_REQUESTS_MAX,
  answeredAskBytes: CHANNEL_ASK_BYTES_MAX,
  answerBytes: CHANNEL_REPLY_BYTES_MAX + CHANNEL_CONTROL_REPLY_BYTES_MAX + REFUSALS_BYTES_MAX,
  eventBytes: CHANNEL_EVENT_BYTES_MAX,
  queuedBytes: CHANNEL_ASK_BYTES_MAX + CHANNEL_REPLY_BYTES_MAX + CHANNEL_CONTROL_REPLY_BYTES_MAX +
    CHANNEL_EVENT_BYTES_MAX + REFUSALS_BYTES_MAX,
};

/** Limits of a node that has so many peers and knows so many members, in a world whose client does one thing at a time. */
function limitsOf(
  peers: number,
  members: number,
): Readonly<Record<keyof ReplicationLoad, number>> {
  const repair = REPAIR_OBJECTS_PER_PEER * Math.max(1, peers);
  const keep = KEEP_OBJECTS_IN_FLIGHT * (1 + KEEPS_PER_PEER_MAX * peers);
  return {
    missing: MISSING_MAX,
    repairBytes: REPAIR_BYTES_IN_FLIGHT,
    fetches: HEDGE_PEERS_MAX * (repair + FETCH_ALL_IN_FLIGHT + READ_AHEAD_CHUNKS) + keep,
    pushObjects: PUSH_QUEUE_OBJECTS,
    pushQueueBytes: PUSH_QUEUE_BYTES,
    pushBytes: PUSH_BYTES_IN_FLIGHT,
    kept: KEPT_REMEMBERED_MAX,
    pins: PINS_MAX,
    wantedLogs: members,
    pulledLogs: LOG_PULLS_MAX,
    rememberedLogs: 3 * members * members,
  };
}

/** What is over its limit at a node, in words. */
export function overLimits({ running }: SimNode): string[] {
  if (running === null) return [];
  const { sessions, replication } = running.peers.node;
  const peers = sessions.peers();
  const over: string[] = [];
  for (const { remote, channel } of peers) {
    compare(channel.load, OF_CHANNEL, (text) => over.push(`channel with ${remote}: ${text}`));
  }
  const limits = limitsOf(peers.length, sessions.view().members.length + 1);
  compare(replication.load(), limits, (text) => over.push(text));
  const rest = { handshakes: sessions.shaking, letters: sessions.mailbox.waiting };
  compare(rest, { handshakes: HANDSHAKES_MAX, letters: MAIL_QUEUE_MAX }, (text) => over.push(text));
  return over;
}

function compare<K extends string>(
  load: Readonly<Record<K, number>>,
  limits: Readonly<Record<K, number>>,
  tell: (text: string) => void,
): void {
  for (const name in limits) {
    if (load[name] > limits[name]) tell(`${name} ${load[name]}, the limit is ${limits[name]}`);
  }
}

/** What is under way at a node that has nothing to do, in words; its channels' pings are let out. */
export function stillUnderWay({ running }: SimNode): string[] {
  if (running === null) return [];
  const { sessions, replication } = running.peers.node;
  const under: string[] = [];
  const look = (what: string, load: object) => {
    for (const [name, value] of Object.entries(load)) {
      if (value !== 0) under.push(`${what}${name} ${value}`);
    }
  };
  for (const { remote, channel } of sessions.peers()) look(`${remote} `, channel.load);
  const { missing: _, kept: __, pins: ___, rememberedLogs: ____, ...work } = replication.load();
  look("", work);
  look("", { handshakes: sessions.shaking, letters: sessions.mailbox.waiting });
  return under;
}
