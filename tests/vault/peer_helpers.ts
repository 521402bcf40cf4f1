/** Vaults side by side in one process: what peers will carry between nodes is carried by hand. */

import { assert } from "@std/assert";
import { type Bytes, toHex } from "../../src/base/mod.ts";
import { decodeSegment, isVersionRecord } from "../../src/log/mod.ts";
import { openVault, recoverVault, type RemoteObjects, type Vault } from "../../src/vault/mod.ts";
import { homeWithNewVault, TempFolder } from "./helpers.ts";

/** An open vault in a folder of its own. */
export interface TestNode extends AsyncDisposable {
  folder: TempFolder;
  vault: Vault;
}

async function open(folder: TempFolder): Promise<TestNode> {
  const node: TestNode = {
    folder,
    vault: await openVault({ home: folder.home }),
    async [Symbol.asyncDispose]() {
      await node.vault.close();
      folder[Symbol.dispose]();
    },
  };
  return node;
}

/** Closes a node's vault and opens it again: what it had in memory is gone, and whom it was attached to. */
export async function reopen(node: TestNode, { hasIndex = true } = {}): Promise<void> {
  await node.vault.close();
  if (!hasIndex) Deno.removeSync(node.folder.at("home", "vault.db"));
  node.vault = await openVault({ home: node.folder.home });
}

/** A node with a vault of its own. */
export async function strangerNode(): Promise<TestNode> {
  return await open(await homeWithNewVault());
}

/** Another node with the vault of this one. */
export async function ownerNode(of: Vault): Promise<TestNode> {
  const folder = new TempFolder();
  await recoverVault({ home: folder.home, phrase: of.phrase() });
  return await open(folder);
}

/** A segment with its bytes. */
export interface CarriedSegment {
  address: Bytes;
  bytes: Bytes;
}

/** All segments of a node's logs, by log and first record. */
export async function segmentsOf(vault: Vault): Promise<CarriedSegment[]> {
  const { ledger, store } = vault.peerSide();
  const found: CarriedSegment[] = [];
  for (const { node } of ledger.heads()) {
    for (const { address } of ledger.segmentsAfter(node, 0n, 1_000_000)) {
      found.push({ address, bytes: (await store.get(address))! });
    }
  }
  return found;
}

/** Carries the logs of one node to another, with the public objects that they name. */
export async function carryLogs(from: Vault, to: Vault): Promise<void> {
  const { store, ledger } = to.peerSide();
  const segments = await segmentsOf(from);
  for (const { bytes } of segments) {
    for (const record of decodeSegment(bytes).records) {
      const names = record.kind === "prune"
        ? record.lists
        : isVersionRecord(record) && "parts" in record.inventory
        ? record.inventory.parts.map(({ address }) => address)
        : [];
      for (const address of names) {
        const object = await from.peerSide().store.get(address);
        if (object !== null) await store.put({ kind: "public", address, pieces: [object] });
      }
    }
  }
  await ledger.enter(segments);
}

/** Carries sealed objects that live versions of one node need. Says how many. */
export async function carryObjects(from: Vault, to: Vault): Promise<number> {
  let carried = 0;
  for (const { entries, isPublic } of from.peerSide().ledger.live()) {
    if (isPublic) continue;
    for (const { address } of entries) {
      const bytes = await from.peerSide().store.get(address);
      if (bytes === null) continue;
      const put = await to.peerSide().store.put({ kind: "sealed", address, pieces: [bytes] });
      carried += Number(put);
    }
  }
  await to.peerSide().store.flush();
  return carried;
}

/** Addresses (hex) of all that is live on a node, sorted. */
export function liveAddresses(vault: Vault, which: { isPublic: boolean }): string[] {
  const found = new Set<string>();
  for (const { entries, isPublic } of vault.peerSide().ledger.live()) {
    if (isPublic !== which.isPublic) continue;
    for (const { address } of entries) found.add(toHex(address));
  }
  return [...found].sort();
}

type ReplicateRequest = Parameters<RemoteObjects["replicate"]>[0];

/** A network that is one other node, and that remembers what it was asked. */
export class OtherNode implements RemoteObjects {
  readonly offered: string[] = [];
  readonly requests: ReplicateRequest[] = [];
  fetched = 0;
  isUp = true;
  /** Whether it gives wrong bytes to who checks them itself. */
  lies = false;
  /** What a replicate resolves with; held back while it is null. */
  copies: number | null = 2;
  readonly #vault: Vault;
  #asked = Promise.withResolvers<void>();

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** The next replicate. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  async fetch(
    address: Bytes,
    { signal, isUnchecked }: { signal?: AbortSignal; isUnchecked?: boolean } = {},
  ): Promise<Bytes | null> {
    signal?.throwIfAborted();
    const bytes = this.isUp ? await this.#vault.peerSide().store.get(address) : null;
    if (bytes !== null && this.lies && isUnchecked) bytes[bytes.length >> 1]! ^= 1;
    this.fetched += Number(bytes !== null);
    return bytes;
  }

  offer({ kind, address, length }: Parameters<RemoteObjects["offer"]>[0]): void {
    assert(length > 0);
    this.offered.push(`${kind} ${toHex(address)}`);
  }

  replicate(request: ReplicateRequest): Promise<{ copies: number }> {
    this.requests.push(request);
    this.#asked.resolve();
    this.#asked = Promise.withResolvers();
    if (this.copies !== null) return Promise.resolve({ copies: this.copies });
    const { signal } = request;
    return new Promise((_, reject) =>
      signal?.addEventListener("abort", () => reject(signal.reason))
    );
  }

  underReplicated(): { objects: number; etaSeconds: number | null } {
    return { objects: 7, etaSeconds: 12 };
  }

  replicas(): number {
    return 3;
  }
}
