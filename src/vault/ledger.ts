/**
 * All logs that a node knows, its own and others', whichever vault they are of: what peers ask about them, and the door
 * through which what peers know comes in.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  ByteWriter,
  equalBytes,
  HASH_BYTES,
  type NodeId,
  type RecordId,
  sha256,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import { type PackedEntries, packEntries } from "../log/mod.ts";
import type { PackStore } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { EnteredSegment, Entrance } from "./entrance.ts";
import type { IndexedLog } from "./ledger_index.ts";
import { namedLists } from "./live_lists.ts";
import { planLiveInSteps } from "./live_plan.ts";
import { endOf, type IndexedSegment } from "./record_rows.ts";

/** How far a node's log is known. */
export interface LedgerHead {
  readonly node: NodeId;
  /** The highest sequence number with all below it known, on the longest branch; 0 if the first record is not known. */
  readonly last: bigint;
  /** XOR of the addresses of all segments known of this log. */
  readonly digest: Bytes;
}

/** A segment that the ledger knows. */
export interface LedgerSegment {
  readonly address: Address;
  readonly first: bigint;
  readonly count: number;
}

/** What a {@link Ledger} works with. */
export type LedgerContext =
  & Pick<VaultContext, "keys" | "database" | "index" | "segments" | "gate">
  & { store: PackStore; entrance: Entrance };

/** What {@link Ledger.live} gives in place of a list that it has not got to. */
const NOTHING_YET = { entries: packEntries([]), isPublic: true, isInherited: false };

/** Reads and grows the logs. Reading guards the index itself; any call may throw VaultError `no_space` or `damaged`. */
export class Ledger {
  readonly #context: LedgerContext;
  #heads: { of: readonly IndexedLog[]; heads: LedgerHead[]; digest: Bytes } | null = null;

  constructor(context: LedgerContext) {
    this.#context = context;
  }

  /** Heads of all logs, ascending by node. */
  heads(): LedgerHead[] {
    return this.#current().heads;
  }

  /** The head of one log, or null. */
  head(node: NodeId): LedgerHead | null {
    return this.heads().find((head) => equalBytes(head.node, node)) ?? null;
  }

  /** SHA-256 over node ‖ u64 last ‖ digest of each head, in their order. */
  headsDigest(): Bytes {
    return this.#current().digest;
  }

  #current() {
    const { database, index } = this.#context;
    const logs = database.guard(() => index.allLogs());
    if (this.#heads?.of === logs) return this.#heads;
    const heads = logs.map(({ node, last, digest }) => ({ node, last: BigInt(last), digest }));
    const writer = new ByteWriter(heads.length * (2 * HASH_BYTES + 8));
    for (const { node, last, digest } of heads) writer.raw(node).u64(last).raw(digest);
    return this.#heads = { of: logs, heads, digest: sha256(writer.finish()) };
  }

  #log(node: NodeId): IndexedLog | null {
    return this.#context.index.allLogs().find((log) => equalBytes(log.node, node)) ?? null;
  }

  /** Id of a record on the branch that ends in the head, or null. */
  idAt(node: NodeId, sequence: bigint): RecordId | null {
    const { database, index, segments } = this.#context;
    return database.guard(() => {
      const log = this.#log(node);
      if (log === null || sequence < 1n || sequence > BigInt(log.last)) return null;
      const at = Number(sequence);
      if (at === log.last) return log.lastId;
      const segment = index.logs.onBranch(log, at);
      if (segment === null) return null;
      if (endOf(segment) === at) return segment.lastId;
      return segments.open(segment.row).segment.ids[at - segment.first] ?? null;
    });
  }

  /** Segments of a log with a record above `after`, of all branches, by their first record. */
  segmentsAfter(node: NodeId, after: bigint, countMax: number): LedgerSegment[] {
    const { database, index } = this.#context;
    return database.guard(() => {
      const log = this.#log(node);
      if (log === null || after >= BigInt(log.top)) return [];
      return index.logs.covering(node, Number(after) + 1, log.top, countMax).map(ledgerSegment);
    });
  }

  /** Addresses of all segments of a log, ascending. */
  segmentAddresses(node: NodeId): Address[] {
    const { database, index } = this.#context;
    return database.guard(() => index.logs.addresses(node));
  }

  /**
   * Enters segments that have been checked: their signatures, that their nodes are members, their order. The public
   * objects they name are stored. They are durable and entered when it returns.
   *
   * @throws VaultError `damaged` if one can't be entered, as a prune list of it is missing
   */
  enter(segments: readonly { address: Address; bytes: Bytes }[]): Promise<void> {
    const { store, database, entrance, gate } = this.#context;
    return gate.share(async () => {
      for (const { address, bytes } of segments) {
        await store.put({ kind: "segment", address, pieces: [bytes] });
      }
      await store.flush();
      if (this.#unknown(segments).length === 0) return;
      // They lie in the packs already, but could not be read when the index was made: what they name may be here by now.
      database.guard(() =>
        database.transaction(() =>
          entrance.enter(this.#unknown(segments), (address) => store.getSync(address))
        )
      );
      const [left] = this.#unknown(segments);
      if (left === undefined) return;
      throw new VaultError(
        "damaged",
        `Cannot enter segment ${shortHex(left.address)}: what it names is missing`,
      );
    });
  }

  #unknown<S extends { address: Address }>(segments: readonly S[]): S[] {
    const { database, index } = this.#context;
    return database.guard(() =>
      segments.filter(({ address }) => index.findSegment(address) === null)
    );
  }

  /** Logs of which two records with one number are known, and the lowest such number. */
  forks(): { node: NodeId; sequence: bigint }[] {
    const { database, index } = this.#context;
    return database.guard(() => index.allLogs())
      .filter(({ fork }) => fork > 0)
      .map(({ node, fork }) => ({ node, sequence: BigInt(fork) }));
  }

  /**
   * What live versions of all vaults need, and the segments, as of one moment since this call: lists in no order, some objects
   * in several. May be read on over many turns; empty lists come while it is still being worked out which lists count. Where
   * a list is lost, what stands in it is left out, and the list itself is among the public objects; of a segment or prune
   * list that is not here the length is 1, as nobody can tell it. What is `isInherited` a version needed that was dropped by
   * somebody who didn't know one that follows it: that one may need it.
   */
  live(): Iterable<
    {
      readonly entries: PackedEntries;
      readonly isPublic: boolean;
      readonly isInherited: boolean;
    }
  > {
    const context = this.#context;
    const read = (address: Address) => context.store.getSync(address);
    return (function* () {
      const planning = planLiveInSteps(context);
      let step = planning.next();
      for (; !step.done; step = planning.next()) yield NOTHING_YET;
      const plan = step.value;
      for (const list of namedLists(context, plan, { read })) {
        if (list.what === "entries" && list.isLive) yield list;
      }
    })();
  }

  /** Has a listener called after each segment that is entered, whoever wrote it; what it returns ends that. */
  onEntered(listener: (segment: EnteredSegment) => void): () => void {
    return this.#context.entrance.onEntered(listener);
  }
}

function ledgerSegment({ address, first, count }: IndexedSegment): LedgerSegment {
  return { address, first: BigInt(first), count };
}
