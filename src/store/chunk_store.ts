/**
 * What a place that keeps objects can do. Everything below the vault speaks only of opaque bytes and their
 * addresses; what they mean is known above.
 *
 * @module
 */

import type { Address, Bytes } from "../base/mod.ts";

/** What kind of object a frame holds. The numbers are part of the pack format. */
export const OBJECT_KINDS = { sealed: 1, public: 2, segment: 3, held: 4 } as const;

/**
 * Kind of a stored object: ciphertext that was sealed here, bytes any peer may read, a segment of a log, or ciphertext that
 * came from a peer. What is held is found by its address alone: whoever sent it may have written anything where an object
 * of ours has its label.
 */
export type ObjectKind = keyof typeof OBJECT_KINDS;

/** An object on its way into a store. */
export interface NewObject {
  /** What it is. */
  kind: ObjectKind;
  /** SHA-256 of the pieces, one after the other. The caller has computed it from these very bytes. */
  address: Address;
  /** The object's bytes; in pieces, so that nobody has to copy them together. The store does not keep them. */
  pieces: readonly Uint8Array[];
  /** The pieces again, if whoever frees them does so by `freeBytes`, so that they can be borrowed by `lendBytes`. */
  lent?: readonly Bytes[];
}

/** A sealed object that was just put: see {@link NewObject}. */
export type SealedObject = Pick<NewObject, "address"> & {
  /** Bytes of the object. */
  length: number;
  /** Its bytes, if they can be borrowed. */
  pieces: readonly Bytes[] | undefined;
};

/** An object as a listing shows it. */
export interface ObjectInfo {
  /** Its address. */
  address: Address;
  /** What it is. */
  kind: ObjectKind;
  /** Bytes of the object. */
  length: number;
}

/**
 * A content-addressed store.
 *
 * - `put` of an address that is there already changes nothing and returns false.
 * - An object can be read back as soon as `put` has returned. It is durable only once a `flush` that began
 *   after that has returned; a crash before may lose it, but leaves no half of it.
 * - `get` and `has` of an unknown address give null and false; they never throw for that.
 * - `get` returns what is stored. It does not check it: {@link VerifiedStore} does.
 * - `remove` of an unknown address does nothing.
 */
export interface ChunkStore {
  /** Keeps an object; false if it was there already. */
  put(object: NewObject): Promise<boolean>;
  /** An object's bytes, unchecked; `null` if it is not there. */
  get(address: Address): Promise<Bytes | null>;
  /** Whether an object is there. */
  has(address: Address): Promise<boolean>;
  /** Forgets objects. */
  remove(addresses: Iterable<Address>): Promise<void>;
  /** All objects, in no order. Objects put or removed meanwhile may or may not appear. */
  list(): AsyncIterable<ObjectInfo>;
  /** Returns once everything put before is durable. */
  flush(): Promise<void>;
}
