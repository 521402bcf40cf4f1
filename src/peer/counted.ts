/**
 * What of the logs counts: all, but for what an evicted node wrote behind its end. Some may have taken that in before they
 * heard of the eviction, and nobody else ever takes it.
 *
 * @module
 */

import { type Bytes, ByteWriter, HASH_BYTES, sha256 } from "../base/mod.ts";
import type { MeshView } from "./mesh.ts";
import type { Ledger } from "./ports.ts";
import { isClosed, memberOf } from "./segment_check.ts";

/** Heads of logs in one digest, the same for all who know the same of what counts. */
export class CountedHeads {
  readonly #ledger: Pick<Ledger, "head" | "heads" | "headsDigest">;
  readonly #view: () => MeshView;
  #known: { of: Bytes; version: number; digest: Bytes } | null = null;

  constructor(ledger: Pick<Ledger, "head" | "heads" | "headsDigest">, view: () => MeshView) {
    this.#ledger = ledger;
    this.#view = view;
  }

  /** {@link Ledger.headsDigest}, with logs of evicted nodes as if they had their end and nothing behind it. */
  digest(): Bytes {
    const of = this.#ledger.headsDigest();
    const { version } = this.#view();
    if (this.#known?.of !== of || this.#known.version !== version) {
      this.#known = { of, version, digest: this.#digest(of) };
    }
    return this.#known.digest;
  }

  #digest(whole: Bytes): Bytes {
    const members = this.#view().members;
    if (members.every(({ evictedAfter }) => evictedAfter === null)) return whole;
    const heads = this.#ledger.heads();
    const writer = new ByteWriter(heads.length * (2 * HASH_BYTES + 8));
    for (const { node, last, digest } of heads) {
      const member = memberOf(members, node);
      const isAtEnd = member !== null && isClosed(member, this.#ledger);
      if (isAtEnd && member.evictedAfter === 0n) continue;
      writer.raw(node).u64(isAtEnd ? member.evictedAfter! : last)
        .raw(isAtEnd ? new Uint8Array(HASH_BYTES) : digest);
    }
    return sha256(writer.finish());
  }
}
