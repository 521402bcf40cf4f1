/**
 * The roster: who belongs to a network, drawn from a set of statements. Sets that have met are equal, whatever the order in which
 * their statements came: of what a node says of itself the latest counts, an eviction is for good, and what can't count
 * is not kept. Decisions only; nothing is sent or stored here.
 *
 * @module
 */

import {
  type Bytes,
  compareIds,
  EVICTIONS_MAX,
  MEMBERS_MAX,
  type NodeId,
  REPLICAS_DEFAULT,
  ROSTER_BYTES_MAX,
  sha256,
  TICKET_MEMBERS_MAX,
  toHex,
  VaultError,
} from "../base/mod.ts";
import {
  decodeStatement,
  type NetworkIdentity,
  type Statement,
  type StatementOf,
} from "./statements.ts";
import { type MemberRole, roleOf, ticketIdOf } from "./statements_admission.ts";

/** A member as the roster has it, evicted ones included. */
export interface RosterMember {
  readonly node: NodeId;
  readonly publicKey: Bytes;
  /** DER. */
  readonly certificate: Bytes;
  readonly name: string;
  readonly addresses: readonly string[];
  /** GiB. */
  readonly weight: number;
  readonly role: MemberRole;
  /** Milliseconds since 1970. */
  readonly stamp: number;
  /** `null` for a member; for an evicted one the last record of its log that counts. */
  readonly evictedAfter: bigint | null;
  /** The member statement. */
  readonly statement: Bytes;
}

/** What became of statements that came in. */
export interface MergeResult {
  /** Those that are new and count. */
  readonly added: Statement[];
  /** Why others were refused; those that are known or outdated are not among them. */
  readonly refused: VaultError[];
}

type Member = StatementOf<"member">;
type Eviction = StatementOf<"eviction">;

/** Whether `a` is to be kept rather than `b`: the same on every node. */
function isLater(a: { stamp: number; id: Bytes }, b: { stamp: number; id: Bytes }): boolean {
  return a.stamp !== b.stamp ? a.stamp > b.stamp : compareIds(a.id, b.id) > 0;
}

/** Of two evictions of a node that one counts by which more of its log does: nothing that was accepted is taken back. */
function isMilder(a: Eviction, b: Eviction): boolean {
  return a.lastSequence !== b.lastSequence
    ? a.lastSequence > b.lastSequence
    : compareIds(a.id, b.id) > 0;
}

/** Of the members that came with one ticket the first are kept. */
function compareJoins(a: Member, b: Member): number {
  return a.admission.joined - b.admission.joined || compareIds(a.node, b.node);
}

/** See the module. */
export class Roster {
  readonly network: NetworkIdentity;
  #settings: StatementOf<"settings"> | null = null;
  #members = new Map<string, Member>();
  #evictions = new Map<string, Eviction>();
  #ticketKeys = new WeakMap<Member, string>();
  #bytes = 0;
  #version = 0;
  #digest: Bytes | null = null;

  constructor(network: NetworkIdentity, statements: Iterable<Uint8Array> = []) {
    this.network = network;
    this.merge(statements);
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  /**
   * Takes in statements, in any order. What is refused changes nothing; the others of the same call are taken all
   * the same.
   */
  merge(statements: Iterable<Uint8Array>): MergeResult {
    const refused: VaultError[] = [];
    const decoded: Statement[] = [];
    for (const bytes of statements) {
      try {
        if (!this.has(sha256(bytes))) decoded.push(decodeStatement(bytes, this.network));
      } catch (error) {
        refused.push(error as VaultError);
      }
    }
    // Evictions first, so that no member is taken in that one of them bars.
    decoded.sort((a, b) => Number(b.kind === "eviction") - Number(a.kind === "eviction"));
    const added = decoded.filter((statement) => {
      const answer = this.#take(statement);
      if (answer instanceof VaultError) refused.push(answer);
      return answer === true;
    });
    if (added.length > 0) {
      this.#version++;
      this.#digest = null;
    }
    return { added, refused };
  }

  /** `false`: known or outdated. */
  #take(statement: Statement): boolean | VaultError {
    switch (statement.kind) {
      case "settings":
        return this.#takeSettings(statement);
      case "eviction":
        return this.#takeEviction(statement);
      case "member":
        return this.#takeMember(statement);
    }
  }

