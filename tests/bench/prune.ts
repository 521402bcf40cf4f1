/**
 * `deno task bench prune`: the older half of a file's versions is let go of, and their space given back. restic keeps each
 * version as a snapshot of its own and takes the better part of a second to make one, so that it is compared at fewer of them.
 */

import { join } from "@std/path";
import { openVault } from "../../mod.ts";
import { Cluster } from "../helpers/cluster.ts";
import type { Goal } from "./goals.ts";
import { OURS } from "./goals.ts";
import type { Row } from "./cases.ts";
import type { Sample, StepResult } from "./compare.ts";
import { bytesUnder, Noise } from "./data.ts";
import { type Invocation, measure, syncDisks, watchPeak } from "./measuring.ts";
import { govaultCommand } from "./tools.ts";

/** How to compare. */
export interface PruneOptions {
  /** Versions that both have. */
  versions: number;
  /** Versions that GoVault has beside that, alone. */
  versionsAlone: number;
  runs: number;
  /** Whether to ask for restic at all. */
  rivals?: boolean;
  scratch: string;
  onStep: (text: string) => void;
}

/** Bytes of each version, all of them new. */
const VERSION_BYTES = 16 * 1024;
/** Copies of restic that make snapshots at a time: each spends most of its time on the password. */
const MAKERS = navigator.hardwareConcurrency;
const NODE_BYTES_GOAL = 300 * 1024 * 1024;
const GOAL: Goal = { kind: "faster", than: "restic", times: 2 };

/** Makes the repositories and measures on copies of them. */
export async function comparePrune(options: PruneOptions): Promise<StepResult[]> {
  const { versions, versionsAlone, rivals = true, scratch, onStep } = options;
  onStep(`prune: making ${versions} versions`);
  const ours = join(scratch, "prune-govault");
  await makeVersions(ours, versions);
  onStep(`prune: making ${versions} snapshots with restic, if it is there`);
  const theirs = join(scratch, "prune-restic");
  const rival = rivals && await makeSnapshots(theirs, versions) ? theirs : null;
  const both = await pruneBoth({ ours, rival }, options);
  if (versionsAlone <= versions) return [both, await pruneInNode(ours, versions, options)];
  onStep(`prune: making ${versionsAlone} versions`);
  const many = join(scratch, "prune-alone");
  await makeVersions(many, versionsAlone);
  const alone = await pruneBoth({ ours: many, rival: null }, {
    ...options,
    versions: versionsAlone,
  });
  return [both, alone, await pruneInNode(many, versionsAlone, options)];
}

async function makeVersions(home: string, count: number): Promise<void> {
  await using vault = await openVault({ home, create: true });
  const noise = new Noise(12);
  for (let i = 0; i < count; i++) await vault.put("file", noise.bytes(VERSION_BYTES));
}

