/**
 * Maps and sets by address or id: a string of 32 characters, one for each byte, is half the size of hex and quicker made.
 *
 * @module
 */

import type { Address, Bytes } from "../base/mod.ts";

/** A string for an address or an id; different for different ones. */
export function keyOf(address: Uint8Array): string {
  return String.fromCharCode.apply(null, address as unknown as number[]);
}

/** The address that {@link keyOf} made a string of. */
function addressOfKey(key: string): Bytes {
  const address = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i++) address[i] = key.charCodeAt(i);
  return address;
}

/** Values by address, in the order they were first set. Keeps no view of anyone's bytes. */
export class AddressMap<V> {
  readonly #values = new Map<string, V>();

  get size(): number {
    return this.#values.size;
  }

  get(address: Address): V | undefined {
    return this.#values.get(keyOf(address));
  }

  set(address: Address, value: V): void {
    this.#values.set(keyOf(address), value);
  }

  /** False if it was not there. */
  delete(address: Address): boolean {
    return this.#values.delete(keyOf(address));
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }

  *[Symbol.iterator](): Iterator<[Address, V]> {
    for (const [key, value] of this.#values) yield [addressOfKey(key), value];
  }
}
