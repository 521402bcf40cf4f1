/**
 * A vault, open: what a user does, each a few lines that lead to the pipeline that does it.
 *
 * @module
 */

import { resolve } from "@std/path";
import {
  asVaultError,
  type Bytes,
  denoDisk,
  isVaultError,
  LOCK_WAIT_MS,
  reuseLargeBuffers,
  sha256,
  systemClock,
  systemRandom,
  toHex,
  VaultError,
} from "../base/mod.ts";
import { Chunker, prepareCompression } from "../content/mod.ts";
import {
  deriveVaultKeys,
  keyOfPhrase,
  labelOfSealed,
  phraseOfKey,
  SECRET_BYTES,
  type VaultKeys,
} from "../seal/mod.ts";
import {
  IndexDamage,
  IndexDatabase,
  PackStore,
  type RecoveryReport,
  STORE_SCHEMA,
} from "../store/mod.ts";
import { type PutSource, sourceOf } from "./byte_source.ts";
import { LocalCipher, WORKER_BYTES_MIN, WorkerCipher } from "./chunk_cipher.ts";
import { Committer } from "./commit.ts";
import type { VaultContext } from "./context.ts";
import { diffVersions } from "./diff.ts";
import { getToFile, openVersion, streamVersion } from "./get.ts";
import { type GetOutcome, getTree, type GetTreeOptions } from "./get_tree.ts";
import {
  defaultHome,
  hasVault,
  homePaths,
  type HomeSecrets,
  isHomeProtected,
  makeHome,
  networkId,
  readMasterKey,
  readSecrets,
  writeKey,
} from "./home.ts";
import { listKeys, type ListOptions } from "./list.ts";
import { type HomeLock, lockHome } from "./lock.ts";
import { prune, purge } from "./prune.ts";
import { deleteKey, putContent, restoreVersion } from "./put.ts";
import { type PutOutcome, putPath, type PutPathOptions } from "./put_tree.ts";
import { RECORD_SCHEMA, RecordIndex } from "./record_index.ts";
import { contentOfSegment, SegmentReader } from "./segments.ts";
import { addTag, listTags, removeTag } from "./tags.ts";
import type {
  DiffResult,
  KeyInfo,
  PruneResult,
  PutOptions,
  PutResult,
  Retention,
  StatusInfo,
  TagInfo,
  VerifyResult,
  VersionInfo,
  VersionSelector,
  WorkOptions,
} from "./types.ts";
import { verify, type VerifyOptions } from "./verify.ts";
import { describeId, historyOf, nameKey } from "./versions.ts";

const PASSPHRASE_ATTEMPTS_MAX = 3;

/** What a vault tells once, when it is made. */
export interface CreatedVault {
  /** The 24 words that bring the vault's key back. */
  phrase: string;
  /** The vault's id. */
  vault: Bytes;
  /** This node's id. */
  node: Bytes;
  /** The network's id. */
  network: Bytes;
  /** The vault's folder. */
  home: string;
}

/** How to open a vault. */
export interface OpenOptions {
  /** The vault's folder; the platform's place for a program's data if not given. */
  home?: string;
  /** Makes the vault if there is none. */
  create?: boolean;
  /** Asked for the passphrase of a protected vault, up to three times. */
  passphrase?: string | ((ask: { attempt: number }) => string | Promise<string>);
  /** How long to wait for another process to let go of the home, in milliseconds. */
  lockWaitMs?: number;
  /** Stops the waiting for another process. */
  signal?: AbortSignal;
  /** Told the recovery phrase if the vault was made. */
  onCreated?: (created: CreatedVault) => void;
}

/** Makes a vault in a home. @throws VaultError `exists` if there is one */
export async function initVault(
  options: { home?: string; passphrase?: string } = {},
): Promise<CreatedVault> {
  const home = resolve(options.home ?? defaultHome());
  const masterKey = systemRandom.bytes(SECRET_BYTES);
  const { passphrase } = options;
  await makeHome(home, {
    masterKey,
    random: systemRandom,
    ...(passphrase !== undefined ? { passphrase } : {}),
  });
  const { node, networkSecret } = await readSecrets(home, () => passphrase ?? "");
  return {
    phrase: phraseOfKey(masterKey),
    vault: deriveVaultKeys(masterKey).vaultId,
    node: sha256(node.publicKey),
    network: networkId(networkSecret),
    home,
  };
}

