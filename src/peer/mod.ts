/**
 * What nodes do for one another: membership, placement, replication, repair. Without any key.
 *
 * @module
 */

export * from "./ports.ts";
