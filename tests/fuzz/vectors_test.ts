/** Inputs that were found to go wrong once, each with what has to become of it. */

import { assertEquals } from "@std/assert";
import { fromHex } from "../../src/base/mod.ts";
import { type Outcome, outcomeOf } from "./harness.ts";
import { ALL_TEXT_TARGETS, BYTES_TARGETS } from "./targets.ts";

/** One file of tests/vectors/fuzz. */
interface FoundInput {
  readonly target: string;
  /** What it is, and what it did. */
  readonly what: string;
  /** Bytes in hex, or text. */
  readonly bytes?: string;
  readonly text?: string;
  readonly outcome: Outcome;
}

const FOLDER = new URL("../vectors/fuzz/", import.meta.url);

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`tests/vectors/fuzz/${name}: goes as it should`, async () => {
    const found: FoundInput = JSON.parse(await Deno.readTextFile(new URL(name, FOLDER)));
    const outcome = found.bytes === undefined
      ? await outcomeOf(targetOf(ALL_TEXT_TARGETS, found), found.text!)
      : await outcomeOf(targetOf(BYTES_TARGETS, found), fromHex(found.bytes));
    assertEquals(outcome, found.outcome, found.what);
  });
}

function targetOf<T extends { readonly name: string }>(
  targets: readonly T[],
  { target: name }: FoundInput,
): T {
  const target = targets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no decoder is tried under the name ${name}`);
  return target;
}
