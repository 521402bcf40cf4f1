/** Vaults side by side in one process: what peers will carry between nodes is carried by hand. */

import { type Bytes, toHex } from "../../src/base/mod.ts";
import { decodeSegment, isVersionRecord } from "../../src/log/mod.ts";
import { openVault, recoverVault, type Vault } from "../../src/vault/mod.ts";
import { homeWithNewVault, TempFolder } from "./helpers.ts";

/** An open vault in a folder of its own. */
export interface TestNode extends AsyncDisposable {
  folder: TempFolder;
  vault: Vault;
}

async function open(folder: TempFolder): Promise<TestNode> {
  const vault = await openVault({ home: folder.home });
  return {
    folder,
    vault,
    async [Symbol.asyncDispose]() {
      await vault.close();
      folder[Symbol.dispose]();
    },
  };
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
