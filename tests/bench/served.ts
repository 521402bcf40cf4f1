/**
 * `deno task bench served`: a put of 1 KiB that a running node does, as who types it waits for it, beside what the program
 * takes to start, what the node takes, and what the disk does at least.
 */

import { join } from "@std/path";
import { CONTROL_VERSION, ControlConnection, findSocket } from "../../src/daemon/mod.ts";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import type { StepResult } from "./compare.ts";
import { OURS } from "./goals.ts";
import { appendAndSync } from "./limit.ts";
import { govaultCommand } from "./tools.ts";

const FILE_BYTES = 1024;

/** Measures so many puts. */
export async function compareServed(
  { runs, scratch, onStep }: { runs: number; scratch: string; onStep: (text: string) => void },
): Promise<StepResult[]> {
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
    times.sync.push(await appendAndSync(join(scratch, "bare")));
  }
  return resultsOf(times);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
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

const SYNC = "1 KiB appended and synced";

function resultsOf(
  { start, whole, node, sync }: Record<"start" | "whole" | "node" | "sync", number[]>,
): StepResult[] {
  const samples = (programs: Record<string, number[]>) =>
    new Map(
      Object.entries(programs).map(([name, all]) => [
        name,
        all.map((seconds) => ({ seconds, peakBytes: null, addedBytes: 0 })),
      ]),
    );
  return [
    {
      step: {
        title: "put 1 KiB through a running node",
        action: "other",
        bytes: FILE_BYTES,
        goals: [
          { kind: "percentile", share: 0.5, seconds: 0.06 },
          { kind: "percentile", share: 0.99, seconds: 0.15 },
        ],
        limit: "put one",
      },
      samples: samples({ [OURS]: whole, "govault version": start }),
    },
    {
      step: {
        title: "... of that the node, with the way there and back",
        action: "other",
        bytes: FILE_BYTES,
        goals: [{ kind: "over", what: SYNC, seconds: 0.005 }],
        limit: "serve one",
      },
      samples: samples({ [OURS]: node, [SYNC]: sync }),
    },
  ];
}
