/**
 * A second opinion on the cipher: opens stored objects with keys and nonces as docs/format.md derives them, by code of its
 * own. An object that was sealed with any other key or nonce does not open.
 *
 * @module
 */

import { createDecipheriv, createHmac } from "node:crypto";
import { type Bytes, equalBytes, sha256, toHex } from "../../src/base/mod.ts";
import { parseSealedHeader } from "../../src/seal/header.ts";
import { deriveVaultSecrets } from "../../src/seal/derive.ts";
import type { SimNode } from "./node.ts";

const TAG_BYTES = 16;
/** So many objects of a run are looked at. */
const OBJECTS_MAX = 40;

/** Objects that are not sealed as they must be, in words. All of their vaults' owners are among the nodes. */
export async function judgeSeals(nodes: readonly SimNode[]): Promise<string[]> {
  const keys = nodes.flatMap(({ running }) => {
    const secrets = deriveVaultSecrets(running!.vault.peerSide().masterKey);
    return [secrets.chunkSeal, secrets.manifestSeal];
  });
  const problems: string[] = [];
  const looked = new Set<string>();
  const { ledger, store } = nodes[0]!.running!.vault.peerSide();
  for (const { entries, isPublic } of ledger.live()) {
    if (isPublic) continue;
    for (let i = 0; i < entries.count && looked.size < OBJECTS_MAX; i++) {
      const address = entries.address(i).slice();
      const name = toHex(address);
      if (looked.has(name)) continue;
      looked.add(name);
      const sealed = await store.get(address);
      // A copy that rots is found by whoever scrubs it.
      if (sealed === null || !equalBytes(sha256(sealed), address)) continue;
      if (keys.some((key) => opensWith(key, sealed))) continue;
      problems.push(`object ${name.slice(0, 8)} is not sealed by key and nonce of its header`);
    }
  }
  return problems;
}

function opensWith(sealKey: Bytes, sealed: Bytes): boolean {
  const header = sealed.subarray(0, parseSealedHeader(sealed).headerLength);
  const okm = createHmac("sha512", sealKey).update(header).digest();
  const decipher = createDecipheriv("aes-256-gcm", okm.subarray(0, 32), okm.subarray(32, 44));
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    decipher.update(sealed.subarray(header.length, sealed.length - TAG_BYTES));
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