/**
 * Gives a home its vault's key back, from the recovery phrase. What lies in the home's packs is readable again.
 *
 * @throws VaultError `exists` if the home has a key, `usage` if the phrase is none, `denied` if it is another vault's
 */
export async function recoverVault(
  options: { home?: string; phrase: string; passphrase?: string },
): Promise<CreatedVault & { keys: number; versions: number }> {
  const home = resolve(options.home ?? defaultHome());
  const masterKey = keyOfPhrase(options.phrase);
  if (hasVault(home)) {
    throw new VaultError("exists", `Cannot recover a vault in ${home}: it has a key already`, {
      hint: "name another folder with --home",
    });
  }
  const keys = deriveVaultKeys(masterKey);
  if (denoDisk.list(homePaths(home).packs).length > 0) await checkPacks(home, keys);
  const { passphrase } = options;
  const phrase = passphrase !== undefined ? { passphrase } : {};
  await makeHome(home, { masterKey, random: systemRandom, ...phrase });
  const vault = await openVault({ home, passphrase: passphrase ?? "" });
  try {
    const { keys, versions, vault: id, node, network } = await vault.status();
    return { phrase: phraseOfKey(masterKey), vault: id, node, network, home, keys, versions };
  } finally {
    await vault.close();
  }
}

/** Refuses a key whose vault has nothing in packs that hold another's records. */
async function checkPacks(home: string, keys: VaultKeys): Promise<void> {
  const database = new IndexDatabase(":memory:", STORE_SCHEMA + RECORD_SCHEMA);
  const index = new RecordIndex(database);
  const { problems, store } = await openStore(home, { keys, database, index });
  try {
    const { ours, any } = index.vaultsPresent(keys.vaultId);
    if (any && !ours) {
      throw new VaultError(
        "denied",
        `Cannot recover the vault in ${home}: the phrase is another vault's`,
        {
          hint: problems[0] ?? "check the words, or name another folder with --home",
        },
      );
    }
  } finally {
    await store.close();
    database.close();
  }
}

/** Opens the packs, and has their segments entered into the index of records. */
async function openStore(
  home: string,
  { keys, database, index }: { keys: VaultKeys; database: IndexDatabase; index: RecordIndex },
): Promise<{ store: PackStore; problems: string[] }> {
  const problems: string[] = [];
  const store = await PackStore.open({
    disk: denoDisk,
    folder: homePaths(home).packs,
    database,
    labelOf: labelOfSealed,
    onSegments: (segments, read) => {
      const contents = segments.flatMap((segment) => {
        try {
          return [contentOfSegment(segment, { keys, read })];
        } catch (error) {
          if (!isVaultError(error, "damaged")) throw error;
          problems.push(error.message);
          return [];
        }
      });
      contents.sort((a, b) => Number(a.segment.firstSequence - b.segment.firstSequence));
      for (const content of contents) index.enter(content);
    },
  });
  return { store, problems };
}

/**
 * Opens a vault. Close it when done: until then no other process can open it.
 *
 * @throws VaultError `not_found` if there is none, `denied` on a wrong passphrase, `locked` if another process has it
 */
export async function openVault(options: OpenOptions = {}): Promise<Vault> {
  reuseLargeBuffers();
  const home = resolve(options.home ?? defaultHome());
  if (!hasVault(home) && options.create) {
    const created = await initVault({ home });
    options.onCreated?.(created);
  }
  if (!hasVault(home)) await readSecrets(home, () => ""); // throws, saying that there is none
  const { signal, lockWaitMs: waitMs = LOCK_WAIT_MS } = options;
  const lock = await lockHome(homePaths(home).lock, { waitMs, ...(signal ? { signal } : {}) });
  try {
    const secrets = await unlock(home, options);
    await prepareCompression();
    return await Vault.open(home, secrets, lock);
  } catch (error) {
    lock.release();
    throw asVaultError(error, `Cannot open the vault in ${home}`);
  }
}

