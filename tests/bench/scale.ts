/**
 * `deno task bench -- scale`: how cost grows with the size of a file, the versions of a key, the keys of a vault, the chunks
 * of a store and the nodes of a network. Each figure is a whole command, from its start to its end, on a home that was made
 * before, or what nodes do that serve such homes (`scale_sync.ts`); its growth is the slope on a log-log scale: 0 where it
 * does not grow, 1 where it doubles with the size. Homes of many keys or chunks are made up (`synthetic.ts`), and what a
 * network of many nodes costs is worked out (`scale_nodes.ts`).
 */

import { join } from "@std/path";
import { openVault } from "../../mod.ts";
import { noisePieces, writePieces } from "./data.ts";
import { measure, type RunCost, syncDisks } from "./measuring.ts";
import { table } from "./report.ts";
import {
  asOne,
  Growth,
  growthTable,
  judge,
  type JudgedSeries,
  type Series,
  sizesUpTo,
} from "./scale_growth.ts";
import { type NodeBytes, oneKeyAmong } from "./scale_nodes.ts";
import { growSync, nodeStart } from "./scale_sync.ts";
import { makeHome } from "./synthetic.ts";
import { govaultCommand } from "./tools.ts";

/** What the cost is measured by, in the order in which it is done. `sync` goes by keys as well. */
export const AXES = ["file", "versions", "keys", "chunks", "sync", "nodes"] as const;

/** One of {@link AXES}. */
export type Axis = typeof AXES[number];

/** Which sizes. */
export interface ScaleOptions {
  scratch: string;
  /** The largest file, in MiB. */
  fileMib: number;
  /** The most versions of one key. */
  versions: number;
  /** The most keys. */
  keys: number;
  /** The most chunks in a store. */
  chunks: number;
  /** The most nodes. */
  nodes: number;
  onStep: (text: string) => void;
}

/** What came out by one axis. */
export interface AxisResult {
  axis: Axis;
  /** How long it took to measure. */
  seconds: number;
  text: string;
  /** Whether nothing grows faster than it may. */
  met: boolean;
  series: JudgedSeries[];
  /** Of the axis `nodes` only. */
  nodes: NodeBytes[];
}

/** What has nothing to do with the vault. */
const CONTROL = "version";
/** What must not grow with the vault, on whatever axis. */
const FLAT = new Set([
  CONTROL,
  "status",
  "status, an empty home",
  "history of one key",
  "put 1 KB",
  "get 1 KB",
  "a node until it listens",
]);

type Measured = { title: string; isFlat: (what: string) => boolean; grow: Grow };
type Grow = (options: ScaleOptions) => Promise<Series[]>;

const MEASURED: Readonly<Record<Exclude<Axis, "nodes">, Measured>> = {
  file: { title: "file size, MiB", isFlat: () => false, grow: growFile },
  versions: {
    title: "versions of one key",
    isFlat: (what) => FLAT.has(what) && what !== "history of one key",
    grow: growVersions,
  },
  keys: { title: "keys", isFlat: (what) => FLAT.has(what), grow: growKeys },
  chunks: { title: "chunks in the store", isFlat: (what) => FLAT.has(what), grow: growChunks },
  sync: { title: "keys, two nodes", isFlat: () => true, grow: growSync },
};

/** The axes that some words name, each of which may be a list with commas; all, if there are none. @throws Error for others */
export function readAxes(words: readonly string[]): Axis[] {
  const names = words.flatMap((word) => word.split(","));
  const unknown = names.find((name) => !AXES.some((axis) => axis === name));
  if (unknown !== undefined) {
    throw new Error(`Cannot run the benchmark: it knows no axis "${unknown}", only ${AXES}`);
  }
  return names.length === 0 ? [...AXES] : AXES.filter((axis) => names.includes(axis));
}

/** Measures by one axis after the other, and gives each as soon as it is through. */
export async function* compareScale(
  axes: readonly Axis[],
  options: ScaleOptions,
): AsyncGenerator<AxisResult> {
  for (const axis of axes) {
    const begin = performance.now();
    const found = axis === "nodes" ? byNodes(options) : await by(MEASURED[axis], options);
    yield { axis, seconds: (performance.now() - begin) / 1000, ...found };
  }
}

async function by(
  { title, isFlat, grow }: Measured,
  options: ScaleOptions,
): Promise<Pick<AxisResult, "text" | "met" | "series" | "nodes">> {
  const grown = await grow(options);
  const control = grown.find(({ what }) => what === CONTROL);
  const series = grown.map((each) => judge(each, { isFlat: isFlat(each.what), control }));
  const met = series.every(({ verdict }) => verdict !== "grows");
  return { text: growthTable(title, series), met, series, nodes: [] };
}

function byNodes(
  options: ScaleOptions,
): Pick<AxisResult, "text" | "met" | "series" | "nodes"> {
  const nodes = sizesUpTo(options.nodes, 3, 7).map(oneKeyAmong);
  return { text: nodesTable(nodes), met: true, series: [], nodes };
}

function nodesTable(found: readonly NodeBytes[]): string {
  const row = (what: string, value: (each: NodeBytes) => string) => [what, ...found.map(value)];
  const bytes = (of: (each: NodeBytes) => number) => (each: NodeBytes) => String(of(each));
  return table([
    row("nodes (worked out, not measured)", ({ nodes }) => String(nodes)),
    row("bytes of one new key, its writer", bytes(({ writer }) => writer)),
    row("... any other node", bytes(({ other }) => other)),
    row("... if each tells each", bytes(({ otherAtMost }) => otherAtMost)),
    row("bytes of comparing all heads with one peer", bytes(({ comparison }) => comparison)),
    row("... each 2 s, while something is missed", bytes(({ comparing }) => comparing)),
    row("placing everything anew", ({ placementMs }) => `${placementMs.toFixed(0)} ms`),
  ], { leftColumns: 1 });
}

