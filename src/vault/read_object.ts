/**
 * Reading an object that must be there.
 *
 * @module
 */

import { type Address, type Bytes, shortHex, VaultError } from "../base/mod.ts";
import { checkAddress } from "./chunk_cipher.ts";
import type { VaultContext } from "./context.ts";

/**
 * The object with this address, not checked: for who checks it together with what it holds. If the index does not know it,
 * the index is doubted once before the object is called lost.
 *
 * @param what what it is, for messages: "chunk", "manifest"
 * @throws VaultError `damaged` if it is not there
 */
export async function fetchObject(
  { store }: Pick<VaultContext, "store">,
  address: Address,
  what: string,
): Promise<Bytes> {
  let bytes = await store.get(address);
  if (bytes === null && store.reindex(`${what} ${shortHex(address)} is not in it`)) {
    bytes = await store.get(address);
  }
  if (bytes === null) {
    throw new VaultError("damaged", `Cannot read ${what} ${shortHex(address)}: no one here has it`);
  }
  return bytes;
}

/** As {@link fetchObject}, checked. @throws VaultError `damaged` also if its bytes are not what the address says */
export async function readObject(
  context: Pick<VaultContext, "store">,
  address: Address,
  what: string,
): Promise<Bytes> {
  const bytes = await fetchObject(context, address, what);
  await checkAddress(address, bytes, what);
  return bytes;
}

/** As {@link fetchObject}, at once, and null for what no one here has. Inside a guard of the index it may begin anew. */
export function findObject(
  { store }: Pick<VaultContext, "store">,
  address: Address,
  what: string,
): Bytes | null {
  const bytes = store.getSync(address);
  if (bytes !== null || !store.reindex(`${what} ${shortHex(address)} is not in it`)) return bytes;
  return store.getSync(address);
}
