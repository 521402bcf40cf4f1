/**
 * Prune and purge: dropping versions by a record that the vault signs, then giving their space back.
 *
 * @module
 */

import { equalBytes, isVaultError, type RecordId, sha256, toHex } from "../base/mod.ts";
import {
  type CarriedList,
  encodePruneList,
  foldHistory,
  NO_ENTRIES,
  type PackedEntries,
  packEntries,
  splitPruneList,
} from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import {
  collectGarbage,
  entriesOf,
  idSet,
  inventoryOfVersion,
  type PlannedPrune,
} from "./garbage.ts";
import { loadManifest, needsOf } from "./manifests.ts";
import { markLive } from "./marking.ts";
import { choosePrune, type Heir, namesOfChosen, PruneChoice } from "./prune_choice.ts";
import { deleteKey } from "./put.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import type { PruneResult, Retention, VersionInfo, WorkOptions } from "./types.ts";
import { describeId, latestVersion, type NamedKey, nameKey } from "./versions.ts";

/** Versions that go, and what those that stay behind them need. */
interface Plan {
  choice: PruneChoice;
  carried: CarriedList[];
}

/** Applies retention to every key, then collects garbage. Without any rule only garbage goes. */
export async function prune(
  context: VaultContext,
  retention: Retention,
  options: WorkOptions & { dryRun?: boolean },
): Promise<PruneResult> {
  const dryRun = options.dryRun ?? false;
  const { signal } = options;
  const { choice, versions } = await choosePrune(context, retention, signal);
  const plan = await planPrune(context, choice, signal);
  const dropped = choice.describe(await namesOfChosen(context, choice, signal));
  signal?.throwIfAborted();
  if (!dryRun) await commitPrune(context, plan);
  const planned = dryRun ? { planned: asPlanned(plan) } : {};
  const collected = await collectGarbage(context, { ...collecting(options), dryRun, ...planned });
  return {
    dryRun,
    versions,
    keptVersions: versions - dropped.length,
    droppedVersions: dropped.length,
    removedChunks: collected.removedObjects,
    freedBytes: collected.freedBytes,
    leftBytes: collected.leftBytes,
    dropped,
  };
}

function asPlanned({ choice, carried }: Plan): PlannedPrune {
  return {
    dropped: idSet(choice.ids),
    carried: new Map(carried.map(({ version, entries }) => [toHex(version), entries])),
  };
}

/**
 * Works out what versions that stay would lose with those that go. A version whose needs can't be read keeps its
 * ancestors.
 */
async function planPrune(
  context: VaultContext,
  choice: PruneChoice,
  signal?: AbortSignal,
): Promise<Plan> {
  const { database, pace } = context;
  const carried: { heir: Heir; entries: PackedEntries }[] = [];
  let read = 0;
  let last = 0;
  // In the order of the log, so that each segment is opened once.
  for (const heir of choice.heirs.toSorted((a, b) => a.segment - b.segment)) {
    try {
      carried.push({ heir, entries: await inheritedBy(context, heir) });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      database.guard(() => choice.keepAncestors(heir));
    }
    if (++read % pace.steps !== 0 && heir.segment === last) continue;
    last = heir.segment;
    signal?.throwIfAborted();
    await pace.others();
  }
  return {
    choice,
    carried: carried.filter(({ heir }) => choice.isOrphaned(heir))
      .map(({ heir, entries }) => ({ version: heir.id, entries })),
  };
}

/** What a version needs beyond its own inventory. */
async function inheritedBy(context: VaultContext, { id }: Heir): Promise<PackedEntries> {
  const { body, own } = context.database.guard(() => {
    const version = context.index.knownVersion(id);
    return {
      body: context.segments.versionBody(version),
      own: entriesOf(context, inventoryOfVersion(context, version)),
    };
  });
  if (body.kind === "delete") return NO_ENTRIES;
  const needs = needsOf(await loadManifest(context, body.manifest));
  const stated = new Set(
    own.flatMap((entries) => Array.from(entries, ({ address }) => toHex(address))),
  );
  return packEntries(Array.from(needs).filter(({ address }) => !stated.has(toHex(address))));
}

