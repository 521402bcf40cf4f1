/**
 * A store in memory: for tests, and the plainest statement of the contract.
 *
 * @module
 */

import { type Address, type Bytes, concatBytes, fromHex, toHex } from "../base/mod.ts";
import type { ChunkStore, NewObject, ObjectInfo, ObjectKind } from "./chunk_store.ts";

/** Keeps objects in a map. Durable only as long as the process. */
export class MemoryStore implements ChunkStore {
  readonly #objects = new Map<string, { kind: ObjectKind; bytes: Bytes }>();

  /** Keeps a copy of an object; false if it was there already. */
  put({ kind, address, pieces }: NewObject): Promise<boolean> {
    const name = toHex(address);
    if (this.#objects.has(name)) return Promise.resolve(false);
    this.#objects.set(name, { kind, bytes: concatBytes(pieces) });
    return Promise.resolve(true);
  }

  /** A copy of an object's bytes; `null` if it is not there. */
  get(address: Address): Promise<Bytes | null> {
    return Promise.resolve(this.#objects.get(toHex(address))?.bytes.slice() ?? null);
  }

  /** Whether an object is there. */
  has(address: Address): Promise<boolean> {
    return Promise.resolve(this.#objects.has(toHex(address)));
  }

  /** Forgets objects. */
  remove(addresses: Iterable<Address>): Promise<void> {
    for (const address of addresses) this.#objects.delete(toHex(address));
    return Promise.resolve();
  }

  /** All objects. */
  async *list(): AsyncIterable<ObjectInfo> {
    for (const [name, { kind, bytes }] of this.#objects) {
      yield { address: fromHex(name), kind, length: bytes.length };
    }
  }

  /** Nothing to do: there is nothing more durable here. */
  flush(): Promise<void> {
    return Promise.resolve();
  }
}
