/**
 * `deno task bench --network`: what crosses between nodes on loopback, beside Syncthing where it is installed, and beside
 * GoVault's own local figures.
 */

import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, until } from "../helpers/cluster.ts";
import type { Row } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { EDITS, noisePieces, writeEdited, writePieces } from "./data.ts";
import { OURS } from "./goals.ts";
import { syncDisks, watchPeak } from "./measuring.ts";
import { SyncthingPair } from "./syncthing.ts";

/** What to measure. */
export interface NetworkOptions {
  runs: number;
  largeBytes: number;
  /** Only puts to one replica. */
  onlyPuts?: boolean;
  /** GiB that a node receives while its memory is watched; 0 leaves that out. */
  receivedGib: number;
  scratch: string;
  onStep: (text: string) => void;
}

const RECEIVE_BYTES_GOAL = 300 * 1024 * 1024;

/** Both have nodes that run all the time: what these put first, so that they are as they are then, counts for nothing. */
const WARM_BYTES = 64 * 1024 * 1024;

interface Seconds {
  firstPut: number[];
  secondPut: number[];
  localGet: number[];
  remoteGet: number[];
}

/** Measures all of it. */
export async function compareNetwork(
  options: NetworkOptions,
): Promise<StepResult[]> {
  const { scratch, runs, largeBytes, onlyPuts = false, onStep } = options;
  const [first, second] = [join(scratch, "first.bin"), join(scratch, "second.bin")];
  await writePieces(first, noisePieces(largeBytes, 1));
  await writeEdited(first, second);
  const warm = join(scratch, "warm.bin");
  await writePieces(warm, noisePieces(WARM_BYTES, 2));
  const ours: Seconds = { firstPut: [], secondPut: [], localGet: [], remoteGet: [] };
  const theirs: Pick<Seconds, "firstPut" | "secondPut"> = { firstPut: [], secondPut: [] };
  for (let run = 0; run < runs; run++) {
    onStep(`run ${run + 1} of ${runs}: govault`);
    await runOurs({ scratch, warm, first, second, onlyPuts, seconds: ours });
    onStep(`run ${run + 1} of ${runs}: syncthing`);
    await runTheirs({ scratch, warm, first, second, seconds: theirs });
  }
  const results = resultsOf({ ours, theirs, largeBytes });
  return options.receivedGib > 0 ? [...results, await receive(options)] : results;
}

async function runOurs(
  { scratch, warm, first, second, onlyPuts, seconds }: {
    scratch: string;
    warm: string;
    first: string;
    second: string;
    onlyPuts: boolean;
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
  if (onlyPuts) return;

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

/** A node that receives some GiB: how long that takes, and the most memory that it holds. */
async function receive({ scratch, receivedGib, onStep }: NetworkOptions): Promise<StepResult> {
  onStep(`a node receives ${receivedGib} GiB`);
  await using cluster = await Cluster.make(scratch);
  const a = await cluster.add("a");
  const b = await cluster.add("b");
  await connected(cluster.nodes);
  const ending = Promise.withResolvers<void>();
  const peak = watchPeak({ pid: b.pid, status: ending.promise });
  const path = join(scratch, "gibibyte.bin");
  let seconds = 0;
  for (let i = 0; i < receivedGib; i++) {
    await writePieces(path, noisePieces(1024 ** 3, 100 + i));
    seconds += await timed(() => a.ok("put", path, "--copies", "2"));
    await Deno.remove(path);
  }
  ending.resolve();
  const step: Row = {
    title: `a node receives ${receivedGib} GiB`,
    action: "other",
    bytes: receivedGib * 1024 ** 3,
    goals: [{ kind: "memory", bytes: RECEIVE_BYTES_GOAL }],
  };
  return { step, samples: new Map([[OURS, [{ seconds, peakBytes: await peak, addedBytes: 0 }]]]) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

function resultsOf(
  { ours, theirs, largeBytes }: {
    ours: Seconds;
    theirs: Pick<Seconds, "firstPut" | "secondPut">;
    largeBytes: number;
  },
): StepResult[] {
  const size = `${(largeBytes / 1024 ** 2).toFixed(0)} MiB`;
  const result = (step: Row, programs: Record<string, number[]>): StepResult[] => {
    const samples = Object.entries(programs).filter(([, all]) => all.length > 0)
      .map(([name, all]) => [name, all.map(sampleOf)] as const);
    return programs[OURS]!.length === 0 ? [] : [{ step, samples: new Map(samples) }];
  };
  return [
    ...result({
      title: `put ${size} until two nodes hold it durably`,
      action: "other",
      bytes: largeBytes,
      goals: [{ kind: "faster", than: "syncthing", times: 1.7 }, { kind: "limit", share: 0.6 }],
      limit: "replicate",
    }, { [OURS]: ours.firstPut, syncthing: theirs.firstPut }),
    ...result({
      title: `the same again after ${EDITS.count} edits of 4 KiB, 1 MiB inserted`,
      action: "other",
      bytes: largeBytes + EDITS.insertedBytes,
      goals: [{ kind: "faster", than: "syncthing", times: 5 }],
      limit: "put again",
    }, { [OURS]: ours.secondPut, syncthing: theirs.secondPut }),
    ...result({
      title: "get by a node that holds nothing, from two",
      action: "other",
      bytes: largeBytes + EDITS.insertedBytes,
      goals: [{ kind: "slower", than: LOCAL_GET, times: 1.5 }],
    }, { [OURS]: ours.remoteGet, [LOCAL_GET]: ours.localGet }),
  ];
}

const LOCAL_GET = "a local get";

function sampleOf(seconds: number): Sample {
  return { seconds, peakBytes: null, addedBytes: 0 };
}
