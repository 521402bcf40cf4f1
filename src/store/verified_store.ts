/**
 * The one door where an address is checked: what passes `get` here has the bytes its address says.
 *
 * @module
 */

import {
  type Address,
  type Bytes,
  equalBytes,
  sha256,
  sha256Beside,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import type { ChunkStore } from "./chunk_store.ts";

/** Whether the bytes are the ones that `address` names. */
export async function matchesAddress(address: Address, bytes: Bytes): Promise<boolean> {
  return equalBytes(await sha256Beside(bytes), address);
}

/**
 * As {@link matchesAddress}, at once, on this thread: for who takes in one object after the other, as handing each to
 * another thread costs a copy of it.
 */
export function matchesAddressHere(address: Address, bytes: Bytes): boolean {
  return equalBytes(sha256(bytes), address);
}

/** A reader over another store that checks every object against its address. */
export class VerifiedStore implements Pick<ChunkStore, "get"> {
  readonly #inner: Pick<ChunkStore, "get">;

  /** Reads from `inner`. */
  constructor(inner: Pick<ChunkStore, "get">) {
    this.#inner = inner;
  }

  /**
   * An object's bytes, checked; `null` if it is not there.
   *
   * @throws VaultError `damaged` if the stored bytes are not the ones the address names
   */
  async get(address: Address): Promise<Bytes | null> {
    const bytes = await this.#inner.get(address);
    if (bytes !== null && !await matchesAddress(address, bytes)) {
      throw new VaultError(
        "damaged",
        `Cannot read object ${shortHex(address)}: its bytes do not match its address`,
      );
    }
    return bytes;
  }
}
