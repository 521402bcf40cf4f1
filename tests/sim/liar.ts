/**
 * A member that lies: the real node, given a store and logs that are not what they say. It gives wrong bytes for objects,
 * says that it holds what it threw away, and hands on old records again; or it hands on records that it has changed.
 *
 * @module
 */

import { type Address, type Bytes, sha256, toHex } from "../../src/base/mod.ts";
import { decodeSegment } from "../../src/log/mod.ts";
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

/** A segment that a forger changed. */
interface Forged {
  readonly address: Address;
  readonly bytes: Bytes;
}

/** What two signatures take at the end of a segment. */
const SIGNATURES_BYTES = 2 * 64;

/**
 * What a forger shows instead of what a vault lends: records whose secret part, or else signature, is changed, under the
 * address that is right for the changed bytes. So only the signatures tell.
 */
export function forging(side: PeerSide, dice: Dice, lies: Lies): PeerSide {
  const { store, ledger } = side;
  /** By the address of the segment that it is made of, and by its own. */
  const ofSegment = new Map<string, Forged>();
  const byAddress = new Map<string, Bytes>();
  const prepare = async (address: Address) => {
    const bytes = await store.get(address);
    if (bytes === null) return;
    const forged = forge(bytes, dice);
    ofSegment.set(toHex(address), forged);
    byAddress.set(toHex(forged.address), forged.bytes);
  };
  // What is killed, or can't be read, makes no forgery.
  const start = (address: Address) => void prepare(address).catch(() => {});
  for (const { node } of ledger.heads()) ledger.segmentAddresses(node).forEach(start);
  ledger.onEntered(({ address }) => start(address));
  const forgingStore = lying(store, {
    get: (address: Address) => {
      const bytes = byAddress.get(toHex(address));
      if (bytes === undefined) return store.get(address);
      lies.forgedRecords++;
      return Promise.resolve(bytes.slice());
    },
    stat: (address: Address) => {
      const bytes = byAddress.get(toHex(address));
      if (bytes === undefined) return store.stat(address);
      return { kind: "segment", length: bytes.length };
    },
  });
  const forgingLedger = lying(ledger, {
    segmentsAfter: (node: Bytes, after: bigint, countMax: number) =>
      ledger.segmentsAfter(node, after, countMax).map((segment) => {
        const forged = ofSegment.get(toHex(segment.address));
        if (forged === undefined || dice.chance(0.3)) return segment;
        return { ...segment, address: forged.address };
      }),
  });
  return { ...side, store: forgingStore, ledger: forgingLedger };
}

/** A segment with one bit changed, of its sealed bodies or its signatures: all but the signatures is as it must be. */
function forge(bytes: Bytes, dice: Dice): Forged {
  const other = bytes.slice();
  const { sealedBodies } = decodeSegment(other, { signatures: "checked before" });
  const isBody = sealedBodies.length > 0 && dice.chance(0.5);
  const part = isBody ? sealedBodies : other.subarray(-SIGNATURES_BYTES);
  part[dice.below(part.length)]! ^= 1 << dice.below(8);
  return { address: sha256(other), bytes: other };
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
