/**
 * The soak: seven nodes as processes, four of them owners and three that only store; files and edits are put on
 * whichever owner is up, while nodes are killed with -9 and started again at random. Afterwards every acknowledged
 * version must read back, all histories be the same everywhere, and nothing be short of copies.
 */

import { join } from "@std/path";
import { Cluster, type ClusterNode, type Status, until } from "../helpers/cluster.ts";
import { Dice } from "./dice.ts";

/** How long and how much. */
export interface SoakOptions {
  seed: number;
  /** How long nodes are killed and restarted. */
  chaosMs: number;
  /** Files to put in that time, at least. */
  files: number;
  /** Older versions that are read back one by one; the latest ones are all read. */
  olderVersionsRead: number;
  onStep?: (text: string) => void;
}

/** What a soak did, and what it found wrong. */
export interface SoakReport {
  acknowledged: number;
  kills: number;
  healMs: number;
  problems: string[];
}

/** A version that a put acknowledged. */
interface Acknowledged {
  key: string;
  id: string;
  hash: string;
}

const OWNERS = 4;
const STORAGE_NODES = 3;
const FILES_PER_PUT = 20;
/** So many nodes may be down at once: with three copies, two may go without a loss. */
const DOWN_MAX = 2;
const DOWN_AFTER = "8s";
const HEAL_MS_MAX = 180_000;

/** Runs the whole story. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const dice = new Dice(options.seed);
  const tell = options.onStep ?? (() => {});
  await using cluster = await Cluster.make();
  tell(`starting ${OWNERS + STORAGE_NODES} nodes`);
  for (let i = 0; i < OWNERS + STORAGE_NODES; i++) {
    const owner = i < OWNERS;
    const name = owner ? `owner-${i}` : `storage-${i - OWNERS}`;
    await cluster.add(name, { owner, flags: ["--down-after", DOWN_AFTER] });
  }

  const acknowledged: Acknowledged[] = [];
  let kills = 0;
  const end = performance.now() + options.chaosMs;
  const chaos = async () => {
    while (performance.now() < end) {
      const down = cluster.nodes.filter((node) => !node.isUp);
      const owners = cluster.up.filter((node) => node.isOwner);
      if (down.length < DOWN_MAX && dice.chance(0.7)) {
        const victim = dice.pick(cluster.up.filter((node) => !node.isOwner || owners.length > 1));
        await victim.kill();
        kills++;
      } else if (down.length > 0) {
        // One that takes too long on a busy machine is tried again; it must start in the end.
        await dice.pick(down).start().catch((error) => tell((error as Error).message));
      }
      await new Promise((resolve) => setTimeout(resolve, 500 + dice.below(2000)));
    }
  };
  const writing = async () => {
    let batch = 0;
    while (performance.now() < end || acknowledged.length < options.files) {
      const folder = join(cluster.root, `batch-${batch++}`);
      const hashes = await writeBatch(folder, dice, acknowledged);
      const owners = cluster.up.filter((node) => node.isOwner);
      if (owners.length > 0) {
        acknowledged.push(...await putBatch(dice.pick(owners), folder, hashes));
      }
      await Deno.remove(folder, { recursive: true });
    }
  };
  tell("putting files while nodes are killed and restarted");
  await Promise.all([chaos(), writing()]);

  const problems: string[] = [];
  tell(`${acknowledged.length} versions acknowledged, ${kills} kills; waiting until all is healed`);
  for (const node of cluster.nodes) if (!node.isUp) await node.start();
  const begin = performance.now();
  for (const node of cluster.nodes) {
    await until(
      `${node.name} is healed`,
      () => node.status(),
      (status: Status) =>
        status.underReplicated === 0 &&
        status.peers.filter(({ state }) => state === "up").length === cluster.nodes.length - 1,
      { timeoutMs: HEAL_MS_MAX },
    ).catch((error) => problems.push((error as Error).message));
  }
  const healMs = performance.now() - begin;

  tell("comparing histories");
  const owners = cluster.nodes.filter((node) => node.isOwner);
  problems.push(...await compareHistories(owners, acknowledged, dice));
  tell("reading every acknowledged version back");
  problems.push(...await readBack(cluster, owners, acknowledged, dice, options.olderVersionsRead));
  return { acknowledged: acknowledged.length, kills, healMs, problems };
}

/** Files of a batch: new ones, and some that were put before, with other bytes. Says their hashes by key. */
async function writeBatch(
  folder: string,
  dice: Dice,
  before: readonly Acknowledged[],
): Promise<Map<string, string>> {
  await Deno.mkdir(join(folder, "files"), { recursive: true });
  const hashes = new Map<string, string>();
  for (let i = 0; i < FILES_PER_PUT; i++) {
    const old = before.length > 0 && dice.chance(0.3) ? dice.pick(before).key : null;
    const key = old ?? `files/${dice.name()}`;
    const bytes = dice.bytes(dice.chance(0.05) ? 1_500_000 : 200 + dice.below(20_000));
    await Deno.writeFile(join(folder, key), bytes);
    hashes.set(key, await hashOf(bytes));
  }
  return hashes;
}

