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
import type { Operation } from "./limit.ts";
import type { DataKind } from "./tools.ts";

/** How much data. */
export interface Sizes {
  /** Bytes of the large file; of the text a quarter of it. */
  largeBytes: number;
  smallFiles: number;
}

/** What GoVault is to reach in a step. */
export type Goal =
  /** At least so many times as fast as a rival, or as the faster of the two. */
  | { kind: "faster"; than: "restic" | "the faster rival"; times: number }
  /** At most this share of a rival's time. */
  | { kind: "time"; of: "restic"; share: number }
  /** At most so many bytes added to the store. */
  | { kind: "added"; bytes: number };

/** One thing that every program does, and is measured at. */
export interface Step {
  title: string;
  action: "put" | "get";
  /** The folder it puts from, under the data's folder. A get is compared with it. */
  folder: string;
  /** The file or folder in it. */
  name: string;
  tree: boolean;
  /** Bytes that are read or written. */
  bytes: number;
  goals: Goal[];
  /** What its time is held against as the best that this machine could do; absent where a start is all there is. */
  limit?: Operation;
}

/** Steps that share a repository, in their order. */
export interface Group {
  kind: DataKind;
  steps: Step[];
}

/** The most memory that GoVault may hold, at whatever it does. */
export const PEAK_BYTES_GOAL = 256 * 1024 * 1024;

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
  const small = { folder: "small", name: "small", tree: true, bytes: smallBytes };
  const text = { folder: "text", name: "text.log", tree: false, bytes: textBytes };
  const faster = (times: number): Goal => ({ kind: "faster", than: "the faster rival", times });
  return [
    {
      kind: "noise",
      steps: [
        {
          title: `put ${inMiB(largeBytes)} of random bytes`,
          action: "put",
          folder: "first",
          bytes: largeBytes,
          goals: [faster(1.8)],
          limit: "put",
          ...large,
        },
        {
          title: `put again after ${EDITS.count} edits of 4 KiB, 1 MiB inserted`,
          action: "put",
          folder: "second",
          bytes: editedBytes,
          goals: [faster(2), { kind: "added", bytes: 16_000_000 }],
          limit: "put again",
          ...large,
        },
        {
          title: "get it",
          action: "get",
          folder: "second",
          bytes: editedBytes,
          goals: [{ kind: "faster", than: "restic", times: 2 }],
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
          goals: [faster(1)],
          limit: "put small",
          ...small,
        },
        { title: "get them", action: "get", goals: [faster(1)], limit: "get small", ...small },
        {
          title: "put them again, unchanged",
          action: "put",
          goals: [],
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
      }],
    },
    {
      kind: "text",
      steps: [
        {
          title: `put ${inMiB(textBytes)} of text, compressed`,
          action: "put",
          goals: [],
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
