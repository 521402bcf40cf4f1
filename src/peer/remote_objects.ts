/**
 * The network as the vault uses it: objects of others, copies for its own.
 *
 * @module
 */

import type { Address, Bytes } from "../base/mod.ts";
import type { Offer } from "./pusher.ts";
import type { ReplicateRequest } from "./replicator.ts";

/** What other nodes do for the vault of this one. */
export interface RemoteObjects {
  /**
   * An object's checked bytes from whoever has it; `null` if nobody who can be reached does. Ends in bounded time.
   *
   * @param options `isUnchecked`: the caller checks the bytes itself, and asks again without it if they are wrong
   * @throws the signal's reason once it fires
   */
  fetch(
    address: Address,
    options?: { signal?: AbortSignal; isUnchecked?: boolean },
  ): Promise<Bytes | null>;
  /** Says that an object was just put into the store, so that it can be on its way before its record is. */
  offer(object: Offer): void;
  /** Resolves with the least number of durable copies, ours included, as soon as enough are reached or no more can come. */
  replicate(request: ReplicateRequest): Promise<{ copies: number }>;
  /** Objects that fewer members hold than should, and when that will be none; `null` if that can't be told. */
  underReplicated(): { objects: number; etaSeconds: number | null };
  /** How many members should hold each object. */
  replicas(): number;
}
