/**
 * `deno task bench --network`: what crosses between nodes on loopback, beside Syncthing where it is installed, and beside
 * GoVault's own local figures.
 */

import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, until } from "../helpers/cluster.ts";
import { EDITS, noisePieces, writeEdited, writePieces } from "./data.ts";
import { syncDisks, watchPeak } from "./measuring.ts";
import { SyncthingPair } from "./syncthing.ts";

/** What to measure. */
export interface NetworkOptions {
  runs: number;
  largeBytes: number;
  /** GiB that a node receives while its memory is watched; 0 leaves that out. */
  receivedGib: number;
  scratch: string;
  onStep: (text: string) => void;
}

/** Goals, as ratios of one run. */
const GOALS = { firstPut: 1.3, secondPut: 5, remoteGet: 1.5, receiveBytes: 300 * 1024 * 1024 };

/** Both have nodes that run all the time: what these put first, so that they are as they are then, counts for nothing. */
const WARM_BYTES = 64 * 1024 * 1024;

interface Seconds {
  firstPut: number[];
  secondPut: number[];
  localGet: number[];
  remoteGet: number[];
}

/** Measures all of it; a report, and whether the goals were met. */
export async function compareNetwork(
  options: NetworkOptions,
): Promise<{ text: string; met: boolean }> {
  const { scratch, runs, largeBytes, onStep } = options;
  const [first, second] = [join(scratch, "first.bin"), join(scratch, "second.bin")];
  await writePieces(first, noisePieces(largeBytes, 1));
  await writeEdited(first, second);
  const warm = join(scratch, "warm.bin");
  await writePieces(warm, noisePieces(WARM_BYTES, 2));
  const ours: Seconds = { firstPut: [], secondPut: [], localGet: [], remoteGet: [] };
  const theirs: Pick<Seconds, "firstPut" | "secondPut"> = { firstPut: [], secondPut: [] };
  for (let run = 0; run < runs; run++) {
    onStep(`run ${run + 1} of ${runs}: govault`);
    await runOurs({ scratch, warm, first, second, seconds: ours });
    onStep(`run ${run + 1} of ${runs}: syncthing`);
    await runTheirs({ scratch, warm, first, second, seconds: theirs });
  }
  const peak = options.receivedGib > 0 ? await receive(options) : null;
  return report({ ours, theirs, peak, largeBytes });
}

async function runOurs(
  { scratch, warm, first, second, seconds }: {
    scratch: string;
    warm: string;
    first: string;
    second: string;
    seconds: Seconds;
  },
): Promise<void> {
  await using cluster = await Cluster.make(scratch);
  const a = await cluster.add("a");
  const b = await cluster.add("b", { owner: true });
  await connected(cluster.nodes);
  await a.ok("put", warm, "--copies", "2");
  const put = async (path: string) => {
    await syncDisks();
    return await timed(() => a.ok("put", path, "--key", "large.bin", "--copies", "2"));
  };
  seconds.firstPut.push(await put(first));
  seconds.secondPut.push(await put(second));

  // The third may hold nothing for the others, so all that it gets comes over the wire.
  const c = await cluster.add("c", { owner: true, flags: ["--capacity", "0"] });
  await connected(cluster.nodes);
  await until(
    "the newcomer knows the key",
    () => c.json<{ keys: unknown[] }>("ls"),
    ({ keys }) => keys.length === 2,
  );
  const get = async (node: ClusterNode) => {
    const into = join(scratch, "fetched.bin");
    await syncDisks();
    const taken = await timed(() => node.ok("get", "large.bin", "-o", into));
    await Deno.remove(into);
    return taken;
  };
  seconds.localGet.push(await get(b));
  seconds.remoteGet.push(await get(c));
}

async function runTheirs(
  { scratch, warm, first, second, seconds }: {
    scratch: string;
    warm: string;
    first: string;
    second: string;
    seconds: Pick<Seconds, "firstPut" | "secondPut">;
  },
): Promise<void> {
  const root = await Deno.makeTempDir({ dir: scratch });
  try {
    await using pair = await SyncthingPair.start(root);
    if (pair === null) return;
    await pair.send(warm, "warm.bin");
    seconds.firstPut.push(await pair.send(first, "large.bin"));
    seconds.secondPut.push(await pair.send(second, "large.bin"));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** The most memory that a node holds while it receives some GiB. */
async function receive({ scratch, receivedGib, onStep }: NetworkOptions): Promise<number | null> {
  onStep(`a node receives ${receivedGib} GiB`);
  await using cluster = await Cluster.make(scratch);
  const a = await cluster.add("a");
  const b = await cluster.add("b");
  await connected(cluster.nodes);
  const ending = Promise.withResolvers<void>();
  const peak = watchPeak({ pid: b.pid, status: ending.promise });
  const path = join(scratch, "gibibyte.bin");
  for (let i = 0; i < receivedGib; i++) {
    await writePieces(path, noisePieces(1024 ** 3, 100 + i));
    await a.ok("put", path, "--copies", "2");
    await Deno.remove(path);
  }
  ending.resolve();
  return await peak;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function report(
  { ours, theirs, peak, largeBytes }: {
    ours: Seconds;
    theirs: Pick<Seconds, "firstPut" | "secondPut">;
    peak: number | null;
    largeBytes: number;
  },
): { text: string; met: boolean } {
  let met = true;
  const verdict = (holds: boolean) => {
    if (!holds) met = false;
    return holds ? "met" : "MISSED";
  };
  const seconds = (value: number | null) => value === null ? "-" : `${value.toFixed(2)} s`;
  const against = (what: string, mine: number | null, rival: number | null, times: number) => {
    const line = `${what}: ${seconds(mine)}, syncthing ${seconds(rival)}`;
    if (mine === null || rival === null) return line;
    const ratio = rival / mine;
    return `${line}: ${ratio.toFixed(2)} times as fast; goal ${times}: ${verdict(ratio >= times)}`;
  };
  const [local, remote] = [median(ours.localGet)!, median(ours.remoteGet)!];
  const size = `${(largeBytes / 1024 ** 2).toFixed(0)} MiB`;
  const lines = [
    against(
      `put of ${size} until two nodes hold it durably`,
      median(ours.firstPut),
      median(theirs.firstPut),
      GOALS.firstPut,
    ),
    against(
      `put again after ${EDITS.count} edits of 4 KiB, 1 MiB inserted`,
      median(ours.secondPut),
      median(theirs.secondPut),
      GOALS.secondPut,
    ),
    `get by a node that holds nothing, from two: ${seconds(remote)}, local ${seconds(local)}: ${
      (remote / local).toFixed(2)
    } times; goal at most ${GOALS.remoteGet}: ${verdict(remote / local <= GOALS.remoteGet)}`,
  ];
  if (peak !== null) {
    const mib = (peak / 1024 ** 2).toFixed(0);
    lines.push(
      `most memory of a node that receives: ${mib} MiB; goal at most 300: ${
        verdict(peak <= GOALS.receiveBytes)
      }`,
    );
  }
  return { text: lines.join("\n") + "\n", met };
}
