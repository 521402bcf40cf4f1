/** What the faults have in common: files that are stored, and what must hold of them afterwards. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type ClusterNode, type Outcome, until } from "../helpers/cluster.ts";
import { noise } from "../cli/harness.ts";

const TICK_MS = 100;

/** One fault. @throws CannotHere where it can't be made */
export type Fault = (trial: Trial) => Promise<void>;

/** One time that a fault is made: how far it has come, and all that it has made, to be taken away even in the middle. */
export class Trial implements AsyncDisposable {
  /** Seconds that a fault goes on after it has been noticed. */
  readonly holdSeconds: number;
  /** What was done so far, each with the second in which it began. */
  readonly steps: string[] = [];
  #ticks = 0;
  /** Time in which this process itself was stopped does not count. */
  readonly #timer = setInterval(() => this.#ticks++, TICK_MS);
  readonly #own: AsyncDisposable[] = [];
  #ending: Promise<void> | null = null;

  constructor({ holdSeconds }: { holdSeconds: number }) {
    this.holdSeconds = holdSeconds;
  }

  /** Tells what is done next. */
  step(what: string): void {
    this.steps.push(`${this.seconds} s: ${what}`);
  }

  get seconds(): number {
    return Math.round(this.#ticks * TICK_MS / 1000);
  }

  /** Takes a thing away again at the end, the last one first. */
  async own<T extends AsyncDisposable>(making: Promise<T>): Promise<T> {
    const thing = await making;
    this.#own.push(thing);
    if (this.#ending !== null) await this.#end();
    return thing;
  }

  /** Lets a fault go on: its length is a part of it. */
  async hold(): Promise<void> {
    this.step(`hold for ${this.holdSeconds} s`);
    await new Promise((resolve) => setTimeout(resolve, this.holdSeconds * 1000));
  }

  /** Takes away all that was made; whoever calls it again waits for the same. */
  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    return this.#ending ??= this.#end();
  }

  async #end(): Promise<void> {
    for (let thing = this.#own.pop(); thing !== undefined; thing = this.#own.pop()) {
      await thing[Symbol.asyncDispose]();
    }
  }
}

/** A file that is acknowledged must be there, whatever happens then. */
export interface Stored {
  key: string;
  bytes: Uint8Array;
}

/** Writes a file to be stored; the same name and seed give the same. */
export async function fileFor(
  folder: string,
  { key, length, seed }: { key: string; length: number; seed: number },
): Promise<{ path: string; stored: Stored }> {
  const path = join(folder, key);
  const bytes = noise(length, seed);
  await Deno.writeFile(path, bytes);
  return { path, stored: { key, bytes } };
}

/** All of it is on this node as it was stored. */
export async function mustHave(
  node: ClusterNode,
  all: readonly Stored[],
  scratch: string,
): Promise<void> {
  for (const { key, bytes } of all) {
    const into = join(scratch, `${key}.from.${node.name}`);
    await node.ok("get", key, "-o", into, "--force");
    const got = await Deno.readFile(into);
    assert(
      got.length === bytes.length && got.every((byte, i) => byte === bytes[i]),
      `${key} on ${node.name}`,
    );
    await Deno.remove(into);
  }
}

/** A command fails as it should: by this exit code, with an error that says what is the matter. */
export function mustFail(outcome: Outcome, { code, says }: { code: number; says: RegExp }): void {
  const told = `${outcome.out}${outcome.err}`;
  assertEquals(outcome.code, code, told);
  assert(says.test(outcome.err), `it says: ${outcome.err}`);
  assert(!/\bat file:|this should not have happened/.test(outcome.err), `not clear: ${told}`);
}

/** Returns once each of the nodes knows of nothing that lacks a copy. */
export async function healed(nodes: readonly ClusterNode[]): Promise<void> {
  for (const node of nodes) {
    await until(
      `${node.name} has nothing to heal`,
      () => node.status(),
      (status) => status.underReplicated === 0,
    );
  }
}

/** Returns once a node sees another in a state. */
export async function seen(by: ClusterNode, id: string, state: string): Promise<void> {
  await until(
    `${by.name} sees it ${state}`,
    () => by.status(),
    ({ peers }) => peers.some((peer) => peer.node === id && peer.state === state),
  );
}

/** Returns once both nodes tell the same history of a key, with so many versions. */
export async function sameHistory(
  nodes: readonly ClusterNode[],
  key: string,
  count: number,
): Promise<{ version: number; conflict: boolean; latest: boolean }[]> {
  const histories = await until(
    `all have ${count} versions of ${key}`,
    () => Promise.all(nodes.map((node) => node.ask("history", key, "--json"))),
    (all) => all.every((one) => one === all[0]) && JSON.parse(all[0]!).versions.length === count,
  );
  return JSON.parse(histories[0]!).versions;
}