/** Runs commands in one home. */
class Home {
  readonly path: string;
  readonly #scratch: string;

  constructor(scratch: string) {
    this.#scratch = scratch;
    this.path = Deno.makeTempDirSync({ dir: scratch, prefix: "home-" });
  }

  /** The cost of one run. */
  async once(...args: string[]): Promise<RunCost> {
    const { program, args: before } = govaultCommand();
    const env = { GOVAULT_HOME: this.path };
    await syncDisks();
    return await measure({ program, args: [...before, ...args], cwd: this.#scratch, env });
  }

  /** The cost of three runs, as one. */
  async typical(...args: string[]): Promise<RunCost> {
    return asOne([await this.once(...args), await this.once(...args), await this.once(...args)]);
  }

  remove(): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function growFile({ scratch, fileMib, onStep }: ScaleOptions): Promise<Series[]> {
  const growth = new Growth();
  const [path, out] = [join(scratch, "file.bin"), join(scratch, "out.bin")];
  for (const size of sizesUpTo(fileMib, 1, 16)) {
    onStep(`scale: a file of ${size} MiB`);
    await writePieces(path, noisePieces(size * 1024 * 1024, size));
    const home = new Home(scratch);
    await home.once("init");
    growth.add("put", { size, cost: await home.once("put", path) });
    growth.add("put again", { size, cost: await home.once("put", "--reread", path) });
    growth.add("get", { size, cost: await home.once("get", "file.bin", "-o", out) });
    home.remove();
    await Deno.remove(out);
    await Deno.remove(path);
  }
  return growth.all;
}

async function growVersions({ scratch, versions, onStep }: ScaleOptions): Promise<Series[]> {
  const growth = new Growth();
  const home = new Home(scratch);
  await home.once("init");
  let made = 0;
  for (const size of sizesUpTo(versions, 10, 10)) {
    onStep(`scale: ${size} versions of one key`);
    await using vault = await openVault({ home: home.path });
    for (; made < size; made++) await vault.put("key", lineOf(made));
    await vault.close();
    await measureVault(growth, { home, scratch, size, key: "key" });
  }
  home.remove();
  return growth.all;
}

async function growKeys(options: ScaleOptions): Promise<Series[]> {
  const growth = new Growth();
  const empty = await emptyHome(options.scratch);
  for (const size of sizesUpTo(options.keys, 1000, 10)) {
    options.onStep(`scale: ${size} keys`);
    const home = new Home(options.scratch);
    await makeHome(home.path, { keys: size, chunks: size });
    await measureVault(growth, { home, empty, scratch: options.scratch, size, key: "one/more" });
    growth.add("ls", { size, cost: await home.once("ls", "--json") });
    growth.add("a node until it listens", { size, cost: await nodeStart(home.path) });
    home.remove();
  }
  empty.remove();
  return growth.all;
}

async function growChunks(options: ScaleOptions): Promise<Series[]> {
  const growth = new Growth();
  const empty = await emptyHome(options.scratch);
  for (const size of sizesUpTo(options.chunks, 1000, 10)) {
    options.onStep(`scale: ${size} chunks`);
    const home = new Home(options.scratch);
    await makeHome(home.path, { keys: 0, chunks: size });
    await measureVault(growth, { home, empty, scratch: options.scratch, size, key: "one/more" });
    growth.add("a node until it listens", { size, cost: await nodeStart(home.path) });
    home.remove();
  }
  empty.remove();
  return growth.all;
}

async function emptyHome(scratch: string): Promise<Home> {
  const home = new Home(scratch);
  await makeHome(home.path, { keys: 0, chunks: 0 });
  return home;
}

function lineOf(number: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`line ${number}\n`);
}

/** How long a folder must have been left alone for its packs to be known as they are: see `Disk.restingSince`. */
const REST_MS = 3000;

/** What a user does with one key, in a vault of some size; what an empty one takes is measured in turn with it. */
async function measureVault(
  growth: Growth,
  { home, empty, scratch, size, key }: {
    home: Home;
    empty?: Home;
    scratch: string;
    size: number;
    key: string;
  },
): Promise<void> {
  const [path, out] = [join(scratch, "small.bin"), join(scratch, "small.out")];
  const puts: RunCost[] = [];
  for (let i = 0; i < 3; i++) {
    await writePieces(path, noisePieces(1000, size * 3 + i));
    puts.push(await home.once("put", path, "--key", key));
    await Deno.remove(path);
  }
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  await home.once("status"); // the first opening after so much was put does what that put off
  growth.add(CONTROL, { size, cost: await home.typical(CONTROL) });
  const opened: RunCost[] = [];
  const ofEmpty: RunCost[] = [];
  for (let i = 0; i < 5; i++) {
    opened.push(await home.once("status"));
    if (empty !== undefined) ofEmpty.push(await empty.once("status"));
  }
  growth.add("status", { size, cost: asOne(opened) });
  if (empty !== undefined) growth.add("status, an empty home", { size, cost: asOne(ofEmpty) });
  growth.add("history of one key", { size, cost: await home.typical("history", key) });
  growth.add("put 1 KB", { size, cost: asOne(puts) });
  growth.add("get 1 KB", { size, cost: await home.typical("get", key, "-o", out, "--force") });
  await Deno.remove(out);
}
