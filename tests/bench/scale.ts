/**
 * `deno task bench -- scale`: how cost grows with the size of a file, the versions of a key, the keys of a vault, the chunks
 * of a store and the nodes of a network. Each figure is a whole command, from its start to its end, on a home that was made
 * before; its growth is the slope on a log-log scale: 0 where it does not grow, 1 where it doubles with the size. Homes of
 * many keys or chunks are made up (`synthetic.ts`), and what a network costs is worked out (`scale_nodes.ts`).
 */

import { join } from "@std/path";
import { openVault } from "../../mod.ts";
import { noisePieces, writePieces } from "./data.ts";
import { type Cost, measure, syncDisks } from "./measuring.ts";
import { table } from "./report.ts";
import { type NodeBytes, oneKeyAmong } from "./scale_nodes.ts";
import { makeHome } from "./synthetic.ts";
import { govaultCommand } from "./tools.ts";

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

/** One command's cost at one size. */
interface Point {
  size: number;
  cost: Cost;
}

/** A command, and what it cost at each size. */
interface Series {
  what: string;
  points: Point[];
}

/** Series over one kind of size, with what is not to grow. */
interface Axis {
  title: string;
  series: Series[];
  flat: ReadonlySet<string>;
}

/** What came out. */
export interface ScaleResult {
  text: string;
  met: boolean;
  /** For `--json`. */
  found: {
    axes: { title: string; series: (Series & { slope: number; holds: boolean })[] }[];
    nodes: NodeBytes[];
  };
}

/** What must not grow with the vault, on whatever axis. */
const FLAT = new Set([
  "version",
  "status",
  "status, an empty home",
  "history of one key",
  "put 1 KB",
  "get 1 KB",
]);
/** A slope that is none: a tenfold size costs at most a quarter more. */
const FLAT_SLOPE_MAX = 0.1;
/** What does the same for each thing it touches, with some room for caches that get too small. */
const LINEAR_SLOPE_MAX = 1.1;

/** Measures all axes; a table each, and whether nothing grows faster than it may. */
export async function compareScale(options: ScaleOptions): Promise<ScaleResult> {
  const axes: Axis[] = [
    { title: "file size, MiB", series: await growFile(options), flat: new Set<string>() },
    {
      title: "versions of one key",
      series: await growVersions(options),
      flat: new Set([...FLAT].filter((what) => what !== "history of one key")),
    },
    { title: "keys", series: await growKeys(options), flat: FLAT },
    { title: "chunks in the store", series: await growChunks(options), flat: FLAT },
  ];
  const judged = axes.map(({ title, series, flat }) => ({
    title,
    series: series.map((each) => {
      const slope = slopeOf(each.points);
      return {
        ...each,
        slope,
        holds: slope <= (flat.has(each.what) ? FLAT_SLOPE_MAX : LINEAR_SLOPE_MAX),
      };
    }),
  }));
  const nodes = sizesUpTo(options.nodes, 3, 7).map(oneKeyAmong);
  const texts = [...judged.map(({ title, series }) => axisTable(title, series)), nodesTable(nodes)];
  const met = judged.every(({ series }) => series.every(({ holds }) => holds));
  return { text: texts.join("\n"), met, found: { axes: judged, nodes } };
}

function axisTable(
  title: string,
  series: readonly (Series & { slope: number; holds: boolean })[],
): string {
  const sizes = series[0]!.points.map(({ size }) => String(size));
  const rows = series.map(({ what, points, slope, holds }) => {
    const cells = points.map(({ cost: { seconds, peakBytes } }) =>
      `${seconds.toFixed(2)} s ${((peakBytes ?? 0) / 1024 / 1024).toFixed(0)} M`
    );
    return [what, ...cells, slope.toFixed(2), holds ? "" : "GROWS TOO FAST"];
  });
  return table([[title, ...sizes, "slope", ""], ...rows], { leftColumns: 1 });
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

/**
 * The slope of the line through the points on a log-log scale. At small sizes what any start of the program costs would
 * hide growth: the upper half alone counts.
 */
export function slopeOf(points: readonly Point[]): number {
  const upper = points.slice(Math.floor((points.length - 1) / 2));
  const xs = upper.map(({ size }) => Math.log(size));
  const ys = upper.map(({ cost }) => Math.log(cost.seconds));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const over = xs.reduce((sum, value, i) => sum + (value - x) * (ys[i]! - y), 0);
  const under = xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

/** Sizes from the smallest on, `factor` apart. */
export function sizesUpTo(largest: number, from: number, factor: number): number[] {
  const sizes: number[] = [];
  for (let size = from; size < largest; size *= factor) sizes.push(size);
  return [...sizes, largest];
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
  async once(...args: string[]): Promise<Cost> {
    const { program, args: before } = govaultCommand();
    const env = { GOVAULT_HOME: this.path };
    await syncDisks();
    return await measure({ program, args: [...before, ...args], cwd: this.#scratch, env });
  }

  /** The run of three with the middle time. */
  async typical(...args: string[]): Promise<Cost> {
    return middle([await this.once(...args), await this.once(...args), await this.once(...args)]);
  }

  remove(): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Collects series by name. */
class Growth {
  readonly #series = new Map<string, Series>();

  add(what: string, size: number, cost: Cost): void {
    const series = this.#series.get(what) ?? { what, points: [] };
    series.points.push({ size, cost });
    this.#series.set(what, series);
  }

  get all(): Series[] {
    return [...this.#series.values()];
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
    growth.add("put", size, await home.once("put", path));
    growth.add("put again", size, await home.once("put", "--reread", path));
    growth.add("get", size, await home.once("get", "file.bin", "-o", out));
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
    growth.add("ls", size, await home.once("ls", "--json"));
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
  const puts: Cost[] = [];
  for (let i = 0; i < 3; i++) {
    await writePieces(path, noisePieces(1000, size * 3 + i));
    puts.push(await home.once("put", path, "--key", key));
    await Deno.remove(path);
  }
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  await home.once("status"); // the first opening after so much was put does what that put off
  growth.add("version", size, await home.typical("version"));
  const opened: Cost[] = [];
  const ofEmpty: Cost[] = [];
  for (let i = 0; i < 5; i++) {
    opened.push(await home.once("status"));
    if (empty !== undefined) ofEmpty.push(await empty.once("status"));
  }
  growth.add("status", size, middle(opened));
  if (empty !== undefined) growth.add("status, an empty home", size, middle(ofEmpty));
  growth.add("history of one key", size, await home.typical("history", key));
  growth.add("put 1 KB", size, middle(puts));
  growth.add("get 1 KB", size, await home.typical("get", key, "-o", out, "--force"));
  await Deno.remove(out);
}

/** The one with the middle time. */
function middle(costs: readonly Cost[]): Cost {
  return costs.toSorted((a, b) => a.seconds - b.seconds)[costs.length >> 1]!;
}
