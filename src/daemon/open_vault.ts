/**
 * Opening the vault of a home that is to be part of a network, with the key that an owner's token brings.
 *
 * @module
 */

import { type Bytes, equalBytes, VaultError } from "../base/mod.ts";
import { decodeToken } from "../peer/mod.ts";
import { phraseOfKey } from "../seal/mod.ts";
import {
  type FetchAllResult,
  hasVault,
  type OpenOptions,
  openVault,
  recoverVault,
  type Vault,
  type WorkOptions,
} from "../vault/mod.ts";
import { openPeers } from "./peers.ts";
import type { ResidentNode } from "./types.ts";

/**
 * Opens the vault, after making it if there is none: with a new key, or with that of an owner's token.
 *
 * @throws VaultError `usage` for a damaged token, `exists` if the home has a key and the token another; as `openVault`
 */
export async function openForNetwork(
  options: OpenOptions & { home: string },
  token?: string,
): Promise<Vault> {
  const { home, machine } = options;
  const masterKey = token === undefined ? null : decodeToken(token).masterKey;
  const phrase = masterKey === null ? null : phraseOfKey(masterKey);
  if (phrase !== null && !hasVault(home, machine?.disk)) {
    await recoverVault({ home, phrase, ...(machine ? { machine } : {}) });
  }
  const vault = await openVault({ ...options, create: true });
  try {
    if (token !== undefined) checkOwnerKey(vault, token);
    return vault;
  } catch (error) {
    await vault.close();
    throw error;
  }
}

/** An owner has one key: that of the network's vault. */
function checkOwnerKey(vault: Vault, token: string): void {
  const { masterKey } = decodeToken(token);
  if (masterKey === null || equalBytes(masterKey, vault.peerSide().masterKey)) return;
  throw new VaultError(
    "exists",
    `Cannot join as an owner: the vault in ${vault.home} has another key`,
    {
      hint: "join from an empty folder with --home, or with a token of `invite` without --owner",
    },
  );
}

/** Has a running node join; the network's id. @throws VaultError as {@link openForNetwork} */
export async function joinRunning(node: ResidentNode, token: string): Promise<Bytes> {
  checkOwnerKey(node.vault, token);
  await node.peers.join(token);
  return node.peers.view().network;
}

/** How long a home that joins once may take to fetch the history. */
const SYNC_MS_MAX = 60_000;

/** What {@link fetchOnce} brought. */
export interface Fetched extends FetchAllResult {
  /** Whether all records came that the peers in reach have. */
  readonly synced: boolean;
  readonly keys: number;
  readonly versions: number;
}

/** Joins while no node runs, and fetches the whole vault: its records, and all that they speak of. */
export async function fetchOnce(
  token: string,
  options: OpenOptions & { home: string; signal: AbortSignal } & Pick<WorkOptions, "onProgress">,
): Promise<Fetched> {
  await using vault = await openForNetwork(options, token);
  const peers = await openPeers(vault, {});
  try {
    await peers.join(token);
    await peers.start({ host: LOOPBACK, port: 0, peers: [], lan: false });
    const synced = await peers.synced({ timeoutMs: SYNC_MS_MAX, signal: options.signal });
    const { keys, versions } = await vault.status();
    const { signal, onProgress } = options;
    const fetched = await vault.fetchAll({ signal, ...(onProgress ? { onProgress } : {}) });
    return { synced, keys, versions, ...fetched };
  } finally {
    await peers.stop();
  }
}

/** Where a node listens that wants nobody to come. */
const LOOPBACK = "127.0.0.1";

/** Joins while no node runs; the network's id. */
export async function joinOnce(
  token: string,
  options: OpenOptions & { home: string },
): Promise<Bytes> {
  await using vault = await openForNetwork(options, token);
  const peers = await openPeers(vault, {});
  try {
    await peers.join(token);
    return peers.view().network;
  } finally {
    await peers.stop();
  }
}
