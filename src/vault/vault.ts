/**
 * A vault, open: what a user does, each a few lines that lead to the pipeline that does it.
 *
 * @module
 */

import { asInterruption, type Bytes, quoteKey, toHex, VaultError } from "../base/mod.ts";
import { phraseOfKey } from "../seal/mod.ts";
import type { RecoveryReport } from "../store/mod.ts";
import { type PutSource, sourceOf } from "./byte_source.ts";
import type { VaultContext } from "./context.ts";
import { BackgroundCopies, type CopyOf, waitForCopies } from "./copies.ts";
import { diffVersions } from "./diff.ts";
import { fetchAll } from "./fetch_all.ts";
import { getToFile, openVersion, streamVersion } from "./get.ts";
import { type GetOutcome, getTree, type GetTreeOptions } from "./get_tree.ts";
import {
  type HomeSecrets,
  isHomeProtected,
  readMasterKey,
  writeKey,
  writeSettings,
} from "./home.ts";
import { listKeys, type ListOptions, versionsOfNode } from "./list.ts";
import { makePeerSide, type PeerSide } from "./peer_side.ts";
import { prune, purge } from "./prune.ts";
import { deleteKey, putContent, restoreVersion } from "./put.ts";
import { type PutOutcome, putPath, type PutPathOptions } from "./put_tree.ts";
import type { RemoteObjects } from "./remote.ts";
import { addTag, removeTag, tagsOf } from "./tags.ts";
import type {
  CopyOptions,
  DiffResult,
  FetchAllResult,
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

/** An open vault. */
export class Vault implements AsyncDisposable {
  readonly #context: VaultContext;
  readonly #secrets: HomeSecrets;
  readonly #release: () => void;
  #closed = false;

  /** For {@link openVault}: the parts, and what lets go of the home. */
  constructor(parts: { context: VaultContext; secrets: HomeSecrets; release: () => void }) {
    this.#context = parts.context;
    this.#secrets = parts.secrets;
    this.#release = parts.release;
  }

  /** The vault's folder. */
  get home(): string {
    return this.#context.home;
  }

  #copies: BackgroundCopies | null = null;

  /**
   * Attaches the vault to a network, or with `null` detaches it: what is not here is read from other nodes, what is put
   * here is copied to them. Returns once copying for the network before has ended.
   */
  async attach(remote: RemoteObjects | null): Promise<void> {
    const { attachment, store } = this.#context;
    const before = this.#copies;
    attachment.remote = remote;
    store.onSealed = remote && ((object) => remote.offer({ kind: "sealed", ...object }));
    this.#copies = remote && new BackgroundCopies(this.#context, remote);
    await before?.close();
  }

  /**
   * Says how to learn the number of other members of the vault's network, for while it is not attached: then what is not here
   * may be there, and is not lost. It is asked when something is not here.
   */
  knowOthers(count: () => Promise<number>): void {
    this.#context.attachment.others = count;
  }

  /** Waits for copies, if that was asked for. */
  async #waitForCopies(
    what: CopyOf,
    of: string,
    options: CopyOptions & WorkOptions,
  ): Promise<number> {
    return await waitForCopies(this.#context, what, { ...options, of });
  }

  /**
   * Stores bytes as the newest version of a key, and returns when they are durable: here, and on as many nodes as asked.
   *
   * @throws VaultError `bad_key`, `no_space`, `interrupted`; `too_few_peers` if it is stored here, and on too few others
   */
  put(key: string, source: PutSource, options: PutOptions = {}): Promise<PutResult> {
    return named(`Cannot put ${quoteKey(key)}`, options, async () => {
      const result = await putContent(this.#context, key, sourceOf(source), options);
      const of = quoteKey(result.key);
      const copies = await this.#waitForCopies({ versions: [result.id] }, of, options);
      return { ...result, copies };
    });
  }

  /**
   * Stores a file, a link, or a folder with all that is in it; one outcome an entry. Too few copies are no error here: each
   * result tells how many there are.
   */
  putPath(path: string, options: PutPathOptions = {}): AsyncIterable<PutOutcome> {
    return singly(`Cannot put ${quoteKey(path)}`, options, putPath(this.#context, path, options));
  }

  /** A version's bytes, each checked before it comes out. @throws VaultError `not_found`, `damaged`, `too_few_peers` */
  get(
    key: string,
    options: WorkOptions & { select?: VersionSelector } = {},
  ): Promise<{ version: VersionInfo; stream: ReadableStream<Bytes> }> {
    return named(`Cannot get ${quoteKey(key)}`, options, async () => {
      const { select = { kind: "latest" }, signal } = options;
      const opened = await openVersion(this.#context, key, { select, signal });
      const version = describeId(this.#context, opened.key.name, opened.version.id);
      return { version, stream: streamVersion(this.#context, opened, options) };
    });
  }

  /** Fetches a version to a path: the whole of it or nothing. What is there and not in the vault is not replaced. */
  getToFile(
    key: string,
    destination: string,
    options: WorkOptions & { select?: VersionSelector; force?: boolean } = {},
  ): Promise<{ version: VersionInfo; path: string }> {
    return named(
      `Cannot get ${quoteKey(key)}`,
      options,
      () => getToFile(this.#context, key, destination, options),
    );
  }

  /** Fetches all keys at or under a prefix; `folder` takes the prefix's place. One outcome an entry. */
  getTree(prefix: string, folder: string, options: GetTreeOptions = {}): AsyncIterable<GetOutcome> {
    return singly(
      `Cannot get ${quoteKey(prefix)}`,
      options,
      getTree(this.#context, prefix, folder, options),
    );
  }

  /** Every version of a key, oldest first. @throws VaultError `not_found` */
  async history(key: string): Promise<VersionInfo[]> {
    return await historyOf(this.#context, nameKey(this.#context, key));
  }

  /**
   * Keys, sorted by name.
   *
   * @throws VaultError `damaged` after the last one, if there are keys of which no record can be read: nobody knows their
   *   names, whatever `prefix` is
   */
  list(options: ListOptions = {}): AsyncIterable<KeyInfo> {
    return listKeys(this.#context, options);
  }

  /**
   * The newest version of each key that one node wrote, deletes too, sorted by key; `node` is the first hex digits of its
   * id. What a lost machine had stored, whatever others wrote since.
   *
   * @throws VaultError `not_found` if nothing of such a node is known, `usage` if several ids begin so
   */
  async versionsOfNode(node: string): Promise<VersionInfo[]> {
    return await versionsOfNode(this.#context, node);
  }

  /** Deletes a key by a tombstone; `purge` also forgets all its versions and frees their space. */
  delete(
    key: string,
    options: WorkOptions & CopyOptions & { purge?: boolean } = {},
  ): Promise<{ version: VersionInfo; freedBytes: number }> {
    return named(`Cannot delete ${quoteKey(key)}`, options, async () => {
      const result = options.purge
        ? await purge(this.#context, key, options)
        : { version: await deleteKey(this.#context, key), freedBytes: 0 };
      await this.#waitForCopies("records", `the delete of ${quoteKey(key)}`, options);
      return result;
    });
  }

  /**
   * Makes an old version the newest. What of it lies on other nodes alone is fetched first.
   *
   * @throws VaultError `not_found`; `too_few_peers` if nobody in reach has all of it, and it is not restored
   */
  restore(
    key: string,
    select: VersionSelector,
    options: CopyOptions & { signal?: AbortSignal } = {},
  ): Promise<VersionInfo> {
    return named(`Cannot restore ${quoteKey(key)}`, options, async () => {
      const { signal } = options;
      const version = await restoreVersion(this.#context, key, { select, signal });
      const what = { versions: [version.id] };
      await this.#waitForCopies(what, `the restore of ${quoteKey(key)}`, options);
      return version;
    });
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
  async tags(): Promise<TagInfo[]> {
    return await tagsOf(this.#context);
  }

  /** Removes a tag. @throws VaultError `not_found` */
  untag(name: string): Promise<void> {
    return removeTag(this.#context, name);
  }

  /** Drops versions that no rule keeps, then gives back space. With no rule at all only garbage goes. */
  prune(
    retention: Retention,
    options: WorkOptions & CopyOptions & { dryRun?: boolean } = {},
  ): Promise<PruneResult> {
    return named("Cannot prune", options, async () => {
      const result = await prune(this.#context, retention, options);
      if (!result.dryRun) await this.#waitForCopies("records", "the prune", options);
      return result;
    });
  }

  /** Fetches all that the vault's versions need and that is not here from other nodes. */
  fetchAll(options: WorkOptions = {}): Promise<FetchAllResult> {
    return named("Cannot fetch everything", options, () => fetchAll(this.#context, options));
  }

  /** Reads what is stored and checks it. */
  verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    return named("Cannot verify", options, () => verify(this.#context, options));
  }

  /** Figures about the vault; takes no longer in a large one. */
  async status(): Promise<StatusInfo> {
    const { nodeId, keys, networkId, database, index, store, home, disk } = this.#context;
    await store.flush();
    const totals = database.guard(() => index.totals());
    const { objects, fileBytes } = database.guard(() => store.index.totals());
    const under = this.#context.attachment.remote?.underReplicated();
    return {
      node: nodeId,
      vault: keys.vaultId,
      network: networkId,
      keys: totals.keys,
      versions: totals.versions,
      chunks: objects,
      logicalBytes: totals.bytes,
      storedBytes: fileBytes,
      underReplicated: under?.objects ?? 0,
      underReplicatedSeconds: under === undefined ? null : under.etaSeconds,
      home,
      protected: isHomeProtected(home, disk),
      padding: keys.chunk.isPadding,
    };
  }

  /** Seals the vault's key with a passphrase, or with `null` takes the passphrase off. */
  async protect(passphrase: string | null): Promise<void> {
    const secret = this.#secrets.masterKey;
    const { random, disk } = this.#context;
    const input = passphrase === null ? {} : { passphrase };
    await writeKey(this.home, { kind: "vault", secret, ...input }, { random, disk });
    const read = await readMasterKey(this.home, () => passphrase ?? "", disk);
    if (toHex(read) !== toHex(secret)) {
      throw new VaultError("damaged", "Cannot seal the vault key: it reads back wrong");
    }
  }

  /** Whether what this home seals from here on is padded, so that its length tells less. What is sealed already stays. */
  async setPadding(on: boolean): Promise<void> {
    await writeSettings(this.home, { padding: on }, this.#context.disk);
    this.#context.keys.setPadding(on);
  }

  /** The 24 words that bring the vault's key back. */
  phrase(): string {
    return phraseOfKey(this.#secrets.masterKey);
  }

  #peerSide: PeerSide | null = null;

  /**
   * What the vault lends to the node that serves it. Always the same one.
   *
   * @internal
   */
  peerSide(): PeerSide {
    return this.#peerSide ??= makePeerSide(this.#context, this.#secrets);
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
      await this.attach(null);
      await this.#context.committer.settle();
      await this.#context.store.close();
    } finally {
      this.#context.database.close();
      this.#release();
    }
  }

  /** Closes it: `await using vault = await openVault()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Runs `work`; an abort of the caller's becomes VaultError `interrupted`, whatever the signal gave as its reason. */
async function named<T>(
  action: string,
  { signal }: Pick<WorkOptions, "signal">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asInterruption(error, { action, signal });
  }
}

/**
 * The outcomes of many entries one by one, named as by {@link named}. By hand, as a generator takes several promises for each
 * of ten thousand.
 */
function singly<T>(
  action: string,
  { signal }: Pick<WorkOptions, "signal">,
  work: AsyncGenerator<readonly T[]>,
): AsyncIterableIterator<T> {
  let waiting: readonly T[] = [];
  let at = 0;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        while (at === waiting.length) {
          const { done, value } = await work.next();
          if (done) return { done, value };
          waiting = [...waiting.slice(at), ...value]; // others may have come meanwhile, if several ask at once
          at = 0;
        }
      } catch (error) {
        throw asInterruption(error, { action, signal });
      }
      return { done: false, value: waiting[at++]! };
    },
    async return() {
      waiting = [];
      at = 0;
      await work.return(undefined);
      return { done: true, value: undefined };
    },
  };
}
