/**
 * Making, recovering and opening a vault: from a home on the disk to all parts at work.
 *
 * @module
 */

import { resolve } from "@std/path";
import {
  asVaultError,
  type Bytes,
  type Disk,
  equalBytes,
  isVaultError,
  LOCK_WAIT_MS,
  reuseLargeBuffers,
  sha256,
  VaultError,
} from "../base/mod.ts";
import { Chunker, prepareCompression } from "../content/mod.ts";
import { firstSequenceOf } from "../log/mod.ts";
import {
  deriveVaultKeys,
  keyOfPhrase,
  labelOfSealed,
  phraseOfKey,
  SECRET_BYTES,
  type VaultKeys,
} from "../seal/mod.ts";
import { IndexDamage, IndexDatabase, PackStore, STORE_SCHEMA } from "../store/mod.ts";
import { ChunkCiphers } from "./chunk_cipher.ts";
import { Committer } from "./commit.ts";
import { Entrance } from "./entrance.ts";
import {
  defaultHome,
  hasVault,
  homePaths,
  type HomeSecrets,
  makeHome,
  networkId,
  readSecrets,
  readSettings,
  refuseOldVault,
} from "./home.ts";
import type { HomeLock } from "./lock.ts";
import { type Machine, systemMachine } from "./machine.ts";
import { findObject } from "./read_object.ts";
import { RecordIndex, recordSchema } from "./record_index.ts";
import { Attachment } from "./remote.ts";
import { SegmentReader } from "./segments.ts";
import { SmallFiles } from "./small_files.ts";
import { Gate, Turns } from "./turns.ts";
import { Vault } from "./vault.ts";

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
  /** The 32-byte key of the vault that is to be opened or made; a home with another is refused. */
  masterKey?: Bytes;
  /** Asked for the passphrase of a protected vault, up to three times. */
  passphrase?: string | ((ask: { attempt: number }) => string | Promise<string>);
  /** How long to wait for another process to let go of the home, in milliseconds. */
  lockWaitMs?: number;
  /** Stops the waiting for another process. */
  signal?: AbortSignal;
  /** Called now and then while another process has the home; a VaultError that it throws ends the waiting. */
  onWaiting?: () => Promise<void>;
  /** Told the recovery phrase if the vault was made. */
  onCreated?: (created: CreatedVault) => void;
  /**
   * What it runs on, if not on this machine.
   *
   * @internal
   */
  machine?: Machine;
}

/** Takes a home's lock, after making its folder if need be. */
function takeLock(
  home: string,
  { lockWaitMs, signal, onWaiting, machine = systemMachine }: OpenOptions,
): Promise<HomeLock> {
  machine.disk.makeFolder(home);
  const waitMs = lockWaitMs ?? LOCK_WAIT_MS;
  return machine.lock(homePaths(home).lock, {
    waitMs,
    ...(signal ? { signal } : {}),
    ...(onWaiting ? { onWaiting } : {}),
  });
}

/** Makes a vault in a home. @throws VaultError `exists` if there is one */
export async function initVault(
  options: {
    home?: string;
    /** Seals the key; a function is called once it is clear that a vault can be made. */
    passphrase?: string | (() => string | Promise<string>);
    /** The 32-byte key of a vault that lives elsewhere too; a new one is made if not given. */
    masterKey?: Bytes;
    /** Whether what is sealed is padded, so that its length tells less. */
    padding?: boolean;
  } & Pick<OpenOptions, "machine"> = {},
): Promise<CreatedVault> {
  const { machine = systemMachine } = options;
  const home = resolve(options.home ?? defaultHome());
  refuseOldVault(home, machine.disk);
  const { passphrase: given } = options;
  const passphrase = typeof given === "function" ? await given() : given;
  const lock = await takeLock(home, { machine });
  try {
    const masterKey = checkedKey(options.masterKey) ?? machine.random.bytes(SECRET_BYTES);
    return await makeVault(home, {
      machine,
      masterKey,
      ...(passphrase !== undefined ? { passphrase } : {}),
      ...(options.padding !== undefined ? { padding: options.padding } : {}),
    });
  } finally {
    lock.release();
  }
}

