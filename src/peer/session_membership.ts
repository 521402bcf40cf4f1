/**
 * What a node says of itself to the network, and what its authority can decide: inviting, evicting, how many copies.
 *
 * @module
 */

import {
  type Bytes,
  compareIds,
  type Ed25519Signer,
  equalBytes,
  EVICTION_SPARED_MAX,
  formatHostPort,
  MEMBER_ADDRESSES_MAX,
  type NodeId,
  REPLICAS_MAX,
  sha256,
  shortHex,
  TICKET_LIFE_MS,
  VaultError,
} from "../base/mod.ts";
import type { NetworkState } from "./network_file.ts";
import { hostOf, isDialAddress } from "./session_address.ts";
import { NETWORK_SECRET_BYTES, signSecret } from "./session_secrets.ts";
import type { SessionWorld } from "./session_world.ts";
import { signEviction, signMember, signSettings, type Statement } from "./statements.ts";
import {
  admitByAuthority,
  encodeAdmission,
  type MemberRole,
  signTicket,
} from "./statements_admission.ts";
import { encodeToken } from "./token.ts";

/** Where a node is reached, as far as it can tell. */
export interface Whereabouts {
  /** What the user says: `host:port`, or a host. */
  readonly advertise: string | null;
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** Hosts by which peers see it, the most common first. */
  readonly seen: readonly string[];
  /** Addresses of the machine's interfaces. */
  readonly interfaces: readonly string[];
}

const ANY_HOST: readonly string[] = ["", "0.0.0.0", "::"];

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** The addresses to state, best first. */
export function ownAddresses(where: Whereabouts): string[] {
  const { advertise, host, port, seen, interfaces } = where;
  if (advertise !== null) {
    return [isDialAddress(advertise) ? advertise : formatHostPort({ host: advertise, port })];
  }
  const hosts = ANY_HOST.includes(host) ? [...seen, ...interfaces] : [host];
  const far = hosts.filter((each) => !isLoopback(each));
  // This machine's own name for itself helps those on it; it is nobody's first choice.
  const near = hosts.filter(isLoopback);
  return [...new Set([...far, ...near])].map((each) => formatHostPort({ host: each, port }))
    .filter(isDialAddress).slice(0, MEMBER_ADDRESSES_MAX);
}

/** What a node says of itself beside its addresses. */
export interface OwnClaim {
  /** For people. */
  readonly name: string;
  /** GiB. */
  readonly weight: number;
}

/** The authority's key, if this node's vault is that of the network. */
function authorityOf(
  state: NetworkState,
  vaultSigner: Ed25519Signer | null,
): Ed25519Signer | null {
  if (vaultSigner === null) return null;
  return equalBytes(vaultSigner.publicKey, state.network.authority) ? vaultSigner : null;
}

/** See the module. Statements that are made here are in the roster when given back; the caller tells others. */
export class Membership {
  readonly #world: SessionWorld;
  readonly #claim: OwnClaim;
  readonly #self: NodeId;

  constructor(world: SessionWorld, claim: OwnClaim) {
    this.#world = world;
    this.#claim = claim;
    this.#self = sha256(world.signer.publicKey);
  }

