/**
 * What this machine and this runtime could do at best: each stage of a put, a get and a replication by itself, on all
 * cores at once, and what follows from that for the whole.
 */

import { join } from "@std/path";
import { makeCredentials } from "../../src/net/mod.ts";
import type { StageName, StageTask, Way } from "./limit_worker.ts";
import { leastOfFive, measure, median, syncDisks } from "./measuring.ts";
import type { TlsTask } from "./tls_worker.ts";
import { bareCommand } from "./tools.ts";

/** Bytes of a piece: about what a chunk, and what a small file of the bench has. */
const PIECE_BYTES = { chunk: 1024 * 1024, small: 9 * 1024 } as const;

export type PieceSize = keyof typeof PIECE_BYTES;

/** Speed of one stage. */
export interface StageRate {
  stage: StageName | "TLS";
  piece: PieceSize;
  /** Bytes a second of one thread, the fastest of some runs; for TLS, and for syncing, of the machine. */
  one: number;
  /** Bytes a second of all cores together. */
  all: number;
}

/** All that limits are derived from. */
export interface Speeds {
  stages: readonly StageRate[];
  /** What a program of one line takes, from its start to its end: nothing that is run as a command takes less. */
  startSeconds: number;
  /** What 1 KiB at the end of a file takes until it is on the disk. */
  syncSeconds: number;
}

/** What is derived for. */
export type Operation =
  | "put"
  | "put again"
  | "put text"
  | "get"
  | "get text"
  | "put small"
  | "put small again"
  | "get small"
  | "replicate"
  | "put one"
  | "serve one"
  | "prune"
  | "open";

/** What of the text's bytes is left by zstd; measured beside the others. */
const TEXT_SHARE = 0.4;

/** One stage's part in an operation: how many bytes go through it for each byte of the file. */
type Part = [stage: StageRate["stage"], share?: number];

/** What an operation is made of. */
interface Makeup {
  /** How large the pieces are that its stages work on. */
  piece: PieceSize;
  /** Which stages a byte goes through. What a disk does goes on beside the processor; all else takes turns on it. */
  parts: readonly Part[];
  /** How many times it waits for the disk to have what little there is. */
  syncs?: number;
  /** It happens in a program that runs already. */
  isServed?: boolean;
}

const MAKEUP: Readonly<Record<Operation, Makeup>> = {
  "put": {
    piece: "chunk",
    parts: [["read"], ["cut"], ["HMAC"], ["seal"], ["SHA-256"], ["append"], ["sync"]],
  },
  "put again": { piece: "chunk", parts: [["read"], ["cut"], ["HMAC"]], syncs: 1 },
  "put text": {
    piece: "chunk",
    parts: [
      ["read"],
      ["cut"],
      ["HMAC"],
      ["zstd"],
      ["HMAC", TEXT_SHARE],
      ["seal", TEXT_SHARE],
      ["SHA-256", TEXT_SHARE],
      ["append", TEXT_SHARE],
      ["sync", TEXT_SHARE],
    ],
  },
  "get": { piece: "chunk", parts: [["read"], ["open"], ["HMAC"], ["append"]] },
  "get text": {
    piece: "chunk",
    parts: [["read", TEXT_SHARE], ["open", TEXT_SHARE], ["unzstd"], ["HMAC"], ["append"]],
  },
  "put small": {
    piece: "small",
    parts: [
      ["list files"],
      ["read files"],
      ["HMAC"],
      ["seal"],
      ["SHA-256"],
      ["append"],
      ["enter rows"],
      ["sync"],
    ],
  },
  "put small again": { piece: "small", parts: [["list files"], ["look up"]] },
  "get small": {
    piece: "small",
    parts: [["look up"], ["read"], ["open"], ["HMAC"], ["write files"]],
  },
  "replicate": {
    piece: "chunk",
    parts: [
      ["read"],
      ["cut"],
      ["HMAC"],
      ["seal"],
      ["SHA-256", 2],
      ["append", 2],
      ["TLS"],
      ["sync", 2],
    ],
  },
  "put one": { piece: "small", parts: [], syncs: 1 },
  "serve one": { piece: "small", parts: [], syncs: 1, isServed: true },
  "prune": { piece: "small", parts: [["look up"], ["enter rows", 0.5]], syncs: 1 },
  "open": { piece: "small", parts: [] },
};

interface Stage {
  stage: StageName;
  pieces: readonly PieceSize[];
  /** Where a runtime has two ways, the faster one counts: for one core and for all of them, each by itself. */
  ways?: readonly Way[];
}

