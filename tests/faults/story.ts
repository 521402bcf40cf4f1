/** What the faults have in common: files that are stored, and what must hold of them afterwards. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type ClusterNode, type Outcome, until } from "../helpers/cluster.ts";
import { noise } from "../cli/harness.ts";

/** How long a fault may last. */
export interface Scale {
  /** Seconds that a fault goes on after it has been noticed. */
  readonly holdSeconds: number;
}

/** One fault. @throws CannotHere where it can't be made */
export type Fault = (scale: Scale) => Promise<void>;

/** Lets a fault go on: its length is a part of it. */
export function hold({ holdSeconds }: Scale): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, holdSeconds * 1000));
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
    () => Promise.all(nodes.map(async (node) => (await node.ok("history", key, "--json")).out)),
    (all) => all.every((one) => one === all[0]) && JSON.parse(all[0]!).versions.length === count,
  );
  return JSON.parse(histories[0]!).versions;
}
