/**
 * Bringing the index up to the packs: what a crash left unindexed, and all of it when the index is lost.
 *
 * @module
 */

import { type Address, type Bytes, HASH_BYTES, PACK_BYTES_TARGET, sha256 } from "../base/mod.ts";
import { decodePackHeader, FRAME_HEADER_BYTES, PACK_HEADER_BYTES, scanFrames } from "./frame.ts";
import type { FrameIndex, FramePlace, PackRow } from "./frame_index.ts";
import type { PackFolder } from "./pack_files.ts";

/** Bytes that may be written and not durable yet: a put waits from here on. */
export const UNFLUSHED_BYTES_MAX = 2 * PACK_BYTES_TARGET;

/**
 * How many packs, from the last one back, may hold what a power cut spoilt: puts and a pack's worth of relocated frames
 * fill three, and begin and end within another. Only these are read in full when the index is rebuilt; older ones
 * were synced before these were begun, and a look at the headers is enough.
 */
const UNSURE_PACKS = 5;

/** The address of what is read whatever it is. */
const NO_ADDRESS: Address = new Uint8Array(HASH_BYTES);

/** A segment of a log that has become durable, or was found again. */
export interface StoredSegment {
  address: Address;
  bytes: Bytes;
}

/** What an open found beside whole frames. */
export interface RecoveryReport {
  /** Bytes that are no frames; left where they are. */
  junkBytes: number;
  /** Frames whose payload does not match their address. */
  damagedFrames: number;
  /** Bytes of a last frame that was never finished, cut away. */
  tornBytes: number;
}

/** What a {@link PackRecovery} works with. */
export interface PackRecoveryOptions {
  packs: PackFolder;
  index: FrameIndex;
  labelOf: (prefix: Bytes) => Bytes | null;
  /** The durable length of a pack that is being written; null for the others. */
  durableLength: (pack: number) => number | null;
  /** Where a segment stands among those of its log: they are given back in that order. */
  orderOf: (segment: Bytes) => number;
  readFrame: (frame: FramePlace) => Bytes;
}

/** Bytes of segments that are given back together. */
const SEGMENTS_PAGE_BYTES = 8 * 1024 * 1024;

/** Where segments lie: four numbers each, as there may be as many as there were puts. */
class SegmentPlaces {
  readonly #order: number[] = [];
  readonly #pack: number[] = [];
  readonly #offset: number[] = [];
  readonly #length: number[] = [];

  add({ order, pack, offset, length }: SegmentPlace & { order: number }): void {
    this.#order.push(order);
    this.#pack.push(pack);
    this.#offset.push(offset);
    this.#length.push(length);
  }

