/**
 * Where objects are kept: the ChunkStore interface, its implementations and decorators, and the index database.
 *
 * @module
 */

export * from "./chunk_store.ts";
export * from "./collect.ts";
export * from "./database.ts";
export { flipBack, flipBackCost, headerBeforeFlip } from "./flipped_bit.ts";
export * from "./frame.ts";
export * from "./frame_index.ts";
export * from "./memory_store.ts";
export * from "./pack_store.ts";
export { PackFolder, packName, packNumber } from "./pack_files.ts";
export { type RecoveryReport, type StoredSegment } from "./pack_recovery.ts";
export * from "./verified_store.ts";
