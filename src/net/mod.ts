/**
 * Bytes between nodes: transports, channels, messages.
 *
 * @module
 */

export * from "./channel_types.ts";
export * from "./messages.ts";
export * from "./transport.ts";