const WAYS: readonly Way[] = ["here", "beside"];

const STAGES: readonly Stage[] = [
  { stage: "read", pieces: ["chunk", "small"] },
  { stage: "list files", pieces: ["small"] },
  { stage: "read files", pieces: ["small"] },
  { stage: "cut", pieces: ["chunk"] },
  { stage: "HMAC", pieces: ["chunk", "small"], ways: WAYS },
  { stage: "zstd", pieces: ["chunk"] },
  { stage: "unzstd", pieces: ["chunk"] },
  { stage: "seal", pieces: ["chunk", "small"], ways: WAYS },
  { stage: "open", pieces: ["chunk", "small"], ways: WAYS },
  { stage: "SHA-256", pieces: ["chunk", "small"], ways: WAYS },
  { stage: "append", pieces: ["chunk", "small"] },
  { stage: "write files", pieces: ["small"] },
  { stage: "look up", pieces: ["small"] },
  { stage: "enter rows", pieces: ["small"] },
  { stage: "sync", pieces: ["chunk", "small"] },
];

/** Bytes that a stage works through on one core. */
const STAGE_BYTES: Readonly<Record<PieceSize, number>> = {
  chunk: 64 * 1024 * 1024,
  small: 12 * 1024 * 1024,
};

/** Stages that a disk which is still busy would slow down. */
const ON_DISK: ReadonlySet<StageName> = new Set(["append", "write files", "sync"]);

/** Bytes that are written and read at a time; the fastest size counts. */
const TLS_BUFFERS = [16, 64, 256].map((kibibytes) => kibibytes * 1024);

/** How often a start, and a single sync, are measured. */
const SINGLE_RUNS = 21;

/**
 * Measures every stage; some thirty seconds.
 *
 * @param folder where files go
 * @param only which stages, of how small a share of the usual bytes; neither a connection, a start nor a sync then: a look
 * at whether it works
 */
export async function measureStages(
  folder: string,
  { onStep, only }: {
    onStep: (text: string) => void;
    only?: { stages: readonly StageName[]; share: number };
  },
): Promise<Speeds> {
  const cores = navigator.hardwareConcurrency;
  const stages: StageRate[] = [];
  const chosen = STAGES.filter(({ stage }) => only?.stages.includes(stage) ?? true);
  for (const { stage, pieces, ways = WAYS.slice(0, 1) } of chosen) {
    for (const piece of pieces) {
      onStep(`limit: ${stage}, pieces of ${PIECE_BYTES[piece] / 1024} KiB`);
      const task = {
        stage,
        bytes: STAGE_BYTES[piece] * (only?.share ?? 1),
        piece: PIECE_BYTES[piece],
      };
      let [one, all] = [0, 0];
      for (const way of ways) {
        const alone = await rateOf(folder, { ...task, way }, 1);
        one = Math.max(one, alone);
        all = Math.max(all, one); // what one thread has done beside it takes other cores too
        // A disk is one, however many write to it.
        if (stage !== "sync") all = Math.max(all, await rateOf(folder, { ...task, way }, cores));
      }
      stages.push({ stage, piece, one, all });
    }
  }
  if (only !== undefined) return { stages, startSeconds: 0, syncSeconds: 0 };
  onStep("limit: TLS on loopback");
  const rates: number[] = [];
  for (const buffer of TLS_BUFFERS) rates.push(await tlsRate(2 * STAGE_BYTES.chunk, buffer));
  const tls = Math.max(...rates);
  for (const piece of ["chunk", "small"] as const) {
    stages.push({ stage: "TLS", piece, one: tls, all: tls });
  }
  onStep("limit: a start, and a single sync");
  const [startSeconds, syncSeconds] = [await bareStart(folder), await bareSync(folder)];
  return { stages, startSeconds, syncSeconds };
}

/** What a program of one line takes, that is run as GoVault is. */
async function bareStart(root: string): Promise<number> {
  const folder = await Deno.makeTempDir({ dir: root });
  const command = { ...await bareCommand(folder), cwd: folder, env: {} };
  const seconds: number[] = [];
  for (let i = 0; i < SINGLE_RUNS; i++) seconds.push((await measure(command)).seconds);
  return median(seconds);
}

async function bareSync(root: string): Promise<number> {
  const folder = await Deno.makeTempDir({ dir: root });
  const seconds: number[] = [];
  for (let i = 0; i < SINGLE_RUNS; i++) seconds.push(await appendAndSync(join(folder, "file")));
  return median(seconds);
}

