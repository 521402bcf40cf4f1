/**
 * Repair: what placement gives this node, or every node, and isn't here is fetched from whoever has it, without any key. So
 * the copies of a member that stays away are made again, and a newcomer gets its share.
 *
 * @module
 */

import {
  type Address,
  type Clock,
  equalBytes,
  LIVE_SCAN_MS,
  PARTITIONS,
  PRUNED_SCAN_MS,
  REPAIR_BATCH,
  REPAIR_BYTES_IN_FLIGHT,
  REPAIR_FLUSH_BYTES,
  REPAIR_GRACE_MS,
  REPAIR_OBJECTS_PER_PEER,
  sha256,
  type Timers,
} from "../base/mod.ts";
import { decodeInventory, isVersionRecord, type PackedEntries } from "../log/mod.ts";
import { type Duty, visitDuties } from "./duties.ts";
import type { Fetcher } from "./fetcher.ts";
import { forEachInGate, Gate } from "./gate.ts";
import type { Incoming } from "./incoming.ts";
import type { Mesh } from "./mesh.ts";
import { type Missing, MissingList } from "./missing.ts";
import { partitionOf, type Placement } from "./placement.ts";
import type { EnteredSegment, Ledger, ObjectStore } from "./ports.ts";
import type { Tasks } from "./tasks.ts";

/** An object on its way in is looked at again after this long. */
const COMING_MS = 500;

/** What {@link Repair} works with. */
export interface RepairOptions {
  mesh: Mesh;
  ledger: Ledger;
  store: ObjectStore;
  placement: () => Placement;
  fetcher: Fetcher;
  incoming: Incoming;
  clock: Clock;
  timers: Timers;
  tasks: Tasks;
  /** Told of a damaged object that is whole again. */
  onHealed: (address: Address) => void;
}

/** Keeps what this node is to hold complete. */
export class Repair {
  readonly #options: RepairOptions;
  readonly #missing = new MissingList();
  readonly #gate: Gate;
  /** Live objects by partition, as of the last scan and with what was entered since. */
  #live: Uint32Array = new Uint32Array(PARTITIONS);
  #scanDueMs = 0;
  #isScanning = false;
  /** When a prune was last entered. */
  #prunedMs = -Infinity;
  /** Whether segments were entered since the last scan began. */
  #hasNews = false;
  #wake: () => void = () => {};
  #isAwake = false;
  #unsubscribes: (() => void)[] = [];
  /** Since the start. */
  healedObjects = 0;
  healedBytes = 0;

