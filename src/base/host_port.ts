/**
 * Addresses of nodes as people write them: `host:port`, `[v6]:port`.
 *
 * @module
 */

import { VaultError } from "./errors.ts";

/** Where a node listens. */
export interface HostPort {
  /** A name or a number, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Longest name of a host (RFC 1035, section 2.3.4). */
const HOST_LENGTH_MAX = 255;

/** Reads `host:port` or `[v6]:port`. @throws VaultError `usage` */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]/@]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || host.length > HOST_LENGTH_MAX || port < 1 || port > 65_535) {
    throw new VaultError("usage", `Cannot read address "${text}": it is not HOST:PORT`, {
      hint: "write it as 192.0.2.1:3000, host.example:3000 or [2001:db8::1]:3000",
    });
  }
  return { host, port };
}

/** The text of an address, as {@link parseHostPort} reads it. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
