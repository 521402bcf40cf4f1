/**
 * Marks in the index which stored objects the versions of all vaults still need, in steps between which others get their turn:
 * they go on putting, and records come in from other nodes. What came meanwhile is taken into account before anything is
 * collected ({@link Marking.catchUp}), while nobody writes. It can only make more of it live: what has come to be dead since
 * is collected the next time.
 *
 * @module
 */

import { type Address, type RecordId, shortHex, toHex, VaultError } from "../base/mod.ts";
import {
  decodeInventory,
  decodePruneList,
  decodeSegment,
  isVersionRecord,
  type PackedEntries,
  type RecordPublic,
} from "../log/mod.ts";
import type { FrameRow } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { checkedObject, decodedObject, namedLists } from "./live_lists.ts";
import { type LivePlan, NOTHING_PLANNED, planLiveInSteps, type PlannedPrune } from "./live_plan.ts";
import { findObject } from "./read_object.ts";
import { RowSet } from "./row_set.ts";
import { inSteps, paced } from "./steps.ts";

/** Entries that are marked in one step. */
const STEP_ENTRIES = 32;

/** What a marking found. */
export interface Marked {
  /** Whether some version needs the object, or the log does, or it has come since the marking began. */
  isLive: (frame: FrameRow) => boolean;
  /** Whether only dropped versions named the object: nobody waits for it any more. */
  isReleased: (frame: FrameRow) => boolean;
  /** Whether all is here that the answer rests on. If not, what no record names may be needed by what is missing. */
  isWhole: boolean;
  /** Versions of this vault that inherit from ones that were dropped unawares. */
  heirs: readonly RecordId[];
}

/** How to mark. */
export interface MarkOptions {
  planned?: PlannedPrune;
  /** What to do where this vault's own records or lists are lost: say so, or keep all that the vault ever named. */
  onLoss?: "throw" | "keep";
  signal?: AbortSignal | undefined;
}

/**
 * Marks what is live, as of the moment in which it was worked out which lists count. Of another vault of which something is
 * lost, all that it ever named counts as live. Memory: two bits for every object in the index, and what the plan takes.
 *
 * @throws VaultError `damaged` if something of this vault is lost that the answer rests on, unless that is to be kept; the
 *   signal's reason
 */
export async function markLive(context: VaultContext, options: MarkOptions = {}): Promise<Marking> {
  const { database, pace, store } = context;
  const { planned = NOTHING_PLANNED, onLoss = "throw", signal } = options;
  await settle(context);
  while (true) {
    const { rebuilds } = store;
    const rows = new Rows(database.guard(() => store.index.lastRow()));
    const plan = await paced(planLiveInSteps(context, planned), { pace, signal });
    const { missing } = plan.vaults.get(toHex(context.keys.vaultId))!;
    if (missing > 0 && onLoss === "throw") {
      if (store.reindex("versions are not in it that others follow")) continue;
      throw cannotCollect(`${missing} records of the log are missing`);
    }
    const marking = new Marking(context, { plan, rows, rebuilds });
    // Rows that were marked before a rebuild mean nothing after it.
    const begin = () => store.rebuilds === rebuilds ? marking.mark(planned, onLoss) : nothing();
    await paced(inSteps(database, { begin }), { pace, signal });
    if (store.rebuilds === rebuilds) return marking;
  }
}

/** Has all that was written entered: what is not can't be marked. */
export async function settle({ committer, store }: VaultContext): Promise<void> {
  await committer.settle();
  await store.flush();
}

function* nothing(): Generator<void, void> {}

function cannotCollect(state: string): VaultError {
  return new VaultError("damaged", `Cannot collect garbage: ${state}`, {
    hint: "`govault verify` tells what is lost",
  });
}

/** Rows that are live, and rows that some version named. */
class Rows {
  readonly live: RowSet;
  readonly named: RowSet;
  /** Rows above it have come since; none at or below it was given to another object meanwhile. */
  readonly last: number;

  constructor(last: number) {
    this.live = new RowSet(last);
    this.named = new RowSet(last);
    this.last = last;
  }
}

/** What is live. */
export class Marking {
  readonly #context: VaultContext;
  readonly #plan: LivePlan;
  readonly #rows: Rows;
  readonly #rebuilds: number;
  readonly #broken = new Set<string>();
  /** Segments that have been looked at. */
  #segments: number;
  #isBehind = false;

  /** For {@link markLive}. */
  constructor(
    context: VaultContext,
    { plan, rows, rebuilds }: { plan: LivePlan; rows: Rows; rebuilds: number },
  ) {
    this.#context = context;
    this.#plan = plan;
    this.#rows = rows;
    this.#rebuilds = rebuilds;
    this.#segments = plan.segments.count;
  }

  /** What was found; to be asked once all was caught up with. */
  get marked(): Marked {
    const { live, named, last } = this.#rows;
    const isLive = ({ row }: FrameRow) => row > last || live.has(row);
    return {
      isLive,
      isReleased: (frame) => !isLive(frame) && named.has(frame.row),
      isWhole: this.#broken.size === 0 && this.#context.problems.length === 0,
      heirs: this.#plan.vaults.get(this.#own)!.heirs,
    };
  }

