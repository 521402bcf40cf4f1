/**
 * Reading an object that must be there: in this node's store or, if the vault is attached to a network, on any node.
 *
 * @module
 */

import { type Address, type Bytes, isVaultError, shortHex, VaultError } from "../base/mod.ts";
import { matchesAddress } from "../store/mod.ts";
import { checkAddress } from "./chunk_cipher.ts";
import type { VaultContext } from "./context.ts";

/** What reading takes of the vault. */
export type ReadContext =
  & Pick<VaultContext, "store">
  & Partial<Pick<VaultContext, "attachment">>;

/**
 * The object with this address, not checked: for who checks it together with what it holds. Alone, if the index does not
 * know it, the index is doubted once before the object is called lost; in a network other nodes are asked.
 *
 * @param what what it is, for messages: "chunk", "manifest"
 * @throws VaultError `damaged` if it is not there; `too_few_peers` if no node of the network that is up has it, or if this
 * vault, which has a network, is not attached to it
 */
export async function fetchObject(
  context: ReadContext,
  address: Address,
  what: string,
  signal?: AbortSignal,
): Promise<Bytes> {
  const { store } = context;
  if (context.attachment?.remote) return await fetchAnywhere(context, address, what, signal);
  let bytes = await store.get(address);
  if (bytes === null && store.reindex(`${what} ${shortHex(address)} is not in it`)) {
    bytes = await store.get(address);
  }
  return bytes ?? await failAlone(context, `Cannot read ${what} ${shortHex(address)}`);
}

/** Something is not here, and nobody can be asked: it is lost, unless others may have it. */
async function failAlone({ attachment }: ReadContext, action: string): Promise<never> {
  const others = await attachment?.others() ?? 0;
  if (others === 0) throw new VaultError("damaged", `${action}: no one here has it`);
  throw new VaultError(
    "too_few_peers",
    `${action}: it is not on this node, and no node runs here`,
    {
      hint: `start one that can ask the ${
        others === 1 ? "other member" : `${others} other members`
      }: govault serve`,
    },
  );
}

async function fetchAnywhere(
  context: ReadContext,
  address: Address,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  let damage: VaultError | null = null;
  try {
    const here = await context.store.get(address);
    if (here !== null) return here;
  } catch (error) {
    if (!isVaultError(error, "damaged")) throw error;
    damage = error;
  }
  const bytes = damage === null
    ? await context.attachment?.remote?.fetch(address, {
      isUnchecked: true,
      ...(signal ? { signal } : {}),
    }) ?? null
    : await healObject(context, address, signal);
  if (bytes !== null) return bytes;
  throw damage ?? new VaultError(
    "too_few_peers",
    `Cannot read ${what} ${shortHex(address)}: no node that is up has it`,
    { hint: "`govault peers` shows who is up; it comes back with a node that has it" },
  );
}

/**
 * Takes an object that is damaged here from another node, in the place of the damaged one; one that is not here at all, whose
 * bytes a node gave wrong, from another node that gives the right ones. `null` if it is not damaged here, and if no other
 * node gives it: then what is here stays.
 */
export async function healObject(
  { store, attachment }: ReadContext,
  address: Address,
  signal?: AbortSignal,
): Promise<Bytes | null> {
  const remote = attachment?.remote ?? null;
  if (remote === null || await isWhole(store, address)) return null;
  const bytes = await remote.fetch(address, signal ? { signal } : {});
  if (bytes === null || !store.hasSync(address)) return bytes;
  const kind = store.stat(address)?.kind ?? "held";
  await store.remove([address]);
  await store.put({ kind: kind === "sealed" ? "held" : kind, address, pieces: [bytes] });
  return bytes;
}

async function isWhole(store: VaultContext["store"], address: Address): Promise<boolean> {
  try {
    const bytes = await store.get(address);
    return bytes !== null && await matchesAddress(address, bytes);
  } catch (error) {
    if (isVaultError(error, "damaged")) return false;
    throw error;
  }
}

/** As {@link fetchObject}, checked. @throws VaultError `damaged` also if its bytes are not what the address says */
export async function readObject(
  context: ReadContext,
  address: Address,
  what: string,
  signal?: AbortSignal,
): Promise<Bytes> {
  const bytes = await fetchObject(context, address, what, signal);
  if (await matchesAddress(address, bytes)) return bytes;
  const healed = await healObject(context, address, signal);
  if (healed === null) await checkAddress(address, bytes, what);
  return healed ?? bytes;
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

/** Whether an error says that an object can't be had, for whatever reason: others may still be. */
export function isUnreadable(error: unknown): error is VaultError {
  return isVaultError(error, "damaged") || isVaultError(error, "too_few_peers");
}
