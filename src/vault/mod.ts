/**
 * What a user does with a vault.
 *
 * @module
 */

export type { PutSource } from "./byte_source.ts";
export { examineHome, type ExamineOptions } from "./doctor.ts";
export type { GetOutcome, GetTreeOptions } from "./get_tree.ts";
export { defaultHome, hasVault, networkId } from "./home.ts";
export type { ListOptions } from "./list.ts";
export type { PutOutcome, PutPathOptions } from "./put_tree.ts";
export type * from "./types.ts";
export { type CreatedVault, initVault, type OpenOptions, openVault, recoverVault } from "./open.ts";
export type { EnteredSegment } from "./entrance.ts";
export { type Machine, systemMachine } from "./machine.ts";
export type { Ledger, LedgerHead, LedgerSegment } from "./ledger.ts";
export type { PeerSide, PeerStore } from "./peer_side.ts";
export type { RemoteObjects } from "./remote.ts";
export type { Upkeep } from "./upkeep.ts";
export { Vault } from "./vault.ts";
export type { VerifyOptions } from "./verify.ts";
