/**
 * What stands in for the vault's side of a node in tests: a store and a ledger in memory, and logs made as real ones
 * are.
 */

import {
  type Address,
  type Bytes,
  ByteWriter,
  compareIds,
  concatBytes,
  Ed25519Signer,
  encodeUtf8,
  equalBytes,
  fromHex,
  type NodeId,
  type RecordId,
  sha256,
  toHex,
} from "../../src/base/mod.ts";
import {
  decodeInventory,
  decodeSegment,
  type Inventory,
  type InventoryEntry,
  makeInventory,
  nextClock,
  NO_RECORD,
  type PackedEntries,
  packEntries,
  type PublicObject,
  type RecordPublic,
  type Segment,
  SegmentBuilder,
} from "../../src/log/mod.ts";
import type { LogHead } from "../../src/net/mod.ts";
import type {
  EnteredSegment,
  Ledger,
  LedgerSegment,
  ObjectStore,
  Upkeep,
} from "../../src/peer/mod.ts";
import { MemoryStore, type NewObject, type ObjectKind } from "../../src/store/mod.ts";
import { seededRandom } from "../helpers/faulty_disk.ts";

/** Objects in memory, durable after a flush; counts what tests ask about. */
export class TestStore implements ObjectStore {
  readonly inner = new MemoryStore();
  readonly stats = new Map<string, { kind: ObjectKind; length: number }>();
  readonly durable = new Set<string>();
  readonly #public = new Map<string, Bytes>();
  flushes = 0;
  /** Thrown by `put` while set. */
  failure: Error | null = null;

  has(address: Address): Promise<boolean> {
    return this.inner.has(address);
  }

  get(address: Address): Promise<Bytes | null> {
    return this.inner.get(address);
  }

  stat(address: Address): { kind: ObjectKind; length: number } | null {
    return this.stats.get(toHex(address)) ?? null;
  }

  async put(object: NewObject): Promise<boolean> {
    if (this.failure !== null) throw this.failure;
    if (!equalBytes(sha256(...object.pieces), object.address)) throw new Error("unchecked bytes");
    const length = object.pieces.reduce((sum, piece) => sum + piece.length, 0);
    const isNew = await this.inner.put(object);
    if (isNew) this.stats.set(toHex(object.address), { kind: object.kind, length });
    if (object.kind === "public") {
      this.#public.set(toHex(object.address), concatBytes(object.pieces));
    }
    return isNew;
  }

  async flush(): Promise<void> {
    const now = [...this.stats.keys()];
    await Promise.resolve();
    this.flushes++;
    for (const address of now) if (this.stats.has(address)) this.durable.add(address);
  }

  isDurable(address: Address): boolean {
    return this.durable.has(toHex(address));
  }

  async remove(addresses: readonly Address[]): Promise<void> {
    await this.inner.remove(addresses);
    for (const address of addresses) {
      this.stats.delete(toHex(address));
      this.durable.delete(toHex(address));
      this.#public.delete(toHex(address));
    }
  }

  /** A public object's bytes, at once. */
  publicBytes(hex: string): Bytes | undefined {
    return this.#public.get(hex);
  }

  /** Replaces an object's bytes, as a bad disk would. */
  async damage(address: Address): Promise<void> {
    const bytes = (await this.inner.get(address))!;
    bytes[0]! ^= 1;
    await this.inner.remove([address]);
    await this.inner.put({ kind: this.stat(address)!.kind, address, pieces: [bytes] });
  }
}

interface KnownSegment extends LedgerSegment {
  ids: readonly RecordId[];
  previous: RecordId;
  records: readonly RecordPublic[];
  isRooted: boolean;
}

interface KnownLog {
  node: NodeId;
  segments: KnownSegment[];
  byAddress: Set<string>;
  digest: Bytes;
  /** The highest record with all before it. */
  last: bigint;
  /** Segments with all before them, by the id of their last record. */
  rooted: Map<string, KnownSegment>;
  /** Ids on the branch that ends in the head. */
  ids: Map<bigint, RecordId>;
}

