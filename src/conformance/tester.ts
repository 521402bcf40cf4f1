/**
 * What the suites are written with: a place to put tests, and a few ways of saying what must hold. No test runner is
 * needed: whatever can run named functions will do.
 *
 * @module
 */

import { type Bytes, equalBytes, isVaultError, toHex } from "../base/mod.ts";

/** Where tests go: `Deno.test` itself fits, and so does a loop over a list. */
export interface Tester {
  /** Takes a test; it has failed if the promise rejects. */
  test(name: string, run: () => Promise<void>): void;
}

/** What a test throws that finds a contract broken. */
export class ContractError extends Error {
  /** Always "ContractError". */
  override readonly name = "ContractError";
}

/** @throws ContractError */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new ContractError(what);
}

/** Values are told apart by how they are shown: numbers, texts, bytes in hex, lists of these. @throws ContractError */
export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual instanceof Uint8Array && expected instanceof Uint8Array) {
    must(equalBytes(actual, expected), `${what}: other bytes, ${actual.length} of them`);
    return;
  }
  const [a, b] = [show(actual), show(expected)];
  if (a !== b) throw new ContractError(`${what}: ${cut(a)}, not ${cut(b)}`);
}

/** The code of the VaultError that the work has to fail with. @throws ContractError */
export async function mustFail(work: () => Promise<unknown>, what: string): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (isVaultError(error)) return error.code;
    throw new ContractError(`${what}: it threw ${error}, which is no VaultError`);
  }
  throw new ContractError(`${what}: it did not fail`);
}

function show(value: unknown): string {
  return JSON.stringify(
    value,
    (_, inner) =>
      typeof inner === "bigint"
        ? `${inner}n`
        : inner instanceof Uint8Array
        ? `bytes ${toHex(inner)}`
        : inner,
  ) ?? "undefined";
}

function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text;
}

/** Bytes that look like noise, the same for the same seed: xorshift32 (Marsaglia 2003). */
export function seededBytes(length: number, seed: number): Bytes {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Runs what a suite does with something made for it, and has that cleaned up whatever happens. */
export function withMade<T extends { close(): Promise<void> }>(
  tester: Tester,
  { name, make }: { name: string; make: () => Promise<T> },
): (behaviour: string, work: (made: T) => Promise<void>) => void {
  return (behaviour, work) =>
    tester.test(`${name}: ${behaviour}`, async () => {
      const made = await make();
      try {
        await work(made);
      } finally {
        await made.close();
      }
    });
}
