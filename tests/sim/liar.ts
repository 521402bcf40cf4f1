/**
 * A member that lies: the real node, given a store and logs that are not what they say. It gives wrong bytes for objects,
 * says that it holds what it threw away, and hands on records that it has changed, or old ones again.
 *
 * @module
 */

import type { Address, Bytes } from "../../src/base/mod.ts";
import type { PeerSide } from "../../src/vault/mod.ts";
import type { Dice } from "../soak/dice.ts";

/** How often it was asked and lied. */
export interface Lies {
  wrongBytes: number;
  falseHolds: number;
  forgedRecords: number;
  replayedRecords: number;
}

/** What a liar shows instead of what a vault lends. */
export function bent(side: PeerSide, dice: Dice, lies: Lies): PeerSide {
  const { store, ledger } = side;
  const lyingStore = lying(store, {
    has: () => Promise.resolve(true),
    get: async (address: Address) => {
      const bytes = await store.get(address);
      if (bytes === null) return null;
      const isRecords = store.stat(address)?.kind === "segment";
      if (dice.chance(0.3)) return bytes;
      if (isRecords) lies.forgedRecords++;
      else lies.wrongBytes++;
      return spoilt(bytes, dice);
    },
    stat: (address: Address) => store.stat(address),
    /** Held, it says, and keeps nothing. */
    put: (object: Parameters<typeof store.put>[0]) => {
      if (object.kind !== "sealed" || dice.chance(0.3)) return store.put(object);
      lies.falseHolds++;
      return Promise.resolve(true);
    },
    isDurable: (_address: Address) => {
      lies.falseHolds++;
      return true;
    },
  });
  const lyingLedger = lying(ledger, {
    // What it was asked for comes with what was there before, which everybody has already.
    segmentsAfter: (node: Bytes, after: bigint, countMax: number) => {
      if (!dice.chance(0.3)) return ledger.segmentsAfter(node, after, countMax);
      lies.replayedRecords++;
      return ledger.segmentsAfter(node, 0n, countMax);
    },
  });
  return { ...side, store: lyingStore, ledger: lyingLedger };
}

/** An object that answers some calls itself, and has the rest answered by another. */
function lying<T extends object>(truth: T, lies: object): T {
  return new Proxy(truth, {
    get(target, name) {
      if (name in lies) return Reflect.get(lies, name);
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Bytes with one bit, or the length, changed. */
function spoilt(bytes: Bytes, dice: Dice): Bytes {
  if (bytes.length > 1 && dice.chance(0.2)) return bytes.slice(0, -1);
  const other = bytes.slice();
  other[dice.below(other.length)]! ^= 1 << dice.below(8);
  return other;
}
