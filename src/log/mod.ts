/**
 * Records and logs: their formats, how segments chain, and the pure folds from records to history and to what is
 * still live. Imports base alone.
 *
 * @module
 */

export * from "./body.ts";
export * from "./chain.ts";
export * from "./clock.ts";
export * from "./history.ts";
export * from "./inventory.ts";
export * from "./liveness.ts";
export * from "./prune_list.ts";
export * from "./record.ts";
export * from "./segment.ts";
