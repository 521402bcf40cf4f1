/**
 * The message table: every request and event of {@link "./messages.ts"} with its number, its priority, and how each side
 * of it is written and read (docs/protocol.md has the bytes). A new message is a type there, an entry here, and a test.
 *
 * @module
 */

import {
  type ByteReader,
  type Bytes,
  ByteWriter,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  HAVE_ADDRESSES_MAX,
  HEADS_MAX,
  HEARD_MAX,
  KEEP_NEEDS_MAX,
  KEEP_TIMEOUT_MS,
  LETTER_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  ownWhole,
  REASON_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
  SEGMENT_LIST_MAX,
  SEGMENTS_MAX,
  STATEMENT_BYTES_MAX,
  STATEMENTS_MAX,
} from "../base/mod.ts";
import {
  cannotSend,
  type Codec,
  cutReason,
  encodeBlobs,
  hashesBytes,
  HEAD_BYTES,
  readBits,
  readBlobs,
  readFlag,
  readHash,
  readHashes,
  readHead,
  readHeads,
  readReason,
  writeBits,
  writeCount,
  writeFlag,
  writeHash,
  writeHashes,
  writeHead,
  writeHeads,
} from "./codec.ts";
import type { EventName, Events, Presence, RequestName, Requests, WireKind } from "./messages.ts";

/**
 * `control` goes before everything; `bulk` is what may be large or slow: its large parts take turns, and it leaves some
 * of the places for requests to the others.
 */
export type Priority = "control" | "bulk";

/** All there is to know of a request to send it and to answer it. */
export interface RequestEntry<N extends RequestName> {
  /** Its number on the wire, 1 … 127. */
  readonly tag: number;
  readonly priority: Priority;
  /** How long the answer is waited for unless the asker says otherwise. */
  readonly timeoutMs: number;
  readonly ask: Codec<Requests[N]["ask"]>;
  readonly reply: Codec<Requests[N]["reply"]>;
}

/** All there is to know of an event. */
export interface EventEntry<N extends EventName> {
  /** Its number on the wire, 128 … 255. */
  readonly tag: number;
  readonly event: Codec<Events[N]>;
}

const NO_BYTES: Bytes = new Uint8Array(0);

const KIND_NUMBERS: Readonly<Record<WireKind, number>> = { sealed: 1, public: 2, segment: 3 };
const KINDS: readonly (WireKind | undefined)[] = [undefined, "sealed", "public", "segment"];

function readKind(reader: ByteReader): WireKind {
  const number = reader.u8();
  const kind = KINDS[number];
  if (kind === undefined) throw reader.fail(`unknown kind ${number}`);
  return kind;
}

/**
 * Reads an object: all that is left of its message. It owns the message's bytes, which go when it is freed: who keeps
 * others of them copies them.
 */
function readObject(reader: ByteReader): Bytes {
  const length = reader.remaining;
  if (length < 1 || length > FRAME_BYTES_MAX) throw reader.fail(`an object of ${length} bytes`);
  return ownWhole(reader.raw(length));
}

function checkLength(length: number): number {
  if (length < 1 || length > FRAME_BYTES_MAX) {
    throw cannotSend("object", `${length} bytes, the limit is ${FRAME_BYTES_MAX}`);
  }
  return length;
}

const HEARD_BYTES = HASH_BYTES + 4;
const NEED_BYTES = HASH_BYTES + 4;
const BITS_BYTES_MAX = 2 + Math.ceil(Math.max(HAVE_ADDRESSES_MAX, KEEP_NEEDS_MAX) / 8);
const SECONDS_MAX = 0xffff_ffff;

const presence: Codec<Presence> = {
  bytesMax: 2 * HASH_BYTES + 3 * 8 + 2 + HEARD_MAX * HEARD_BYTES,
  encode: ({ headsDigest, rosterDigest, missing, missingBytes, storedBytes, heard }) => {
    const writer = new ByteWriter(2 * HASH_BYTES + 26 + heard.length * HEARD_BYTES);
    writeHash(writer, headsDigest, "the digest of heads");
    writeHash(writer, rosterDigest, "the digest of the roster")
      .u64(missing).u64(missingBytes).u64(storedBytes);
    writeCount(writer, heard.length, HEARD_MAX, "members heard of");
    for (const { node, secondsAgo } of heard) {
      writeHash(writer, node, "a node's id")
        .u32(Math.min(SECONDS_MAX, Math.max(0, Math.floor(secondsAgo))));
    }
    return [writer.finish()];
  },
  decode: (reader) => {
    const fixed = {
      headsDigest: readHash(reader),
      rosterDigest: readHash(reader),
      missing: reader.u64(),
      missingBytes: reader.u64(),
      storedBytes: reader.u64(),
    };
    const count = reader.count(reader.u16(), HEARD_MAX, HEARD_BYTES);
    const heard = Array.from(
      { length: count },
      () => ({ node: readHash(reader), secondsAgo: reader.u32() }),
    );
    return { ...fixed, heard };
  },
};