  constructor(options: RepairOptions) {
    this.#options = options;
    this.#gate = new Gate(() => ({
      countMax: REPAIR_OBJECTS_PER_PEER * Math.max(1, options.mesh.peers().length),
      bytesMax: REPAIR_BYTES_IN_FLIGHT,
    }));
  }

  /** Whether what is missing is known: no pass over all that is live is due or under way. */
  get isSettled(): boolean {
    return !this.#isScanning && this.#scanDueMs > this.#options.clock.now();
  }

  /** Objects that are ours to hold and not here. */
  get missing(): number {
    return this.#missing.count;
  }

  get missingBytes(): number {
    return this.#missing.bytes;
  }

  /** Missing objects that are remembered, and bytes of those on their way. */
  get load(): { missing: number; bytesInFlight: number } {
    return { missing: this.#missing.size, bytesInFlight: this.#gate.load.bytes };
  }

  /** @param ready what the first scan waits for; what happens meanwhile is noted */
  start(ready?: Promise<void>): void {
    const { mesh, ledger, tasks, clock } = this.#options;
    this.#unsubscribes = [
      mesh.onViewChange(() => this.scanSoon()),
      mesh.onUp(() => {
        this.#missing.hurry(clock.now());
        this.#wakeUp();
      }),
      ledger.onEntered((segment) => this.#noteEntered(segment)),
    ];
    this.#scanDueMs = clock.now();
    tasks.start("repair", async (signal) => {
      if (ready !== undefined) await ready;
      await this.#run(signal);
    });
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.#wakeUp();
  }

  /** Goes through all that is live as soon as it can. */
  scanSoon(): void {
    this.#scanDueMs = this.#options.clock.now();
    this.#wakeUp();
  }

  /** Objects that were found damaged, and forgotten. */
  addDamaged(addresses: readonly Address[]): void {
    const now = this.#options.clock.now();
    for (const address of addresses) this.#missing.add(address, 1, now, { isDamaged: true });
    this.scanSoon(); // which of them are still needed
  }

  /** Objects that came by another way, and are durable: nobody counts them as missing any more. */
  noteHere(addresses: readonly Address[]): void {
    for (const address of addresses) {
      if (this.#missing.delete(address)?.isDamaged) this.#noteHealed(address);
    }
  }

  #noteHealed(address: Address): void {
    this.#options.onHealed(address);
    this.scanSoon(); // It may be a list: what it alone names was not known to be needed without it.
  }

  /** How many live objects the partitions have that a test picks. */
  countLive(isPicked: (partition: number) => boolean): number {
    return this.#live.reduce(
      (sum, count, partition) => count > 0 && isPicked(partition) ? sum + count : sum,
      0,
    );
  }

  #wakeUp(): void {
    this.#isAwake = true;
    this.#wake();
  }

  /** Waits for something to do, at most until then. */
  #rest(untilMs: number): Promise<void> {
    const { timers, clock } = this.#options;
    if (this.#isAwake) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = timers.after(Math.max(0, untilMs - clock.now()), () => resolve());
      this.#wake = () => {
        stop();
        resolve();
      };
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, tasks } = this.#options;
    while (!signal.aborted) {
      this.#isAwake = false;
      try {
        if (this.#scanDueMs <= clock.now()) {
          this.#isScanning = true;
          await this.#scan().finally(() => this.#isScanning = false);
        }
        await this.#fetchDue(signal);
      } catch (error) {
        if (signal.aborted) return;
        tasks.fail("repair", error);
        await tasks.sleep(COMING_MS * 10); // a full disk, a damaged index: others see to it
      }
      const next = this.#missing.nextDueMs() ?? Infinity;
      await this.#rest(Math.max(clock.now(), Math.min(this.#scanDueMs, next)));
    }
  }

  async #scan(): Promise<void> {
    const { mesh, ledger, store, placement, clock, tasks } = this.#options;
    const now = clock.now();
    this.#scanDueMs = now + (now - this.#prunedMs < LIVE_SCAN_MS ? PRUNED_SCAN_MS : LIVE_SCAN_MS);
    this.#hasNews = false;
    this.#missing.beginScan();
    let before: Uint32Array | null = null;
    const live = await visitDuties({
      ...{ ledger, store },
      self: mesh.self,
      placement: placement(),
      slices: tasks.slices(),
    }, (duty: Duty) => {
      before ??= this.#live.slice(); // what is live is that of about this moment
      const { address, length, isInherited } = duty;
      if (!duty.isOurs || duty.isHere) return;
      this.#missing.add(address, length, clock.now(), { isInherited });
    });
    this.#missing.endScan();
    // What was entered meanwhile counts too.
    const known = before ?? this.#live;
    this.#live = live.map((count, partition) => {
      return count + this.#live[partition]! - known[partition]!;
    });
  }

  /** What new records need is wanted at once, but their writer may be about to send it. */
  #noteEntered({ records }: EnteredSegment): void {
    const { clock, tasks } = this.#options;
    this.#hasNews = true;
    const dueMs = clock.now() + REPAIR_GRACE_MS;
    for (const record of records) {
      if (record.kind === "prune") {
        this.#scanDueMs = Math.min(this.#scanDueMs, dueMs);
        this.#prunedMs = clock.now();
      }
      if (!isVersionRecord(record)) continue;
      const { inventory } = record;
      if ("entries" in inventory) this.#noteNeeds(inventory.entries, dueMs);
      else {
        tasks.start("read an inventory", async () => {
          for (const { address } of inventory.parts) await this.#noteInventory(address, dueMs);
        });
      }
    }
    this.#wakeUp();
  }

  async #noteInventory(address: Address, dueMs: number): Promise<void> {
    const bytes = await this.#options.store.get(address);
    if (bytes === null || !equalBytes(sha256(bytes), address)) return; // the next scan misses it
    this.#noteNeeds(decodeInventory(bytes), dueMs);
    this.#wakeUp();
  }

  #noteNeeds(entries: PackedEntries, dueMs: number): void {
    const { mesh, store, placement } = this.#options;
    const current = placement();
    for (let i = 0; i < entries.count; i++) {
      const address = entries.address(i);
      this.#live[partitionOf(address)]!++;
      if (store.stat(address) !== null || !current.isHolder(mesh.self, address)) continue;
      this.#missing.add(address, entries.length(i), dueMs);
    }
  }

  /** Asks for all that is due, and makes it durable as it comes in. */
  async #fetchDue(signal: AbortSignal): Promise<void> {
    const { clock, mesh } = this.#options;
    const due = this.#missing.due(clock.now(), REPAIR_BATCH);
    if (due.length === 0) return;
    if (mesh.peers().length === 0) {
      for (const { missing } of due) this.#missing.postpone(missing, clock.now());
      return;
    }
    let here: Address[] = [];
    let hereBytes = 0;
    let isAnyAbsent = false;
    const settle = async () => {
      const settled = here;
      [here, hereBytes] = [[], 0];
      await this.#settle(settled);
    };
    await forEachInGate(
      due,
      { gate: this.#gate, bytesOf: ({ missing }) => missing.length, signal },
      async ({ address, missing }) => {
        if (await this.#fetch(address, missing, signal)) {
          here.push(address);
          hereBytes += missing.length;
          if (hereBytes >= REPAIR_FLUSH_BYTES) await settle();
        } else if (missing.tries > 0) isAnyAbsent = true;
      },
    );
    await settle();
    // What nobody has may have been pruned by records that came since.
    if (isAnyAbsent && this.#hasNews) this.#scanDueMs = clock.now();
    if (this.#missing.isOver && this.#missing.nextDueMs() === null) this.#scanDueMs = clock.now();
  }

  /** @returns whether it is in the store */
  async #fetch(address: Address, missing: Missing, signal: AbortSignal): Promise<boolean> {
    const { store, incoming, fetcher, clock } = this.#options;
    if (store.stat(address) !== null) return true;
    if (!incoming.hasRoom(missing.length)) {
      this.#missing.postpone(missing, clock.now());
      return false;
    }
    if (incoming.isComing(address)) {
      missing.dueMs = clock.now() + COMING_MS;
      return false;
    }
    const isHere = await incoming.receive(address, async () => {
      const found = await fetcher.find(address, { signal });
      missing.isNowhere = found.kind === "absent";
      return found.kind === "found" ? { kind: found.object, bytes: found.bytes } : null;
    });
    if (!isHere) this.#missing.postpone(missing, clock.now());
    return isHere;
  }

  async #settle(addresses: readonly Address[]): Promise<void> {
    const { store, incoming, clock } = this.#options;
    if (addresses.length === 0) return;
    if (addresses.some((address) => !store.isDurable(address))) await incoming.flush();
    for (const address of addresses) {
      if (!store.isDurable(address)) {
        const missing = this.#missing.delete(address);
        if (missing !== null) this.#missing.add(address, missing.length, clock.now() + COMING_MS);
        continue;
      }
      const missing = this.#missing.delete(address);
      if (missing === null) continue;
      this.healedObjects++;
      this.healedBytes += missing.length;
      if (missing.isDamaged) this.#noteHealed(address);
    }
  }
}
