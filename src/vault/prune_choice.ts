/**
 * Which versions a prune drops, and which of those that stay follow on one that is dropped: chosen key by key, in steps between
 * which others get their turn, as of one moment. Held is what goes and who inherits, and no row of what merely stays.
 *
 * @module
 */

import { type Bytes, compareIds, type KeyName, type RecordId, toHex } from "../base/mod.ts";
import { clockMs, foldHistory, latestAt } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import { eachKey } from "./key_places.ts";
import type { IndexedVersion } from "./record_index.ts";
import { isEmptyRetention, keptByRetention } from "./retention.ts";
import { inSteps, paced } from "./steps.ts";
import { listTags } from "./tags.ts";
import type { PruneResult, Retention } from "./types.ts";
import { nameOf } from "./versions.ts";

/** A key of which versions go. */
interface GoingKey {
  readonly tag: Bytes;
  /** The lowest id of all its versions. */
  readonly firstId: RecordId;
}

/** A version that goes. */
interface GoingVersion {
  readonly key: GoingKey;
  readonly id: RecordId;
  readonly depth: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Bytes of plaintext. */
  readonly size: number;
  /** Row of the segment that its record stands in, as it was when it was chosen. */
  readonly segment: number;
}

/** A version that stays and whose first parent goes, or went unawares. */
export interface Heir {
  readonly id: RecordId;
  readonly base: RecordId;
  /** Whether the parent was dropped before, and nobody has said what is needed of it. */
  readonly isUncarried: boolean;
  /** As in {@link GoingVersion}. */
  readonly segment: number;
}

/** What goes, and who inherits. */
export class PruneChoice {
  readonly #context: Pick<VaultContext, "index" | "keys">;
  /** By id in hex. */
  readonly #going = new Map<string, GoingVersion>();
  readonly heirs: Heir[] = [];

  constructor(context: Pick<VaultContext, "index" | "keys">) {
    this.#context = context;
  }

  get ids(): RecordId[] {
    return Array.from(this.#going.values(), ({ id }) => id);
  }

  get size(): number {
    return this.#going.size;
  }

  /** Whether a version whose needs are not stated without its parent has one that goes, or went. */
  isOrphaned({ base, isUncarried }: Heir): boolean {
    return isUncarried || this.#going.has(toHex(base));
  }

  /** Takes a key into account: all its versions, and those of them that go. */
  addKey(versions: readonly IndexedVersion[], dropped: readonly IndexedVersion[]): void {
    const [first] = versions;
    if (first === undefined) return;
    if (dropped.length > 0) {
      const ids = versions.map(({ id }) => id);
      const firstId = ids.reduce((least, id) => compareIds(id, least) < 0 ? id : least);
      const key = { tag: first.keyTag, firstId };
      for (const { id, depth, clock, size, segment } of dropped) {
        this.#going.set(toHex(id), { key, id, depth, time: clockMs(clock), size, segment });
      }
    }
    const known = new Map(versions.map((version) => [toHex(version.id), version]));
    for (const version of versions) this.addHeir(version, known);
  }

  /** Takes a version into account as one that may inherit. @param known versions that need not be looked up, by id in hex */
  addHeir(version: IndexedVersion, known?: ReadonlyMap<string, IndexedVersion>): void {
    const { id, parents: [base], dropped, segment } = version;
    if (dropped || base === undefined || this.#going.has(toHex(id))) return;
    const { index, keys } = this.#context;
    const isLost = (known?.get(toHex(base)) ?? index.version(base))?.dropped ?? false;
    const isUncarried = isLost && !index.isCarried(keys.vaultId, id);
    if (!isUncarried && !this.#going.has(toHex(base))) return;
    this.heirs.push({ id, base, isUncarried, segment });
  }

  /** Leaves out all that a version follows on, one after the other. */
  keepAncestors({ base }: Heir): void {
    for (let id: RecordId | undefined = base; id !== undefined;) {
      this.#going.delete(toHex(id));
      id = this.#context.index.version(id)?.parents[0];
    }
  }

  /** What goes, oldest first. @param names of the keys, by tag in hex */
  describe(names: ReadonlyMap<string, KeyName | null>): PruneResult["dropped"] {
    return [...this.#going.values()]
      .sort((a, b) => a.time - b.time || compareIds(a.key.firstId, b.key.firstId))
      .map(({ key, depth: version, id, time, size }) => {
        return { key: names.get(toHex(key.tag))!, version, id, time, size };
      });
  }

  /** One version of each key, in the order of the log. */
  onePerKey(): { tag: Bytes; id: RecordId; segment: number }[] {
    const chosen = new Map<GoingKey, GoingVersion>();
    for (const version of this.#going.values()) {
      if (!chosen.has(version.key)) chosen.set(version.key, version);
    }
    return [...chosen.values()].sort((a, b) => a.segment - b.segment)
      .map(({ key, id, segment }) => ({ tag: key.tag, id, segment }));
  }
}

/** What no rule, no tag and no head keeps, and how many versions there were to choose from. */
export async function choosePrune(
  context: VaultContext,
  retention: Retention,
  signal: AbortSignal | undefined,
): Promise<{ choice: PruneChoice; versions: number }> {
  const { database, index, pace } = context;
  const begin = () => chooseSteps(context, retention);
  const moment = () => index.totals().segments;
  return await paced(inSteps(database, { begin, moment }), { pace, signal });
}

function* chooseSteps(
  context: VaultContext,
  retention: Retention,
): Generator<void, { choice: PruneChoice; versions: number }> {
  const { index, clock } = context;
  const choose = isEmptyRetention(retention) ? () => [] : chooseBy(retention, {
    moments: listTags(context).map(({ time }) => time),
    now: clock.now(),
  });
  const choice = new PruneChoice(context);
  for (const page of eachKey(context)) {
    for (const { key } of page) {
      // Whatever follows on nothing is a head as long as nothing follows on it.
      if (key.versions === 0 || key.depthMax < 2) continue;
      const versions = index.versionsOf(key.tag);
      choice.addKey(versions, choose(versions));
      yield;
    }
    yield;
  }
  return { choice, versions: index.totals().versions };
}

/** Chooses of all versions of a key those that go, oldest first. */
function chooseBy(
  retention: Retention,
  { moments, now }: { moments: readonly number[]; now: number },
): (versions: readonly IndexedVersion[]) => IndexedVersion[] {
  return (versions) => {
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
    return ordered.filter((version) => !kept.has(version));
  };
}

/** The names of the keys of which versions go, by tag (hex): of each key one record is opened. Null where none can be read. */
export async function namesOfChosen(
  context: VaultContext,
  choice: PruneChoice,
  signal: AbortSignal | undefined,
): Promise<Map<string, KeyName | null>> {
  const { database, index, pace } = context;
  const names = new Map<string, KeyName | null>();
  let last = 0;
  for (const { tag, id, segment } of choice.onePerKey()) {
    const name = database.guard(() => nameOf(context, tag, index.knownVersion(id)));
    names.set(toHex(tag), name);
    if (segment === last && names.size % pace.steps !== 0) continue;
    last = segment;
    signal?.throwIfAborted();
    await pace.others();
  }
  return names;
}