const heads: Codec<Requests["heads"]["reply"]> = {
  bytesMax: 2 + HEADS_MAX * HEAD_BYTES,
  encode: (value) => [writeHeads(new ByteWriter(), value.heads, HEADS_MAX).finish()],
  decode: (reader) => ({ heads: readHeads(reader, HEADS_MAX) }),
};

const STATEMENTS = { max: STATEMENTS_MAX, bytesEachMax: STATEMENT_BYTES_MAX, what: "statements" };

const statements: Codec<Events["news"]> = {
  bytesMax: MESSAGE_BYTES_MAX,
  encode: (value) => encodeBlobs(value.statements, STATEMENTS),
  decode: (reader) => ({ statements: readBlobs(reader, STATEMENTS) }),
};

const nothing: Codec<Record<string, never>> = {
  bytesMax: 0,
  encode: () => [],
  decode: () => ({}),
};

/** One byte string that is the whole message. */
function blob<K extends string>(
  name: K,
  bytesMax: number,
): Codec<Record<K, Bytes>> {
  return {
    bytesMax,
    encode: (value) => {
      const { length } = value[name];
      if (length < 1) throw cannotSend(name, "it is empty");
      return [value[name]];
    },
    decode: (reader) => {
      if (reader.remaining < 1) throw reader.fail(`an empty ${name}`);
      return { [name]: reader.raw(reader.remaining) } as Record<K, Bytes>;
    },
  };
}

