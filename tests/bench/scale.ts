/**
 * `deno task bench -- scale`: how cost grows with the size of a file, the versions of a key and the keys of a vault. Each
 * figure is a whole command, from its start to its end, on a home that was made before; its growth is the slope on a
 * log-log scale: 0 where it does not grow, 1 where it doubles with the size.
 */

import { join } from "@std/path";
import { openVault } from "../../mod.ts";
import { noisePieces, writePieces } from "./data.ts";
import { type Cost, measure, median, syncDisks } from "./measuring.ts";
import { table } from "./report.ts";
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

/** What must not grow with the vault, on whatever axis. */
const FLAT = new Set(["version", "status", "history of one key", "put 1 KB", "get 1 KB"]);
/** A slope that is none: a tenfold size costs at most a quarter more. */
const FLAT_SLOPE_MAX = 0.1;
/** What does the same for each thing it touches, with some room for caches that get too small. */
const LINEAR_SLOPE_MAX = 1.1;

/** Measures all axes; a table each, and whether nothing grows faster than it may. */
export async function compareScale(
  options: ScaleOptions,
): Promise<{ text: string; met: boolean }> {
  const axes = [
    { title: "file size, MiB", series: await growFile(options), flat: new Set<string>() },
    {
      title: "versions of one key",
      series: await growVersions(options),
      flat: new Set([...FLAT].filter((what) => what !== "history of one key")),
    },
    { title: "keys", series: await growKeys(options), flat: FLAT },
  ];
  let met = true;
  const tables = axes.map(({ title, series, flat }) => {
    const sizes = series[0]!.points.map(({ size }) => String(size));
    const rows = series.map(({ what, points }) => {
      const slope = slopeOf(points);
      const holds = slope <= (flat.has(what) ? FLAT_SLOPE_MAX : LINEAR_SLOPE_MAX);
      if (!holds) met = false;
      const cells = points.map(({ cost: { seconds, peakBytes } }) =>
        `${seconds.toFixed(2)} s ${((peakBytes ?? 0) / 1024 / 1024).toFixed(0)} M`
      );
      return [what, ...cells, slope.toFixed(2), holds ? "" : "GROWS TOO FAST"];
    });
    return table([[title, ...sizes, "slope", ""], ...rows], { leftColumns: 1 });
  });
  return { text: tables.join("\n"), met };
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
    const costs = [await this.once(...args), await this.once(...args), await this.once(...args)];
    return costs.sort((a, b) => a.seconds - b.seconds)[1]!;
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

async function growKeys({ scratch, keys, onStep }: ScaleOptions): Promise<Series[]> {
  const growth = new Growth();
  const home = new Home(scratch);
  await home.once("init");
  let made = 0;
  for (const size of sizesUpTo(keys, 1000, 10)) {
    onStep(`scale: ${size} keys`);
    await using vault = await openVault({ home: home.path });
    while (made < size) {
      const batch: Promise<unknown>[] = [];
      for (let i = 0; i < 500 && made < size; i++, made++) {
        batch.push(vault.put(`folder-${made % 97}/key-${made}`, lineOf(made)));
      }
      await Promise.all(batch);
    }
    await vault.close();
    await measureVault(growth, { home, scratch, size, key: "folder-0/key-0" });
    growth.add("ls", size, await home.once("ls", "--json"));
  }
  home.remove();
  return growth.all;
}

function lineOf(number: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`line ${number}\n`);
}

/** What a user does with one key, in a vault of some size. */
async function measureVault(
  growth: Growth,
  { home, scratch, size, key }: { home: Home; scratch: string; size: number; key: string },
): Promise<void> {
  const [path, out] = [join(scratch, "small.bin"), join(scratch, "small.out")];
  await home.once("status"); // the first opening after so many puts does what they put off
  growth.add("version", size, await home.typical("version"));
  growth.add("status", size, await home.typical("status"));
  growth.add("history of one key", size, await home.typical("history", key));
  const puts: Cost[] = [];
  for (let i = 0; i < 3; i++) {
    await writePieces(path, noisePieces(1000, size * 3 + i));
    puts.push(await home.once("put", path, "--key", key));
    await Deno.remove(path);
  }
  const seconds = median(puts.map((cost) => cost.seconds));
  growth.add("put 1 KB", size, { ...puts[0]!, seconds });
  growth.add("get 1 KB", size, await home.typical("get", key, "-o", out, "--force"));
  await Deno.remove(out);
}
