/**
 * What a vault takes of a network: other nodes' objects, and copies of its own on other nodes. The network stands behind this
 * shape; a vault without one is the same vault.
 *
 * @module
 */

import type { Address, Bytes, NodeId } from "../base/mod.ts";
import type { ObjectKind } from "../store/mod.ts";

/** The objects of a network, as a vault uses them. */
export interface RemoteObjects {
  /**
   * An object's bytes, checked against its address; `null` if no node that is up has it. Never waits without end.
   *
   * @param options `isUnchecked`: the caller checks the bytes itself, and asks again without it if they are wrong
   */
  fetch(
    address: Address,
    options?: { signal?: AbortSignal; isUnchecked?: boolean },
  ): Promise<Bytes | null>;
  /** Says that an object was just put here, ahead of the record that will name it. Returns at once. */
  offer(
    object: {
      kind: ObjectKind;
      address: Address;
      length: number;
      /** Its bytes, to be borrowed by `lendBytes` before this returns. */
      pieces?: readonly Bytes[] | undefined;
    },
  ): void;
  /**
   * Makes other nodes hold objects durably, once they know the log so far; resolves with the least number of nodes that
   * hold any one of them, this one included, as soon as there are `copies` or no more can come.
   */
  replicate(request: {
    log: { node: NodeId; last: bigint } | null;
    needs: readonly { address: Address; length: number }[];
    copies: number;
    timeoutMs: number;
    signal?: AbortSignal;
  }): Promise<{ copies: number }>;
  /** Objects with fewer copies than the network wants, and in how many seconds that is over. */
  underReplicated(): { objects: number; etaSeconds: number | null };
  /** Copies that the network wants of each object. */
  replicas(): number;
}

/** The network that a vault is attached to, if it is, and what that keeps from being collected. */
export class Attachment {
  /** `null` while the vault is alone. */
  remote: RemoteObjects | null = null;
  /** How many other members its network has: asked while the vault is alone, about something that is not here. */
  others: () => Promise<number> = () => Promise.resolve(0);
  /** Whether an object must stay though no record names it: a peer was told that it is here. */
  isPinned: (address: Address) => boolean = () => false;
}