  /** Whether something was dropped since, so that there is more to collect than this tells. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  get #own(): string {
    return toHex(this.#context.keys.vaultId);
  }

  /** Marks what the plan says, in steps. @throws VaultError `damaged` as {@link markLive} */
  *mark(planned: PlannedPrune, onLoss: "throw" | "keep"): Generator<void, void> {
    const context = this.#context;
    const plan = this.#plan;
    const { live, named } = this.#rows;
    const own = this.#own;
    for (const [vault, { missing }] of plan.vaults) if (missing > 0) this.#broken.add(vault);
    const read = (address: Address) => findObject(context, address, "list of objects");
    for (const list of namedLists(context, plan, { read })) {
      if (list.what === "entries") yield* this.#add(list.isLive ? live : named, list.entries);
      else if (list.vault === own && onLoss === "throw") {
        throw cannotCollect(`${list.kind} ${shortHex(list.address)} is lost`);
      } else this.#broken.add(list.vault);
      yield;
    }
    const { carried } = plan.vaults.get(own)!;
    for (const [id, entries] of planned.carried) {
      if (carried.has(id)) yield* this.#add(live, entries);
    }
    if (this.#broken.size === 0) return;
    const only = (vault: string) => this.#broken.has(vault);
    for (const list of namedLists(context, plan, { read, only })) {
      if (list.what === "entries") yield* this.#add(live, list.entries);
      yield;
    }
  }

  *#add(rows: RowSet, entries: PackedEntries): Generator<void, void> {
    const { index } = this.#context.store;
    for (let i = 0; i < entries.count; i++) {
      const frame = index.find(entries.address(i));
      if (frame !== null && frame.row <= this.#rows.last) rows.add(frame.row);
      if ((i + 1) % STEP_ENTRIES === 0) yield;
    }
  }

  /**
   * Takes the segments into account that were entered since: all that they name is live. Done once before nobody may write any
   * more, so that little is left to do while nobody may.
   *
   * @returns false if what came changes what is live of before, or the index was made anew: then all has to be marked anew
   */
  async catchUpInSteps(signal?: AbortSignal): Promise<boolean> {
    const { database, pace } = this.#context;
    return await paced(inSteps(database, { begin: () => this.#enterNew() }), { pace, signal });
  }

  /** As {@link Marking.catchUpInSteps}, at once: good until somebody writes again. */
  catchUp(): boolean {
    return this.#context.database.guard(() => {
      const steps = this.#enterNew();
      while (true) {
        const { done, value } = steps.next();
        if (done) return value;
      }
    });
  }

  *#enterNew(): Generator<void, boolean> {
    const { index, store } = this.#context;
    while (true) {
      if (store.rebuilds !== this.#rebuilds) return false;
      if (this.#segments === index.totals().segments) return true;
      if (!(yield* this.#enterSegment(this.#segments + 1))) return false;
      this.#segments++;
    }
  }

  /** Marks all that a segment names. Says whether that is enough. */
  *#enterSegment(row: number): Generator<void, boolean> {
    const { index, keys } = this.#context;
    const { address, vault } = index.segment(row);
    const isOwn = toHex(vault) === toHex(keys.vaultId);
    const bytes = checkedObject(address, this.#read);
    if (bytes === null) return false;
    for (const record of decodeSegment(bytes, { signatures: "checked before" }).records) {
      if (isVersionRecord(record)) {
        const base = record.parents[0];
        const known = base === undefined
          ? null
          : isOwn
          ? index.version(base)
          : index.foreign.find(base);
        // By such a heir, what was dropped may count again.
        if (base !== undefined && (known === null || known.dropped)) return false;
      }
      const lists = this.#listsOf(record);
      if (lists === null) return false;
      for (const entries of lists) yield* this.#add(this.#rows.live, entries);
      yield;
    }
    return true;
  }

  readonly #read = (address: Address) => findObject(this.#context, address, "list of objects");

  /** All entries that a record names, and marks the public objects in which they stand; null if one is lost. */
  #listsOf(record: RecordPublic): PackedEntries[] | null {
    const lists: PackedEntries[] = [];
    const { store } = this.#context;
    const markPublic = (address: Address) => {
      const frame = store.index.find(address);
      if (frame !== null && frame.row <= this.#rows.last) this.#rows.live.add(frame.row);
    };
    if (record.kind === "prune") {
      this.#isBehind = true;
      for (const address of record.lists) {
        const list = decodedObject(address, this.#read, decodePruneList);
        if (list === null) return null;
        markPublic(address);
        lists.push(...list.carried.map(({ entries }) => entries));
      }
    } else if (isVersionRecord(record)) {
      if ("entries" in record.inventory) return [record.inventory.entries];
      for (const { address } of record.inventory.parts) {
        const entries = decodedObject(address, this.#read, decodeInventory);
        if (entries === null) return null;
        markPublic(address);
        lists.push(entries);
      }
    }
    return lists;
  }
}
