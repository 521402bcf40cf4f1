/**
 * Frames that are in a pack and not in the index yet: they wait here for the flush that makes them durable.
 *
 * @module
 */

import { type Address, type Bytes, toHex } from "../base/mod.ts";
import type { FramePlace } from "./frame_index.ts";

/** A frame that waits for its row in the index. */
export interface PendingFrame extends FramePlace {
  /** The payload of a segment, which the owner's index wants to see at the flush; null for other kinds. */
  bytes: Bytes | null;
}

/** The waiting frames, in the order in which they were appended. */
export class PendingFrames {
  readonly #byAddress = new Map<string, PendingFrame>();
  readonly #byLabel = new Map<string, PendingFrame>();
  #bytes = 0;

  get size(): number {
    return this.#byAddress.size;
  }

  /** Bytes of their payloads. */
  get bytes(): number {
    return this.#bytes;
  }

  add(frame: PendingFrame): void {
    this.#byAddress.set(toHex(frame.address), frame);
    if (frame.label !== null) this.#byLabel.set(toHex(frame.label), frame);
    this.#bytes += frame.length;
  }

  /** Gives a waiting frame a label. */
  setLabel(frame: PendingFrame, label: Bytes): void {
    frame.label = label;
    this.#byLabel.set(toHex(label), frame);
  }

  find(address: Address): PendingFrame | null {
    return this.#byAddress.get(toHex(address)) ?? null;
  }

  findByLabel(label: Bytes): PendingFrame | null {
    return this.#byLabel.get(toHex(label)) ?? null;
  }

  all(): PendingFrame[] {
    return [...this.#byAddress.values()];
  }

  /** Those up to the first that is not durable, and the others. */
  split(isDurable: (frame: PendingFrame) => boolean): [PendingFrame[], PendingFrame[]] {
    const all = this.all();
    const end = all.findIndex((frame) => !isDurable(frame));
    return end < 0 ? [all, []] : [all.slice(0, end), all.slice(end)];
  }

  /** Lets go of frames that the index knows now. */
  delete(frames: readonly PendingFrame[]): void {
    for (const frame of frames) {
      this.#byAddress.delete(toHex(frame.address));
      this.#bytes -= frame.length;
      // If another frame with this label has come since, the index answers with the one that it knows.
      if (frame.label !== null) this.#byLabel.delete(toHex(frame.label));
    }
  }
}
