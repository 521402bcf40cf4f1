/**
 * Suites that show whether something keeps the contract of an interface of ours.
 *
 * @module
 */

export * from "./chunk_store.ts";
export * from "./ledger.ts";
export { ContractError, type Tester } from "./tester.ts";
export * from "./transport.ts";
