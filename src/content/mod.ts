/**
 * The plaintext side: cutting, compressing, and the lists of references that make a version.
 *
 * @module
 */

export { Chunker, type ChunkSizes, gearTable } from "./chunker.ts";
export * from "./compression.ts";
export * from "./delta.ts";
export * from "./manifest.ts";
export * from "./references.ts";
