/**
 * What is asked of every decoder: what was encoded decodes and encodes to the same bytes; what was changed, or is no
 * encoding at all, is refused by an error of the closed list, or else is the one encoding of what it says; and no more
 * is allocated than the bytes that are there account for.
 *
 * `GOVAULT_FUZZ_RUNS` says how many times as much is tried, `GOVAULT_FUZZ_SEED` with which seed.
 *
 * @module
 */

import fc from "fast-check";
import { assert } from "@std/assert";
import {
  type Bytes,
  encodeUtf8,
  equalBytes,
  type ErrorCode,
  isVaultError,
  toHex,
} from "../../src/base/mod.ts";
import { allocatedBy } from "./allocation.ts";
import { anyBytes, anyText, changed, changes, textChanged, textChanges } from "./changes.ts";

/** The seed that is taken if none is named: the suite always tries the same. */
const SEED = 20_261_121;
const times = Number(Deno.env.get("GOVAULT_FUZZ_RUNS") ?? 1);
const seed = Number(Deno.env.get("GOVAULT_FUZZ_SEED") ?? SEED);

/** How often a property is tried, and from which seed. */
export function trying(runs: number): { numRuns: number; seed: number } {
  return { numRuns: Math.max(1, Math.round(runs * times)), seed };
}

/** What a decoder may allocate for so many bytes: that much, and what stands for a constant. */
export function fewTimes(length: number): number {
  return 16 * length + 4096;
}

/** A decoder of bytes or text, and its encoder. */
export interface Target<T> {
  readonly name: string;
  /** Names of the exported decoders that this one tries. */
  readonly covers: readonly string[];
  /** Encodings of good values. */
  readonly valid: fc.Arbitrary<T>;
  /**
   * Decodes, and encodes what came out. `null`: refused in the way the decoder documents for it, or read in one that has
   * many writings.
   *
   * @throws what the decoder throws
   */
  recode(input: T): T | null | Promise<T | null>;
  /** The codes with which it may refuse; `damaged` if not given. */
  readonly codes?: readonly ErrorCode[];
  /** Another error that it documents. */
  readonly throws?: new (message: string) => Error;
  /** Puts checksums and signatures right after a change, so that what is behind them is reached. */
  mend?(input: T): T;
  /** Most bytes that it may allocate for an input of so many. */
  readonly allocates?: (length: number) => number;
  /** How many changed inputs are tried; less where each takes long. */
  readonly runs?: number;
}

/** What became of an input. */
export type Outcome = "same" | "read" | "refused" | ErrorCode;

/** Holds one input against all that is asked of a decoder. */
export async function outcomeOf<T extends Bytes | string>(
  target: Target<T>,
  input: T,
): Promise<Outcome> {
  const { codes = ["damaged"], throws, allocates = fewTimes } = target;
  const length = typeof input === "string" ? encodeUtf8(input).length : input.length;
  let allocated = 0;
  let again: T | null;
  let outcome: Outcome;
  try {
    again = await allocatedBy(() => target.recode(input), (bytes) => allocated = bytes);
    if (again === null) outcome = "read";
    else {
      assert(isSame(input, again), `${show(input)} is read, but is written ${show(again)}`);
      outcome = "same";
    }
  } catch (error) {
    if (isVaultError(error)) {
      assert(codes.includes(error.code), `${error.code}: ${error.message}`);
      assert(error.message.startsWith("Cannot "), error.message);
      outcome = error.code;
    } else if (throws !== undefined && error instanceof throws) outcome = "refused";
    else throw error;
  }
  const max = allocates(length);
  assert(allocated <= max, `${allocated} bytes allocated for ${length}, at most ${max} expected`);
  return outcome;
}

function isSame(a: Bytes | string, b: Bytes | string): boolean {
  return typeof a === "string" || typeof b === "string" ? a === b : equalBytes(a, b);
}

function show(input: Bytes | string): string {
  return typeof input === "string" ? JSON.stringify(input) : toHex(input);
}

/** What is asked of a target, with inputs of its own kind. */
async function tryTarget<T extends Bytes | string>(
  target: Target<T>,
  inputs: { changed: fc.Arbitrary<T>; any: fc.Arbitrary<T> },
): Promise<void> {
  const { valid, mend, runs = 120 } = target;
  const report = (what: string) => (input: T) => {
    return outcomeOf(target, input).catch((error) => {
      throw new Error(`${target.name}, ${what}: ${show(input)}`, { cause: error });
    });
  };
  const isRead = (outcome: Outcome) => outcome === "same" || outcome === "read";
  await fc.assert(
    fc.asyncProperty(valid, async (input) => {
      const outcome = await report("good")(input);
      assert(
        isRead(outcome),
        `${target.name} refuses (${outcome}) what was encoded: ${show(input)}`,
      );
    }),
    trying(runs / 3),
  );
  await fc.assert(
    fc.asyncProperty(inputs.changed, async (input) => void await report("changed")(input)),
    trying(runs),
  );
  await fc.assert(
    fc.asyncProperty(inputs.any, async (input) => void await report("any")(input)),
    trying(runs / 2),
  );
  if (mend === undefined) return;
  let read = 0;
  await fc.assert(
    fc.asyncProperty(inputs.changed, async (input) => {
      read += Number(isRead(await report("changed and mended")(mend(input))));
    }),
    trying(runs),
  );
  assert(read > 0, `${target.name}: nothing that was mended is read, so nothing behind is reached`);
}

/** Tries a decoder of bytes. */
export async function tryBytes(target: Target<Bytes>): Promise<void> {
  await tryTarget(target, {
    changed: fc.tuple(target.valid, changes, target.valid)
      .map(([good, made, other]) => changed(good, made, other)),
    any: anyBytes,
  });
}

/** Tries a decoder of text. */
export async function tryText(target: Target<string>): Promise<void> {
  await tryTarget(target, {
    changed: fc.tuple(target.valid, textChanges).map(([good, made]) => textChanged(good, made)),
    any: anyText,
  });
}
