/**
 * What this machine and this runtime could do at best: each stage of a put, a get and a replication by itself, on all
 * cores at once, and what follows from that for the whole.
 */

import { join } from "@std/path";
import { makeCredentials } from "../../src/net/mod.ts";
import type { StageName, StageTask } from "./limit_worker.ts";
import { medianOfThree, syncDisks } from "./measuring.ts";
import type { TlsTask } from "./tls_worker.ts";

/** Bytes of a piece: about what a chunk, and what a small file of the bench has. */
const PIECE_BYTES = { chunk: 1024 * 1024, small: 9 * 1024 } as const;

export type PieceSize = keyof typeof PIECE_BYTES;

/** Speed of one stage. */
export interface StageRate {
  stage: StageName | "TLS";
  piece: PieceSize;
  /** Bytes a second of one thread; for TLS, and for syncing, of the machine. */
  one: number;
  /** Bytes a second of all cores together. */
  all: number;
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
  | "replicate";

/** What of the text's bytes is left by zstd; measured beside the others. */
const TEXT_SHARE = 0.4;

/** One stage's part in an operation: how many bytes go through it for each byte of the file. */
type Part = [stage: StageRate["stage"], share?: number];

/** Which stages a byte goes through. What a disk does goes on beside the processor; all else takes turns on it. */
const PARTS: Readonly<Record<Operation, { piece: PieceSize; parts: readonly Part[] }>> = {
  "put": {
    piece: "chunk",
    parts: [["read"], ["cut"], ["HMAC"], ["seal"], ["SHA-256"], ["append"], ["sync"]],
  },
  "put again": { piece: "chunk", parts: [["read"], ["cut"], ["HMAC"]] },
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
    parts: [["read", TEXT_SHARE], ["open", TEXT_SHARE], ["HMAC"], ["append"]],
  },
  "put small": {
    piece: "small",
    parts: [["read files"], ["HMAC"], ["seal"], ["SHA-256"], ["append"], ["sync"]],
  },
  "put small again": { piece: "small", parts: [["read files"], ["HMAC"]] },
  "get small": { piece: "small", parts: [["read"], ["open"], ["HMAC"], ["write files"]] },
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
};

const STAGES: readonly { stage: StageName; pieces: readonly PieceSize[] }[] = [
  { stage: "read", pieces: ["chunk", "small"] },
  { stage: "read files", pieces: ["small"] },
  { stage: "cut", pieces: ["chunk"] },
  { stage: "HMAC", pieces: ["chunk", "small"] },
  { stage: "zstd", pieces: ["chunk"] },
  { stage: "seal", pieces: ["chunk", "small"] },
  { stage: "open", pieces: ["chunk", "small"] },
  { stage: "SHA-256", pieces: ["chunk", "small"] },
  { stage: "append", pieces: ["chunk", "small"] },
  { stage: "write files", pieces: ["small"] },
  { stage: "sync", pieces: ["chunk", "small"] },
];

/** Measures every stage; some ten seconds. `folder` is where files go. */
export async function measureStages(
  folder: string,
  { onStep }: { onStep: (text: string) => void },
): Promise<StageRate[]> {
  const cores = navigator.hardwareConcurrency;
  const rates: StageRate[] = [];
  for (const { stage, pieces } of STAGES) {
    for (const piece of pieces) {
      onStep(`limit: ${stage}, pieces of ${PIECE_BYTES[piece] / 1024} KiB`);
      const bytes = (piece === "chunk" ? 128 : 8) * 1024 * 1024;
      const task = { stage, bytes, piece: PIECE_BYTES[piece] };
      const one = await rateOf(folder, task, 1);
      // A disk is one, however many write to it.
      const all = stage === "sync" ? one : await rateOf(folder, task, cores);
      rates.push({ stage, piece, one, all });
    }
  }
  onStep("limit: TLS on loopback");
  const tls = await tlsRate(128 * 1024 * 1024);
  for (const piece of ["chunk", "small"] as const) {
    rates.push({ stage: "TLS", piece, one: tls, all: tls });
  }
  return rates;
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
    const seconds = await medianOfThree(async () => {
      await syncDisks();
      const answers = await all(() => "run");
      return Math.max(...answers.map((each) => each === "ready" ? 0 : each.seconds));
    });
    return task.bytes * threads / seconds;
  } finally {
    for (const worker of workers) worker.terminate();
    await Deno.remove(folder, { recursive: true });
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
async function tlsRate(bytes: number): Promise<number> {
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
    const { port } = await ask<{ port: number }>(server, { bytes, listen });
    const { certificate } = listen;
    const seconds = await medianOfThree(async () =>
      (await ask<{ seconds: number }>(client, { bytes, port, certificate })).seconds
    );
    return bytes / seconds;
  } finally {
    server.terminate();
    client.terminate();
  }
}

/**
 * The shortest time that an operation could take, in seconds: all cores are always busy, and the disk, which works beside
 * them, is not what all wait for.
 *
 * @param bytes of the file, or of all files
 */
export function bestSeconds(
  operation: Operation,
  { bytes, rates }: { bytes: number; rates: readonly StageRate[] },
): number {
  const { piece, parts } = PARTS[operation];
  let [processor, disk] = [0, 0];
  for (const [stage, share = 1] of parts) {
    const rate = rates.find((each) => each.stage === stage && each.piece === piece) ??
      rates.find((each) => each.stage === stage);
    if (rate === undefined) throw new Error(`Cannot derive ${operation}: no rate of ${stage}`);
    const seconds = bytes * share / rate.all;
    if (stage === "sync") disk += seconds;
    else processor += seconds;
  }
  return Math.max(processor, disk);
}

/** All operations that a limit is derived for. */
export const OPERATIONS = Object.keys(PARTS) as Operation[];
