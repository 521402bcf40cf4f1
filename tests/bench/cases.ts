/** What is measured: groups of steps, each group in a repository of its own, and the goals for GoVault. */

import { join } from "@std/path";
import {
  digestOf,
  EDITS,
  noisePieces,
  textPieces,
  writeEdited,
  writePieces,
  writeSmallFiles,
} from "./data.ts";
import type { Goal } from "./goals.ts";
import type { Operation } from "./limit.ts";
import type { DataKind } from "./tools.ts";

/** How much data. */
export interface Sizes {
  /** Bytes of the large file; of the text a quarter of it. */
  largeBytes: number;
  smallFiles: number;
}

/** One line of what is reported. */
export interface Row {
  title: string;
  action: "put" | "get" | "other";
  /** Bytes that are read or written. */
  bytes: number;
  /** Files or versions, where it is their number that counts. */
  pieces?: number;
  goals: Goal[];
  /** What its time is held against as the best that this machine could do. */
  limit?: Operation;
}

/** One thing that every program does, and is measured at. */
export interface Step extends Row {
  action: "put" | "get";
  /** The folder it puts from, under the data's folder. A get is compared with it. */
  folder: string;
  /** The file or folder in it. */
  name: string;
  tree: boolean;
}

/** Steps that share a repository, in their order. */
export interface Group {
  kind: DataKind;
  steps: Step[];
}

/** The most memory that GoVault may hold at a put or a get. */
export const PEAK_BYTES_GOAL = 160 * 1024 * 1024;

/** Makes the data in a folder, and says what to do with it. */
export async function prepare(data: string, sizes: Sizes): Promise<Group[]> {
  const { largeBytes, smallFiles } = sizes;
  const folder = async (name: string) => {
    const path = join(data, name);
    await Deno.mkdir(path);
    return path;
  };
  const first = join(await folder("first"), "large.bin");
  await writePieces(first, noisePieces(largeBytes, 1));
  await writeEdited(first, join(await folder("second"), "large.bin"));
  const smallBytes = await writeSmallFiles(join(await folder("small"), "small"), smallFiles);
  await writePieces(join(await folder("tiny"), "tiny.bin"), noisePieces(1000, 5));
  const textBytes = Math.floor(largeBytes / 4);
  await writePieces(join(await folder("text"), "text.log"), textPieces(textBytes, 6));

  const large = { name: "large.bin", tree: false };
  const editedBytes = largeBytes + EDITS.insertedBytes;
  const small = {
    folder: "small",
    name: "small",
    tree: true,
    bytes: smallBytes,
    pieces: smallFiles,
  };
  const text = { folder: "text", name: "text.log", tree: false, bytes: textBytes };
  const faster = (times: number): Goal => ({ kind: "faster", than: "the faster rival", times });
  const ofLimit = (share: number): Goal => ({ kind: "limit", share });
  return [
    {
      kind: "noise",
      steps: [
        {
          title: `put ${inMiB(largeBytes)} of random bytes`,
          action: "put",
          folder: "first",
          bytes: largeBytes,
          goals: [faster(2.5), ofLimit(0.7)],
          limit: "put",
          ...large,
        },
        {
          title: `put again after ${EDITS.count} edits of 4 KiB, 1 MiB inserted`,
          action: "put",
          folder: "second",
          bytes: editedBytes,
          goals: [faster(4), { kind: "added", bytes: 12_000_000 }],
          limit: "put again",
          ...large,
        },
        {
          title: "get it",
          action: "get",
          folder: "second",
          bytes: editedBytes,
          goals: [{ kind: "faster", than: "restic", times: 3 }, ofLimit(0.6)],
          limit: "get",
          ...large,
        },
      ],
    },
    {
      kind: "noise",
      steps: [
        {
          title: `put ${smallFiles} small files`,
          action: "put",
          goals: [faster(2)],
          limit: "put small",
          ...small,
        },
        { title: "get them", action: "get", goals: [faster(1.5)], limit: "get small", ...small },
        {
          title: "put them again, unchanged",
          action: "put",
          goals: [faster(3)],
          limit: "put small again",
          ...small,
        },
      ],
    },
    {
      kind: "noise",
      steps: [{
        title: "put 1 KB",
        action: "put",
        folder: "tiny",
        name: "tiny.bin",
        tree: false,
        bytes: 1000,
        goals: [{ kind: "time", of: "restic", share: 0.3 }],
        limit: "put one",
      }],
    },
    {
      kind: "text",
      steps: [
        {
          title: `put ${inMiB(textBytes)} of text, compressed`,
          action: "put",
          goals: [faster(2), { kind: "no larger" }],
          limit: "put text",
          ...text,
        },
        { title: "get the text", action: "get", goals: [], limit: "get text", ...text },
      ],
    },
  ];
}

function inMiB(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

/** Reads what a step puts, so that it comes from the page cache for every program; a hash of it. */
export function warm(data: string, { folder, name }: Step): Promise<string> {
  return digestOf(join(data, folder, name));
}
