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

  put({ kind, address, pieces }: NewObject): Promise<boolean> {
    const name = toHex(address);
    if (this.#objects.has(name)) return Promise.resolve(false);
    this.#objects.set(name, { kind, bytes: concatBytes(pieces) });
    return Promise.resolve(true);
  }

  get(address: Address): Promise<Bytes | null> {
    return Promise.resolve(this.#objects.get(toHex(address))?.bytes.slice() ?? null);
  }

  has(address: Address): Promise<boolean> {
    return Promise.resolve(this.#objects.has(toHex(address)));
  }

  remove(addresses: Iterable<Address>): Promise<void> {
    for (const address of addresses) this.#objects.delete(toHex(address));
    return Promise.resolve();
  }

  async *list(): AsyncIterable<ObjectInfo> {
    for (const [name, { kind, bytes }] of this.#objects) {
      yield { address: fromHex(name), kind, length: bytes.length };
    }
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}