function checkedKey(masterKey: Bytes | undefined): Bytes | undefined {
  if (masterKey === undefined || masterKey.length === SECRET_BYTES) return masterKey;
  throw new VaultError(
    "usage",
    `Cannot use this key: it has ${masterKey.length} bytes, ${SECRET_BYTES} expected`,
  );
}

/** Makes the vault of a master key. The caller has the lock. */
async function makeVault(
  home: string,
  { machine, masterKey, passphrase, recovered = false, padding }: {
    machine: Machine;
    masterKey: Bytes;
    passphrase?: string;
    recovered?: boolean;
    padding?: boolean;
  },
): Promise<CreatedVault> {
  const chosen = {
    ...(passphrase !== undefined ? { passphrase } : {}),
    ...(padding !== undefined ? { padding } : {}),
  };
  const { disk, random } = machine;
  await makeHome(home, { masterKey, random, disk, recovered, ...chosen });
  const { node, networkSecret } = await readSecrets(home, () => passphrase ?? "", disk);
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
  options:
    & { home?: string; phrase: string; passphrase?: string }
    & Pick<OpenOptions, "machine">,
): Promise<CreatedVault & { keys: number; versions: number }> {
  const { machine = systemMachine } = options;
  const home = resolve(options.home ?? defaultHome());
  const masterKey = keyOfPhrase(options.phrase);
  if (hasVault(home, machine.disk)) {
    throw new VaultError("exists", `Cannot recover a vault in ${home}: it has a key already`, {
      hint: "name another folder with --home",
    });
  }
  const lock = await takeLock(home, { machine });
  let created: CreatedVault;
  try {
    await checkPacks(home, deriveVaultKeys(masterKey), machine.disk);
    created = await makeVault(home, { ...options, machine, masterKey, recovered: true });
  } finally {
    lock.release();
  }
  await using vault = await openVault({ home, machine, passphrase: options.passphrase ?? "" });
  const { keys, versions } = await vault.status();
  return { ...created, keys, versions };
}

