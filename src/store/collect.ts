/**
 * Collecting garbage: packs with too many dead bytes are written anew without them. What is dead is for the owner of
 * the records to say; here it is only moved or forgotten.
 *
 * @module
 */

import { isVaultError, shortHex, VaultError } from "../base/mod.ts";
import { IndexDamage } from "./database.ts";
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
  /** Rewrites only packs that hold a dead frame for which this is true. */
  onlyWith?: (frame: FrameRow) => boolean;
  /** Asked again of each dead frame at the last moment: what has come to be relied on since then stays where it is. */
  isSpared?: (frame: FrameRow) => boolean;
  /** Looks at these packs alone, as {@link chooseCandidates} found them; at all if not given. */
  candidates?: readonly number[];
  dryRun?: boolean;
  /** Lets others in: waited for after each pack that is looked at. */
  rest?: () => Promise<void>;
  signal?: AbortSignal;
  onPack?: (done: { packs: number; of: number }) => void;
}

/** What a collection did, or would do. */
export interface CollectResult {
  removedObjects: number;
  freedBytes: number;
  rewrittenPacks: number;
  /** Bytes of dead objects in packs that were left alone, as they are too few there. */
  leftBytes: number;
  /** Packs left alone because an object in them that has to stay is damaged. */
  damagedPacks: number[];
}

/** What comes of a pack. */
interface Weighed {
  live: FrameRow[];
  dead: FrameRow[];
  fileBytes: number;
  deadBytes: number;
}

function liveBytes(frames: readonly FrameRow[]): number {
  return frames.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.length, 0);
}

/** Weighs one pack: which of its frames stay, and how many bytes would come free. */
function weigh(store: PackStore, number: number, isLive: (frame: FrameRow) => boolean): Weighed {
  const live: FrameRow[] = [];
  const dead: FrameRow[] = [];
  for (const frame of store.index.inPack(number)) {
    (frame.kind === "segment" || isLive(frame) ? live : dead).push(frame);
  }
  for (const { address, row } of dead) {
    // Marking goes by address. What is not found by it may be dead only because nobody could mark it.
    if (store.index.find(address)?.row !== row) {
      throw new IndexDamage(`object ${shortHex(address)} is not found by its address`);
    }
  }
  const fileBytes = store.packs.stat(number)?.size ?? 0;
  const deadBytes = Math.max(0, fileBytes - PACK_HEADER_BYTES - liveBytes(live));
  return { live, dead, fileBytes, deadBytes };
}

function isWorthIt({ dead, deadBytes, fileBytes }: Weighed, options: CollectOptions): boolean {
  if (deadBytes === 0 || deadBytes < options.deadShareMin * fileBytes) return false;
  return options.onlyWith === undefined || dead.some(options.onlyWith);
}

/** Packs that are worth rewriting, and what is in the others. */
export interface Candidates {
  /** Numbers of packs, those without a live byte first. */
  candidates: number[];
  /** As in {@link CollectResult}. */
  leftBytes: number;
}

/**
 * Finds the packs that are worth rewriting, the one that is being written to among them. Others may put objects meanwhile, as
 * {@link collect} weighs each pack again.
 *
 * @throws VaultError `failed` if the index had to be rebuilt meanwhile; the signal's reason
 */
export async function chooseCandidates(
  store: PackStore,
  options: CollectOptions,
): Promise<Candidates> {
  const { rebuilds } = store;
  const found: { number: number; live: number }[] = [];
  let leftBytes = 0;
  for (const { number } of store.guard(() => store.index.packs())) {
    options.signal?.throwIfAborted();
    const weighed = store.guard(() => {
      checkRows(store, rebuilds);
      return weigh(store, number, options.isLive);
    });
    if (isWorthIt(weighed, options)) found.push({ number, live: weighed.live.length });
    else leftBytes += weighed.deadBytes;
    await options.rest?.();
  }
  const candidates = found.sort((a, b) => a.live - b.live).map(({ number }) => number);
  return { candidates, leftBytes };
}

/** Refuses to go on after a rebuild of the index: what is live is known by the rows of before. */
function checkRows(store: PackStore, rebuilds: number): void {
  if (store.rebuilds === rebuilds) return;
  throw new VaultError("failed", "Cannot collect garbage: the index had to be rebuilt", {
    hint: "run it again",
  });
}

/**
 * Rewrites the packs that are worth it, those without a live byte first: on a full disk they make the room for the rest.
 * Memory: the rows of one pack, and one frame at a time.
 *
 * `isLive` and `onlyWith` go by the rows of the index as they are when this is called, and what is put before it returns must
 * be live or spared: an object that is about to go must not be met as one that is there.
 *
 * @throws VaultError `failed` if the index had to be rebuilt meanwhile; `no_space`, `interrupted`. What was done
 * until then is done, and nothing that is live is lost.
 */
export async function collect(store: PackStore, options: CollectOptions): Promise<CollectResult> {
  const { rebuilds } = store;
  const result: CollectResult = {
    removedObjects: 0,
    freedBytes: 0,
    rewrittenPacks: 0,
    leftBytes: 0,
    damagedPacks: [],
  };
  if (options.dryRun) await store.flush();
  else await store.rotate();

  let { candidates } = options;
  if (candidates === undefined) {
    const chosen = await chooseCandidates(store, options);
    ({ candidates } = chosen);
    result.leftBytes = chosen.leftBytes;
  }
  for (const [index, number] of candidates.entries()) {
    options.signal?.throwIfAborted();
    options.onPack?.({ packs: index, of: candidates.length });
    const weighed = store.guard(() => {
      checkRows(store, rebuilds);
      return weigh(store, number, options.isLive);
    });
    // Somebody may have begun to write to it, or what is in it has come to be needed, since it was chosen.
    if (!options.dryRun && number === store.activePack) continue;
    if (!isWorthIt(weighed, options)) continue;
    const { live, dead, fileBytes, deadBytes } = weighed;
    let spared = 0;
    if (!options.dryRun) {
      if (!await allWhole(store, live)) {
        result.damagedPacks.push(number);
        continue;
      }
      checkRows(store, rebuilds);
      spared = await store.relocate(live, dead, options.isSpared);
      if (spared === 0) store.dropPack(number);
    }
    result.rewrittenPacks++;
    result.removedObjects += dead.length - spared;
    // The space of a pack in which something was spared comes back the next time.
    if (spared === 0) result.freedBytes += live.length === 0 ? fileBytes : deadBytes;
  }
  if (!options.dryRun && result.rewrittenPacks > 0) await store.packs.sync();
  return result;
}

/** Whether each of these very frames has the bytes that its address says. */
async function allWhole(store: PackStore, frames: readonly FrameRow[]): Promise<boolean> {
  for (const frame of frames) {
    try {
      if (!await matchesAddress(frame.address, store.readFrame(frame))) return false;
    } catch (error) {
      if (isVaultError(error, "damaged")) return false;
      throw error;
    }
  }
  return true;
}