/** Makes snapshots of one file that is another one each time; false if there is no restic. */
async function makeSnapshots(folder: string, count: number): Promise<boolean> {
  await Deno.mkdir(folder);
  try {
    await measure(restic(folder, "init"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  const noise = new Noise(13);
  let left = count;
  const make = async () => {
    while (left-- > 0) {
      const { program, ...command } = restic(
        folder,
        "backup",
        ...["--compression", "off", "--host", "bench", "--stdin", "--stdin-filename", "file"],
      );
      const child = new Deno.Command(program, { ...command, stdin: "piped", stdout: "null" })
        .spawn();
      const writer = child.stdin.getWriter();
      await writer.write(noise.bytes(VERSION_BYTES));
      await writer.close();
      if (!(await child.status).success) throw new Error("restic made no snapshot");
    }
  };
  await Promise.all(Array.from({ length: MAKERS }, make));
  return true;
}

function restic(folder: string, ...args: string[]): Invocation {
  const env = {
    RESTIC_REPOSITORY: join(folder, "store"),
    RESTIC_PASSWORD: "benchmark",
    RESTIC_CACHE_DIR: join(folder, "cache"),
  };
  return { program: "restic", args: ["--quiet", ...args], cwd: folder, env };
}

function ourPrune(home: string, cwd: string, keep: number): Invocation {
  const { program, args } = govaultCommand();
  const words = ["prune", "--quiet", "--keep-last", String(keep)];
  return { program, args: [...args, ...words], cwd, env: { GOVAULT_HOME: home } };
}

async function pruneBoth(
  { ours, rival }: { ours: string; rival: string | null },
  { versions, runs, scratch, onStep }: PruneOptions,
): Promise<StepResult> {
  const keep = Math.floor(versions / 2);
  const dropped = versions - keep;
  const samples = new Map<string, Sample[]>();
  const add = (name: string, sample: Sample) =>
    samples.set(name, [...samples.get(name) ?? [], sample]);
  for (let run = 0; run < runs; run++) {
    onStep(`run ${run + 1} of ${runs}: prune of ${versions} versions`);
    await onCopy(ours, scratch, async (home) => {
      add(OURS, await pruned(ourPrune(home, scratch, keep), { store: home, dropped }));
    });
    if (rival === null) continue;
    await onCopy(rival, scratch, async (folder) => {
      const forget = ["forget", "--keep-last", String(keep), "--prune"];
      add(
        "restic",
        await pruned(restic(folder, ...forget), { store: join(folder, "store"), dropped }),
      );
    });
  }
  const step: Row = {
    title: `prune half of ${versions} versions`,
    action: "other",
    bytes: 0,
    pieces: versions,
    goals: rival === null ? [] : [GOAL],
    limit: "prune",
  };
  return { step, samples };
}

/** Prunes, and sees that the bytes of so many versions are gone: what is known of them, and an index's log, may weigh something. */
async function pruned(
  invocation: Invocation,
  { store, dropped }: { store: string; dropped: number },
): Promise<Sample> {
  const before = await bytesUnder(store);
  await syncDisks();
  const cost = await measure(invocation);
  const addedBytes = await bytesUnder(store) - before;
  if (-addedBytes < dropped * VERSION_BYTES / 2) {
    throw new Error(`${invocation.program} freed no more than ${-addedBytes} bytes`);
  }
  return { ...cost, addedBytes };
}

/** A node that serves such a home, and prunes it because it is asked to. */
async function pruneInNode(
  prepared: string,
  versions: number,
  { scratch, onStep }: PruneOptions,
): Promise<StepResult> {
  onStep(`prune of ${versions} versions in a node`);
  const samples: Sample[] = [];
  await onCopy(prepared, scratch, async (home) => {
    await using cluster = await Cluster.make(scratch);
    const node = await cluster.add("a", { home });
    const ending = Promise.withResolvers<void>();
    const peak = watchPeak({ pid: node.pid, status: ending.promise });
    const begin = performance.now();
    await node.ok("prune", "--quiet", "--keep-last", String(Math.floor(versions / 2)));
    const seconds = (performance.now() - begin) / 1000;
    ending.resolve();
    samples.push({ seconds, peakBytes: await peak, addedBytes: 0 });
  });
  const step: Row = {
    title: `... of ${versions}, in a node`,
    action: "other",
    bytes: 0,
    pieces: versions,
    goals: [{ kind: "memory", bytes: NODE_BYTES_GOAL }],
    limit: "prune",
  };
  return { step, samples: new Map([[OURS, samples]]) };
}

async function onCopy(
  folder: string,
  scratch: string,
  use: (copy: string) => Promise<void>,
): Promise<void> {
  const copy = await Deno.makeTempDir({ dir: scratch });
  await copyInto(folder, copy);
  await use(copy); // it stays: see FETCHED in compare.ts
}

async function copyInto(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) {
      await Deno.mkdir(join(to, name));
      await copyInto(join(from, name), join(to, name));
    } else await Deno.copyFile(join(from, name), join(to, name));
  }
}