async function unlock(home: string, { passphrase }: OpenOptions): Promise<HomeSecrets> {
  for (let attempt = 1;; attempt++) {
    try {
      return await readSecrets(home, () => {
        if (typeof passphrase === "string") return passphrase;
        if (passphrase !== undefined) return passphrase({ attempt });
        throw new VaultError("denied", "Cannot unlock the vault key: it asks for a passphrase");
      });
    } catch (error) {
      const again = typeof passphrase === "function" && attempt < PASSPHRASE_ATTEMPTS_MAX;
      if (!again || !isVaultError(error, "denied") || !/wrong passphrase/.test(error.message)) {
        throw error;
      }
    }
  }
}

/** An open vault. */
export class Vault implements AsyncDisposable {
  readonly #context: VaultContext;
  readonly #secrets: HomeSecrets;
  readonly #lock: HomeLock;
  readonly #worker: WorkerCipher;
  #closed = false;

  private constructor(
    context: VaultContext,
    parts: { secrets: HomeSecrets; lock: HomeLock; worker: WorkerCipher },
  ) {
    this.#context = context;
    this.#secrets = parts.secrets;
    this.#lock = parts.lock;
    this.#worker = parts.worker;
  }

  /** Puts the parts together. For {@link openVault}, which holds the lock. */
  static async open(home: string, secrets: HomeSecrets, lock: HomeLock): Promise<Vault> {
    const keys = deriveVaultKeys(secrets.masterKey);
    const database = new IndexDatabase(homePaths(home).index, STORE_SCHEMA + RECORD_SCHEMA);
    const index = new RecordIndex(database);
    try {
      const { store, problems } = await openStore(home, { keys, database, index });
      const nodeId = sha256(secrets.node.publicKey);
      const committer = new Committer({
        keys,
        node: secrets.node,
        clock: systemClock,
        store,
        position: () =>
          database.guard(() => ({ last: index.lastSegment(nodeId), clock: index.totals().clock })),
      });
      const local = new LocalCipher(keys.chunk);
      const worker = new WorkerCipher(secrets.masterKey);
      const context: VaultContext = {
        home,
        keys,
        node: secrets.node,
        nodeId,
        networkId: networkId(secrets.networkSecret),
        clock: systemClock,
        random: systemRandom,
        database,
        store,
        index,
        segments: new SegmentReader({
          keys,
          index,
          database,
          read: (address) => store.getSync(address),
        }),
        committer,
        chunker: new Chunker(keys.gearSeed),
        cipherFor: (bytes) => bytes < WORKER_BYTES_MIN ? local : worker,
        problems,
      };
      return new Vault(context, { secrets, lock, worker });
    } catch (error) {
      database.close();
      if (error instanceof IndexDamage) {
        throw new VaultError("damaged", error.message, { cause: error });
      }
      throw error;
    }
  }

  /** The vault's folder. */
  get home(): string {
    return this.#context.home;
  }

