/**
 * The resident node. What is heavy is loaded by who needs it, when it is needed.
 *
 * @module
 */

export { findSocket } from "./control_place.ts";
export * from "./control_protocol.ts";
export { ControlServer } from "./control_server.ts";
export type * from "./types.ts";
