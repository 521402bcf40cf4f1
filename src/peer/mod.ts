/**
 * What nodes do for one another: membership, placement, replication, repair. Without any key.
 *
 * @module
 */

export * from "./mesh.ts";
export * from "./ports.ts";
