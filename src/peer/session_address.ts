/**
 * Where nodes are reached: `host:port` as it is typed, stated and dialled.
 *
 * @module
 */

import { MEMBER_TEXT_BYTES_MAX, VaultError } from "../base/mod.ts";

/** A host (name, IPv4, or IPv6 without brackets) and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const SHAPE = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([\w.-]+)):(\d{1,5})$/;

function parse(text: string): HostPort | null {
  if (text.length > MEMBER_TEXT_BYTES_MAX) return null;
  const found = SHAPE.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port < 1 || port > 65_535) return null;
  return { host: (found[1] ?? found[2])!, port };
}

/** Whether a text is an address that can be dialled. */
export function isDialAddress(text: string): boolean {
  return parse(text) !== null;
}

/** @throws VaultError `usage` unless the text is `host:port` or `[v6]:port` */
export function parseHostPort(text: string): HostPort {
  const found = parse(text);
  if (found !== null) return found;
  throw new VaultError(
    "usage",
    `Cannot read the address ${JSON.stringify(text)}: it is not HOST:PORT`,
    {
      hint: "write it like 192.168.1.7:3000, nas.example:3000 or [fd00::7]:3000",
    },
  );
}

/** The address as text, IPv6 in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The host of an address as text, without its port; the whole text if it is none. */
export function hostOf(address: string): string {
  return /^(.*):\d{1,5}$/.exec(address)?.[1]?.replace(/^\[|\]$/g, "") ?? address;
}
