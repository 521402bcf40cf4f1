/**
 * Nodes that serve homes of many keys: how soon they listen, how much memory they take, and how long one new key takes to get
 * from one to another that knows all the others, with what goes through the network for it.
 */

import { join } from "@std/path";
import { Cluster, ClusterNode, connected } from "../helpers/cluster.ts";
import { noisePieces, writePieces } from "./data.ts";
import { cpuSecondsOf, median, peakBytesOf, type RunCost } from "./measuring.ts";
import { asOne, Growth, type Series, sizesUpTo } from "./scale_growth.ts";
import { makeHome, makeTwin } from "./synthetic.ts";

const KEY = "one/more";
const FILE_BYTES = 1000;
/** Keys that are synchronised, one after the other; their middle counts, or their mean. */
const KEYS = 20;
const STARTS = 3;
/** How long a node's memory is watched: what it works out after its start it has begun with by then. */
const WATCHED_MS = 20_000;
const POLL_MS = 5;
/** Nodes that have worked for less than this in so long have done what their start puts off. */
const CALM_SECONDS = 0.1;
const CALM_MS = 2000;
const CALM_MS_MAX = 300_000;
const SHOWN_MS_MAX = 120_000;

/** A node of a home: until it listens, and the most memory in its first 20 s. Starts it some times. */
export async function nodeStart(home: string): Promise<RunCost> {
  const costs: RunCost[] = [];
  for (let i = 0; i < STARTS; i++) {
    const node = new ClusterNode({ name: "node", home, flags: [], launch: {} });
    try {
      const begin = performance.now();
      await node.start();
      const seconds = (performance.now() - begin) / 1000;
      const cpuSeconds = cpuSecondsOf(node.pid)?.own ?? null;
      if (i === STARTS - 1) await sleep(WATCHED_MS);
      costs.push({ seconds, cpuSeconds, peakBytes: peakBytesOf(node.pid) });
    } finally {
      await node.stop();
    }
  }
  return asOne(costs);
}

/** Two nodes of one vault, by its keys; of contents they hold none, as made-up ones would be found to be damaged. */
export async function growSync(
  { scratch, keys, onStep }: { scratch: string; keys: number; onStep: (text: string) => void },
): Promise<Series[]> {
  const growth = new Growth();
  for (const size of sizesUpTo(keys, 1000, 10)) {
    onStep(`scale: two nodes, ${size} keys`);
    const root = await Deno.makeTempDir({ dir: scratch });
    const [home, twin] = [join(root, "home"), join(root, "twin")];
    await makeHome(home, { keys: size, chunks: 0 });
    await makeTwin(home, twin);
    await measurePair(growth, { root, home, twin, size });
    await Deno.remove(root, { recursive: true });
  }
  return growth.all;
}

async function measurePair(
  growth: Growth,
  { root, home, twin, size }: { root: string; home: string; twin: string; size: number },
): Promise<void> {
  await using cluster = await Cluster.make(root);
  const a = await cluster.add("a", { home });
  const b = await cluster.add("b", { owner: true, home: twin });
  await connected([a, b]);
  let puts = 0;
  const put = async () => {
    const path = join(root, "small.bin");
    await writePieces(path, noisePieces(FILE_BYTES, size + puts++));
    const seconds = await timed(() => a.ask("put", path, "--key", KEY));
    await Deno.remove(path);
    return seconds;
  };
  await put();
  await untilShown(b, puts);
  await untilCalm([a, b]);

  // First what it takes of the processors, without anybody asking for it.
  const [cpuBefore, wireBefore] = [cpuOf(a, b), await wireBytesOf(a)];
  const putSeconds: number[] = [];
  for (let i = 0; i < KEYS; i++) putSeconds.push(await put());
  await untilShown(b, puts);
  const wireBytes = (await wireBytesOf(a) - wireBefore) / KEYS;
  const cpuSeconds = perKey(cpuBefore, cpuOf(a, b));
  const shownSeconds: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    shownSeconds.push(
      await timed(async () => {
        await put();
        await untilShown(b, puts);
      }),
    );
  }
  const peakBytes = peakBytesOf(b.pid);
  const cost = { seconds: median(putSeconds), cpuSeconds, peakBytes };
  growth.add("put at a node, both nodes' work for it", { size, cost });
  const shown = { ...cost, seconds: median(shownSeconds) };
  growth.add("... until the other shows it", { size, cost: shown, wireBytes });

  const missed: { cost: RunCost; wireBytes: number }[] = [];
  for (let i = 0; i < STARTS; i++) {
    await b.stop();
    await put();
    const seconds = await timed(async () => {
      await b.start();
      await untilShown(b, puts);
    });
    const cost = { seconds, cpuSeconds: cpuSecondsOf(b.pid)?.own ?? null };
    missed.push({
      cost: { ...cost, peakBytes: peakBytesOf(b.pid) },
      wireBytes: await wireBytesOf(b),
    });
  }
  growth.add("a key that it missed, since its start", {
    size,
    cost: asOne(missed.map(({ cost }) => cost)),
    wireBytes: median(missed.map(({ wireBytes }) => wireBytes)),
  });
}

/** Returns once a node shows so many versions of the key. */
async function untilShown(node: ClusterNode, count: number): Promise<void> {
  const deadline = performance.now() + SHOWN_MS_MAX;
  while (performance.now() < deadline) {
    // Until it has heard of the key there is no history of it.
    const said = await node.ask("history", KEY, "--json").catch(() => '{"versions":[]}');
    if ((JSON.parse(said) as { versions: unknown[] }).versions.length >= count) return;
    await sleep(POLL_MS);
  }
  throw new Error("Cannot measure the sync: the other node does not show what was put");
}

/** Returns once nodes have nothing more to do, or after some minutes. */
async function untilCalm(nodes: readonly ClusterNode[]): Promise<void> {
  const deadline = performance.now() + CALM_MS_MAX;
  for (let before = cpuOf(...nodes); performance.now() < deadline;) {
    await sleep(CALM_MS);
    const after = cpuOf(...nodes);
    if (before === null || after === null || after - before < CALM_SECONDS) return;
    before = after;
  }
}

function cpuOf(...nodes: readonly ClusterNode[]): number | null {
  const all = nodes.map(({ pid }) => cpuSecondsOf(pid)?.own);
  return all.reduce<number | null>(
    (sum, own) => sum === null || own === undefined ? null : sum + own,
    0,
  );
}

function perKey(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : (after - before) / KEYS;
}

/** Bytes that a node has got from the others and sent to them since its start. */
async function wireBytesOf(node: ClusterNode): Promise<number> {
  const { peers } = JSON.parse(await node.ask("peers", "--json")) as {
    peers: { bytesIn: number; bytesOut: number }[];
  };
  return peers.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
