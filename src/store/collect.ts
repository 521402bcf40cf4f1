/**
 * Collecting garbage: packs with too many dead bytes are written anew without them. What is dead is for the owner of
 * the records to say; here it is only moved or forgotten.
 *
 * @module
 */

import type { FrameRow } from "./frame_index.ts";
import { FRAME_HEADER_BYTES, PACK_HEADER_BYTES } from "./frame.ts";
import type { PackStore } from "./pack_store.ts";
import { matchesAddress } from "./verified_store.ts";

/** How to collect. */
export interface CollectOptions {
  /** Whether a frame has to stay. Segments always stay; they are not asked for. */
  isLive: (frame: FrameRow) => boolean;
  /** Packs whose share of dead bytes reaches this are rewritten; 0 rewrites every pack with a dead byte. */
  deadShareMin: number;
  /** Rewrites only packs that hold a dead frame of this kind. */
  onlyWith?: (frame: FrameRow) => boolean;
  dryRun?: boolean;
  signal?: AbortSignal;
  onPack?: (done: { packs: number; of: number }) => void;
}

/** What a collection did, or would do. */
export interface CollectResult {
  removedObjects: number;
  freedBytes: number;
  rewrittenPacks: number;
  /** Packs left alone because an object in them that has to stay is damaged. */
  damagedPacks: number[];
}

interface Candidate {
  number: number;
  live: FrameRow[];
  dead: FrameRow[];
  fileBytes: number;
  deadBytes: number;
}

function liveBytes(frames: readonly FrameRow[]): number {
  return frames.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.length, 0);
}

/** Weighs one pack: which of its frames stay, and how many bytes would come free. */
function weigh(store: PackStore, number: number, isLive: (frame: FrameRow) => boolean): Candidate {
  const live: FrameRow[] = [];
  const dead: FrameRow[] = [];
  for (const frame of store.index.inPack(number)) {
    (frame.kind === "segment" || isLive(frame) ? live : dead).push(frame);
  }
  const fileBytes = store.packs.stat(number)?.size ?? 0;
  const deadBytes = Math.max(0, fileBytes - PACK_HEADER_BYTES - liveBytes(live));
  return { number, live, dead, fileBytes, deadBytes };
}

function isWorthIt({ dead, deadBytes, fileBytes }: Candidate, options: CollectOptions): boolean {
  if (deadBytes === 0 || deadBytes < options.deadShareMin * fileBytes) return false;
  return options.onlyWith === undefined || dead.some(options.onlyWith);
}

/**
 * Rewrites the packs that are worth it, those without a live byte first: on a full disk they make the room for the rest.
 * Memory: the rows of all packs to be rewritten, and one frame at a time.
 */
export async function collect(store: PackStore, options: CollectOptions): Promise<CollectResult> {
  const result: CollectResult = {
    removedObjects: 0,
    freedBytes: 0,
    rewrittenPacks: 0,
    damagedPacks: [],
  };
  if (options.dryRun) await store.flush();
  else await store.rotate();

  const candidates: Candidate[] = [];
  for (const { number } of store.index.packs()) {
    if (number === store.activePack && !options.dryRun) continue;
    const candidate = weigh(store, number, options.isLive);
    if (isWorthIt(candidate, options)) candidates.push(candidate);
  }
  candidates.sort((a, b) => a.live.length - b.live.length);

  for (const [index, { number, live, dead, deadBytes, fileBytes }] of candidates.entries()) {
    options.signal?.throwIfAborted();
    options.onPack?.({ packs: index, of: candidates.length });
    if (!options.dryRun) {
      if (!await allWhole(store, live)) {
        result.damagedPacks.push(number);
        continue;
      }
      await store.relocate(live, dead);
      store.dropPack(number);
    }
    result.rewrittenPacks++;
    result.removedObjects += dead.length;
    result.freedBytes += live.length === 0 ? fileBytes : deadBytes;
  }
  if (!options.dryRun && result.rewrittenPacks > 0) await store.packs.sync();
  return result;
}

async function allWhole(store: PackStore, frames: readonly FrameRow[]): Promise<boolean> {
  for (const frame of frames) {
    const bytes = store.getSync(frame.address);
    if (bytes === null || !await matchesAddress(frame.address, bytes)) return false;
  }
  return true;
}
