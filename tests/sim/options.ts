/**
 * What a command line asks the simulation for.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import type { FaultKind } from "./fault_kit.ts";
import { FAULTS } from "./faults.ts";

const SEEDS = 200;
const JOBS_MAX = 64;

export const USAGE = `Worlds of nodes in virtual time, each from a seed.

  deno task sim [--seeds N] [--first-seed S] [--jobs N] [--faults KINDS]
      runs the worlds of N seeds (${SEEDS}) from S (1, or a number, or "random") on,
      in so many processes at a time (as many as there are cores, up to 8)
  deno task sim --seed S [--trace] [--faults KINDS]
      runs one; --trace tells all that happens
  deno task sim --help

KINDS: names of faults to choose from, with commas between them; all if not given:
  ${FAULTS.map(({ name }) => name).join(", ")}

Exit code: 0 if all went well, 1 if a promise was broken, 2 for what can't be understood.
The last line is "N passed, N failed".
`;

/** What to do. */
export type Task =
  | { readonly kind: "help" }
  | {
    readonly kind: "one";
    readonly seed: number;
    readonly isTraced: boolean;
    readonly kinds: readonly FaultKind[];
  }
  | {
    readonly kind: "many";
    /** `null`: whichever. */
    readonly first: number | null;
    readonly count: number;
    /** `null`: as many as are of use. */
    readonly jobs: number | null;
    /** As they were given. */
    readonly faults: string | null;
  }
  /** Every so many seeds, one after the other: what one process of many does. */
  | {
    readonly kind: "share";
    readonly first: number;
    readonly count: number;
    readonly stride: number;
    /** Whether the first failure ends it. */
    readonly stops: boolean;
    readonly kinds: readonly FaultKind[];
  };

/** A command line that can't be understood, and why. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads a command line. @throws UsageError */
export function readTask(words: readonly string[]): Task {
  const args = parseArgs(words.filter((word) => word !== "--"), {
    string: ["seeds", "first-seed", "seed", "jobs", "stride", "faults"],
    boolean: ["trace", "stop", "help"],
    alias: { h: "help" },
    unknown: (word, name) => {
      throw new UsageError(name === undefined ? `"${word}" is no option` : `there is no ${word}`);
    },
  });
  if (args.help) return { kind: "help" };
  const number = (name: string, min: number, max: number): number | null => {
    const text = args[name];
    if (text === undefined) return null;
    const value = typeof text === "string" && /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(`--${name} takes a number from ${min} to ${max}, not "${text}"`);
  };
  const seedMax = 0xffff_ffff;
  const faults = args.faults === undefined ? null : String(args.faults);
  const kinds = kindsOf(faults);
  const given = (names: readonly string[]) =>
    names.find((name) => args[name] !== undefined && args[name] !== false);
  const seed = number("seed", 0, seedMax);
  if (seed !== null) {
    const odd = given(["seeds", "first-seed", "jobs", "stride", "stop"]);
    if (odd !== undefined) throw new UsageError(`--seed is one world, and --${odd} is about many`);
    return { kind: "one", seed, isTraced: args.trace === true, kinds };
  }
  if (args.trace) throw new UsageError("--trace needs --seed");
  const isRandom = args["first-seed"] === "random";
  const first = isRandom ? null : number("first-seed", 0, seedMax) ?? 1;
  const count = number("seeds", 1, 1e9) ?? SEEDS;
  const stride = number("stride", 1, JOBS_MAX);
  if (stride === null) {
    if (args.stop) throw new UsageError("--stop needs --stride");
    return { kind: "many", first, count, jobs: number("jobs", 1, JOBS_MAX), faults };
  }
  const odd = given(["jobs"]);
  if (odd !== undefined || first === null) {
    throw new UsageError("--stride is one process, from a seed that is given");
  }
  return { kind: "share", first, count, stride, stops: args.stop === true, kinds };
}

function kindsOf(faults: string | null): readonly FaultKind[] {
  if (faults === null) return FAULTS;
  const names = faults.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !FAULTS.some((kind) => kind.name === name));
  if (unknown !== undefined) {
    throw new UsageError(`there is no fault "${unknown}"; --help names all`);
  }
  return FAULTS.filter(({ name }) => names.includes(name));
}
