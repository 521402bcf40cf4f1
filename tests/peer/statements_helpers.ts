/** What the tests of membership share: a network with an authority, nodes of it, their statements. */

import {
  type Bytes,
  Ed25519Signer,
  encodeUtf8,
  type NodeId,
  type Random,
  sha256,
} from "../../src/base/mod.ts";
import {
  admitByAuthority,
  admitByTicket,
  type MemberRole,
  signTicket,
  type Ticket,
} from "../../src/peer/statements_admission.ts";
import { type MemberClaim, type NetworkIdentity, signMember } from "../../src/peer/statements.ts";

/** Bytes that a name stands for. */
export function seedOf(name: string): Bytes {
  return sha256(encodeUtf8(name));
}

export function signerOf(name: string): Ed25519Signer {
  return new Ed25519Signer(seedOf(name));
}

export function nodeOf(name: string): NodeId {
  return sha256(signerOf(name).publicKey);
}

/** Random bytes that a seed fixes. */
export function randomOf(seed: string): Random {
  let count = 0;
  return {
    bytes(length) {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) {
        out.set(sha256(encodeUtf8(`${seed} ${count++}`)).subarray(0, length - at), at);
      }
      return out;
    },
  };
}

export const AUTHORITY = signerOf("authority");
export const NETWORK: NetworkIdentity = {
  networkId: seedOf("network"),
  authority: AUTHORITY.publicKey,
};

/** Some time, and what the tests' tickets are good for. */
export const T0 = 1_800_000_000_000;
export const DAY = 24 * 60 * 60 * 1000;

export interface TestTicket {
  ticket: Ticket;
  seed: Bytes;
}

export function ticketOf(name: string, role: MemberRole = "storage"): TestTicket {
  const seed = seedOf(`ticket ${name}`);
  return {
    seed,
    ticket: signTicket(NETWORK, { seed, role, issued: T0, expires: T0 + 7 * DAY }, AUTHORITY),
  };
}

/** A member statement of the node of that name. Without a ticket the authority admits. */
export function memberOf(
  name: string,
  options: Partial<Omit<MemberClaim, "publicKey">> & { with?: TestTicket; joined?: number } = {},
): Bytes {
  const { with: ticket, joined = T0, ...claim } = options;
  const node = { publicKey: signerOf(name).publicKey, joined };
  const admission = ticket === undefined
    ? admitByAuthority(NETWORK, node, AUTHORITY)
    : admitByTicket(NETWORK, node, ticket);
  return signMember(NETWORK, {
    certificate: encodeUtf8(`certificate of ${name}`),
    name,
    addresses: [`${name.replaceAll(" ", "-")}:3000`],
    weight: 100,
    stamp: T0,
    admission,
    ...claim,
  }, signerOf(name));
}
