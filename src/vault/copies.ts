/**
 * Copies on other nodes: all that is put here is copied in the background, and who wants to can wait for it. What is given
 * up here is not lost: other nodes see by the log what they lack, and fetch it.
 *
 * @module
 */

import {
  type Address,
  afterThisTurn,
  COPIES_TIMEOUT_MS,
  COPY_NEEDS_MAX,
  COPY_NEEDS_WAITING_MAX,
  equalBytes,
  isVaultError,
  type NodeId,
  type RecordId,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { isVersionRecord, type PackedEntries } from "../log/mod.ts";
import type { VaultContext } from "./context.ts";
import type { EnteredSegment } from "./entrance.ts";
import { entriesOf } from "./garbage.ts";
import { loadManifest, needsOf } from "./manifests.ts";
import type { RemoteObjects } from "./remote.ts";
import type { CopyOptions } from "./types.ts";

/** An object that other nodes are to hold. */
interface Need {
  readonly address: Address;
  readonly length: number;
}

/** Has copied what this node's new records name, a batch at a time. */
export class BackgroundCopies {
  readonly #context: VaultContext;
  readonly #remote: RemoteObjects;
  readonly #stopListening: () => void;
  readonly #stop = new AbortController();
  #waiting: Need[] = [];
  #last = 0n;
  #running: Promise<void> | null = null;

  constructor(context: VaultContext, remote: RemoteObjects) {
    this.#context = context;
    this.#remote = remote;
    this.#stopListening = context.entrance.onEntered((segment) => this.#add(segment));
  }

  #add(segment: EnteredSegment): void {
    const { node, vault, first, records } = segment;
    const { nodeId, keys } = this.#context;
    if (!equalBytes(node, nodeId) || !equalBytes(vault, keys.vaultId)) return;
    const last = first + BigInt(records.length) - 1n;
    if (last > this.#last) this.#last = last;
    for (const record of records) {
      if (!isVersionRecord(record)) continue;
      for (const entries of this.#entriesOf(record.inventory)) {
        if (this.#waiting.length + entries.count > COPY_NEEDS_WAITING_MAX) continue;
        for (const entry of entries) this.#waiting.push(entry);
      }
    }
    if (this.#waiting.length > 0) {
      this.#running ??= this.#run().finally(() => this.#running = null);
    }
  }

  #entriesOf(inventory: Parameters<typeof entriesOf>[1]): PackedEntries[] {
    try {
      return entriesOf(this.#context, inventory);
    } catch (error) {
      if (isVaultError(error)) return [];
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { nodeId: node } = this.#context;
    const { signal } = this.#stop;
    await afterThisTurn(); // whoever waits for what was put hears first that it is durable
    while (this.#waiting.length > 0 && !signal.aborted) {
      const needs = this.#waiting.splice(0, COPY_NEEDS_MAX);
      try {
        await this.#remote.replicate({
          log: { node, last: this.#last },
          needs,
          copies: this.#remote.replicas(),
          timeoutMs: COPIES_TIMEOUT_MS,
          signal,
        });
      } catch {
        // Nobody waits for this; whoever should hold these objects finds out by the log.
      }
    }
  }

  /** Ends the copying and waits until it has ended. */
  async close(): Promise<void> {
    this.#stopListening();
    this.#stop.abort(new DOMException("the vault was closed", "AbortError"));
    this.#waiting = [];
    await this.#running;
  }
}

/** What has to be copied, and how much of which log must be known with it. */
interface Wanted {
  node: NodeId;
  last: bigint;
  needs: Need[];
}

/** What these versions need, by the log that their records stand in. */
async function wantedBy(
  context: VaultContext,
  { versions }: { versions: readonly RecordId[] },
): Promise<Wanted[]> {
  const byLog = new Map<string, Wanted>();
  for (const id of versions) {
    const { body, node, sequence } = context.database.guard(() => {
      const version = context.index.knownVersion(id);
      const { node, first } = context.index.segment(version.segment);
      const body = context.segments.versionBody(version);
      return { body, node, sequence: BigInt(first + version.position) };
    });
    const name = toHex(node);
    const wanted = byLog.get(name) ?? { node, last: 0n, needs: [] };
    byLog.set(name, wanted);
    if (sequence > wanted.last) wanted.last = sequence;
    if (body.kind === "delete") continue;
    for (const need of needsOf(await loadManifest(context, body.manifest))) {
      wanted.needs.push(need);
    }
  }
  return [...byLog.values()];
}

/** What to make copies of: versions with all they need, or everything that this node has recorded so far. */
export type CopyOf = { versions: readonly RecordId[] } | "records";

/** Waits until `copies` nodes hold something durably, this one included; says how many do when no more can come. */
export async function countCopies(
  context: VaultContext,
  what: CopyOf,
  { copies = 1, copiesTimeoutMs = COPIES_TIMEOUT_MS, signal }: CopyOptions & {
    signal?: AbortSignal;
  },
): Promise<number> {
  const { remote } = context.attachment;
  if (copies <= 1 || remote === null) return 1;
  const wanted = what === "records" ? [ownRecords(context)] : await wantedBy(context, what);
  const reached = await Promise.all(wanted.map(async ({ node, last, needs }) => {
    const request = {
      log: { node, last },
      needs,
      copies,
      timeoutMs: copiesTimeoutMs,
    };
    return (await remote.replicate(signal ? { ...request, signal } : request)).copies;
  }));
  return Math.min(...reached);
}

function ownRecords({ database, index, nodeId }: VaultContext): Wanted {
  const log = database.guard(() => index.allLogs()).find(({ node }) => equalBytes(node, nodeId));
  return { node: nodeId, last: BigInt(log?.last ?? 0), needs: [] };
}

/**
 * As {@link countCopies}, where fewer are a failure.
 *
 * @param action what was done, as in "Cannot make 3 copies of a.txt"
 * @throws VaultError `too_few_peers`: here it is stored all the same
 */
export async function waitForCopies(
  context: VaultContext,
  what: CopyOf,
  options: CopyOptions & { signal?: AbortSignal; of: string },
): Promise<number> {
  const { copies = 1, copiesTimeoutMs = COPIES_TIMEOUT_MS } = options;
  const reached = await countCopies(context, what, options);
  if (reached >= copies) return reached;
  const isAlone = context.attachment.remote === null;
  const state = isAlone ? "no node runs from this home" : `within ${copiesTimeoutMs / 1000} s`;
  throw new VaultError(
    "too_few_peers",
    `Cannot make ${copies} copies of ${options.of}: it is stored here; ${reached} of ${copies} copies, ${state}`,
    {
      hint: isAlone
        ? "start one with `govault serve`, then run it again"
        : "a running node goes on making them; `govault peers` shows who is up",
    },
  );
}
