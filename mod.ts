/**
 * GoVault as a library: a vault of encrypted, versioned files, for Deno programs.
 *
 * ```ts
 * import { openVault } from "@govault/govault";
 *
 * await using vault = await openVault({ create: true });
 * await vault.put("notes.txt", new TextEncoder().encode("Buy milk\n"));
 * const { version, stream } = await vault.get("notes.txt");
 * console.log(`version ${version.version}:`, await new Response(stream).text());
 * for (const { version, size } of await vault.history("notes.txt")) console.log(version, size);
 * ```
 *
 * The vault lies where the command line has it too, in the platform's place for a program's data, unless
 * `home` names another folder; the program needs leave to read and write there. `await using` closes it: one
 * process has a vault open at a time. Every failure is a {@link VaultError}: switch on its `code`, never on
 * its text.
 *
 * @module
 */

export {
  type Address,
  type Bytes,
  type ErrorCode,
  EXIT_CODES,
  fromHex,
  isVaultError,
  type KeyName,
  type NodeId,
  parseKey,
  type RecordId,
  toHex,
  VaultError,
  type VaultErrorOptions,
} from "./src/base/mod.ts";
export {
  type ChunkStore,
  MemoryStore,
  type NewObject,
  OBJECT_KINDS,
  type ObjectInfo,
  type ObjectKind,
  type RecoveryReport,
  VerifiedStore,
} from "./src/store/mod.ts";
export {
  type ByteRange,
  type CopyOptions,
  type CreatedVault,
  defaultHome,
  type DiffResult,
  type EntryType,
  type FetchAllResult,
  type FileMeta,
  type GetOutcome,
  type GetTreeOptions,
  initVault,
  type KeyInfo,
  type ListOptions,
  type OnProgress,
  type OpenOptions,
  openVault,
  type Progress,
  type PruneResult,
  type PutOptions,
  type PutOutcome,
  type PutPathOptions,
  type PutResult,
  type PutSource,
  recoverVault,
  type RemoteObjects,
  type Retention,
  type StatusInfo,
  type TagInfo,
  Vault,
  type VerifyOptions,
  type VerifyResult,
  type VersionInfo,
  type VersionOp,
  type VersionSelector,
  type WorkOptions,
} from "./src/vault/mod.ts";