/** Puts a batch; what was acknowledged of it, though the node may die in the middle. */
async function putBatch(
  node: ClusterNode,
  folder: string,
  hashes: ReadonlyMap<string, string>,
): Promise<Acknowledged[]> {
  const { out } = await node.run("put", "-r", join(folder, "files"), "--json");
  const told = out.split("\n").flatMap((line): Acknowledged[] => {
    if (line.trim() === "" || !line.endsWith("}")) return [];
    const { key, id } = JSON.parse(line) as { key: string; id: string };
    const hash = hashes.get(key);
    return hash === undefined ? [] : [{ key, id, hash }];
  });
  return told;
}

/** Byte-identical `ls` and `history` on all owners. */
async function compareHistories(
  owners: readonly ClusterNode[],
  acknowledged: readonly Acknowledged[],
  dice: Dice,
): Promise<string[]> {
  const problems: string[] = [];
  const [first, ...others] = owners;
  const list = (await first!.ok("ls", "--json")).out;
  for (const other of others) {
    if ((await other.ok("ls", "--json")).out !== list) {
      problems.push(`ls differs between ${first!.name} and ${other.name}`);
    }
  }
  const keys = [...new Set(acknowledged.map(({ key }) => key))];
  for (const key of dice.some(keys, 40)) {
    const outs = await Promise.all(
      owners.map(async (node) => (await node.ok("history", key, "--json")).out),
    );
    if (new Set(outs).size > 1) problems.push(`history of ${key} differs`);
  }
  return problems;
}

async function readBack(
  cluster: Cluster,
  owners: readonly ClusterNode[],
  acknowledged: readonly Acknowledged[],
  dice: Dice,
  olderVersionsRead: number,
): Promise<string[]> {
  const problems: string[] = [];
  const reader = dice.pick(owners);
  const { keys } = await reader.json<{ keys: { key: string; id: string }[] }>("ls");
  const latest = new Map(keys.map(({ key, id }) => [key, id]));
  const into = join(cluster.root, "back");
  await reader.ok("get", "-r", "files", "-o", into);
  const older: Acknowledged[] = [];
  for (const version of acknowledged) {
    if (latest.get(version.key) !== version.id) {
      older.push(version);
      continue;
    }
    const bytes = await Deno.readFile(join(into, version.key.slice("files/".length)));
    if (await hashOf(bytes) !== version.hash) problems.push(`${version.key} has other bytes`);
  }
  const into2 = join(cluster.root, "older");
  for (const { key, id, hash } of dice.some(older, olderVersionsRead)) {
    const { code, err } = await dice.pick(owners).run(
      ...["get", key, "--version", id, "-o", into2, "--force"],
    );
    if (code !== 0) problems.push(`version ${id} of ${key} is not readable: ${err}`);
    else if (await hashOf(await Deno.readFile(into2)) !== hash) {
      problems.push(`version ${id} of ${key} has other bytes`);
    }
  }
  return problems;
}

async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