/** Every request. */
export const REQUESTS: { readonly [N in RequestName]: RequestEntry<N> } = {
  ping: {
    tag: 1,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: presence,
    reply: presence,
  },
  roster: {
    tag: 2,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: hashesBytes(STATEMENTS_MAX),
      encode: ({ known }) => [
        writeHashes(new ByteWriter(), known, { max: STATEMENTS_MAX, what: "known statements" })
          .finish(),
      ],
      decode: (reader) => ({ known: readHashes(reader, { max: STATEMENTS_MAX }) }),
    },
    reply: statements,
  },
  heads: {
    tag: 3,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: heads,
    reply: heads,
  },
  segments: {
    tag: 4,
    priority: "bulk",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: HASH_BYTES + 8,
      encode: ({ node, after }) => [
        writeHash(new ByteWriter(HASH_BYTES + 8), node, "a node's id").u64(after).finish(),
      ],
      decode: (reader) => ({ node: readHash(reader), after: reader.u64() }),
    },
    reply: {
      bytesMax: MESSAGE_BYTES_MAX,
      encode: ({ segments }) =>
        encodeBlobs(segments, {
          max: SEGMENTS_MAX,
          bytesEachMax: FRAME_BYTES_MAX,
          what: "segments",
        }),
      decode: (reader) => ({
        segments: readBlobs(reader, { max: SEGMENTS_MAX, bytesEachMax: FRAME_BYTES_MAX }),
      }),
    },
  },
  segmentList: {
    tag: 5,
    priority: "bulk",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: 2 * HASH_BYTES,
      encode: ({ node, after }) => {
        const writer = writeHash(new ByteWriter(2 * HASH_BYTES), node, "a node's id");
        return [writeHash(writer, after, "an address").finish()];
      },
      decode: (reader) => ({ node: readHash(reader), after: readHash(reader) }),
    },
    reply: {
      bytesMax: 1 + hashesBytes(SEGMENT_LIST_MAX),
      encode: ({ addresses, isAll }) => {
        const options = { max: SEGMENT_LIST_MAX, what: "addresses of segments", ascending: true };
        return [writeHashes(writeFlag(new ByteWriter(), isAll), addresses, options).finish()];
      },
      decode: (reader) => {
        const isAll = readFlag(reader);
        return {
          addresses: readHashes(reader, { max: SEGMENT_LIST_MAX, ascending: true }),
          isAll,
        };
      },
    },
  },
  get: {
    tag: 6,
    priority: "bulk",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: HASH_BYTES,
      encode: ({ address }) => [
        writeHash(new ByteWriter(HASH_BYTES), address, "an address").finish(),
      ],
      decode: (reader) => ({ address: readHash(reader) }),
    },
    reply: {
      bytesMax: 1 + FRAME_BYTES_MAX,
      encode: ({ object }) => {
        if (object === null) return [Uint8Array.of(0)];
        checkLength(object.bytes.length);
        return [Uint8Array.of(KIND_NUMBERS[object.kind]), object.bytes];
      },
      decode: (reader) => {
        if (reader.remaining === 1) {
          const none = reader.u8();
          if (none !== 0) throw reader.fail(`no object, but kind ${none}`);
          return { object: null };
        }
        return { object: { kind: readKind(reader), bytes: readObject(reader) } };
      },
    },
  },
  have: {
    tag: 7,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: hashesBytes(HAVE_ADDRESSES_MAX) + heads.bytesMax,
      encode: (value) => {
        const options = { max: HAVE_ADDRESSES_MAX, what: "addresses" };
        const writer = writeHashes(new ByteWriter(), value.addresses, options);
        return [writeHeads(writer, value.heads, HEADS_MAX).finish()];
      },
      decode: (reader) => ({
        addresses: readHashes(reader, { max: HAVE_ADDRESSES_MAX }),
        heads: readHeads(reader, HEADS_MAX),
      }),
    },
    reply: {
      bytesMax: 1 + BITS_BYTES_MAX,
      encode: ({ held, isBehind }) => [
        writeBits(writeFlag(new ByteWriter(), isBehind), held, HAVE_ADDRESSES_MAX).finish(),
      ],
      decode: (reader) => {
        const isBehind = readFlag(reader);
        return { held: readBits(reader, HAVE_ADDRESSES_MAX), isBehind };
      },
    },
  },
  keep: {
    tag: 8,
    priority: "bulk",
    timeoutMs: KEEP_TIMEOUT_MS,
    ask: {
      bytesMax: 1 + HASH_BYTES + 8 + 2 + KEEP_NEEDS_MAX * NEED_BYTES,
      encode: ({ log, needs }) => {
        const writer = writeFlag(new ByteWriter(), log !== null);
        if (log !== null) writeHash(writer, log.node, "a node's id").u64(log.last);
        writeCount(writer, needs.length, KEEP_NEEDS_MAX, "needs");
        for (const { address, length } of needs) {
          writeHash(writer, address, "an address").u32(checkLength(length));
        }
        return [writer.finish()];
      },
      decode: (reader) => {
        const log = readFlag(reader) ? { node: readHash(reader), last: reader.u64() } : null;
        const count = reader.count(reader.u16(), KEEP_NEEDS_MAX, NEED_BYTES);
        const needs = Array.from({ length: count }, () => {
          const need = { address: readHash(reader), length: reader.u32() };
          if (need.length < 1 || need.length > FRAME_BYTES_MAX) {
            throw reader.fail(`an object of ${need.length} bytes`);
          }
          return need;
        });
        return { log, needs };
      },
    },
    reply: {
      bytesMax: BITS_BYTES_MAX,
      encode: ({ held }) => [writeBits(new ByteWriter(), held, KEEP_NEEDS_MAX).finish()],
      decode: (reader) => ({ held: readBits(reader, KEEP_NEEDS_MAX) }),
    },
  },
  push: {
    tag: 9,
    priority: "bulk",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: {
      bytesMax: 1 + HASH_BYTES + FRAME_BYTES_MAX,
      encode: ({ kind, address, head = NO_BYTES, bytes }) => {
        checkLength(head.length + bytes.length);
        const writer = new ByteWriter(1 + HASH_BYTES + head.length).u8(KIND_NUMBERS[kind]);
        return [writeHash(writer, address, "an address").raw(head).finish(), bytes];
      },
      decode: (reader) => ({
        kind: readKind(reader),
        address: readHash(reader).slice(),
        bytes: readObject(reader),
      }),
    },
    reply: {
      bytesMax: 1,
      encode: ({ isTaken }) => [writeFlag(new ByteWriter(1), isTaken).finish()],
      decode: (reader) => ({ isTaken: readFlag(reader) }),
    },
  },
  mail: {
    tag: 10,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: blob("letter", LETTER_BYTES_MAX),
    reply: nothing,
  },
  rekey: {
    tag: 11,
    priority: "control",
    timeoutMs: REQUEST_TIMEOUT_MS,
    ask: blob("secret", STATEMENT_BYTES_MAX),
    reply: nothing,
  },
};

/** Every event. */
export const EVENTS: { readonly [N in EventName]: EventEntry<N> } = {
  advance: {
    tag: 128,
    event: {
      bytesMax: HEAD_BYTES,
      encode: (head) => [writeHead(new ByteWriter(HEAD_BYTES), head).finish()],
      decode: readHead,
    },
  },
  news: { tag: 129, event: statements },
  bye: {
    tag: 130,
    event: {
      bytesMax: 2 + REASON_BYTES_MAX,
      encode: ({ reason }) => [
        new ByteWriter(2 + REASON_BYTES_MAX).text16(cutReason(reason)).finish(),
      ],
      decode: (reader) => ({ reason: readReason(reader) }),
    },
  },
};

/** A request's name by its number. */
export const REQUEST_OF_TAG: ReadonlyMap<number, RequestName> = new Map(
  (Object.keys(REQUESTS) as RequestName[]).map((name) => [REQUESTS[name].tag, name]),
);

/** An event's name by its number. */
export const EVENT_OF_TAG: ReadonlyMap<number, EventName> = new Map(
  (Object.keys(EVENTS) as EventName[]).map((name) => [EVENTS[name].tag, name]),
);
