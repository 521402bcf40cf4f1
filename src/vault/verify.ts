/**
 * Verify: reads what is stored and checks it, and that everything a version needs is there.
 *
 * @module
 */

import { isVaultError, quoteKey, type Random, shortHex, toHex, VaultError } from "../base/mod.ts";
import { decompress } from "../content/mod.ts";
import { decodeSegment, foldHistory } from "../log/mod.ts";
import {
  decodeFrameHeader,
  decodePackHeader,
  FRAME_HEADER_BYTES,
  type FrameRow,
  matchesAddress,
  PACK_HEADER_BYTES,
} from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { loadManifest } from "./manifests.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import { forgetSeen } from "./seen.ts";
import type { VerifyResult, WorkOptions } from "./types.ts";
import { nameOf } from "./versions.ts";

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

/** What reading the versions found out. */
interface Reachable {
  /** The chunks of all versions by address (hex), and some of the versions that need each. */
  users: Map<string, string[]>;
  missing: Set<string>;
  /** What is not here, and other members of the network should have. */
  elsewhere: Set<string>;
  problems: string[];
}

/** Checks a vault. Finding damage is no error: it is the result. */
export async function verify(context: VaultContext, options: VerifyOptions): Promise<VerifyResult> {
  await context.store.flush();
  const problems = [...context.problems];
  let repaired = 0;
  const integrity = context.database.integrity();
  if (integrity !== "ok") {
    context.database.rebuild(`SQLite found: ${integrity}`);
    problems.push("the index was damaged; it has been rebuilt");
  }
  const { gaps, forks } = walkLogs(context);
  problems.push(...gaps, ...forks);
  const reachable = await walkVersions(context, options);
  problems.push(...reachable.problems);

  let checked = 0;
  let doneBytes = 0;
  let damaged = 0;
  const packs = context.database.guard(() => context.store.index.packs());
  const totalBytes = packs.reduce((sum, { bytes }) => sum + bytes, 0);
  const sample = options.sample ?? 1;
  for (const { number, isIntact } of packs) {
    const frames = context.database.guard(() => context.store.index.inPack(number));
    const bad: FrameRow[] = [];
    for (const frame of frames) {
      options.signal?.throwIfAborted();
      doneBytes += frame.length;
      if (sample < 1 && !isSampled(sample, context.random)) continue;
      checked++;
      const users = reachable.users.get(toHex(frame.address));
      const state = await checkFrame(context, frame, users !== undefined);
      options.onProgress?.({ doneBytes, totalBytes, item: "objects" });
      if (state === null) continue;
      bad.push(frame);
      const needed = users ? `; needed by ${users.join(", ")}` : "";
      problems.push(`${frame.kind} object ${shortHex(frame.address)}: ${state}${needed}`);
    }
    // What stands in a pack and is no whole object: nobody can say what was lost with it.
    const foreign = isIntact && hasPackHeader(context, number) ? 0 : 1;
    if (foreign > 0) problems.push(`pack ${number} holds bytes that are no whole object`);
    damaged += bad.length + foreign;
    if (options.repair && bad.length + foreign > 0) {
      repaired += foreign +
        await context.gate.beAlone(() => takeOut(context, number, { frames, bad })) +
        await fetchAgain(context, bad, options.signal);
    }
  }
  if (damaged + reachable.missing.size > 0) forgetSeen(context);
  return {
    checked,
    damaged,
    repaired,
    missing: reachable.missing.size + gaps.length,
    elsewhere: reachable.elsewhere.size,
    problems,
  };
}

function isSampled(sample: number, random: Random): boolean {
  const [a, b] = random.bytes(2);
  return (a! * 256 + b!) / 65536 < sample;
}

/** Every log must go from its first record to its last without a hole, and only one way: no two with one number. */
function walkLogs(context: VaultContext): { gaps: string[]; forks: string[] } {
  return context.database.guard(() => {
    const gaps: string[] = [];
    const forks: string[] = [];
    let node = "";
    let next = 1;
    for (const segment of context.index.segments()) {
      if (toHex(segment.node) !== node) {
        node = toHex(segment.node);
        next = 1;
      }
      const log = `log of node ${node.slice(0, 12)}`;
      if (segment.first > next) {
        gaps.push(`${log}: records ${next} to ${segment.first - 1} are lost`);
      } else if (segment.first < next) {
        forks.push(
          `${log}: there are two records ${segment.first}: a copy of this node wrote, too`,
        );
      }
      next = Math.max(next, segment.first + segment.count);
    }
    return { gaps, forks };
  });
}

/** Reads every version's manifest and looks for all that it names. */
async function walkVersions(context: VaultContext, options: VerifyOptions): Promise<Reachable> {
  const found: Reachable = {
    users: new Map(),
    missing: new Set(),
    elsewhere: new Set(),
    problems: [],
  };
  const { attachment } = context;
  const hasOthers = attachment.remote !== null || await attachment.others() > 0;
  const versions = context.database.guard(() =>
    [...Map.groupBy(context.index.allVersions(), ({ keyTag }) => toHex(keyTag)).values()]
      .flatMap((ofKey) => foldHistory(ofKey).ordered)
  );
  for (const version of versions) {
    options.signal?.throwIfAborted();
    await walkVersion(context, version, { found, hasOthers });
  }
  return found;
}

async function walkVersion(
  context: VaultContext,
  version: IndexedVersion,
  { found, hasOthers }: { found: Reachable; hasOthers: boolean },
): Promise<void> {
  const name = context.database.guard(() => nameOf(context, version.keyTag, version));
  const label = `version ${version.depth} of ${
    name === null ? "a key whose name is lost" : quoteKey(name)
  }`;
  try {
    const body = context.database.guard(() => context.segments.versionBody(version));
    if (body.kind === "delete") return;
    const { references } = await loadManifest(context, body.manifest);
    let missing = 0;
    for (let i = 0; i < references.count; i++) {
      const address = references.address(i);
      const frame = context.database.guard(() => context.store.index.find(address));
      if (frame === null) {
        // In a network the nodes that should hold it look after it.
        (hasOthers ? found.elsewhere : found.missing).add(toHex(address));
        if (!hasOthers) missing++;
        continue;
      }
      const users = found.users.get(toHex(address));
      if (users === undefined) found.users.set(toHex(address), [label]);
      else if (users.length < 3 && users.at(-1) !== label) users.push(label);
    }
    if (missing > 0) {
      found.problems.push(`${label}: ${missing} of ${references.count} chunks are missing`);
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    if (isVaultError(error, "too_few_peers") && context.attachment.remote === null) {
      found.elsewhere.add(toHex(version.id)); // its manifest: that it is nowhere, nobody can say here
      return;
    }
    found.missing.add(toHex(version.id));
    found.problems.push(`${label} can't be read: ${error.message}`);
  }
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