/** Logs in memory. Everything that a put names is live, for good: pruning is the vault's. */
export class TestLedger implements Ledger {
  readonly #store: TestStore;
  readonly #logs = new Map<string, KnownLog>();
  readonly #listeners = new Set<(segment: EnteredSegment) => void>();
  readonly #forks: { node: NodeId; sequence: bigint }[] = [];
  /** Records (by id) whose objects nobody needs any more. */
  readonly pruned = new Set<string>();
  entered = 0;

  constructor(store: TestStore) {
    this.#store = store;
  }

  #sorted(): KnownLog[] {
    return [...this.#logs.values()].sort((a, b) => compareIds(a.node, b.node));
  }

  heads(): LogHead[] {
    return this.#sorted().map(({ node, last, digest }) => ({ node, last, digest }));
  }

  head(node: NodeId): LogHead | null {
    const log = this.#logs.get(toHex(node));
    return log === undefined ? null : { node, last: log.last, digest: log.digest };
  }

  headsDigest(): Bytes {
    const heads = this.heads();
    const writer = new ByteWriter(72 * heads.length);
    for (const { node, last, digest } of heads) writer.raw(node).u64(last).raw(digest);
    return sha256(writer.finish());
  }

  idAt(node: NodeId, sequence: bigint): RecordId | null {
    return this.#logs.get(toHex(node))?.ids.get(sequence) ?? null;
  }

  segmentsAfter(node: NodeId, after: bigint, countMax: number): LedgerSegment[] {
    const segments = this.#logs.get(toHex(node))?.segments ?? [];
    // From the end, where new records are: a long log is not gone through for a few.
    let start = segments.length;
    while (start > 0 && lastOf(segments[start - 1]!) > after) start--;
    return segments.slice(start, start + countMax);
  }

  segmentAddresses(node: NodeId): Address[] {
    return (this.#logs.get(toHex(node))?.segments ?? []).map(({ address }) => address)
      .sort(compareIds);
  }

  async enter(segments: readonly { address: Address; bytes: Bytes }[]): Promise<void> {
    for (const { address, bytes } of segments) {
      await this.#store.put({ kind: "segment", address, pieces: [bytes] });
    }
    await this.#store.flush();
    for (const { address, bytes } of segments) this.#enter(address, bytes);
  }

  #enter(address: Address, bytes: Bytes): void {
    // Checked by whoever enters; what that one must have checked shows in the asserts.
    const segment = decoded(bytes);
    const { nodeId, firstSequence: first, records, ids } = segment;
    let log = this.#logs.get(toHex(nodeId));
    if (log === undefined) {
      log = {
        node: nodeId,
        segments: [],
        byAddress: new Set(),
        digest: new Uint8Array(32),
        last: 0n,
        rooted: new Map(),
        ids: new Map(),
      };
      this.#logs.set(toHex(nodeId), log);
    }
    if (log.byAddress.has(toHex(address))) return;
    this.entered++;
    this.#noteFork(log, { first, last: first + BigInt(ids.length) - 1n });
    const entered = {
      ...{ address, first, count: ids.length, ids, records },
      previous: segment.previous,
      isRooted: false,
    };
    log.segments.push(entered);
    for (let i = log.segments.length - 1; i > 0; i--) {
      if (log.segments[i - 1]!.first <= log.segments[i]!.first) break;
      [log.segments[i - 1], log.segments[i]] = [log.segments[i]!, log.segments[i - 1]!];
    }
    log.byAddress.add(toHex(address));
    log.digest = log.digest.map((byte, i) => byte ^ address[i]!);
    this.#root(log, entered);
    const vault = segment.vaultId;
    for (const listener of this.#listeners) {
      listener({ address, node: nodeId, vault, first, records });
    }
  }

