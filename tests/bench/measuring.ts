/** Running a program to its end: how long it took and how much memory it held. */

/** A command line, ready to be run. */
export interface Invocation {
  program: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
}

/** What running it cost. */
export interface Cost {
  seconds: number;
  /** The most memory it held at a time (resident set), in bytes; `null` where the system does not tell. */
  peakBytes: number | null;
}

/** What running a program to its end cost. */
export interface RunCost extends Cost {
  /** Processor time of all its threads, the system's for it included; `null` where the system does not tell. */
  cpuSeconds: number | null;
}

const POLL_MS = 5;
/** In what Linux tells programs processor time, whatever its own clock is. */
const TICKS_PER_SECOND = 100;

/**
 * Runs a program, without input and with its output thrown away. Its processor time is right to 10 ms, and only if no other
 * program that was started from here ends meanwhile.
 *
 * @throws Error with what it said if it fails
 */
export async function measure({ program, ...options }: Invocation): Promise<RunCost> {
  const cpuBefore = cpuSecondsOf("self")?.ended;
  const begin = performance.now();
  const child = new Deno.Command(program, {
    ...options,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const watching = watchPeak(child);
  const { success, stderr } = await child.output();
  const seconds = (performance.now() - begin) / 1000;
  const peakBytes = await watching;
  if (!success) {
    throw new Error(`${program} ${options.args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  const cpuAfter = cpuSecondsOf("self")?.ended;
  const isTold = cpuBefore !== undefined && cpuAfter !== undefined;
  return { seconds, cpuSeconds: isTold ? cpuAfter - cpuBefore : null, peakBytes };
}

/** Processor time of a process so far, and of those it started that have ended; `null` if this is no Linux, or it is gone. */
export function cpuSecondsOf(pid: number | "self"): { own: number; ended: number } | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // Its name may hold anything; what follows is the state, and ten more fields before the four of time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15).map(Number);
    const own = (user + system) / TICKS_PER_SECOND;
    return { own, ended: (endedUser + endedSystem) / TICKS_PER_SECOND };
  } catch {
    return null;
  }
}

/**
 * The most memory a process holds until it ends. Linux keeps the mark itself (VmHWM), and it only rises:
 * reading it now and then misses no more than what is added in the last few milliseconds.
 */
export async function watchPeak(
  child: { pid: number; status: Promise<unknown> },
): Promise<number | null> {
  let peak: number | null = null;
  let ended = false;
  const end = child.status.then(() => ended = true);
  while (!ended) {
    peak = peakBytesOf(child.pid) ?? peak;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pause = new Promise((resolve) => timer = setTimeout(resolve, POLL_MS));
    await Promise.race([end, pause]);
    clearTimeout(timer);
  }
  return peak;
}

/** The most memory a process has held so far; `null` if this is no Linux, or it is gone. */
export function peakBytesOf(pid: number): number | null {
  try {
    const [, kibibytes] =
      /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  } catch {
    return null; // it has ended, or this is no Linux
  }
}

/** Writes all changed pages to the disk, so that none of them is written at the next program's expense. */
export async function syncDisks(): Promise<void> {
  if (Deno.build.os === "windows") return;
  await new Deno.Command("sync").output();
}

/** The middle one of some numbers, or the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The least of five measurements: what else goes on only makes them longer. */
export async function leastOfFive(measurement: () => Promise<number>): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 5; i++) least = Math.min(least, await measurement());
  return least;
}
