/**
 * Verify: reads what is stored and checks it, and that everything a version needs is there.
 *
 * @module
 */

import { isVaultError, type Random, shortHex, toHex, VaultError } from "../base/mod.ts";
import { decompress } from "../content/mod.ts";
import { decodeSegment } from "../log/mod.ts";
import {
  decodeFrameHeader,
  decodePackHeader,
  FRAME_HEADER_BYTES,
  type FrameRow,
  matchesAddress,
  PACK_HEADER_BYTES,
} from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { FlippedBits } from "./flipped.ts";
import { usersOf, walkVersions } from "./reachable.ts";
import { forgetSeen } from "./seen.ts";
import { inSteps, paced } from "./steps.ts";
import type { VerifyResult, WorkOptions } from "./types.ts";

/** Segments that are looked at in one step. */
const STEP_ROWS = 32;

/** Options of {@link verify}. */
export interface VerifyOptions extends WorkOptions {
  /**
   * Takes damaged objects out of the store, so that storing the file again heals it, and rewrites their packs; what other
   * nodes have is fetched from them.
   */
  repair?: boolean;
  /** Share of the objects whose bytes are read, 0 to 1. */
  sample?: number;
}

/** Checks a vault. Finding damage is no error: it is the result. */
export async function verify(context: VaultContext, options: VerifyOptions): Promise<VerifyResult> {
  const { database, store } = context;
  const { signal } = options;
  await store.flush();
  const flipped = new FlippedBits(context);
  if (options.repair) await flipped.beginPass();
  const problems = [...context.problems];
  let repaired = 0;
  const integrity = database.integrity();
  if (integrity !== "ok") {
    database.rebuild(`SQLite found: ${integrity}`);
    problems.push("the index was damaged; it has been rebuilt");
  }
  const { gaps, forks } = await walkLogs(context, signal);
  problems.push(...gaps, ...forks);
  let reachable = await walkVersions(context, signal);
  const { missing, elsewhere } = reachable;
  problems.push(...reachable.problems);

  let checked = 0;
  let doneBytes = 0;
  let damaged = 0;
  /** Places in `problems` of damaged chunks, with their addresses (hex). */
  const badChunks: { at: number; address: string }[] = [];
  const packs = database.guard(() => store.index.packs());
  const totalBytes = packs.reduce((sum, { bytes }) => sum + bytes, 0);
  const sample = options.sample ?? 1;
  for (const { number, isIntact } of packs) {
    let frames = database.guard(() => store.index.inPack(number));
    while (reachable.rebuilds !== database.rebuilds.count) {
      reachable = await walkVersions(context, signal);
      frames = database.guard(() => store.index.inPack(number));
    }
    const bad: FrameRow[] = [];
    for (const frame of frames) {
      signal?.throwIfAborted();
      doneBytes += frame.length;
      if (sample < 1 && !isSampled(sample, context.random)) continue;
      checked++;
      const isChunk = reachable.chunks.has(frame.row);
      const state = await checkFrame(context, frame, isChunk);
      options.onProgress?.({ doneBytes, totalBytes, item: "objects" });
      if (state === null) continue;
      bad.push(frame);
      if (isChunk) badChunks.push({ at: problems.length, address: toHex(frame.address) });
      problems.push(`${frame.kind} object ${shortHex(frame.address)}: ${state}`);
    }
    // What stands in a pack and is no whole object: nobody can say what was lost with it.
    const foreign = isIntact && hasPackHeader(context, number) ? 0 : 1;
    if (foreign > 0) problems.push(`pack ${number} holds bytes that are no whole object`);
    damaged += bad.length + foreign;
    if (options.repair && bad.length + foreign > 0) {
      const mended = await mendIn(context, flipped, bad);
      const isLeft = (frame: FrameRow) => !mended.has(frame);
      const left = { frames: frames.filter(isLeft), bad: bad.filter(isLeft) };
      repaired += foreign + mended.size +
        await context.gate.beAlone(() => takeOut(context, number, left)) +
        await fetchAgain(context, left.bad, signal);
    }
  }
  const users = await usersOf(context, badChunks.map(({ address }) => address), signal);
  for (const { at, address } of badChunks) {
    const named = users.get(address)!;
    if (named.length > 0) problems[at] += `; needed by ${named.join(", ")}`;
  }
  if (damaged + missing > 0) forgetSeen(context);
  return {
    checked,
    damaged,
    repaired,
    missing: missing + gaps.length,
    elsewhere,
    problems,
  };
}

function isSampled(sample: number, random: Random): boolean {
  const [a, b] = random.bytes(2);
  return (a! * 256 + b!) / 65536 < sample;
}

