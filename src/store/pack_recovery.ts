/**
 * Bringing the index up to the packs: what a crash left unindexed, and all of it when the index is lost.
 *
 * @module
 */

import { type Address, type Bytes, PACK_BYTES_TARGET } from "../base/mod.ts";
import { decodePackHeader, FRAME_HEADER_BYTES, PACK_HEADER_BYTES, scanFrames } from "./frame.ts";
import type { FrameIndex, PackRow } from "./frame_index.ts";
import type { PackFolder } from "./pack_files.ts";

/** Bytes that may be written and not durable yet: a put waits from here on. */
export const UNFLUSHED_BYTES_MAX = 2 * PACK_BYTES_TARGET;

/**
 * How many packs, from the last one back, may hold what a power cut spoilt: puts and a pack's worth of relocated frames
 * fill three, and begin and end within another. Only these are read in full when the index is rebuilt; older ones
 * were synced before these were begun, and a look at the headers is enough.
 */
const UNSURE_PACKS = 5;

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
}

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
   */
  packsBehind(): number[] | null {
    const { packs, index } = this.#options;
    const sizes = new Map(packs.numbers().map((number) => [number, packs.stat(number)?.size ?? 0]));
    const indexed = new Map(index.packs().map(({ number, length }) => [number, length]));
    for (const [number, length] of indexed) if ((sizes.get(number) ?? -1) < length) return null;
    return [...sizes].filter(([number, size]) => size !== indexed.get(number)).map(([number]) =>
      number
    );
  }

  /** The last packs, of which not all may be durable. */
  unsurePacks(): number[] {
    return this.#options.packs.numbers().slice(-UNSURE_PACKS);
  }

  /** Enters what lies in these packs behind their indexed length; payloads are checked. */
  enterTails(numbers: readonly number[]): StoredSegment[] {
    return numbers.flatMap((number) => this.#enterTail(number, { verify: true }));
  }

  /** Enters all packs. */
  enterAll(): StoredSegment[] {
    Object.assign(this.report, { junkBytes: 0, damagedFrames: 0, tornBytes: 0 });
    const unsure = new Set(this.unsurePacks());
    return this.#options.packs.numbers().flatMap((number) =>
      this.#enterTail(number, { verify: unsure.has(number) })
    );
  }

  #enterTail(number: number, options: { verify: boolean }): StoredSegment[] {
    const { packs, index, labelOf } = this.#options;
    const file = packs.file(number);
    // While this process appends to the pack, only what a flush has synced may be indexed, and nothing be cut.
    const durable = this.#options.durableLength(number);
    const size = durable ?? file.size();
    const pack = index.pack(number) ?? this.#newRow(number);
    const segments: StoredSegment[] = [];
    let end = size;
    for (const found of scanFrames(file, { from: pack.length, end: size }, options)) {
      if (found.what === "frame") {
        const { header, offset, prefix, payload } = found;
        const { address, length } = header;
        // Behind what is damaged a frame may be part of an object that a peer sent, who chose its bytes: nothing vouches
        // for what such a frame says of itself, until its bytes are sealed here again.
        const kind = header.kind === "sealed" && !pack.isIntact ? "held" : header.kind;
        const label = kind === "sealed" ? labelOf(prefix) : null;
        const place = { pack: number, offset: offset + FRAME_HEADER_BYTES, length };
        if (!index.add({ address, label, kind, ...place })) continue;
        if (kind === "segment") segments.push({ address, bytes: payload! });
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
    return segments;
  }

  /** The row of a pack that the index does not know. Without its header it is read from the first byte. */
  #newRow(number: number): PackRow {
    const header = new Uint8Array(PACK_HEADER_BYTES);
    const read = this.#options.packs.file(number).readAt(0, header);
    const isIntact = decodePackHeader(header.subarray(0, read)) === number;
    return { number, length: isIntact ? PACK_HEADER_BYTES : 0, objects: 0, bytes: 0, isIntact };
  }
}