/** Refuses a key whose vault has nothing in packs that hold another's records. */
async function checkPacks(home: string, keys: VaultKeys, disk: Disk): Promise<void> {
  if (disk.list(homePaths(home).packs).length === 0) return;
  const database = new IndexDatabase(":memory:", STORE_SCHEMA + recordSchema(keys.vaultId));
  const index = new RecordIndex(database);
  const { entrance, store } = await openStore(home, { keys, database, index, disk });
  try {
    const { ours, any } = index.vaultsPresent(keys.vaultId);
    if (any && !ours) {
      throw new VaultError(
        "denied",
        `Cannot recover the vault in ${home}: the phrase is another vault's`,
        {
          hint: entrance.problems[0] ?? "check the words, or name another folder with --home",
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
  { keys, database, index, disk }: {
    keys: VaultKeys;
    database: IndexDatabase;
    index: RecordIndex;
    disk: Disk;
  },
): Promise<{ store: PackStore; entrance: Entrance }> {
  const entrance = new Entrance({ keys, database, index });
  const store = await PackStore.open({
    disk,
    folder: homePaths(home).packs,
    database,
    labelOf: labelOfSealed,
    onSegments: (segments, read) => entrance.enter(segments, read),
    orderOf: firstSequenceOf,
  });
  return { store, entrance };
}

/**
 * Opens a vault. Close it when done: until then no other process can open it.
 *
 * @throws VaultError `not_found` if there is none, `denied` on a wrong passphrase, `locked` if another process has it
 */
export async function openVault(options: OpenOptions = {}): Promise<Vault> {
  reuseLargeBuffers();
  const { machine = systemMachine } = options;
  const { disk } = machine;
  const home = resolve(options.home ?? defaultHome());
  if (!hasVault(home, disk) && !options.create) await readSecrets(home, () => "", disk); // throws, saying that there is none
  const lock = await takeLock(home, options);
  try {
    if (!hasVault(home, disk)) {
      const masterKey = checkedKey(options.masterKey) ?? machine.random.bytes(SECRET_BYTES);
      const created = await makeVault(home, { machine, masterKey });
      options.onCreated?.(created);
    }
    const { padding } = readSettings(home, disk);
    const secrets = await unlock(home, disk, options);
    if (options.masterKey && !equalBytes(options.masterKey, secrets.masterKey)) {
      throw new VaultError(
        "exists",
        `Cannot use this key in ${home}: the vault there has another`,
        {
          hint: "name another folder with --home",
        },
      );
    }
    await prepareCompression();
    return await assemble(home, { secrets, padding, lock, machine });
  } catch (error) {
    lock.release();
    throw asVaultError(error, `Cannot open the vault in ${home}`);
  }
}

/** Reads the secrets; a wrong passphrase may be mended a few times where it can be asked for again. */
async function unlock(
  home: string,
  disk: Disk,
  { passphrase }: OpenOptions,
): Promise<HomeSecrets> {
  for (let attempt = 1;; attempt++) {
    let answered = false;
    try {
      return await readSecrets(home, async () => {
        if (passphrase === undefined) {
          throw new VaultError("denied", "Cannot unlock the vault key: it asks for a passphrase");
        }
        const answer = typeof passphrase === "string" ? passphrase : await passphrase({ attempt });
        answered = true;
        return answer;
      }, disk);
    } catch (error) {
      const again = typeof passphrase === "function" && attempt < PASSPHRASE_ATTEMPTS_MAX;
      if (!again || !answered || !isVaultError(error, "denied")) throw error;
    }
  }
}

/** Puts the parts together. The vault lets go of the lock when it is closed. */
async function assemble(
  home: string,
  { secrets, padding, lock, machine }: {
    secrets: HomeSecrets;
    padding: boolean;
    lock: HomeLock;
    machine: Machine;
  },
): Promise<Vault> {
  const { disk, clock, random, hasThreads, pace } = machine;
  const { masterKey, node, networkSecret } = secrets;
  const keys = deriveVaultKeys(masterKey);
  keys.setPadding(padding);
  const schema = STORE_SCHEMA + recordSchema(keys.vaultId);
  const database = new IndexDatabase(machine.indexPath(homePaths(home).index), schema);
  const index = new RecordIndex(database);
  try {
    const { store, entrance } = await openStore(home, { keys, database, index, disk });
    const nodeId = sha256(node.publicKey);
    const position = () =>
      database.guard(() => ({ last: index.lastSegment(nodeId), clock: index.totals().clock }));
    const rowOf = (address: Bytes) => database.guard(() => index.findSegment(address)?.row ?? null);
    const read = (address: Bytes) => findObject({ store }, address, "segment");
    const segments = new SegmentReader({ keys, index, database, read });
    const ciphers = new ChunkCiphers(keys.chunk, masterKey, { hasThreads });
    const smallFiles = new SmallFiles(keys.chunk, masterKey);
    const context = {
      home,
      keys,
      node,
      nodeId,
      networkId: networkId(networkSecret),
      disk,
      clock,
      random,
      pace,
      database,
      store,
      index,
      segments,
      committer: new Committer({
        keys,
        node,
        clock,
        store,
        written: entrance.written,
        position,
        logs: () => database.guard(() => index.allLogs()),
        rowOf,
        onEntered: (row, opened) => segments.keep(row, opened),
      }),
      turns: new Turns(),
      gate: new Gate({ isDue: () => store.hasFailed, mend: () => store.revive() }),
      chunker: new Chunker(keys.gearSeed),
      ciphers,
      smallFiles,
      entrance,
      attachment: new Attachment(),
      problems: entrance.problems,
    };
    const release = () => {
      ciphers.close();
      smallFiles.close();
      lock.release();
    };
    return new Vault({ context, secrets, release });
  } catch (error) {
    database.close();
    if (!(error instanceof IndexDamage)) throw error;
    throw new VaultError("damaged", error.message, { cause: error });
  }
}