  /** By their order. */
  *sorted(): Generator<SegmentPlace> {
    const places = Uint32Array.from(this.#order, (_, i) => i);
    places.sort((a, b) => this.#order[a]! - this.#order[b]! || a - b);
    for (const i of places) {
      yield { pack: this.#pack[i]!, offset: this.#offset[i]!, length: this.#length[i]! };
    }
  }
}

type SegmentPlace = Pick<FramePlace, "pack" | "offset" | "length">;

/** Reads packs and enters what is in them. */
export class PackRecovery {
  readonly #options: PackRecoveryOptions;
  readonly report: RecoveryReport = { junkBytes: 0, damagedFrames: 0, tornBytes: 0 };

  constructor(options: PackRecoveryOptions) {
    this.#options = options;
  }

  /**
   * Packs that hold more than the index says, ascending; null if the index says more than they hold. Then it is a
   * copy from before a collection, or packs were lost or cut: it has to be made anew.
   *
   * Where the folder is as it was when all packs had been looked at, only the last ones are: no other is appended to, and
   * the time to open a store does not grow with it.
   */
  packsBehind(): number[] | null {
    const { packs, index } = this.#options;
    const restingSince = packs.restingSince();
    const isAsItWas = restingSince !== null && restingSince === index.indexedSince();
    const indexed = isAsItWas ? index.lastPacks(UNSURE_PACKS).reverse() : index.packs();
    const numbers = isAsItWas ? indexed.map(({ number }) => number) : packs.numbers();
    const sizes = new Map(numbers.map((number) => [number, packs.stat(number)?.size ?? -1]));
    const lengths = new Map(indexed.map(({ number, length }) => [number, length]));
    for (const [number, length] of lengths) if ((sizes.get(number) ?? -1) < length) return null;
    return numbers.filter((number) => sizes.get(number) !== lengths.get(number));
  }

  /** Notes that all packs are indexed to their ends, as {@link PackRecovery.packsBehind} has found, or entering what it named. */
  noteIndexed(): void {
    const { packs, index } = this.#options;
    const restingSince = packs.restingSince();
    if (restingSince === null || restingSince === index.indexedSince()) return;
    index.setIndexedSince(restingSince);
  }

  /** The last packs, of which not all may be durable. */
  unsurePacks(): number[] {
    return this.#options.packs.numbers().slice(-UNSURE_PACKS);
  }

  /** Enters what lies in these packs behind their indexed length; payloads are checked. Gives the segments in it. */
  *enterTails(numbers: readonly number[]): Generator<StoredSegment[]> {
    const segments = new SegmentPlaces();
    for (const number of numbers) this.#enterTail(number, { verify: true, segments });
    yield* this.#pages(segments);
  }

  /** Enters all packs, and gives the segments in them, some at a time; `transaction` runs for each pack. */
  *enterAll(transaction: (work: () => void) => void): Generator<StoredSegment[]> {
    Object.assign(this.report, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
    const unsure = new Set(this.unsurePacks());
    const segments = new SegmentPlaces();
    for (const number of this.#options.packs.numbers()) {
      transaction(() => this.#enterTail(number, { verify: unsure.has(number), segments }));
    }
    yield* this.#pages(segments);
  }

  /** The segments with their bytes, read again: all at once would take as much memory as the history of the vault. */
  *#pages(segments: SegmentPlaces): Generator<StoredSegment[]> {
    const { index, readFrame } = this.#options;
    let page: StoredSegment[] = [];
    let bytes = 0;
    for (const place of segments.sorted()) {
      const found = readFrame({ ...place, address: NO_ADDRESS, label: null, kind: "segment" });
      const address = sha256(found);
      if (index.find(address) === null) continue; // it was whole a moment ago: a disk that fails
      page.push({ address, bytes: found });
      bytes += found.length;
      if (bytes < SEGMENTS_PAGE_BYTES) continue;
      yield page;
      [page, bytes] = [[], 0];
    }
    if (page.length > 0) yield page;
  }

  #enterTail(
    number: number,
    { verify, segments }: { verify: boolean; segments: SegmentPlaces },
  ): void {
    const { packs, index, labelOf, orderOf } = this.#options;
    const file = packs.file(number);
    // While this process appends to the pack, only what a flush has synced may be indexed, and nothing be cut.
    const durable = this.#options.durableLength(number);
    const size = durable ?? file.size();
    const pack = index.pack(number) ?? this.#newRow(number);
    let end = size;
    for (const found of scanFrames(file, { from: pack.length, end: size }, { verify })) {
      if (found.what === "frame") {
        const { header, offset, prefix, payload } = found;
        const { address, length } = header;
        // Behind what is damaged a frame may be part of an object that a peer sent, who chose its bytes: nothing vouches
        // for what such a frame says of itself, until its bytes are sealed here again.
        const kind = header.kind === "sealed" && !pack.isIntact ? "held" : header.kind;
        const label = kind === "sealed" ? labelOf(prefix) : null;
        const place = { pack: number, offset: offset + FRAME_HEADER_BYTES, length };
        if (!index.add({ address, label, kind, ...place })) continue;
        if (kind === "segment") segments.add({ order: orderOf(payload!), ...place });
        pack.objects++;
        pack.bytes += length;
      } else if (found.what === "torn" && durable === null) {
        end = found.offset;
        this.report.tornBytes += size - end;
        packs.truncate(number, end);
      } else {
        pack.isIntact = false;
        if (found.what === "junk") this.report.junkBytes += found.length;
        if (found.what === "damaged") this.report.damagedFrames++;
      }
    }
    index.setPack({ ...pack, length: end });
  }

  /** The row of a pack that the index does not know. Without its header it is read from the first byte. */
  #newRow(number: number): PackRow {
    const header = new Uint8Array(PACK_HEADER_BYTES);
    const read = this.#options.packs.file(number).readAt(0, header);
    const isIntact = decodePackHeader(header.subarray(0, read)) === number;
    return { number, length: isIntact ? PACK_HEADER_BYTES : 0, objects: 0, bytes: 0, isIntact };
  }
}
