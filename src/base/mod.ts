/**
 * Value types and primitives: bytes, addresses, keys, errors, limits, clock and disk. Imports nothing of ours.
 *
 * @module
 */

export * from "./address.ts";
export * from "./allocator.ts";
export * from "./beside.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./crc32.ts";
export * from "./disk.ts";
export * from "./ed25519.ts";
export * from "./edit_distance.ts";
export * from "./errors.ts";
export * from "./hmac.ts";
export * from "./host_port.ts";
export * from "./key_name.ts";
export * from "./limits.ts";
export * from "./next_turn.ts";
export * from "./sockets_turn.ts";
