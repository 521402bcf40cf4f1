/**
 * The network file of a home (`network.json`): all that a node knows of its network between two runs.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  asVaultError,
  type Bytes,
  denoDisk,
  type Disk,
  type Ed25519Signer,
  encodeUtf8,
  equalBytes,
  fromHex,
  isVaultError,
  MEMBERS_MAX,
  NETWORK_FILE_BYTES_MAX,
  NETWORK_SECRETS_MAX,
  readSmallFile,
  STATEMENTS_MAX,
  toHex,
  VaultError,
  writeFileDurably,
} from "../base/mod.ts";
import { Roster } from "./roster.ts";
import { isDialAddress } from "./session_address.ts";
import { type NetworkSecret, refuseSecret, SecretRing, signSecret } from "./session_secrets.ts";
import type { NetworkIdentity } from "./statements.ts";
import {
  type Admission,
  admitByAuthority,
  admitByTicket,
  decodeAdmission,
  encodeAdmission,
  type MemberRole,
  refuseAdmission,
  roleOf,
} from "./statements_admission.ts";
import type { ReadToken } from "./token.ts";

const FORMAT = 1;

/** What a node knows of its network. */
export interface NetworkState {
  readonly network: NetworkIdentity;
  readonly roster: Roster;
  readonly secrets: SecretRing;
  /** By what this node is a member; `null` until a node that knows it as one has told. */
  admission: Admission | null;
  /** Addresses worth a try beside those that members state: of who invited, of what was typed. */
  addresses: readonly string[];
  /** The port listened on last. */
  port: number | null;
  /** Counter of the last letter sent. */
  mailCounter: bigint;
}

/** What this node may do in its network. */
export function ownRole(state: NetworkState): MemberRole {
  return state.admission === null ? "storage" : roleOf(state.admission);
}

/** A network of one: of the vault whose signing key is the authority. */
export function foundNetwork(founding: {
  /** Made from the founding secret: `networkId(secret)`. */
  networkId: Bytes;
  secret: Bytes;
  authority: Ed25519Signer;
  /** This node's public key. */
  nodeKey: Bytes;
  nowMs: number;
}): NetworkState {
  const { networkId, secret, authority, nodeKey, nowMs } = founding;
  const network = { networkId, authority: authority.publicKey };
  return {
    network,
    roster: new Roster(network),
    secrets: new SecretRing([signSecret(network, { epoch: 0, secret }, authority)]),
    admission: admitByAuthority(network, { publicKey: nodeKey, joined: nowMs }, authority),
    addresses: [],
    port: null,
    mailCounter: 0n,
  };
}

/**
 * The network that a token leads to.
 *
 * @param joining.authority the signing key of this node's vault; it admits if it is the network's authority
 * @throws VaultError `denied` if the token's ticket has expired
 */
export function joinNetwork(
  token: ReadToken,
  joining: { nodeKey: Bytes; nowMs: number; authority?: Ed25519Signer },
): NetworkState {
  const { network, ticket } = token;
  return {
    network,
    roster: new Roster(network, [token.inviter]),
    secrets: new SecretRing([token.secret]),
    admission: admit(network, ticket, joining),
    addresses: token.member.addresses,
    port: null,
    mailCounter: 0n,
  };
}

/**
 * Another token of the network that a node is in already: who invites, the secret, and the ticket. What the node came with
 * may be good for nothing: evictions take secrets and tickets back, and tickets expire, before anyone has met it.
 *
 * @param joining as with {@link joinNetwork}
 * @throws VaultError `denied` if the token's ticket has expired
 */
export function joinAgain(
  state: NetworkState,
  token: ReadToken,
  joining: Parameters<typeof joinNetwork>[1],
): void {
  const isByItsVault = state.admission !== null && state.admission.ticket === null;
  const admission = isByItsVault ? null : admit(state.network, token.ticket, joining);
  state.roster.merge([token.inviter]);
  state.secrets.add(token.secret);
  if (admission !== null) state.admission = admission;
}

function admit(
  network: NetworkIdentity,
  ticket: ReadToken["ticket"],
  { nodeKey: publicKey, nowMs, authority }: Parameters<typeof joinNetwork>[1],
): Admission | null {
  if (authority !== undefined && equalBytes(authority.publicKey, network.authority)) {
    return admitByAuthority(network, { publicKey, joined: nowMs }, authority);
  }
  if (ticket === null) return null;
  const { issued, expires } = ticket.ticket;
  if (nowMs > expires) {
    throw new VaultError(
      "denied",
      `Cannot join: the token expired at ${new Date(expires).toISOString()}`,
      { hint: "ask for a new one: `govault invite`" },
    );
  }
  // A clock that is a little behind the inviter's is no reason to stay out.
  return admitByTicket(network, { publicKey, joined: Math.max(nowMs, issued) }, ticket);
}

/** The file as text, with a line break at its end. */
export function encodeNetworkFile(state: NetworkState): string {
  const { network, roster, secrets, admission } = state;
  const base64 = (bytes: Bytes) => Buffer.from(bytes).toString("base64");
  return JSON.stringify({
    format: FORMAT,
    networkId: toHex(network.networkId),
    authority: toHex(network.authority),
    role: ownRole(state),
    secrets: secrets.all().map(({ epoch, secret, signature }) => ({
      epoch,
      secret: toHex(secret),
      signature: toHex(signature),
    })),
    admission: admission === null ? null : base64(encodeAdmission(admission)),
    addresses: state.addresses,
    port: state.port,
    mailCounter: String(state.mailCounter),
    statements: roster.statements().map(base64),
  }) + "\n";
}

/**
 * Reads what {@link encodeNetworkFile} wrote, and checks every signature in it.
 *
 * @param nodeKey this node's public key
 * @throws VaultError `damaged`, saying what is wrong
 */
