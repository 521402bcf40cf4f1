/**
 * Makes the peer layer of an open vault.
 *
 * @module
 */

import { type Bytes, REPLICAS_DEFAULT, VaultError } from "../base/mod.ts";
import { formatHostPort } from "../net/mod.ts";
import type { Vault } from "../vault/mod.ts";
import type { NetworkEvent, NetworkView, PeerStart, PeerSurface } from "./peer_surface.ts";

/** How a node behaves among the others. */
export interface PeerOptions {
  /** Copies that the network is to keep; an owner's word. */
  readonly replicas?: number;
  /** After how long a member that is not heard of counts as gone. */
  readonly downAfterMs?: number;
  /** What its share of the objects is in proportion to, GiB. */
  readonly capacityGib?: number;
}

/** The peer layer of a vault that is open, not yet listening. */
export async function openPeers(vault: Vault, options: PeerOptions): Promise<PeerSurface> {
  const { network } = await vault.status();
  return new Alone(network, options.replicas ?? REPLICAS_DEFAULT);
}

/** A network of one. */
class Alone implements PeerSurface {
  readonly #network: Bytes;
  readonly #replicas: number;
  #listener: Deno.Listener | null = null;
  #address: string | null = null;

  constructor(network: Bytes, replicas: number) {
    this.#network = network;
    this.#replicas = replicas;
  }

  start({ host, port, advertise }: PeerStart): Promise<{ host: string; port: number }> {
    const listener = Deno.listen({ hostname: host, port });
    const bound = listener.addr as Deno.NetAddr;
    this.#listener = listener;
    this.#address = advertise ?? formatHostPort({ host: bound.hostname, port: bound.port });
    (async () => {
      for await (const connection of listener) connection.close();
    })().catch(() => {});
    return Promise.resolve({ host: bound.hostname, port: bound.port });
  }

  stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    this.#address = null;
    return Promise.resolve();
  }

  view(): NetworkView {
    return {
      network: this.#network,
      address: this.#address,
      peers: [],
      underReplicated: 0,
      etaSeconds: null,
      replicas: this.#replicas,
    };
  }

  invite(): Promise<string> {
    return this.join();
  }

  join(): Promise<never> {
    return Promise.reject(new VaultError("failed", "Cannot do that: there are no other nodes yet"));
  }

  evict(): Promise<never> {
    return this.join();
  }

  send(): Promise<{ delivered: number }> {
    return Promise.resolve({ delivered: 0 });
  }

  // deno-lint-ignore require-yield -- nothing ever happens to who is alone
  async *events(signal: AbortSignal): AsyncGenerator<NetworkEvent> {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }

  synced(): Promise<boolean> {
    return Promise.resolve(true);
  }
}
