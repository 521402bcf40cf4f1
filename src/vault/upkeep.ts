/**
 * What keeps a node's store in order while it serves others: collecting what no version of any vault needs, dropping what
 * others hold, reading everything again now and then. All of it gives way to whoever writes.
 *
 * @module
 */

import {
  type Address,
  isVaultError,
  REPACK_DEAD_SHARE,
  UPKEEP_PACKS_MAX,
  VaultError,
} from "../base/mod.ts";
import { type FrameRow, matchesAddress } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { FlippedBits } from "./flipped.ts";
import { chooseMarked, collectCaughtUp } from "./garbage.ts";
import { type Marking, markLive } from "./marking.ts";
import { carryForHeirs } from "./prune.ts";
import { forgetSeen } from "./seen.ts";

/** Keeps a store in order. */
export class Upkeep {
  readonly #context: VaultContext;
  /** The pack that was scrubbed last, so that small steps need not list it each time. */
  #scrubbed: { pack: number; frames: readonly FrameRow[]; rebuilds: number } | null = null;

  /** What is live, of a collection that had to give way. */
  #marking: Marking | null = null;
  readonly #flipped: FlippedBits;

  constructor(context: VaultContext) {
    this.#context = context;
    this.#flipped = new FlippedBits(context);
  }

  /**
   * Collects what no version of any vault needs any more, but for what `isPinned` names; it is asked again until an object
   * goes, and from now on whenever this vault collects. A few packs at a time, between which writers get their turn.
   *
   * @returns `isDone`: false if someone was writing, so that it is worth trying again
   * @throws the signal's reason; VaultError `no_space`
   */
  async collect(
    { isPinned, signal }: { isPinned: (address: Address) => boolean; signal: AbortSignal },
  ): Promise<{ freedBytes: number; isDone: boolean }> {
    const { attachment, gate } = this.#context;
    attachment.isPinned = isPinned;
    let freedBytes = 0;
    const marking = await this.#mark(signal);
    const options = { deadShareMin: REPACK_DEAD_SHARE, signal };
    const { candidates } = await chooseMarked(this.#context, marking.marked, options);
    for (let start = 0; start < candidates.length; start += UPKEEP_PACKS_MAX) {
      signal.throwIfAborted();
      const some = candidates.slice(start, start + UPKEEP_PACKS_MAX);
      const collected = await gate.beAloneIfFree(() =>
        collectCaughtUp(this.#context, marking, { ...options, candidates: some })
      );
      if (collected === null) return { freedBytes, isDone: false };
      freedBytes += collected.freedBytes;
    }
    this.#marking = null;
    await carryForHeirs(this.#context, marking.marked.heirs);
    return { freedBytes, isDone: true };
  }

  /** A marking that is up to date: the last one, if it was not used to its end and nothing was dropped since. */
  async #mark(signal: AbortSignal): Promise<Marking> {
    const last = this.#marking;
    if (last !== null && !last.isBehind && await last.catchUpInSteps(signal)) return last;
    this.#marking = null;
    return this.#marking = await markLive(this.#context, { onLoss: "keep", signal });
  }

  /**
   * Forgets objects that others hold, while nobody writes; their space comes back when their packs are collected.
   * `stillSurplus` is asked in the moment in which an object would go. Says how many went: none if someone was writing.
   */
  async dropSurplus(
    addresses: readonly Address[],
    stillSurplus: (address: Address) => boolean,
  ): Promise<number> {
    const { committer, gate, store } = this.#context;
    const isGoing = ({ kind, address }: FrameRow) =>
      (kind === "sealed" || kind === "held") && stillSurplus(address);
    const dropped = await gate.beAloneIfFree(async () => {
      await committer.settle();
      return await store.forget(addresses, isGoing);
    });
    return dropped ?? 0;
  }

  /**
   * Reads stored objects from `cursor` on (`null`: from the first) and checks their bytes, until about `bytesMax` of them are
   * read. Damaged ones are forgotten, so that they can be fetched again, but for records and lists of which one bit flipped:
   * those are whole after it, and `mended`. `next` is `null` at the end.
   *
   * @throws VaultError `usage` for a cursor that is none
   */
  async scrub(
    cursor: string | null,
    bytesMax: number,
  ): Promise<
    { next: string | null; checkedBytes: number; damaged: Address[]; mended: readonly Address[] }
  > {
    const { database, store } = this.#context;
    const from = parseCursor(cursor);
    const mended: Address[] = [];
    if (cursor === null) {
      this.#scrubbed = null; // what was put since the last time round is read in this one
      mended.push(...await this.#flipped.beginPass());
    }
    const damaged: Address[] = [];
    let checkedBytes = 0;
    const packs = database.guard(() => store.index.packs()).filter((pack) =>
      pack.number >= from.pack
    );
    for (const { number } of packs) {
      const after = number === from.pack ? from.offset : 0;
      for (const frame of this.#framesOf(number)) {
        if (frame.offset <= after) continue;
        if (checkedBytes > 0 && checkedBytes + frame.length > bytesMax) {
          return { next: `${number}:${frame.offset - 1}`, checkedBytes, damaged, mended };
        }
        checkedBytes += frame.length;
        if (await this.#isWhole(frame)) continue;
        if (await this.#flipped.mend(frame)) {
          mended.push(frame.address);
          continue;
        }
        const isHere = (row: FrameRow) => row.pack === frame.pack && row.offset === frame.offset;
        if (await store.forget([frame.address], isHere) === 0) continue;
        damaged.push(frame.address);
        forgetSeen(this.#context);
      }
    }
    return { next: null, checkedBytes, damaged, mended };
  }

  /** Makes a damaged record or list whole, if one bit of it flipped. @returns whether it is */
  async mend(address: Address): Promise<boolean> {
    const { database, store } = this.#context;
    const frame = database.guard(() => store.index.find(address));
    return frame !== null && await this.#flipped.mend(frame);
  }

  #framesOf(pack: number): readonly FrameRow[] {
    const { database, store } = this.#context;
    const known = this.#scrubbed;
    if (known?.pack === pack && known.rebuilds === store.rebuilds) return known.frames;
    const frames = database.guard(() => store.index.inPack(pack));
    // What a pack that is being written gets later is read the next time round.
    this.#scrubbed = { pack, frames, rebuilds: store.rebuilds };
    return frames;
  }

  async #isWhole(frame: FrameRow): Promise<boolean> {
    try {
      return await matchesAddress(frame.address, this.#context.store.readFrame(frame));
    } catch (error) {
      // A pack that is gone was collected meanwhile, or is lost with what the index places in it.
      if (isVaultError(error, "damaged") || isVaultError(error, "not_found")) return false;
      throw error;
    }
  }

  /** Bytes of all packs. */
  storedBytes(): number {
    const { database, store } = this.#context;
    return database.guard(() => store.index.totals()).fileBytes;
  }
}

function parseCursor(cursor: string | null): { pack: number; offset: number } {
  if (cursor === null) return { pack: 0, offset: 0 };
  const match = /^(\d{1,15}):(\d{1,15})$/.exec(cursor);
  if (match === null) {
    throw new VaultError("usage", `Cannot scrub from "${cursor}": it is no cursor`);
  }
  return { pack: Number(match[1]), offset: Number(match[2]) };
}
