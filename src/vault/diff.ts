/**
 * Diff: what differs between two versions of a key. Chunks that both have are taken as they are; what lies between them
 * is compared byte by byte from both ends.
 *
 * @module
 */

import { type Bytes } from "../base/mod.ts";
import { makeDelta, type References } from "../content/mod.ts";
import { readChunk } from "./content_reader.ts";
import type { VaultContext } from "./context.ts";
import { openVersion } from "./get.ts";
import type { ByteRange, DiffResult, VersionSelector } from "./types.ts";
import { describeId } from "./versions.ts";

/** A run of chunks: `first` up to `end`, excluded. */
interface Run {
  first: number;
  end: number;
}

/** Compares two versions of a key. @throws VaultError `not_found`, `damaged` */
export async function diffVersions(
  context: VaultContext,
  key: string,
  selectors: { a: VersionSelector; b: VersionSelector },
): Promise<DiffResult> {
  const a = await openVersion(context, key, { select: selectors.a });
  const b = await openVersion(context, key, { select: selectors.b });
  const onlyInA: ByteRange[] = [];
  const onlyInB: ByteRange[] = [];
  const { gaps, sharedChunks } = align(a.references, b.references);
  for (const gap of gaps) {
    const inA = new ByteRun(context, a.references, gap.a);
    const inB = new ByteRun(context, b.references, gap.b);
    const before = await commonBytes(inA, inB, "front", Math.min(inA.length, inB.length));
    const after = await commonBytes(inA, inB, "back", Math.min(inA.length, inB.length) - before);
    for (const [ranges, run] of [[onlyInA, inA], [onlyInB, inB]] as const) {
      if (run.length > before + after) {
        ranges.push({ start: run.start + before, end: run.start + run.length - after });
      }
    }
  }
  const metaA = [a.body.type, a.body.mode, a.body.mtime, a.body.target];
  const metaB = [b.body.type, b.body.mode, b.body.mtime, b.body.target];
  return {
    key: a.key.name,
    a: describeId(context, a.key.name, a.version.id),
    b: describeId(context, b.key.name, b.version.id),
    onlyInA,
    onlyInB,
    sharedChunks,
    chunksA: a.references.count,
    chunksB: b.references.count,
    metaChanged: metaA.some((value, i) => value !== metaB[i]),
  };
}

/** Finds runs that both have in the same order; between them lie the gaps. */
function align(a: References, b: References): { gaps: { a: Run; b: Run }[]; sharedChunks: number } {
  const gaps: { a: Run; b: Run }[] = [];
  let sharedChunks = 0;
  let doneA = 0;
  let doneB = 0;
  let at = 0;
  const close = (endA: number, endB: number) => {
    if (endA > doneA || endB > doneB) {
      gaps.push({ a: { first: doneA, end: endA }, b: { first: doneB, end: endB } });
    }
  };
  for (const operation of makeDelta(a, b)) {
    if (operation.kind === "insert") {
      at += operation.references.count;
      continue;
    }
    sharedChunks += operation.count;
    // A range that was moved to the front can't be lined up; it counts as different on both sides.
    if (operation.first >= doneA) {
      close(operation.first, at);
      doneA = operation.first + operation.count;
      doneB = at + operation.count;
    }
    at += operation.count;
  }
  close(a.count, b.count);
  return { gaps, sharedChunks };
}

/** The bytes of a run of chunks, one chunk at a time in memory. */
class ByteRun {
  readonly start: number;
  readonly length: number;
  readonly #context: VaultContext;
  readonly #references: References;
  readonly #run: Run;
  readonly #offsets: Float64Array;
  #loaded: { index: number; bytes: Bytes } | null = null;

  constructor(context: VaultContext, references: References, run: Run) {
    this.#context = context;
    this.#references = references;
    this.#run = run;
    this.#offsets = references.offsets();
    this.start = this.#offsets[run.first]!;
    this.length = this.#offsets[run.end]! - this.start;
  }

  /** The chunk that holds byte `position` of the run, and where in the run it begins. */
  async chunkAt(position: number): Promise<{ bytes: Bytes; begins: number }> {
    const absolute = this.start + position;
    let low = this.#run.first;
    let high = this.#run.end - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#offsets[middle]! <= absolute) low = middle;
      else high = middle - 1;
    }
    if (this.#loaded?.index !== low) {
      const bytes = await readChunk(this.#context, this.#references.fields(low));
      this.#loaded = { index: low, bytes };
    }
    return { bytes: this.#loaded.bytes, begins: this.#offsets[low]! - this.start };
  }
}

/** How many bytes two runs share at one end, up to `limit`. */
async function commonBytes(
  a: ByteRun,
  b: ByteRun,
  end: "front" | "back",
  limit: number,
): Promise<number> {
  let common = 0;
  while (common < limit) {
    const [positionA, positionB] = end === "front"
      ? [common, common]
      : [a.length - 1 - common, b.length - 1 - common];
    const [inA, inB] = [await a.chunkAt(positionA), await b.chunkAt(positionB)];
    const step = end === "front" ? 1 : -1;
    let i = positionA - inA.begins;
    let j = positionB - inB.begins;
    while (common < limit && i >= 0 && j >= 0 && i < inA.bytes.length && j < inB.bytes.length) {
      if (inA.bytes[i] !== inB.bytes[j]) return common;
      i += step;
      j += step;
      common++;
    }
  }
  return common;
}