export function decodeNetworkFile(text: string, nodeKey: Bytes): NetworkState {
  try {
    return parse(JSON.parse(text), nodeKey);
  } catch (error) {
    const state = isVaultError(error) ? error.message : "it is no JSON";
    throw new VaultError("damaged", `Cannot read the network file: ${state}`, {
      hint: "put it back from a copy, or remove it and join again with a token",
      cause: error,
    });
  }
}

function wrong(what: string): VaultError {
  return new VaultError("damaged", `its ${what} is wrong`);
}

function parse(value: unknown, nodeKey: Bytes): NetworkState {
  if (typeof value !== "object" || value === null) throw wrong("shape");
  const file = value as Record<string, unknown>;
  if (file.format !== FORMAT) throw wrong("format");
  const network = {
    networkId: parseHex(file.networkId, 32, "networkId"),
    authority: parseHex(file.authority, 32, "authority"),
  };
  const secrets = parseList(file.secrets, NETWORK_SECRETS_MAX, "list of secrets", parseSecret);
  for (const secret of secrets) refuseSecret(secret, network);
  const admission = file.admission === null
    ? null
    : decodeAdmission(parseBase64(file.admission, "admission"));
  if (admission !== null) refuseAdmission(admission, nodeKey, network);
  const roster = new Roster(network);
  const statements = parseList(
    file.statements,
    STATEMENTS_MAX,
    "list of statements",
    (text) => parseBase64(text, "list of statements"),
  );
  const [refused] = roster.merge(statements).refused;
  if (refused !== undefined) throw refused;
  const { port, mailCounter } = file;
  if (port !== null && !(Number.isInteger(port) && Number(port) > 0 && Number(port) <= 65_535)) {
    throw wrong("port");
  }
  if (typeof mailCounter !== "string" || !/^\d{1,19}$/.test(mailCounter)) {
    throw wrong("mail counter");
  }
  return {
    network,
    roster,
    secrets: new SecretRing(secrets),
    admission,
    addresses: parseList(file.addresses, MEMBERS_MAX, "list of addresses", (address) => {
      if (typeof address !== "string" || !isDialAddress(address)) throw wrong("list of addresses");
      return address;
    }),
    port: port as number | null,
    mailCounter: BigInt(mailCounter),
  };
}

function parseHex(value: unknown, length: number, what: string): Bytes {
  if (typeof value !== "string" || !/^[0-9a-f]*$/.test(value) || value.length !== 2 * length) {
    throw wrong(what);
  }
  return fromHex(value);
}

function parseBase64(value: unknown, what: string): Bytes {
  if (typeof value !== "string") throw wrong(what);
  const bytes = Buffer.from(value, "base64");
  if (bytes.toString("base64") !== value) throw wrong(what);
  return new Uint8Array(bytes);
}

function parseList<T>(
  value: unknown,
  max: number,
  what: string,
  parseOne: (each: unknown) => T,
): T[] {
  if (!Array.isArray(value) || value.length > max) throw wrong(what);
  return value.map(parseOne);
}

function parseSecret(value: unknown): NetworkSecret {
  const { epoch, secret, signature } = (value ?? {}) as Record<string, unknown>;
  if (!Number.isInteger(epoch) || Number(epoch) < 0 || Number(epoch) > 0xffffffff) {
    throw wrong("list of secrets");
  }
  return {
    epoch: Number(epoch),
    secret: parseHex(secret, 32, "list of secrets"),
    signature: parseHex(signature, 64, "list of secrets"),
  };
}

/** The network file of one home, and what stands in it. One instance writes it at a time. */
export class NetworkFile {
  readonly #disk: Disk;
  readonly #path: string;
  #state: NetworkState;
  #writing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  private constructor(path: string, state: NetworkState, disk: Disk) {
    this.#path = path;
    this.#state = state;
    this.#disk = disk;
  }

  /** The file at `path`, or `null` if there is none. @throws VaultError `damaged` */
  static load(path: string, nodeKey: Bytes, disk: Disk = denoDisk): NetworkFile | null {
    if (disk.stat(path) === null) return null;
    let bytes: Bytes;
    try {
      bytes = readSmallFile(disk, path, NETWORK_FILE_BYTES_MAX);
    } catch (error) {
      if (error instanceof RangeError) {
        throw new VaultError("damaged", `Cannot read the network file: ${error.message}`);
      }
      throw asVaultError(error, `Cannot read ${path}`);
    }
    const state = decodeNetworkFile(new TextDecoder().decode(bytes), nodeKey);
    return new NetworkFile(path, state, disk);
  }

  /** Makes the file, or puts another network in the place of the one in it. Durable when it returns. */
  static async make(
    path: string,
    state: NetworkState,
    disk: Disk = denoDisk,
  ): Promise<NetworkFile> {
    const file = new NetworkFile(path, state, disk);
    await file.save();
    return file;
  }

  /** What is known; changes are kept by {@link NetworkFile.save}. */
  get state(): NetworkState {
    return this.#state;
  }

  /** Returns once the state, as it is at the call, is durable. Calls that wait share one write. */
  save(): Promise<void> {
    if (this.#writing === null) {
      this.#writing = this.#write().finally(() => (this.#writing = null));
      return this.#writing;
    }
    this.#next ??= this.#writing.catch(() => {}).then(() => {
      this.#next = null;
      return this.save();
    });
    return this.#next;
  }

  async #write(): Promise<void> {
    try {
      await writeFileDurably(this.#disk, this.#path, encodeUtf8(encodeNetworkFile(this.#state)));
    } catch (error) {
      throw asVaultError(error, `Cannot write ${this.#path}`);
    }
  }
}