  get #state(): NetworkState {
    return this.#world.file.state;
  }

  /** This node's member statement as the roster has it, `null` if there is none. */
  ownStatement(): Bytes | null {
    return this.#state.roster.member(this.#self)?.statement ?? null;
  }

  /** States where this node is and who, if that is not known already. */
  state(addresses: readonly string[]): Statement[] {
    const { roster, network } = this.#state;
    const admission = this.#admission();
    if (admission === null || roster.stateOf(this.#self) === "evicted") return [];
    const { certificate } = this.#world.credentials;
    const old = roster.member(this.#self);
    const isSame = old !== null && old.name === this.#claim.name &&
      old.weight === this.#claim.weight && equalBytes(old.certificate, certificate) &&
      old.addresses.join() === addresses.join() &&
      equalBytes(encodeAdmission(roster.admissionOf(this.#self)!), encodeAdmission(admission));
    if (isSame) return [];
    // After a clock that jumped back, or a home that lost its file, the new statement must still count.
    const stamp = Math.max(this.#world.clock.now(), (old?.stamp ?? 0) + 1);
    const claim = { ...this.#claim, certificate, addresses, stamp, admission };
    return roster.merge([signMember(network, claim, this.#world.signer)]).added;
  }

  #admission() {
    const state = this.#state;
    if (state.admission !== null) return state.admission;
    const authority = authorityOf(state, this.#world.vaultSigner);
    const { publicKey } = this.#world.signer;
    const joined = this.#world.clock.now();
    state.admission = authority === null
      ? state.roster.admissionOf(this.#self)
      : admitByAuthority(state.network, { publicKey, joined }, authority);
    return state.admission;
  }

  #authority(action: string): Ed25519Signer {
    const authority = authorityOf(this.#state, this.#world.vaultSigner);
    if (authority !== null) return authority;
    throw new VaultError("denied", `Cannot ${action}: this node does not own the network`, {
      hint: "do it on a node that holds the key of the vault that founded it",
    });
  }

  /**
   * A token for a newcomer. A node that can't admit anyone gives one without a ticket.
   *
   * @param masterKey makes the newcomer another owner
   * @throws VaultError `failed` if this node has said nothing of itself yet
   */
  invite(masterKey: Bytes | null): string {
    const { network, secrets } = this.#state;
    const { clock, random, vaultSigner } = this.#world;
    const inviter = this.ownStatement();
    if (inviter === null) {
      throw new VaultError("failed", "Cannot invite: no member has answered this node yet");
    }
    const authority = authorityOf(this.#state, vaultSigner);
    const seed = random.bytes(32);
    const role: MemberRole = masterKey === null ? "storage" : "owner";
    const issued = clock.now();
    const terms = { seed, role, issued, expires: issued + TICKET_LIFE_MS };
    const ticket = authority === null
      ? null
      : { seed, ticket: signTicket(network, terms, authority) };
    return encodeToken({ network, secret: secrets.newest, inviter, ticket, masterKey });
  }

  /**
   * Ends the membership of a node, takes back the ticket it came with, and makes a new secret. Durable when it returns; no
   * statement comes back if it was evicted already.
   *
   * @param lastSequence the last record of its log that counts
   * @throws VaultError `denied` if this node does not own the network, `not_found`, `usage` for the node itself
   */
  async evict(node: NodeId, lastSequence: bigint): Promise<Statement[]> {
    const authority = this.#authority(`evict node ${shortHex(node)}`);
    const { network, roster, secrets } = this.#state;
    if (compareIds(node, this.#self) === 0) {
      throw new VaultError("usage", "Cannot evict this node itself", {
        hint: "evict it on another node that owns the network",
      });
    }
    if (roster.stateOf(node) === "evicted") {
      await this.#world.file.save(); // the disk may have failed when it was evicted
      return [];
    }
    if (roster.stateOf(node) === "unknown") {
      throw new VaultError("not_found", `Cannot evict node ${shortHex(node)}: it is no member`);
    }
    const ticket = roster.ticketOf(node);
    // With more than fit the ticket stays good on paper; without the new secret it opens nothing.
    const isRevoked = ticket !== null && ticket.others.length <= EVICTION_SPARED_MAX;
    const eviction = signEviction(network, {
      node,
      stamp: this.#world.clock.now(),
      lastSequence,
      ticketId: isRevoked ? ticket.id : null,
      spared: isRevoked ? ticket.others : [],
    }, authority);
    const { added, refused } = roster.merge([eviction]);
    if (refused.length > 0) throw refused[0]!;
    const secret = this.#world.random.bytes(NETWORK_SECRET_BYTES);
    const epoch = secrets.newest.epoch + 1;
    secrets.add(signSecret(network, { epoch, secret }, authority));
    await this.#world.file.save();
    return added;
  }

  /**
   * Has more of an evicted node's log count: what an owner had taken in before it heard of the eviction, so that all come to
   * have it. Nobody gets a new secret for that. No statement comes back if that much counts already, or if this node is no
   * owner. Durable when it returns.
   *
   * @param lastSequence the last record of its log that counts
   */
  async extendEviction(node: NodeId, lastSequence: bigint): Promise<Statement[]> {
    const { network, roster } = this.#state;
    const authority = authorityOf(this.#state, this.#world.vaultSigner);
    const eviction = roster.eviction(node);
    if (authority === null || eviction === null || eviction.lastSequence >= lastSequence) return [];
    const { ticketId, spared } = eviction;
    const stamp = this.#world.clock.now();
    const milder = signEviction(
      network,
      { node, stamp, lastSequence, ticketId, spared },
      authority,
    );
    const { added, refused } = roster.merge([milder]);
    if (refused.length > 0) throw refused[0]!;
    await this.#world.file.save();
    return added;
  }

  /**
   * Sets how many members hold each object. Durable when it returns.
   *
   * @throws VaultError `denied` if this node does not own the network, `usage` for a number out of range
   */
  async setReplicas(replicas: number): Promise<Statement[]> {
    if (!Number.isInteger(replicas) || replicas < 1 || replicas > REPLICAS_MAX) {
      throw new VaultError("usage", `Cannot keep ${replicas} copies: 1 … ${REPLICAS_MAX} can be`);
    }
    const authority = this.#authority("set the number of copies");
    const { network, roster } = this.#state;
    if (roster.replicas === replicas && roster.settingsStamp > 0) return [];
    const stamp = Math.max(this.#world.clock.now(), roster.settingsStamp + 1);
    const { added } = roster.merge([signSettings(network, { stamp, replicas }, authority)]);
    await this.#world.file.save();
    return added;
  }
}

/** Where peers see this node: what each said last, for a bounded number of them. */
export class SeenAt {
  readonly #hosts = new Map<string, string>();

  /** @param by hex of the peer's id */
  note(by: string, address: string): void {
    this.#hosts.delete(by);
    this.#hosts.set(by, hostOf(address));
    for (const oldest of this.#hosts.keys()) {
      if (this.#hosts.size <= 4 * MEMBER_ADDRESSES_MAX) break;
      this.#hosts.delete(oldest);
    }
  }

  /** The two hosts that most peers name, so that a single one can't send others somewhere. */
  best(): string[] {
    const votes = new Map<string, number>();
    for (const host of this.#hosts.values()) votes.set(host, (votes.get(host) ?? 0) + 1);
    return [...votes].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 2)
      .map(([host]) => host);
  }
}
