/**
 * Prune and purge: dropping versions by a record that the vault signs, then giving their space back.
 *
 * @module
 */

import {
  equalBytes,
  isVaultError,
  type KeyName,
  type RecordId,
  sha256,
  toHex,
} from "../base/mod.ts";
import {
  type CarriedList,
  clockMs,
  encodePruneList,
  foldHistory,
  latestAt,
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
import { markLive } from "./marking.ts";
import { loadManifest, needsOf } from "./manifests.ts";
import { deleteKey } from "./put.ts";
import { isUnreadable } from "./read_object.ts";
import type { IndexedVersion } from "./record_index.ts";
import { isEmptyRetention, keptByRetention } from "./retention.ts";
import { listTags } from "./tags.ts";
import type { PruneResult, Retention, VersionInfo, WorkOptions } from "./types.ts";
import { describeId, latestVersion, type NamedKey, nameKey, nameOf } from "./versions.ts";

/** Versions that go, and what those that stay behind them need. */
interface Plan {
  versions: number;
  dropped: IndexedVersion[];
  carried: CarriedList[];
}

/** Applies retention to every key, then collects garbage. Without any rule only garbage goes. */
export async function prune(
  context: VaultContext,
  retention: Retention,
  options: WorkOptions & { dryRun?: boolean },
): Promise<PruneResult> {
  const dryRun = options.dryRun ?? false;
  const plan = await planPrune(context, chooseDropped(context, retention));
  const names = context.database.guard(() => namesOf(context, plan.dropped));
  const dropped = plan.dropped.map((version) => ({
    key: names.get(toHex(version.keyTag))!,
    version: version.depth,
    id: version.id,
    time: clockMs(version.clock),
    size: version.size,
  })).sort((a, b) => a.time - b.time);
  options.signal?.throwIfAborted();
  if (!dryRun) await commitPrune(context, plan);
  const planned: PlannedPrune = {
    dropped: idSet(plan.dropped.map(({ id }) => id)),
    carried: new Map(plan.carried.map(({ version, entries }) => [toHex(version), entries])),
  };
  const collected = await collectGarbage(context, { ...collecting(options), dryRun, planned });
  return {
    dryRun,
    versions: plan.versions,
    keptVersions: plan.versions - dropped.length,
    droppedVersions: dropped.length,
    removedChunks: collected.removedObjects,
    freedBytes: collected.freedBytes,
    leftBytes: collected.leftBytes,
    dropped,
  };
}

/** The names of the versions' keys, by tag (hex): of each key one record is opened, not that of every version. */
function namesOf(
  context: VaultContext,
  versions: readonly IndexedVersion[],
): Map<string, KeyName | null> {
  const names = new Map<string, KeyName | null>();
  for (const version of versions) {
    const tag = toHex(version.keyTag);
    if (!names.has(tag)) names.set(tag, nameOf(context, version.keyTag, version));
  }
  return names;
}

/** What no rule, no tag and no head keeps. */
function chooseDropped(
  context: VaultContext,
  retention: Retention,
): { all: IndexedVersion[]; dropped: IndexedVersion[] } {
  return context.database.guard(() => {
    const all = context.index.allVersions();
    if (isEmptyRetention(retention)) return { all, dropped: [] };
    const moments = listTags(context).map(({ time }) => time);
    const now = context.clock.now();
    const byKey = Map.groupBy(all, ({ keyTag }) => toHex(keyTag));
    const dropped: IndexedVersion[] = [];
    for (const versions of byKey.values()) {
      const { ordered, heads } = foldHistory(versions);
      const dated = ordered.map((version) => ({ version, time: clockMs(version.clock) }));
      const kept = new Set(
        Array.from(keptByRetention(dated, retention, now), ({ version }) => version),
      );
      for (const head of heads) kept.add(head);
      for (const moment of moments) {
        const tagged = latestAt(ordered, moment);
        if (tagged !== null) kept.add(tagged);
      }
      dropped.push(...ordered.filter((version) => !kept.has(version)));
    }
    return { all, dropped };
  });
}

/**
 * Works out what versions that stay would lose with those that go. A version whose needs can't be read keeps its
 * ancestors.
 */
async function planPrune(
  context: VaultContext,
  { all, dropped }: { all: IndexedVersion[]; dropped: IndexedVersion[] },
): Promise<Plan> {
  const going = new Map(dropped.map((version) => [toHex(version.id), version]));
  const gone = idSet(all.filter((version) => version.dropped).map(({ id }) => id));
  const carriedBefore = context.database.guard(() => context.index.carriedOf(context.keys.vaultId));
  const isUncarried = (version: IndexedVersion) =>
    isOrphaned(version, gone) && !carriedBefore.has(toHex(version.id));
  const heirs = all.filter((version) =>
    !version.dropped && !going.has(toHex(version.id)) &&
    (isOrphaned(version, going) || isUncarried(version))
  );
  const carried: { heir: IndexedVersion; entries: PackedEntries }[] = [];
  for (const heir of heirs) {
    try {
      carried.push({ heir, entries: await inheritedBy(context, heir) });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      keepAncestors(going, heir, all);
    }
  }
  return {
    versions: all.filter((version) => !version.dropped).length,
    dropped: [...going.values()],
    carried: carried.filter(({ heir }) => isOrphaned(heir, going) || isOrphaned(heir, gone))
      .map(({ heir, entries }) => ({ version: heir.id, entries })),
  };
}

/** Whether the first parent of a version goes. */
function isOrphaned(version: IndexedVersion, going: { has(id: string): boolean }): boolean {
  const base = version.parents[0];
  return base !== undefined && going.has(toHex(base));
}

function keepAncestors(
  going: Map<string, IndexedVersion>,
  version: IndexedVersion,
  all: readonly IndexedVersion[],
): void {
  const byId = new Map(all.map((each) => [toHex(each.id), each]));
  for (let base = version.parents[0]; base !== undefined;) {
    going.delete(toHex(base));
    base = byId.get(toHex(base))?.parents[0];
  }
}

/** What a version needs beyond its own inventory. */
async function inheritedBy(context: VaultContext, version: IndexedVersion): Promise<PackedEntries> {
  const { body, own } = context.database.guard(() => ({
    body: context.segments.versionBody(version),
    own: entriesOf(context, inventoryOfVersion(context, version)),
  }));
  if (body.kind === "delete") return NO_ENTRIES;
  const needs = needsOf(await loadManifest(context, body.manifest));
  const stated = new Set(
    own.flatMap((entries) => Array.from(entries, ({ address }) => toHex(address))),
  );
  return packEntries(Array.from(needs).filter(({ address }) => !stated.has(toHex(address))));
}

/** Makes a prune durable: its lists, then its record. */
async function commitPrune(context: VaultContext, { dropped, carried }: Plan): Promise<void> {
  if (dropped.length === 0 && carried.length === 0) return;
  const lists = splitPruneList({ dropped: dropped.map(({ id }) => id), carried }).map((list) => {
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
    const ours = database.guard(() => heirs.map((id) => index.version(id)).filter(isOurs));
    const all = database.guard(() =>
      ours.flatMap((version) => [version, index.version(version.parents[0]!)])
    ).filter((version) => version !== null);
    if (ours.length > 0) await commitPrune(context, await planPrune(context, { all, dropped: [] }));
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
  const { all, dropped } = context.database.guard(() => {
    const all = context.index.versionsOf(key.tag);
    // A put that came after the tombstone stays.
    const dropped = foldHistory(all).ordered.filter(({ id, depth }) =>
      depth <= tombstone.version && !equalBytes(id, tombstone.id)
    );
    return { all, dropped };
  });
  const plan = await planPrune(context, { all, dropped });
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
