/**
 * What nodes do for one another: membership, placement, replication, repair. Without any key.
 *
 * @module
 */

export * from "./address_map.ts";
export * from "./events.ts";
export * from "./handshake.ts";
export * from "./handshake_messages.ts";
export * from "./lan.ts";
export * from "./mail_box.ts";
export * from "./mesh.ts";
export * from "./network_file.ts";
export * from "./node.ts";
export * from "./placement.ts";
export * from "./ports.ts";
export * from "./presence.ts";
export * from "./pusher.ts";
export * from "./remote_objects.ts";
export * from "./replication.ts";
export * from "./replicator.ts";
export * from "./roster.ts";
export * from "./session_address.ts";
export * from "./session_membership.ts";
export * from "./session_peers.ts";
export * from "./session_secrets.ts";
export * from "./session_world.ts";
export * from "./sessions.ts";
export * from "./statements.ts";
export * from "./statements_admission.ts";
export * from "./token.ts";
