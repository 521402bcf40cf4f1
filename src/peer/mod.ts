/**
 * What nodes do for one another: membership, placement, replication, repair. Without any key.
 *
 * @module
 */

export * from "./address_map.ts";
export * from "./mesh.ts";
export * from "./placement.ts";
export * from "./ports.ts";
