/**
 * The values users type: numbers, spans, times, versions, ids. Each is read once, here, into what the vault
 * takes; nothing below sees the text. `what` names the flag or operand in the message.
 *
 * @module
 */

import {
  parseHostPort,
  parseIdPrefix,
  quoteKey,
  SPAN_MS_MAX,
  TIMER_MS_MAX,
  VaultError,
} from "../base/mod.ts";
import type { VersionSelector } from "../vault/types.ts";

const SPAN_UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

function refuse(text: string, what: string, state: string): VaultError {
  return new VaultError("usage", `Cannot use ${quoteKey(text)} for ${what}: ${state}`);
}

/** The text itself. */
export function readText(text: string): string {
  return text;
}

/** A whole number from 1 up. */
export function readCount(text: string, what: string): number {
  if (!/^0*[1-9]\d{0,8}$/.test(text)) throw refuse(text, what, "not a whole number of at least 1");
  return Number(text);
}

/** Seconds, as milliseconds; `0.5` will do. */
export function readSeconds(text: string, what: string): number {
  const match = /^(\d{1,7}(?:\.\d{1,3})?)s?$/.exec(text);
  if (match === null) throw refuse(text, what, "not a number of seconds");
  const ms = Math.round(Number(match[1]) * 1000);
  if (ms > TIMER_MS_MAX) throw refuse(text, what, "longer than 24 days");
  return ms;
}

/** A span such as `90s`, `2h` or `1d12h`, as milliseconds. */
export function readSpan(text: string, what: string): number {
  if (!/^(?:\d{1,6}[smhdwy])+$/.test(text)) {
    throw refuse(text, what, "not a span such as 90s, 45m, 2h, 1d12h, 6w, 1y");
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhdwy])/g)) {
    total += Number(amount) * SPAN_UNITS_MS[unit!]!;
  }
  if (total > SPAN_MS_MAX) throw refuse(text, what, "longer than all the time that dates can tell");
  return total;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/** A size such as `500GiB`, `1.5T`, `4096` or `0`, in bytes; units are powers of 1024. */
export function readSize(text: string, what: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  const exact = match === null ? NaN : Number(match[1]) * SIZE_UNITS[match[2]!.toLowerCase()]!;
  const bytes = Math.round(exact);
  if ((bytes < 1 && exact !== 0) || !Number.isSafeInteger(bytes)) {
    throw refuse(text, what, "not a size such as 500GiB or 2T");
  }
  return bytes;
}

/** A port to listen on; 0 lets the system choose. */
export function readPort(text: string, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65_535)) throw refuse(text, what, "not a port from 0 to 65535");
  return port;
}

/** An address to dial, `host:port` or `[v6]:port`, as it was typed. */
export function readHostPort(text: string, what: string): string {
  try {
    parseHostPort(text);
  } catch {
    throw refuse(text, what, "not HOST:PORT, such as 192.0.2.1:3000 or [2001:db8::1]:3000");
  }
  return text;
}

/** A percentage such as `5%`, as a share in (0, 1]. */
export function readPercent(text: string, what: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,6})?)%?$/.exec(text);
  const share = match === null ? NaN : Number(match[1]) / 100;
  if (!(share > 0 && share <= 1)) throw refuse(text, what, "not a percentage from above 0 to 100");
  return share;
}

/**
 * A moment, as milliseconds since 1970: an ISO 8601 date (its first moment) or date and time, local unless a
 * zone is given, or a span before `now`.
 */
export function readTime(text: string, options: { what: string; now: number }): number {
  const { what, now } = options;
  if (/^(?:\d{1,6}[smhdwy])+$/.test(text)) return now - readSpan(text, what);
  const match =
    /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})\d*)?)?(Z|[+-]\d\d:?\d\d)?)?$/i
      .exec(text);
  if (match === null) {
    throw refuse(
      text,
      what,
      "neither a time such as 2026-01-31 or 2026-01-31T18:30 nor a span such as 2h or 3d",
    );
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) =>
    Number(part ?? 0)
  ) as [number, number, number, number, number, number];
  const ms = Number((match[7] ?? "0").padEnd(3, "0"));
  // A date in UTC shows whether the fields are a real date, before any zone comes in.
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second, ms));
  const real = utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day &&
    utc.getUTCHours() === hour && utc.getUTCMinutes() === minute && utc.getUTCSeconds() === second;
  if (!real || year < 1970) throw refuse(text, what, "no such date or time since 1970");
  const zone = match[8];
  if (zone === undefined) {
    return new Date(year, month - 1, day, hour, minute, second, ms).getTime();
  }
  if (/^z$/i.test(zone)) return utc.getTime();
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 23 || minutes > 59) throw refuse(text, what, `no such time zone as ${zone}`);
  const offset = hours * 60 + minutes;
  return utc.getTime() - (zone[0] === "-" ? -offset : offset) * 60_000;
}

/** A version: up to nine digits are its number, anything else the first hex digits of its id. */
export function readVersion(text: string, what: string): VersionSelector {
  if (/^\d{1,9}$/.test(text)) {
    const number = Number(text);
    if (number === 0) throw refuse(text, what, "versions are numbered from 1");
    return { kind: "number", number };
  }
  const prefix = parseIdPrefix(text);
  if (prefix === null) {
    throw refuse(text, what, "neither a version number nor at least 4 hex digits of an id");
  }
  return { kind: "id", prefix };
}

/** The first hex digits of a node's id. */
export function readIdPrefix(text: string, what: string): string {
  const prefix = parseIdPrefix(text);
  if (prefix === null) throw refuse(text, what, "not 4 to 64 hex digits of an id");
  return prefix;
}