/** Every log must go from its first record to its last without a hole, and only one way: no two with one number. */
async function walkLogs(
  context: VaultContext,
  signal: AbortSignal | undefined,
): Promise<{ gaps: string[]; forks: string[] }> {
  const { database, index, pace } = context;
  const begin = () => compareLogs(index);
  const moment = () => index.totals().segments;
  return await paced(inSteps(database, { begin, moment }), { pace, signal });
}

function* compareLogs(
  index: VaultContext["index"],
): Generator<void, { gaps: string[]; forks: string[] }> {
  const gaps: string[] = [];
  const forks: string[] = [];
  let node = "";
  let next = 1;
  let rows = 0;
  for (const segment of index.eachSegmentOfLogs()) {
    if (toHex(segment.node) !== node) {
      node = toHex(segment.node);
      next = 1;
    }
    const log = `log of node ${node.slice(0, 12)}`;
    if (segment.first > next) {
      gaps.push(`${log}: records ${next} to ${segment.first - 1} are lost`);
    } else if (segment.first < next) {
      forks.push(`${log}: there are two records ${segment.first}: a copy of this node wrote, too`);
    }
    next = Math.max(next, segment.first + segment.count);
    if (++rows % STEP_ROWS === 0) yield;
  }
  return { gaps, forks };
}

/** Whether a pack begins as it must. */
function hasPackHeader(context: VaultContext, number: number): boolean {
  const bytes = new Uint8Array(PACK_HEADER_BYTES);
  try {
    context.store.packs.file(number).readAt(0, bytes);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // what was in it is reported one by one
  }
  return decodePackHeader(bytes) === number;
}

/** What is wrong with a frame, in words; null if nothing is. */
async function checkFrame(
  context: VaultContext,
  frame: FrameRow,
  isChunk: boolean,
): Promise<string | null> {
  const headerBytes = new Uint8Array(FRAME_HEADER_BYTES);
  try {
    context.store.packs.file(frame.pack).readAt(frame.offset - FRAME_HEADER_BYTES, headerBytes);
    if (decodeFrameHeader(headerBytes) === null) return "its header is damaged";
    const bytes = context.store.getSync(frame.address);
    if (bytes === null) return "it is gone";
    if (!await matchesAddress(frame.address, bytes)) return "its bytes do not match its address";
    if (frame.kind === "segment") decodeSegment(bytes); // its signatures too
    if (isChunk) await context.keys.chunk.open(bytes, null, decompress);
    return null;
  } catch (error) {
    if (isVaultError(error, "damaged")) return error.message;
    if (error instanceof Deno.errors.NotFound) return `pack ${frame.pack} is gone`;
    throw error;
  }
}

/** Makes those whole of which one bit flipped: they lie in another pack then. */
async function mendIn(
  { store }: VaultContext,
  flipped: FlippedBits,
  bad: readonly FrameRow[],
): Promise<Set<FrameRow>> {
  const mended = new Set<FrameRow>();
  await store.rotate();
  for (const frame of bad) if (await flipped.mend(frame)) mended.add(frame);
  return mended;
}

/**
 * Rewrites a pack without its damaged frames. Says how many of them are whole after it: those of which only the frame's
 * header was bad.
 */
async function takeOut(
  context: VaultContext,
  number: number,
  { frames, bad }: { frames: readonly FrameRow[]; bad: readonly FrameRow[] },
): Promise<number> {
  const { store } = context;
  const healed: FrameRow[] = [];
  const lost: FrameRow[] = [];
  for (const frame of bad) {
    const bytes = store.packs.stat(number) === null ? null : store.getSync(frame.address);
    (bytes !== null && await matchesAddress(frame.address, bytes) ? healed : lost).push(frame);
  }
  await store.rotate();
  if (store.activePack === number) {
    throw new VaultError("failed", `Cannot rewrite pack ${number}: it is in use`);
  }
  await store.relocate([...frames.filter((frame) => !bad.includes(frame)), ...healed], lost);
  store.dropPack(number);
  await store.packs.sync();
  return healed.length;
}

/** Fetches from other nodes what was taken out. Says how much came. */
async function fetchAgain(
  { store, attachment }: VaultContext,
  lost: readonly FrameRow[],
  signal: AbortSignal | undefined,
): Promise<number> {
  let fetched = 0;
  for (const { kind, address } of lost) {
    if (attachment.remote === null || await store.has(address)) continue;
    const bytes = await attachment.remote.fetch(address, signal ? { signal } : {});
    if (bytes === null) continue;
    await store.put({ kind: kind === "sealed" ? "held" : kind, address, pieces: [bytes] });
    fetched++;
  }
  await store.flush();
  return fetched;
}
