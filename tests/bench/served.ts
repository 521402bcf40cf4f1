/**
 * `deno task bench served`: a put of 1 KiB that a running node does, as who types it waits for it, beside what the program
 * takes to start, what the node takes, and what the disk does at least.
 */

import { join } from "@std/path";
import { CONTROL_VERSION, ControlConnection, findSocket } from "../../src/daemon/mod.ts";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import { govaultCommand } from "./tools.ts";

/** Goals: of the whole command line, and of what the node adds to one bare sync of the same disk, in milliseconds. */
const GOALS = { p50: 60, p99: 150, nodeP50: 5 };

const FILE_BYTES = 1024;

/** Measures so many puts; a report, and whether the goals were met. */
export async function compareServed(
  { runs, scratch, onStep }: { runs: number; scratch: string; onStep: (text: string) => void },
): Promise<{ text: string; met: boolean }> {
  await using cluster = await Cluster.make(scratch);
  const node = await cluster.add("a");
  const file = join(scratch, "small.bin");
  const change = () => Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(FILE_BYTES)));
  const times = {
    start: [] as number[],
    whole: [] as number[],
    node: [] as number[],
    sync: [] as number[],
  };
  onStep(`${runs} puts, one after the other`);
  for (let run = 0; run < runs; run++) {
    times.start.push(await timed(() => runProgram(["version"])));
    await change();
    times.whole.push(await timed(() => runProgram(["put", "--home", node.home, file])));
    await change();
    times.node.push(await timed(() => putOverSocket(node, file)));
    times.sync.push(await timed(() => writeAndSync(join(scratch, "bare"))));
  }
  return report(times);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function runProgram(args: string[]): Promise<void> {
  const { program, args: before } = govaultCommand();
  const command = new Deno.Command(program, { args: [...before, ...args], stdout: "null" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** What the client of a node does, without its start. */
async function putOverSocket({ home }: ClusterNode, file: string): Promise<void> {
  const path = findSocket(home);
  if (path === null) throw new Error(`Cannot put: no node takes commands in ${home}`);
  using stream = await Deno.connect({ transport: "unix", path });
  const connection = new ControlConnection(stream);
  const hello = {
    program: "bench",
    args: ["put", file],
    cwd: "/",
    env: {},
    pid: Deno.pid,
    isTerminalIn: false,
    isTerminalOut: false,
    isTerminalErr: false,
    columns: 0,
  };
  await connection.send({ kind: "hello", version: CONTROL_VERSION, hello });
  for (;;) {
    const message = await connection.receive();
    if (message?.kind === "exit" && message.code === 0) return;
    if (message === null || message.kind === "exit") throw new Error("Cannot put: the node failed");
  }
}

/** The least that a put can do: its bytes at the end of a file, on the disk. */
async function writeAndSync(path: string): Promise<void> {
  using file = await Deno.open(path, { append: true, create: true });
  await file.write(new Uint8Array(FILE_BYTES));
  await file.syncData();
}

function report(
  times: Record<"start" | "whole" | "node" | "sync", number[]>,
): { text: string; met: boolean } {
  const row = (name: string, values: number[]) =>
    `| ${name} | ${percentile(values, 0.5).toFixed(1)} | ${percentile(values, 0.99).toFixed(1)} |`;
  const [p50, p99] = [percentile(times.whole, 0.5), percentile(times.whole, 0.99)];
  const beside = percentile(times.node, 0.5) - percentile(times.sync, 0.5);
  const met = p50 <= GOALS.p50 && p99 <= GOALS.p99 && beside <= GOALS.nodeP50;
  const text = [
    `| put of 1 KiB through a running node, ${times.whole.length} times; ms | p50 | p99 |`,
    "|---|---|---|",
    row("the whole command", times.whole),
    row("of that the node, with the way there and back", times.node),
    row("`govault version`: the program's start alone", times.start),
    row("1 KiB appended and synced, nothing else", times.sync),
    "",
    `goals: ${GOALS.p50} and ${GOALS.p99} ms; the node at most ${GOALS.nodeP50} ms over one sync, ` +
    `here ${beside.toFixed(1)}: ${met ? "met" : "missed"}`,
  ].join("\n");
  return { text, met };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}
