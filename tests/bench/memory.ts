/**
 * `deno task bench --memory`: whether memory grows with the file. A small and a large stream are put and
 * fetched; neither ever lies on the disk in the clear, and both are compared on the way out.
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { PEAK_BYTES_GOAL } from "./cases.ts";
import { noisePieces } from "./data.ts";
import { measure, watchPeak } from "./measuring.ts";
import { govaultCommand } from "./tools.ts";

const GIB = 1024 * 1024 * 1024;

/** The most memory that a put and a get of so many bytes held. */
interface Peaks {
  bytes: number;
  put: number;
  get: number;
}

/** Puts and gets each size in a home of its own; a table, and whether the goal was met. */
export async function compareMemory(
  options: { gibibytes: readonly number[]; scratch: string; onStep: (text: string) => void },
): Promise<{ text: string; met: boolean }> {
  const peaks: Peaks[] = [];
  for (const size of options.gibibytes) {
    options.onStep(`${size} GiB`);
    peaks.push(await peaksOf(size * GIB, options.scratch));
  }
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
  const lines = peaks.map(({ bytes, put, get }) =>
    `${`${bytes / GIB} GiB`.padStart(7)}: put ${mib(put)}, get ${mib(get)}`
  );
  const met = peaks.every(({ put, get }) => Math.max(put, get) <= PEAK_BYTES_GOAL);
  const verdict = `goal, at most ${mib(PEAK_BYTES_GOAL)}: ${met ? "met" : "MISSED"}`;
  return { text: ["most memory held:", ...lines, verdict].join("\n") + "\n", met };
}

async function peaksOf(bytes: number, scratch: string): Promise<Peaks> {
  const home = join(scratch, "home");
  const { program, args } = govaultCommand();
  const command = { cwd: scratch, env: { GOVAULT_HOME: home } };
  await measure({ program, args: [...args, "init"], ...command });
  try {
    const given = createHash("sha256");
    const putting = new Deno.Command(program, {
      args: [...args, "put", "-", "--key", "stream"],
      ...command,
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const putPeak = watchPeak(putting);
    const writer = putting.stdin.getWriter();
    for (const piece of noisePieces(bytes, 11)) {
      given.update(piece);
      await writer.write(piece);
    }
    await writer.close();
    await succeeded(putting, "put");

    const fetched = createHash("sha256");
    const getting = new Deno.Command(program, {
      args: [...args, "get", "stream", "-o", "-"],
      ...command,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const getPeak = watchPeak(getting);
    for await (const piece of getting.stdout) fetched.update(piece);
    await succeeded(getting, "get");
    if (given.digest("hex") !== fetched.digest("hex")) {
      throw new Error("govault fetched other bytes");
    }
    const [put, get] = [await putPeak, await getPeak];
    if (put === null || get === null) {
      throw new Error("this system does not tell a process's memory");
    }
    return { bytes, put, get };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function succeeded(child: Deno.ChildProcess, action: string): Promise<void> {
  const { code } = await child.status;
  if (code !== 0) throw new Error(`govault ${action} failed with exit code ${code}`);
}
