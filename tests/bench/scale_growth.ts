/** What commands cost by the size of something, how that grows, and whether it may. Pure. */

import { median, type RunCost } from "./measuring.ts";
import { table } from "./report.ts";

/** What a command cost at one size. */
export interface Point {
  size: number;
  cost: RunCost;
  /** Bytes that went through the network for it, in and out, where any do. */
  wireBytes?: number;
}

/** A command, and what it cost at each size. */
export interface Series {
  what: string;
  points: Point[];
}

/** Slopes on a log-log scale: 0 where the cost does not grow, 1 where it doubles with the size. */
export interface Slopes {
  wall: number;
  /** `null` where the system does not tell processor time. */
  cpu: number | null;
}

/** How a command's cost grows, and what is said of it. */
export interface JudgedSeries extends Series {
  slopes: Slopes;
  slopeMax: number;
  /** `waits`: only its wall time grows faster than it may. */
  verdict: "holds" | "waits" | "grows";
}

/** A slope that is none: a tenfold size costs at most a quarter more. */
const FLAT_SLOPE_MAX = 0.1;
/** What does the same for each thing it touches, with some room for caches that get too small. */
const LINEAR_SLOPE_MAX = 1.1;
/** Of less, nobody can tell the logarithm. */
const SECONDS_MIN = 0.001;

/** Several runs of one command as one: the middle one's wall time, the least processor time, the most memory. */
export function asOne(costs: readonly RunCost[]): RunCost {
  const cpu = costs.map(({ cpuSeconds }) => cpuSeconds).filter((seconds) => seconds !== null);
  const peaks = costs.map(({ peakBytes }) => peakBytes).filter((peak) => peak !== null);
  return {
    seconds: median(costs.map(({ seconds }) => seconds)),
    cpuSeconds: cpu.length === 0 ? null : Math.min(...cpu),
    peakBytes: peaks.length === 0 ? null : Math.max(...peaks),
  };
}

/**
 * Judges by the processor time. Whatever else runs on a machine makes wall time longer, twice or ten times, and differently
 * from one size to the next; the processor time of a command changes by some tenths at most, as
 * caches and the clock rate are shared, and always upwards, so that of some runs the least is nearest to the truth. By as much
 * as the `control` grew, a command that has nothing to do with the vault and ran in turn with the others, more is allowed: so
 * much slower the machine had become. What processor time leaves out is waiting, for the disk or for another node: where wall
 * time grows faster than it may and processor time does not, that is said (`waits`), and only a quiet machine can tell which
 * it was. Where processor time is not known, wall time is judged.
 */
export function judge(
  series: Series,
  { isFlat, control }: { isFlat: boolean; control?: Series | undefined },
): JudgedSeries {
  const drift = control === undefined ? 0 : Math.max(0, slopesOf(control).cpu ?? 0);
  const slopeMax = (isFlat ? FLAT_SLOPE_MAX : LINEAR_SLOPE_MAX) + drift;
  const { wall, cpu } = slopesOf(series);
  const verdict = (cpu ?? wall) > slopeMax ? "grows" : wall > slopeMax ? "waits" : "holds";
  return { ...series, slopes: { wall, cpu }, slopeMax, verdict };
}

function slopesOf(series: Series): Slopes {
  const of = (value: (cost: RunCost) => number) =>
    slopeOf(series.points.map(({ size, cost }) => ({ size, value: value(cost) })));
  const isTold = series.points.every(({ cost }) => cost.cpuSeconds !== null);
  return {
    wall: of(({ seconds }) => seconds),
    cpu: isTold ? of(({ cpuSeconds }) => cpuSeconds!) : null,
  };
}

/**
 * The slope of the line through the points on a log-log scale. At small sizes what any start of the program costs would
 * hide growth: the upper half alone counts.
 */
export function slopeOf(points: readonly { size: number; value: number }[]): number {
  const upper = points.slice(Math.floor((points.length - 1) / 2));
  const xs = upper.map(({ size }) => Math.log(size));
  const ys = upper.map(({ value }) => Math.log(Math.max(value, SECONDS_MIN)));
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

/** Collects series by name. */
export class Growth {
  readonly #series = new Map<string, Series>();

  add(what: string, point: Point): void {
    const series = this.#series.get(what) ?? { what, points: [] };
    series.points.push(point);
    this.#series.set(what, series);
  }

  get all(): Series[] {
    return [...this.#series.values()];
  }
}

const WORDS = { holds: "", waits: "WAITS, OR THE MACHINE DID", grows: "GROWS TOO FAST" };

/** An axis as a table: wall and processor seconds, the most memory in MiB, bytes through the network. */
export function growthTable(title: string, series: readonly JudgedSeries[]): string {
  const sizes = series[0]!.points.map(({ size }) => String(size));
  const rows = series.map(({ what, points, slopes, verdict }) => [
    what,
    ...points.map(cellOf),
    slopes.wall.toFixed(2),
    slopes.cpu?.toFixed(2) ?? "-",
    WORDS[verdict],
  ]);
  const head = [`${title}: wall / processor`, ...sizes, "slope: wall", "processor", ""];
  return table([head, ...rows], { leftColumns: 1 });
}

function cellOf({ cost: { seconds, cpuSeconds, peakBytes }, wireBytes }: Point): string {
  const digits = seconds < 0.1 ? 3 : 2;
  const memory = peakBytes === null ? "" : ` ${(peakBytes / 1024 / 1024).toFixed(0)} M`;
  const wire = wireBytes === undefined ? "" : ` ${wireBytes.toFixed(0)} B`;
  return `${seconds.toFixed(digits)} / ${cpuSeconds?.toFixed(digits) ?? "-"} s${memory}${wire}`;
}
