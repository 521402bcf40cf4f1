/**
 * What the versions of a vault need: read from their manifests, one version after the other, and looked for in the store.
 *
 * @module
 */

import { isVaultError, quoteKey, toHex } from "../base/mod.ts";
import type { References } from "../content/mod.ts";
import type { VaultContext } from "./context.ts";
import { HashSet } from "./hash_set.ts";
import { gatherVersions, versionsAt } from "./log_order.ts";
import { loadManifest } from "./manifests.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import { RowSet } from "./row_set.ts";
import { nameOf } from "./versions.ts";

/** Versions that are named of those that need one damaged object. */
const USERS_MAX = 3;

/** What reading the versions found out. */
export interface Reachable {
  /** Which objects in the index are chunks of versions: by rows, as they were after so many rebuilds. */
  chunks: RowSet;
  rebuilds: number;
  /** How many objects are lost. */
  missing: number;
  /** How many are not here, and other members of the network should have. */
  elsewhere: number;
  problems: string[];
}

/**
 * Reads every version's manifest and looks for all that it names. Memory: 30 bytes a version, a bit for each object in the
 * index, some 20 bytes for each that is not here, and the problems.
 */
export async function walkVersions(
  context: VaultContext,
  signal: AbortSignal | undefined,
): Promise<Reachable> {
  const { attachment, database, store } = context;
  const hasOthers = attachment.remote !== null || await attachment.others() > 0;
  while (true) {
    const rebuilds = database.rebuilds.count;
    const places = await gatherVersions(context, signal);
    const walk = new Walk(context, {
      hasOthers,
      chunks: new RowSet(database.guard(() => store.index.lastRow())),
    });
    for await (const version of versionsAt(context, places)) {
      signal?.throwIfAborted();
      await walk.add(version);
    }
    // Rows that were noted before a rebuild mean nothing after it.
    if (rebuilds === database.rebuilds.count) return { ...walk.found, rebuilds };
  }
}

/** Takes version by version into account. */
class Walk {
  readonly #context: VaultContext;
  readonly #hasOthers: boolean;
  readonly #chunks: RowSet;
  readonly #missing = new HashSet();
  readonly #elsewhere = new HashSet();
  readonly #problems: string[] = [];

  constructor(
    context: VaultContext,
    { hasOthers, chunks }: { hasOthers: boolean; chunks: RowSet },
  ) {
    this.#context = context;
    this.#hasOthers = hasOthers;
    this.#chunks = chunks;
  }

  get found(): Omit<Reachable, "rebuilds"> {
    return {
      chunks: this.#chunks,
      missing: this.#missing.size,
      elsewhere: this.#elsewhere.size,
      problems: this.#problems,
    };
  }

  async add(version: IndexedVersion): Promise<void> {
    const { attachment } = this.#context;
    try {
      const references = await referencesOf(this.#context, version);
      const missing = references === null ? 0 : this.#find(references);
      if (missing === 0) return;
      this.#problems.push(
        `${this.#label(version)}: ${missing} of ${references!.count} chunks are missing`,
      );
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      if (isVaultError(error, "too_few_peers") && attachment.remote === null) {
        this.#elsewhere.add(version.id); // its manifest: that it is nowhere, nobody can say here
        return;
      }
      this.#missing.add(version.id);
      this.#problems.push(`${this.#label(version)} can't be read: ${error.message}`);
    }
  }

  #label(version: IndexedVersion): string {
    return labelOf(this.#context, version);
  }

  /** Looks for a version's chunks; says how many are lost. */
  #find(references: References): number {
    const { database, store } = this.#context;
    let missing = 0;
    for (let i = 0; i < references.count; i++) {
      const address = references.address(i);
      const frame = database.guard(() => store.index.find(address));
      if (frame !== null) this.#chunks.add(frame.row);
      else if (this.#hasOthers) this.#elsewhere.add(address); // the nodes that should hold it look after it
      else {
        this.#missing.add(address);
        missing++;
      }
    }
    return missing;
  }
}

/** Some of the versions that need each of these objects (addresses in hex), in words. */
export async function usersOf(
  context: VaultContext,
  addresses: Iterable<string>,
  signal: AbortSignal | undefined,
): Promise<Map<string, string[]>> {
  const users = new Map(Array.from(addresses, (address) => [address, [] as string[]]));
  if (users.size === 0) return users;
  for await (const version of versionsAt(context, await gatherVersions(context, signal))) {
    signal?.throwIfAborted();
    const references = await referencesOf(context, version).catch((error) => {
      if (!isUnreadable(error)) throw error;
      return null;
    });
    for (let i = 0; i < (references?.count ?? 0); i++) {
      const named = users.get(toHex(references!.address(i)));
      if (named === undefined || named.length === USERS_MAX) continue;
      const label = labelOf(context, version);
      if (named.at(-1) !== label) named.push(label);
    }
  }
  return users;
}

/** The chunks of a version; null for a delete. */
async function referencesOf(
  context: VaultContext,
  version: IndexedVersion,
): Promise<References | null> {
  const body = context.database.guard(() => context.segments.versionBody(version));
  return body.kind === "delete" ? null : (await loadManifest(context, body.manifest)).references;
}

function labelOf(context: VaultContext, version: IndexedVersion): string {
  const name = context.database.guard(() => nameOf(context, version.keyTag, version));
  return `version ${version.depth} of ${
    name === null ? "a key whose name is lost" : quoteKey(name)
  }`;
}
