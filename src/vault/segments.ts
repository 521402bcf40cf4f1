/**
 * Segments as the vault reads them: from a stored segment to what the index enters, and from a version back to the
 * body of its record.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  equalBytes,
  sha256,
  shortHex,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { decompress } from "../content/mod.ts";
import {
  type Body,
  decodeBodies,
  decodePruneList,
  decodeSegment,
  type EmptyBody,
  type PruneList,
  type Segment,
  type VersionBody,
} from "../log/mod.ts";
import type { VaultKeys } from "../seal/mod.ts";
import type { IndexDatabase, StoredSegment } from "../store/mod.ts";
import type { RecordIndex, SegmentContent } from "./record_index.ts";

/** Bytes of segments that are kept open, with what their records take up once they are decoded. */
const OPENED_BYTES_MAX = 16 * 1024 * 1024;
/** A record and its body, decoded: about. */
const OPENED_RECORD_BYTES = 1024;
/** Segments of more records are not kept open when they are written. */
const KEPT_RECORDS_MAX = 16;

/** Reads a stored object at once, or null. */
export type ReadObject = (address: Address) => Bytes | null;

function openBodies(keys: Pick<VaultKeys, "body">, segment: Segment): Body[] {
  const kinds = segment.records.map((record) => record.kind);
  if (segment.sealedBodies.length === 0) return kinds.map((kind) => ({ kind } as EmptyBody));
  return decodeBodies(keys.body.openSync(segment.sealedBodies, null, decompress), kinds);
}

/** What an index wants to know of a segment. `read` gives stored objects, to find prune lists. */
export function contentOfSegment(
  stored: StoredSegment,
  context: { keys: VaultKeys; read: ReadObject },
): SegmentContent {
  const segment = decodeSegment(stored.bytes);
  const { address } = stored;
  const isOurs = equalBytes(segment.vaultId, context.keys.vaultId);
  const sizes = isOurs
    ? openBodies(context.keys, segment).map((body) => "size" in body ? body.size : 0)
    : null;
  const prunes = new Map<number, { address: Address; list: PruneList }[]>();
  segment.records.forEach((record, position) => {
    if (record.kind !== "prune") return;
    const lists = record.lists.map((list) => ({
      address: list,
      list: readPruneList(list, context.read),
    }));
    prunes.set(position, lists);
  });
  return { address, segment, sizes, prunes };
}

/** A prune list out of the store. @throws VaultError `damaged` if it is not there or not whole */
function readPruneList(address: Address, read: ReadObject): PruneList {
  const bytes = read(address);
  if (bytes === null || !equalBytes(sha256(bytes), address)) {
    throw new VaultError("damaged", `Cannot read prune list ${shortHex(address)}: it is lost`);
  }
  return decodePruneList(bytes);
}

/** A segment whose bodies are opened when they are asked for. */
export interface OpenedSegment {
  readonly segment: Segment;
  /** @throws VaultError `damaged` */
  bodies(): readonly Body[];
}

/** What a {@link SegmentReader} works with. */
export interface SegmentReaderContext {
  keys: Pick<VaultKeys, "body">;
  index: RecordIndex;
  database: Pick<IndexDatabase, "rebuilds">;
  read: ReadObject;
}

/** Opens segments by their row in the index, and keeps the last ones open. */
export class SegmentReader {
  /** By row; the rows are those of the index as it was after so many rebuilds. */
  readonly #opened = new Map<number, OpenedSegment & { length: number }>();
  #openedBytes = 0;
  #rebuilds = 0;
  readonly #context: SegmentReaderContext;
  /** Segments that were found lost or damaged, by their address in hex, until somebody clears it. */
  readonly damaged = new Map<string, Address>();

  constructor(context: SegmentReaderContext) {
    this.#context = context;
  }

  /** @throws VaultError `damaged` if the segment is lost or not whole */
  open(row: number): OpenedSegment {
    const { index, database } = this.#context;
    if (this.#rebuilds !== database.rebuilds.count) this.#forget();
    const kept = this.#opened.get(row);
    if (kept !== undefined) return kept;
    const { address } = index.segment(row);
    const bytes = this.#context.read(address);
    if (bytes === null || !equalBytes(sha256(bytes), address)) {
      const state = bytes === null ? "it is lost" : "its bytes do not match its address";
      this.damaged.set(toHex(address), address);
      throw new VaultError(
        "damaged",
        `Cannot read segment ${shortHex(address)} of the log: ${state}`,
      );
    }
    // Its signatures were checked when it was entered into the index, and its address says that it is still the same.
    const segment = decodeSegment(bytes, { signatures: "checked before" });
    let bodies: Body[] | undefined;
    const opened = {
      segment,
      bodies: () => bodies ??= openBodies(this.#context.keys, segment),
      length: bytes.length + segment.records.length * OPENED_RECORD_BYTES,
    };
    this.#keep(row, opened);
    return opened;
  }

  /**
   * Keeps open what was just written and entered: the next version of a key looks at the one before. Of a tree's segments
   * few are looked at again, and they are large.
   */
  keep(row: number, { segment, bodies }: { segment: Segment; bodies: readonly Body[] }): void {
    if (bodies.length > KEPT_RECORDS_MAX) return;
    if (this.#rebuilds !== this.#context.database.rebuilds.count) this.#forget();
    const { sealedBodies } = segment;
    const length = sealedBodies.length + bodies.length * OPENED_RECORD_BYTES;
    this.#keep(row, { segment, bodies: () => bodies, length });
  }

  #forget(): void {
    this.#opened.clear();
    this.#openedBytes = 0;
    this.#rebuilds = this.#context.database.rebuilds.count;
  }

  #keep(row: number, opened: OpenedSegment & { length: number }): void {
    this.#opened.set(row, opened);
    this.#openedBytes += opened.length;
    for (const [oldest, { length }] of this.#opened) {
      if (this.#openedBytes <= OPENED_BYTES_MAX || oldest === row) break;
      this.#opened.delete(oldest);
      this.#openedBytes -= length;
    }
  }

  /** The body of the record that made a version. */
  versionBody(place: { segment: number; position: number }): VersionBody {
    const body = this.open(place.segment).bodies()[place.position];
    if (body?.kind === "put" || body?.kind === "restore" || body?.kind === "delete") return body;
    throw new VaultError("damaged", "Cannot read a version: its record is of another kind");
  }
}
