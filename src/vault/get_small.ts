/**
 * Many small files of a tree at once: where their chunks lie is looked up here, the rest is done in jobs by whichever thread is
 * free. What is out of the ordinary (a chunk that is not in a pack's file, a file that can't be made) is left to `writeEntry`,
 * one by one.
 *
 * @module
 */

import { dirname, SEPARATOR } from "@std/path";
import { type Bytes, isVaultError, toHex } from "../base/mod.ts";
import { decodeManifest, type ReferenceFields, type References } from "../content/mod.ts";
import type { ContentBody } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { SmallTarget } from "./small_write.ts";
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
    const job = context.smallFiles.write(some.map(({ target }) => target));
    jobs.push(job.then((written) => written.forEach((is, j) => done[some[j]!.place] = is)));
  }
  await Promise.all(jobs);
  return done;
}

/** How files are written; without those that have several chunks, and those of which something can't be read. */
function targetsOf(
  context: VaultContext,
  wanted: readonly (SmallWanted | null)[],
): { place: number; target: SmallTarget }[] {
  const suffix = `${toHex(context.random.bytes(6))}.govault`;
  const files = wanted.flatMap((file, place) => {
    const body = file === null ? null : bodyOf(context, file.version);
    if (body === null || body.type !== "file" || !("inline" in body.manifest)) return [];
    const references = referencesOf(body.manifest.inline);
    if (references === null || references.count > 1) return [];
    return [{ place, path: file!.path, body, references }];
  });
  const places = context.store.locate(
    files.flatMap(({ references }) => references.count === 0 ? [] : [references.address(0)]),
  );
  return files.flatMap(({ place, path, body: { mode, mtime }, references }) => {
    const temporary = `${dirname(path)}${SEPARATOR}.${place}.${suffix}`;
    const target: SmallTarget = { path, temporary, mode, mtime, chunk: null };
    if (references.count === 0) return [{ place, target }];
    const fields = ownFields(references.fields(0));
    const found = places.get(toHex(fields.address));
    if (found === undefined || found.length !== fields.sealedLength) return [];
    const chunk = { pack: found.path, offset: found.offset, reference: fields };
    return [{ place, target: { ...target, chunk } }];
  });
}

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

/** Fields whose bytes are their own: views would take their whole segment along to the worker. */
function ownFields({ id, address, length, sealedLength }: ReferenceFields): ReferenceFields {
  return { id: id.slice(), address: address.slice(), length, sealedLength };
}
