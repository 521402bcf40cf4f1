/**
 * What a user does with a vault.
 *
 * @module
 */

export type { PutSource } from "./byte_source.ts";
export { examineHome } from "./doctor.ts";
export type { GetOutcome, GetTreeOptions } from "./get_tree.ts";
export { defaultHome, hasVault } from "./home.ts";
export type { ListOptions } from "./list.ts";
export type { PutOutcome, PutPathOptions } from "./put_tree.ts";
export type * from "./types.ts";
export { type CreatedVault, initVault, type OpenOptions, openVault, recoverVault } from "./open.ts";
export { Vault } from "./vault.ts";
export type { VerifyOptions } from "./verify.ts";