  #takeSettings(settings: StatementOf<"settings">): boolean {
    if (this.#settings !== null && !isLater(settings, this.#settings)) return false;
    this.#bytes += settings.bytes.length - (this.#settings?.bytes.length ?? 0);
    this.#settings = settings;
    return true;
  }

  #takeEviction(eviction: Eviction): boolean | VaultError {
    const key = toHex(eviction.node);
    const old = this.#evictions.get(key);
    if (old !== undefined && !isMilder(eviction, old)) return false;
    if (old === undefined && this.#evictions.size >= EVICTIONS_MAX) return full("evictions");
    if (!this.#hasRoom(eviction, old)) return full("bytes");
    this.#put(this.#evictions, key, eviction);
    for (const [name, member] of this.#members) {
      if (this.#isBarred(member, [eviction])) this.#drop(this.#members, name);
    }
    return true;
  }

  #takeMember(member: Member): boolean | VaultError {
    const key = toHex(member.node);
    const old = this.#members.get(key);
    if (old !== undefined && !isLater(member, old)) return false;
    if (this.#isBarred(member, this.#evictions.values())) {
      return new VaultError("denied", "Cannot take a member: its ticket was taken back");
    }
    const isEvicted = this.#evictions.has(key);
    if (old === undefined && !isEvicted && this.#memberCount() >= MEMBERS_MAX) {
      return full("members");
    }
    const last = this.#lastOfTicket(member);
    if (last !== null && compareJoins(last, member) <= 0) {
      return new VaultError(
        "denied",
        "Cannot take a member: its ticket has admitted enough others",
      );
    }
    if (!this.#hasRoom(member, old)) return full("bytes");
    if (last !== null) this.#drop(this.#members, toHex(last.node));
    this.#put(this.#members, key, member);
    return true;
  }

  /** The last of those whom this one's ticket admitted, if they are as many as may be without it. */
  #lastOfTicket(member: Member): Member | null {
    const others = this.#sameTicket(member);
    return others.length < TICKET_MEMBERS_MAX ? null : others.toSorted(compareJoins).at(-1)!;
  }

  /** Others that came with the ticket of this one. */
  #sameTicket(member: Member): Member[] {
    const key = this.#ticketKey(member);
    if (key === null) return [];
    return [...this.#members.values()].filter((other) =>
      this.#ticketKey(other) === key && compareIds(other.node, member.node) !== 0
    );
  }

