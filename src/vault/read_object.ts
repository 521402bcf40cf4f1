/**
 * Reading an object that must be there.
 *
 * @module
 */

import { type Address, type Bytes, shortHex, VaultError } from "../base/mod.ts";
import type { VaultContext } from "./context.ts";

/**
 * The object with this address, checked. If the index does not know it, the index is doubted once before the
 * object is called lost.
 *
 * @param what what it is, for messages: "chunk", "manifest"
 * @throws VaultError `damaged` if it is not there or its bytes are not what the address says
 */
export async function readObject(
  context: Pick<VaultContext, "objects" | "store">,
  address: Address,
  what: string,
): Promise<Bytes> {
  let bytes = await context.objects.get(address);
  if (bytes === null && context.store.reindex(`${what} ${shortHex(address)} is not in it`)) {
    bytes = await context.objects.get(address);
  }
  if (bytes === null) {
    throw new VaultError("damaged", `Cannot read ${what} ${shortHex(address)}: no one here has it`);
  }
  return bytes;
}