  /**
   * Stores bytes as the newest version of a key, and returns when they are durable.
   *
   * @throws VaultError `bad_key`, `no_space`, `interrupted`
   */
  put(key: string, source: PutSource, options: PutOptions = {}): Promise<PutResult> {
    return putContent(this.#context, key, sourceOf(source), options);
  }

  /** Stores a file, a link, or a folder with all that is in it; one outcome an entry. */
  putPath(path: string, options: PutPathOptions = {}): AsyncIterable<PutOutcome> {
    return putPath(this.#context, path, options);
  }

  /** A version's bytes, each checked before it comes out. @throws VaultError `not_found`, `damaged` */
  async get(
    key: string,
    options: WorkOptions & { select?: VersionSelector } = {},
  ): Promise<{ version: VersionInfo; stream: ReadableStream<Uint8Array> }> {
    const opened = await openVersion(this.#context, key, options.select ?? { kind: "latest" });
    const version = describeId(this.#context, opened.key.name, opened.version.id);
    return { version, stream: streamVersion(this.#context, opened, options) };
  }

  /** Fetches a version to a path: the whole of it or nothing. What is there and not in the vault is not replaced. */
  getToFile(
    key: string,
    destination: string,
    options: WorkOptions & { select?: VersionSelector; force?: boolean } = {},
  ): Promise<{ version: VersionInfo; path: string }> {
    return getToFile(this.#context, key, destination, options);
  }

  /** Fetches all keys at or under a prefix; `folder` takes the prefix's place. One outcome an entry. */
  getTree(prefix: string, folder: string, options: GetTreeOptions = {}): AsyncIterable<GetOutcome> {
    return getTree(this.#context, prefix, folder, options);
  }

  /** Every version of a key, oldest first. @throws VaultError `not_found` */
  // deno-lint-ignore require-await -- asynchronous for its users: a resident node will answer this
  async history(key: string): Promise<VersionInfo[]> {
    return historyOf(this.#context, nameKey(this.#context, key));
  }

  /** Keys, sorted by name. */
  async *list(options: ListOptions = {}): AsyncIterable<KeyInfo> {
    for (const { info } of listKeys(this.#context, options)) yield info;
  }

  /** Deletes a key by a tombstone; `purge` also forgets all its versions and frees their space. */
  async delete(
    key: string,
    options: WorkOptions & { purge?: boolean } = {},
  ): Promise<{ version: VersionInfo; freedBytes: number }> {
    if (options.purge) return await purge(this.#context, key, options);
    return { version: await deleteKey(this.#context, key), freedBytes: 0 };
  }

  /** Makes an old version the newest. @throws VaultError `not_found` */
  restore(key: string, select: VersionSelector): Promise<VersionInfo> {
    return restoreVersion(this.#context, key, select);
  }

  /** What differs between two versions of a key. */
  diff(key: string, a: VersionSelector, b: VersionSelector): Promise<DiffResult> {
    return diffVersions(this.#context, key, { a, b });
  }

  /** Names this moment, which prune then leaves alone. @throws VaultError `exists` */
  tag(name: string): Promise<TagInfo> {
    return addTag(this.#context, name);
  }

  /** The tags there are, by time. */
  // deno-lint-ignore require-await -- as history
  async tags(): Promise<TagInfo[]> {
    return listTags(this.#context);
  }

  /** Removes a tag. @throws VaultError `not_found` */
  untag(name: string): Promise<void> {
    return removeTag(this.#context, name);
  }

  /** Drops versions that no rule keeps, then gives back space. With no rule at all only garbage goes. */
  prune(
    retention: Retention,
    options: WorkOptions & { dryRun?: boolean } = {},
  ): Promise<PruneResult> {
    return prune(this.#context, retention, options);
  }

  /** Reads what is stored and checks it. */
  verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    return verify(this.#context, options);
  }

  /** Figures about the vault; takes no longer in a large one. */
  async status(): Promise<StatusInfo> {
    const { nodeId, keys: { vaultId }, networkId, database, index, store, home } = this.#context;
    await store.flush();
    const { keys, versions, bytes } = database.guard(() => index.totals());
    const { objects, fileBytes } = database.guard(() => store.index.totals());
    return {
      node: nodeId,
      vault: vaultId,
      network: networkId,
      keys,
      versions,
      chunks: objects,
      logicalBytes: bytes,
      storedBytes: fileBytes,
      underReplicated: 0,
      home,
      protected: isHomeProtected(home),
    };
  }

  /** Seals the vault's key with a passphrase, or with `null` takes the passphrase off. */
  async protect(passphrase: string | null): Promise<void> {
    const { masterKey: secret } = this.#secrets;
    const input = passphrase === null ? {} : { passphrase };
    await writeKey(this.home, { kind: "vault", secret, ...input }, { random: systemRandom });
    const read = await readMasterKey(this.home, () => passphrase ?? "");
    if (toHex(read) !== toHex(secret)) {
      throw new VaultError("damaged", "Cannot seal the vault key: it reads back wrong");
    }
  }

  /** The 24 words that bring the vault's key back. */
  phrase(): string {
    return phraseOfKey(this.#secrets.masterKey);
  }

  /** What opening the packs came upon. */
  recovery(): RecoveryReport {
    return this.#context.store.recovery;
  }

  /** Records that were found and can't be read, in words. */
  problems(): readonly string[] {
    return this.#context.problems;
  }

  /** "ok", or what is wrong with the index. */
  indexIntegrity(): string {
    return this.#context.database.integrity();
  }

  /** The highest clock of any record. */
  highestClock(): bigint {
    return this.#context.database.guard(() => this.#context.index.totals().clock);
  }

  /** Finishes what is being written and lets go of the home. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#context.committer.settle();
      await this.#context.store.close();
      this.#context.database.close();
    } finally {
      this.#worker.close();
      this.#lock.release();
    }
  }

  /** Closes it: `await using vault = await openVault()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