/** The least that a put of something small can do: 1 KiB at the end of a file, on the disk. Seconds. */
export async function appendAndSync(path: string): Promise<number> {
  const begin = performance.now();
  using file = await Deno.open(path, { append: true, create: true });
  await file.write(new Uint8Array(1024));
  await file.syncData();
  return (performance.now() - begin) / 1000;
}

/** Bytes a second of so many threads together. */
async function rateOf(
  root: string,
  task: Omit<StageTask, "folder">,
  threads: number,
): Promise<number> {
  const folder = await Deno.makeTempDir({ dir: root });
  const url = new URL("./limit_worker.ts", import.meta.url);
  const workers = Array.from({ length: threads }, () => new Worker(url, { type: "module" }));
  try {
    const all = async (message: (i: number) => StageTask | "run") => {
      const answers = workers.map((worker) => answerOf<"ready" | { seconds: number }>(worker));
      workers.forEach((worker, i) => worker.postMessage(message(i)));
      return await Promise.all(answers);
    };
    for (let i = 0; i < threads; i++) await Deno.mkdir(join(folder, String(i)));
    await all((i) => ({ ...task, folder: join(folder, String(i)) }));
    const seconds = await leastOfFive(async () => {
      if (ON_DISK.has(task.stage)) await syncDisks();
      const answers = await all(() => "run");
      return Math.max(...answers.map((each) => each === "ready" ? 0 : each.seconds));
    });
    return task.bytes * threads / seconds;
  } finally {
    for (const worker of workers) worker.terminate(); // the files stay: see FETCHED in compare.ts
  }
}

/** The next message of a worker. @throws Error with what went wrong in it */
function answerOf<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<T | { error: string }>) => {
      if (data instanceof Object && "error" in data) reject(new Error(data.error));
      else resolve(data as T);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
}

/** Bytes a second of one connection, both of whose ends are here. */
async function tlsRate(bytes: number, buffer: number): Promise<number> {
  const listen = await makeCredentials(new Uint8Array(32).fill(1));
  const url = new URL("./tls_worker.ts", import.meta.url);
  const start = () => new Worker(url, { type: "module" });
  const ask = <T>(worker: Worker, task: TlsTask): Promise<T> => {
    const answer = answerOf<T>(worker);
    worker.postMessage(task);
    return answer;
  };
  const [server, client] = [start(), start()];
  try {
    const { port } = await ask<{ port: number }>(server, { bytes, buffer, listen });
    const { certificate } = listen;
    const seconds = await leastOfFive(async () =>
      (await ask<{ seconds: number }>(client, { bytes, buffer, port, certificate })).seconds
    );
    return bytes / seconds;
  } finally {
    server.terminate();
    client.terminate();
  }
}

/** How much an operation works on. */
export interface Work {
  /** Of the file, or of all files. */
  bytes: number;
  /** Files or versions, where it is their number and not their bytes that counts. */
  pieces?: number;
}

/**
 * The shortest time that an operation could take, in seconds: the program's start, then all cores are always busy, and the
 * disk, which works beside them, is not what all wait for; but for the last sync of what little there is.
 */
export function bestSeconds(
  operation: Operation,
  { bytes, pieces }: Work,
  { stages, startSeconds, syncSeconds }: Speeds,
): number {
  const { piece, parts, syncs = 0, isServed = false } = MAKEUP[operation];
  const amount = pieces === undefined ? bytes : pieces * PIECE_BYTES[piece];
  let [processor, disk] = [0, 0];
  for (const [stage, share = 1] of parts) {
    const rate = stages.find((each) => each.stage === stage && each.piece === piece) ??
      stages.find((each) => each.stage === stage);
    if (rate === undefined) throw new Error(`Cannot derive ${operation}: no rate of ${stage}`);
    const seconds = amount * share / rate.all;
    if (stage === "sync") disk += seconds;
    else processor += seconds;
  }
  const start = isServed ? 0 : startSeconds;
  return start + Math.max(processor, disk) + syncs * syncSeconds;
}

/** All stages that are measured. */
export const STAGE_NAMES: readonly StageRate["stage"][] = [
  ...STAGES.map(({ stage }) => stage),
  "TLS",
];

/** All operations that a limit is derived for. */
export const OPERATIONS = Object.keys(MAKEUP) as Operation[];

/** Bytes of a piece. */
export function pieceBytes(piece: PieceSize): number {
  return PIECE_BYTES[piece];
}
