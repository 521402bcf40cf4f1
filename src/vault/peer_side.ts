/**
 * What a vault lends to the node that it is served by: its store and its logs as peers see them, and the keys that prove who
 * it is. Its shape is what src/peer asks for; nothing here knows of peers.
 *
 * @module
 */

import type { Address, Bytes, Ed25519Signer, NodeId } from "../base/mod.ts";
import type { NewObject, ObjectKind, PackStore } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import type { HomeSecrets } from "./home.ts";
import { Ledger } from "./ledger.ts";
import type { Gate } from "./turns.ts";
import { Upkeep } from "./upkeep.ts";

/** What a vault lends. */
export interface PeerSide {
  /** The vault's folder. */
  readonly home: string;
  readonly nodeId: NodeId;
  /** Signs for this node. */
  readonly node: Ed25519Signer;
  /** The node's Ed25519 seed, for its certificate. */
  readonly nodeSeed: Bytes;
  readonly vaultId: Bytes;
  /** The vault's Ed25519 public key: the authority of a network that this vault founds. */
  readonly vaultKey: Bytes;
  /** Signs with the vault's key. */
  readonly vaultSigner: Ed25519Signer;
  /** The secret of the network that this home would found. */
  readonly networkSecret: Bytes;
  /** For whoever is invited as an owner. */
  readonly masterKey: Bytes;
  readonly store: PeerStore;
  readonly ledger: Ledger;
  readonly upkeep: Upkeep;
}

/** A node's objects as peers see them. */
export class PeerStore {
  readonly #store: PackStore;
  readonly #gate: Pick<Gate, "mend">;

  constructor(store: PackStore, gate: Pick<Gate, "mend">) {
    this.#store = store;
    this.#gate = gate;
  }

  /** Whether an object is here. */
  has(address: Address): Promise<boolean> {
    return this.#store.has(address);
  }

  /** An object's bytes, unchecked, or null. @throws VaultError `damaged` if its pack ends early */
  get(address: Address): Promise<Bytes | null> {
    return this.#store.get(address);
  }

  /** What an object is and how long, or null. What a peer sealed is `held`, what was sealed here is `sealed`. */
  stat(address: Address): { kind: ObjectKind; length: number } | null {
    let place;
    try {
      place = this.#store.stat(address);
    } catch (error) {
      // Of what a failed disk has taken, nobody can say; nor puts anyone again what may be there.
      void this.#gate.mend();
      throw error;
    }
    return place === null ? null : { kind: place.kind, length: place.length };
  }

  /** Keeps an object whose bytes have been checked. What comes as `sealed` is held. Durable after a flush. */
  async put({ kind, ...object }: NewObject): Promise<boolean> {
    await this.#gate.mend();
    return await this.#store.put({ ...object, kind: kind === "sealed" ? "held" : kind });
  }

  /** Returns once everything put before is durable. */
  async flush(): Promise<void> {
    try {
      await this.#store.flush();
    } catch (error) {
      // Who finds that all is here already puts nothing, and a put is what would mend it.
      await this.#gate.mend();
      throw error;
    }
  }

  /** Whether an object is here and a power cut would not take it. */
  isDurable(address: Address): boolean {
    return this.#store.isDurable(address);
  }
}

/** Puts together what a vault lends. */
export function makePeerSide(context: VaultContext, secrets: HomeSecrets): PeerSide {
  const { home, keys, node, nodeId, store } = context;
  return {
    home,
    nodeId,
    node,
    nodeSeed: secrets.nodeSeed,
    vaultId: keys.vaultId,
    vaultKey: keys.signer.publicKey,
    vaultSigner: keys.signer,
    networkSecret: secrets.networkSecret,
    masterKey: secrets.masterKey,
    store: new PeerStore(store, context.gate),
    ledger: new Ledger(context),
    upkeep: new Upkeep(context),
  };
}