  /** Of each log the lowest number that two records have. */
  #noteFork({ node, segments }: KnownLog, { first, last }: { first: bigint; last: bigint }): void {
    const taken = segments.filter((other) => first <= lastOf(other) && other.first <= last)
      .map((other) => other.first > first ? other.first : first);
    if (taken.length === 0) return;
    const known = this.#forks.findIndex((fork) => equalBytes(fork.node, node));
    if (known >= 0) taken.push(this.#forks.splice(known, 1)[0]!.sequence);
    this.#forks.push({ node, sequence: taken.reduce((a, b) => a < b ? a : b) });
  }

  /** Finds out what is now complete, and where the longest branch ends. */
  #root(log: KnownLog, segment: KnownSegment): void {
    if (segment.first > 1n && !log.rooted.has(toHex(segment.previous))) return;
    segment.isRooted = true;
    log.rooted.set(toHex(segment.ids.at(-1)!), segment);
    if (lastOf(segment) > log.last) {
      log.last = lastOf(segment);
      for (let at: KnownSegment | undefined = segment; at !== undefined;) {
        const { first, ids, previous }: KnownSegment = at;
        if (ids.every((id, i) => log.ids.get(first + BigInt(i)) === id)) break;
        ids.forEach((id, i) => log.ids.set(first + BigInt(i), id));
        at = log.rooted.get(toHex(previous));
      }
    }
    const last = segment.ids.at(-1)!;
    for (const next of log.segments.slice(log.segments.indexOf(segment) + 1)) {
      if (!next.isRooted && equalBytes(next.previous, last)) this.#root(log, next);
    }
  }

  forks(): readonly { node: NodeId; sequence: bigint }[] {
    return this.#forks;
  }

  *live(): Iterable<{ entries: PackedEntries; isPublic: boolean }> {
    const publicEntries: InventoryEntry[] = [];
    const lists: PackedEntries[] = [];
    for (const log of this.#sorted()) {
      for (const { ids, records } of log.segments) {
        for (const [i, record] of records.entries()) {
          if (!("inventory" in record) || this.pruned.has(toHex(ids[i]!))) continue;
          if ("entries" in record.inventory) lists.push(record.inventory.entries);
          else {
            for (const { address, count } of record.inventory.parts) {
              publicEntries.push({ address, length: 8 + 36 * count });
              const bytes = this.#store.publicBytes(toHex(address));
              if (bytes !== undefined) lists.push(decodeInventory(bytes));
            }
          }
        }
      }
    }
    for (const { segments } of this.#logs.values()) {
      for (const { address } of segments) {
        publicEntries.push({ address, length: this.#store.stat(address)?.length ?? 1 });
      }
    }
    yield { entries: packEntries(publicEntries), isPublic: true };
    for (const entries of lists) yield { entries, isPublic: false };
  }

  onEntered(listener: (segment: EnteredSegment) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Segments that were decoded before: some tests enter long logs at several nodes. */
const known = new WeakMap<Bytes, Segment>();

function decoded(bytes: Bytes): Segment {
  const segment = known.get(bytes) ?? decodeSegment(bytes, { signatures: "checked before" });
  known.set(bytes, segment);
  return segment;
}

function lastOf({ first, count }: LedgerSegment): bigint {
  return first + BigInt(count) - 1n;
}

/** What {@link Upkeep} does, on a store and a ledger in memory. */
export class TestUpkeep implements Upkeep {
  readonly #store: TestStore;
  readonly #ledger: TestLedger;
  collections = 0;
  dropped: Address[] = [];
  /** Called before surplus is dropped: what may happen at the last moment. */
  beforeDrop: () => void = () => {};

  constructor(store: TestStore, ledger: TestLedger) {
    this.#store = store;
    this.#ledger = ledger;
  }

  async collect({ isPinned }: { isPinned: (address: Address) => boolean }) {
    this.collections++;
    const live = new Set<string>();
    for (const { entries } of this.#ledger.live()) {
      for (const { address } of entries) live.add(toHex(address));
    }
    let freedBytes = 0;
    for (const [hex, { kind, length }] of [...this.#store.stats]) {
      const address = fromHex(hex);
      if (kind === "segment" || live.has(hex) || isPinned(address)) continue;
      freedBytes += length;
      await this.#store.remove([address]);
    }
    return { freedBytes, isDone: true };
  }

  async dropSurplus(addresses: readonly Address[], stillSurplus: (address: Address) => boolean) {
    this.beforeDrop();
    const gone = addresses.filter(stillSurplus);
    await this.#store.remove(gone);
    this.dropped.push(...gone);
    return gone.length;
  }

  async scrub(cursor: string | null, bytesMax: number): ReturnType<Upkeep["scrub"]> {
    const all = [...this.#store.stats.keys()].sort();
    const damaged: Address[] = [];
    let checkedBytes = 0;
    for (const hex of all) {
      if (cursor !== null && hex <= cursor) continue;
      if (checkedBytes >= bytesMax) return { next: cursor, checkedBytes, damaged, mended: [] };
      const address = fromHex(hex);
      const bytes = (await this.#store.get(address))!;
      checkedBytes += bytes.length;
      if (!equalBytes(sha256(bytes), address)) {
        damaged.push(address);
        await this.#store.remove([address]);
      }
      cursor = hex;
    }
    return { next: null, checkedBytes, damaged, mended: [] };
  }

  mend(_address: Address): Promise<boolean> {
    return Promise.resolve(false);
  }

  storedBytes(): number {
    let bytes = 0;
    for (const { length } of this.#store.stats.values()) bytes += length;
    return bytes;
  }
}

/** All tests' nodes write for one vault. */
export const VAULT: Ed25519Signer = new Ed25519Signer(sha256(encodeUtf8("vault")));

/** Bytes that no other seed gives. */
export function someBytes(seed: number, length = 1000): Bytes {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

/** Makes segments of one node's log, one after the other. */
export class LogWriter {
  readonly signer: Ed25519Signer;
  readonly #vault: Ed25519Signer;
  next = 1n;
  previous: RecordId = NO_RECORD;
  #clock = 0n;
  /** Tells what two writers of one log write apart. */
  readonly #keyTag = crypto.getRandomValues(new Uint8Array(16));

  constructor(name: string, vault: Ed25519Signer = VAULT) {
    this.signer = new Ed25519Signer(sha256(encodeUtf8(name)));
    this.#vault = vault;
  }

  get node(): NodeId {
    return sha256(this.signer.publicKey);
  }

  /** A writer that goes on from here by itself: the node restored from an old backup. */
  fork(): LogWriter {
    return Object.assign(new LogWriter("", this.#vault), {
      signer: this.signer,
      next: this.next,
      previous: this.previous,
    });
  }

  /** A segment of puts, each of which needs some objects, or names an inventory as it is given. */
  segment(
    puts: readonly (readonly InventoryEntry[] | Inventory)[],
    { nowMs = Date.now(), bodies = encodeUtf8("sealed bodies") } = {},
  ) {
    const builder = new SegmentBuilder({
      vaultKey: this.#vault.publicKey,
      nodeKey: this.signer.publicKey,
      firstSequence: this.next,
      previous: this.previous,
      sealedBodies: bodies,
    });
    const objects: PublicObject[] = [];
    for (const needs of puts) {
      const made = "parts" in needs || "entries" in needs && !Array.isArray(needs)
        ? { inventory: needs as Inventory, objects: [] }
        : makeInventory(packEntries(needs as readonly InventoryEntry[]));
      objects.push(...made.objects);
      this.#clock = nextClock(this.#clock, nowMs);
      this.previous = builder.add({
        kind: "put",
        clock: this.#clock,
        keyTag: this.#keyTag,
        depth: 1,
        parents: [],
        inventory: made.inventory,
      });
      this.next++;
    }
    const { address, bytes } = builder.finish({ vault: this.#vault, node: this.signer });
    return { address, bytes, objects, id: this.previous };
  }
}