  #ticketKey(member: Member): string | null {
    const { ticket } = member.admission;
    if (ticket === null) return null;
    const known = this.#ticketKeys.get(member) ?? toHex(ticketIdOf(ticket));
    this.#ticketKeys.set(member, known);
    return known;
  }

  /** Whether a revoked ticket bars a member. Not the evicted one itself, whose name stays known. */
  #isBarred(member: Member, evictions: Iterable<Eviction>): boolean {
    const key = this.#ticketKey(member);
    if (key === null || this.#evictions.has(toHex(member.node))) return false;
    for (const { ticketId, spared } of evictions) {
      if (ticketId === null || toHex(ticketId) !== key) continue;
      if (!spared.some((other) => compareIds(other, member.node) === 0)) return true;
    }
    return false;
  }

  #memberCount(): number {
    let count = 0;
    for (const key of this.#members.keys()) if (!this.#evictions.has(key)) count++;
    return count;
  }

  #hasRoom(statement: Statement, old: Statement | undefined): boolean {
    return this.#bytes + statement.bytes.length - (old?.bytes.length ?? 0) <= ROSTER_BYTES_MAX;
  }

  #put<S extends Statement>(map: Map<string, S>, key: string, statement: S): void {
    this.#drop(map, key);
    map.set(key, statement);
    this.#bytes += statement.bytes.length;
  }

  #drop<S extends Statement>(map: Map<string, S>, key: string): void {
    this.#bytes -= map.get(key)?.bytes.length ?? 0;
    map.delete(key);
  }

  *#all(): Iterable<Statement> {
    if (this.#settings !== null) yield this.#settings;
    yield* this.#members.values();
    yield* this.#evictions.values();
  }

  /** Whether this very statement is part of it. @param id SHA-256 of the statement */
  has(id: Uint8Array): boolean {
    return this.#idSet().has(toHex(id));
  }

  #ids: { version: number; set: Set<string> } | null = null;

  #idSet(): Set<string> {
    if (this.#ids?.version !== this.#version) {
      const set = new Set(Array.from(this.#all(), ({ id }) => toHex(id)));
      this.#ids = { version: this.#version, set };
    }
    return this.#ids.set;
  }

  /** Ids of all statements, ascending. */
  ids(): Bytes[] {
    return Array.from(this.#all(), ({ id }) => id).sort(compareIds);
  }

  /** All statements. */
  statements(): Bytes[] {
    return Array.from(this.#all(), ({ bytes }) => bytes);
  }

  /** Statements whose ids are not `known`, as many as go into `bytesMax`. */
  missingFrom(known: readonly Uint8Array[], bytesMax: number): Bytes[] {
    const theirs = new Set(known.map(toHex));
    const missing: Bytes[] = [];
    let room = bytesMax;
    for (const { id, bytes } of this.#all()) {
      if (theirs.has(toHex(id))) continue;
      room -= bytes.length;
      if (room < 0) break;
      missing.push(bytes);
    }
    return missing;
  }

  /** SHA-256 over {@link Roster.ids}. */
  digest(): Bytes {
    this.#digest ??= sha256(...this.ids());
    return this.#digest;
  }

  /** How many members hold each object. */
  get replicas(): number {
    return this.#settings?.replicas ?? REPLICAS_DEFAULT;
  }

  /** Time of the settings, milliseconds since 1970; 0 if the authority has said nothing. */
  get settingsStamp(): number {
    return this.#settings?.stamp ?? 0;
  }

  /** What a node is to the network. */
  stateOf(node: NodeId): "member" | "evicted" | "unknown" {
    const key = toHex(node);
    if (this.#evictions.has(key)) return "evicted";
    return this.#members.has(key) ? "member" : "unknown";
  }

  /** A member or an evicted one; `null` if nothing was heard of it. */
  member(node: NodeId): RosterMember | null {
    const member = this.#members.get(toHex(node));
    return member === undefined ? null : this.#view(member);
  }

  #view(member: Member): RosterMember {
    const { node, publicKey, certificate, name, addresses, weight, stamp, bytes } = member;
    const evictedAfter = this.#evictions.get(toHex(node))?.lastSequence ?? null;
    const role = roleOf(member.admission);
    return {
      node,
      publicKey,
      certificate,
      name,
      addresses,
      weight,
      role,
      stamp,
      evictedAfter,
      statement: bytes,
    };
  }

  /** Members, ascending by node; evicted ones are not among them. */
  members(): RosterMember[] {
    return this.everyone().filter((member) => member.evictedAfter === null);
  }

  /** Members and evicted ones, ascending by node. */
  everyone(): RosterMember[] {
    return [...this.#members.values()].map((member) => this.#view(member))
      .sort((a, b) => compareIds(a.node, b.node));
  }

  /** All evictions, ascending by node; of some the member may never have been heard of. */
  evictions(): Eviction[] {
    return [...this.#evictions.values()].sort((a, b) => compareIds(a.node, b.node));
  }

  /** The eviction of a node, or `null`. */
  eviction(node: NodeId): Eviction | null {
    return this.#evictions.get(toHex(node)) ?? null;
  }

  /** The id of the ticket that a member came with, and whom else it admitted; `null` if it came without. */
  ticketOf(node: NodeId): { id: Bytes; others: NodeId[] } | null {
    const member = this.#members.get(toHex(node));
    const ticket = member?.admission.ticket ?? null;
    if (member === undefined || ticket === null) return null;
    const others = this.#sameTicket(member)
      .filter((other) => !this.#evictions.has(toHex(other.node)));
    return { id: ticketIdOf(ticket), others: others.map((other) => other.node).sort(compareIds) };
  }

  /** The admission by which a node is a member. */
  admissionOf(node: NodeId): Member["admission"] | null {
    return this.#members.get(toHex(node))?.admission ?? null;
  }
}

function full(what: string): VaultError {
  return new VaultError("failed", `Cannot take a statement: the network has too many ${what}`);
}
