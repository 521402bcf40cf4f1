/**
 * Many small files of a tree at once: where their chunks lie is looked up here, the rest is done in jobs by whichever thread is
 * free. What is out of the ordinary (a chunk that is not in a pack's file, a file that can't be made) is left to `writeEntry`,
 * one by one.
 *
 * @module
 */

import { type Bytes, concatBytes, HASH_BYTES, isVaultError, toHex } from "../base/mod.ts";
import { decodeManifest, type References } from "../content/mod.ts";
import type { ContentBody } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { WriteJob } from "./small_write.ts";
import { JOB_FILES } from "./tree_work.ts";

/** A version of a file, and a path at which nothing stands. */
export interface SmallWanted {
  path: string;
  version: IndexedVersion;
}

/** Writes files to their paths, `null` being none; says of each whether it was done. */
export async function getSmall(
  context: VaultContext,
  wanted: readonly (SmallWanted | null)[],
): Promise<boolean[]> {
  const done = new Array<boolean>(wanted.length).fill(false);
  const targets = context.database.guard(() => targetsOf(context, wanted));
  const jobs: Promise<void>[] = [];
  for (let start = 0; start < targets.length; start += JOB_FILES) {
    const some = targets.slice(start, start + JOB_FILES);
    const job = context.smallFiles.write(jobOf(context, some));
    jobs.push(job.then((written) => written.forEach((is, j) => done[some[j]!.place] = is)));
  }
  await Promise.all(jobs);
  return done;
}

/** A file that is to be written. */
interface Target {
  /** Its place among those that are wanted. */
  place: number;
  path: string;
  body: ContentBody;
  references: References;
  /** Where its chunk lies; null if it is empty. */
  chunk: { path: string; offset: number; length: number } | null;
}

/** What is known of files; without those that have several chunks, and those of which something can't be read. */
function targetsOf(
  context: VaultContext,
  wanted: readonly (SmallWanted | null)[],
): Target[] {
  const files = wanted.flatMap((file, place) => {
    const body = file === null ? null : bodyOf(context, file.version);
    if (body === null || body.type !== "file" || !("inline" in body.manifest)) return [];
    const references = referencesOf(body.manifest.inline);
    if (references === null || references.count > 1) return [];
    return [{ place, path: file!.path, body, references, chunk: null }];
  });
  const full = files.filter(({ references }) => references.count > 0);
  const places = context.store.locate(full.map(({ references }) => references.address(0)));
  const chunks = new Map(full.map(({ place }, i) => [place, places[i]!]));
  return files.flatMap((file): Target[] => {
    const { references, place } = file;
    if (references.count === 0) return [file];
    const chunk = chunks.get(place)!;
    return chunk !== null && chunk.length === references.sealedLength(0)
      ? [{ ...file, chunk }]
      : [];
  });
}

function jobOf(context: VaultContext, targets: readonly Target[]): WriteJob {
  return {
    suffix: `${toHex(context.random.bytes(6))}.govault`,
    paths: targets.map(({ path }) => path),
    modes: targets.map(({ body }) => body.mode),
    mtimes: targets.map(({ body }) => body.mtime),
    packs: targets.map(({ chunk }) => chunk?.path ?? ""),
    offsets: targets.map(({ chunk }) => chunk?.offset ?? 0),
    sealedLengths: targets.map(({ chunk }) => chunk?.length ?? 0),
    lengths: targets.map(({ references }) => references.count === 0 ? 0 : references.length(0)),
    ids: concatBytes(
      targets.map(({ references }) => references.count === 0 ? NO_ID : references.id(0)),
    ),
  };
}

/** Stands for the id of the chunk that an empty file has not. */
const NO_ID = new Uint8Array(HASH_BYTES);

function bodyOf({ segments }: VaultContext, version: IndexedVersion): ContentBody | null {
  try {
    const body = segments.versionBody(version);
    return body.kind === "delete" ? null : body;
  } catch (error) {
    if (isVaultError(error, "damaged")) return null;
    throw error;
  }
}

function referencesOf(bytes: Bytes): References | null {
  try {
    const manifest = decodeManifest(bytes);
    return manifest.kind === "full" ? manifest.references : null;
  } catch (error) {
    if (isVaultError(error, "damaged")) return null;
    throw error;
  }
}
