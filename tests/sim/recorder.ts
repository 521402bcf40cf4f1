/**
 * Remembers what is said over the connections of one host, as its own program can: handshakes, requests and events, to be
 * played back later.
 *
 * @module
 */

import type { Bytes } from "../../src/base/mod.ts";
import type { EventName, RequestName } from "../../src/net/mod.ts";
import { FrameReader, type MessageHead } from "../../src/net/frames.ts";
import { EVENT_OF_TAG, REQUEST_OF_TAG } from "../../src/net/message_table.ts";

/** Messages that are remembered; of more, the first. */
const MESSAGES_MAX = 400;
const HANDSHAKES_MAX = 20;
/** Messages of a handshake in each direction. */
const HANDSHAKE_MESSAGES = 2;

/** A request or an event that was said. */
export type Said =
  & {
    /** The host at the other end. */
    readonly other: string;
    /** Whether this host said it, rather than heard it. */
    readonly isOwn: boolean;
    /** The encoded message. */
    readonly bytes: Bytes;
  }
  & (
    | { readonly kind: "ask"; readonly name: RequestName }
    | { readonly kind: "event"; readonly name: EventName }
  );

/** What a dialler said in a handshake that went well, with the prefixes of its length. */
export interface Greeting {
  /** The host that it was said to; `null`: the recorder's own. */
  readonly listener: string | null;
  readonly hello: Bytes;
  readonly proof: Bytes;
}

/** See the module. */
export class Recorder {
  readonly said: Said[] = [];
  readonly handshakes: Greeting[] = [];

  /** Takes the bytes of one direction of a connection, from its beginning. */
  stream(
    direction: { readonly other: string; readonly isOwn: boolean; readonly isDialler: boolean },
  ): (bytes: Uint8Array) => void {
    const { other, isOwn, isDialler } = direction;
    const greeting: Bytes[] = [];
    let head: Bytes = new Uint8Array();
    const reader = new FrameReader({
      begins: ({ type }) => type === "ask" || type === "event",
      complete: ({ type, tag }: MessageHead, bytes) => {
        if (this.said.length >= MESSAGES_MAX) return;
        const how = { other, isOwn, bytes: bytes.slice() };
        const [request, event] = [REQUEST_OF_TAG.get(tag), EVENT_OF_TAG.get(tag)];
        if (type === "ask" && request !== undefined) {
          this.said.push({ ...how, kind: "ask", name: request });
        } else if (event !== undefined) this.said.push({ ...how, kind: "event", name: event });
      },
      passed: () => {},
    });
    return (bytes) => {
      let rest = bytes;
      while (greeting.length < HANDSHAKE_MESSAGES && rest.length > 0) {
        const wanted = head.length < 2 ? 2 : 2 + new DataView(head.buffer).getUint16(0);
        const joined = new Uint8Array(Math.min(wanted, head.length + rest.length));
        joined.set(head);
        const taken = joined.length - head.length;
        joined.set(rest.subarray(0, taken), head.length);
        rest = rest.subarray(taken);
        head = joined;
        if (head.length < 2 || head.length < 2 + new DataView(head.buffer).getUint16(0)) continue;
        greeting.push(head);
        head = new Uint8Array();
        const isWhole = isDialler && greeting.length === HANDSHAKE_MESSAGES;
        if (!isWhole || this.handshakes.length >= HANDSHAKES_MAX) continue;
        const [hello, proof] = greeting;
        this.handshakes.push({ listener: isOwn ? other : null, hello: hello!, proof: proof! });
      }
      while (rest.length > 0) {
        const space = reader.space();
        const count = Math.min(space.length, rest.length);
        space.set(rest.subarray(0, count));
        reader.arrived(count);
        rest = rest.subarray(count);
      }
    };
  }
}
