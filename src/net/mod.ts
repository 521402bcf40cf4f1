/**
 * Bytes between nodes: transports, channels, messages.
 *
 * @module
 */

export * from "./certificate.ts";
export * from "./channel.ts";
export * from "./channel_types.ts";
export * from "./memory_transport.ts";
export * from "./messages.ts";
export * from "./tls_transport.ts";
export * from "./transport.ts";
