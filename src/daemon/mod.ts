/**
 * The resident node. What is heavy is in files that are loaded when they are needed.
 *
 * @module
 */

export { findSocket } from "./control_place.ts";
export * from "./control_protocol.ts";
export { ControlServer } from "./control_server.ts";
export { type DaemonOptions, runDaemon } from "./daemon.ts";
export { type Fetched, fetchOnce, joinOnce, joinRunning, openForNetwork } from "./open_vault.ts";
export { openPeers, type PeerOptions } from "./peers.ts";
export { networkPath, rememberedNetwork } from "./remembered.ts";
export type * from "./types.ts";