/** Makes a prune durable: its lists, then its record. */
async function commitPrune(context: VaultContext, { choice, carried }: Plan): Promise<void> {
  if (choice.size === 0 && carried.length === 0) return;
  const lists = splitPruneList({ dropped: choice.ids, carried }).map((list) => {
    const bytes = encodePruneList(list);
    return { address: sha256(bytes), bytes };
  });
  for (const { address, bytes } of lists) {
    await context.store.put({ kind: "public", address, pieces: [bytes] });
    context.attachment.remote?.offer({ kind: "public", address, length: bytes.length });
  }
  const addresses = lists.map(({ address }) => address);
  await context.committer.commit({
    record: (clock) => ({ kind: "prune", clock, lists: addresses }),
    body: { kind: "prune" },
  });
}

/**
 * Says what versions that this node wrote need of ones that somebody dropped who did not know of them. Until that is said, all
 * that the dropped ones needed counts, as nobody can tell without the key what of it is needed. What can't be said, as what
 * it takes can't be read or written, is said another time.
 *
 * @param heirs as in {@link Marked}
 */
export async function carryForHeirs(
  context: VaultContext,
  heirs: readonly RecordId[],
): Promise<void> {
  if (heirs.length === 0) return;
  const { database, gate, index, nodeId } = context;
  const isOurs = (version: IndexedVersion | null): version is IndexedVersion =>
    version !== null && equalBytes(index.segment(version.segment).node, nodeId);
  const carry = async () => {
    const choice = new PruneChoice(context);
    database.guard(() => {
      for (const id of heirs) {
        const version = index.version(id);
        if (isOurs(version)) choice.addHeir(version);
      }
    });
    if (choice.heirs.length > 0) await commitPrune(context, await planPrune(context, choice));
  };
  try {
    await gate.share(carry);
  } catch (error) {
    if (!isVaultError(error)) throw error;
  }
}

/** Deletes a key, forgets all its versions and rewrites the packs that hold what only they needed. */
export async function purge(
  context: VaultContext,
  keyText: string,
  options: WorkOptions,
): Promise<{ version: VersionInfo; freedBytes: number }> {
  const key = nameKey(context, keyText);
  const tombstone = tombstoneOf(context, key) ?? await deleteKey(context, keyText);
  const choice = new PruneChoice(context);
  context.database.guard(() => {
    const all = context.index.versionsOf(key.tag);
    // A put that came after the tombstone stays.
    const dropped = foldHistory(all).ordered.filter(({ id, depth }) =>
      depth <= tombstone.version && !equalBytes(id, tombstone.id)
    );
    choice.addKey(all, dropped);
  });
  const plan = await planPrune(context, choice, options.signal);
  const { marked: before } = await markLive(context, { signal: options.signal });
  const { rebuilds } = context.store;
  await commitPrune(context, plan);
  // Only what this purge let go: other garbage waits for a prune. Rows that a rebuild has changed say nothing any more.
  const { freedBytes } = await collectGarbage(context, {
    ...collecting(options),
    dryRun: false,
    onlyIfLive: (frame) => context.store.rebuilds !== rebuilds || before.isLive(frame),
  });
  return { version: tombstone, freedBytes };
}

/** The latest version of a key if that is a delete. */
function tombstoneOf(context: VaultContext, key: NamedKey): VersionInfo | null {
  const found = context.database.guard(() => latestVersion(context, key));
  return found?.latest.op === "delete" ? describeId(context, key.name, found.latest.id) : null;
}

function collecting({ signal, onProgress }: WorkOptions) {
  const onPack = ({ packs, of }: { packs: number; of: number }) =>
    onProgress?.({ doneBytes: packs, totalBytes: of, item: "packs" });
  return { signal, onPack };
}
