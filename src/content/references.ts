/**
 * Chunk references: what a manifest is a list of. A large file has many (131,072 for 64 GiB), so that they are
 * kept packed, as they stand in a manifest, and not as an object each.
 *
 * @module
 */

import { type Address, type Bytes, HASH_BYTES } from "../base/mod.ts";

/** Length of a packed reference: id (32) ‖ address (32) ‖ u32 plaintext length ‖ u32 sealed length. */
export const REFERENCE_BYTES = 2 * HASH_BYTES + 8;

const ADDRESS_AT = HASH_BYTES;
const LENGTH_AT = 2 * HASH_BYTES;
const SEALED_LENGTH_AT = LENGTH_AT + 4;

/** One reference, unpacked. */
export interface ReferenceFields {
  /** Keyed hash of the plaintext, 32 bytes. */
  id: Bytes;
  /** SHA-256 of the sealed object. */
  address: Address;
  /** Bytes of plaintext. */
  length: number;
  /** Bytes of the sealed object. */
  sealedLength: number;
}

/**
 * A list of references over packed bytes. It does not change: who makes one hands the bytes over, and who reads
 * one leaves them as they are. Ids, addresses and slices are views, not copies. An index out of range is a
 * `RangeError`.
 */
export class References {
  /** A list of none. */
  static readonly none: References = new References(new Uint8Array(0));

  /** The packed references, {@link REFERENCE_BYTES} each. */
  readonly bytes: Bytes;
  /** How many there are. */
  readonly count: number;
  readonly #view: DataView;

  /** @param bytes a whole number of packed references */
  constructor(bytes: Bytes) {
    if (bytes.length % REFERENCE_BYTES !== 0) {
      throw new RangeError(`Cannot read references: ${bytes.length} bytes are no whole number`);
    }
    this.bytes = bytes;
    this.count = bytes.length / REFERENCE_BYTES;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The id of reference i, as a view. */
  id(i: number): Bytes {
    const at = this.#at(i);
    return this.bytes.subarray(at, at + HASH_BYTES);
  }

  /** The address of reference i, as a view. */
  address(i: number): Address {
    const at = this.#at(i) + ADDRESS_AT;
    return this.bytes.subarray(at, at + HASH_BYTES);
  }

  /** Bytes of plaintext of reference i. */
  length(i: number): number {
    return this.#view.getUint32(this.#at(i) + LENGTH_AT);
  }

  /** Bytes of the sealed object of reference i. */
  sealedLength(i: number): number {
    return this.#view.getUint32(this.#at(i) + SEALED_LENGTH_AT);
  }

  /** Reference i, unpacked; id and address are views. */
  fields(i: number): ReferenceFields {
    return {
      id: this.id(i),
      address: this.address(i),
      length: this.length(i),
      sealedLength: this.sealedLength(i),
    };
  }

  /** The `count` references from `first` on, as a view. */
  slice(first: number, count: number): References {
    if (!(first >= 0 && count >= 0 && first + count <= this.count)) {
      throw new RangeError(
        `Cannot slice references: ${count} from ${first} on, there are ${this.count}`,
      );
    }
    const from = first * REFERENCE_BYTES;
    return new References(this.bytes.subarray(from, from + count * REFERENCE_BYTES));
  }

  /** Whether the ids of reference i here and reference j there are the same. */
  sameId(i: number, other: References, j: number): boolean {
    const a = this.#at(i);
    const b = other.#at(j);
    for (let k = 0; k < HASH_BYTES; k++) if (this.bytes[a + k] !== other.bytes[b + k]) return false;
    return true;
  }

  /** Bytes of plaintext of all references together. */
  totalLength(): number {
    let total = 0;
    for (let i = 0; i < this.count; i++) total += this.length(i);
    return total;
  }

  /** Where each reference's plaintext begins in the file, and as one more entry where the last one ends. */
  offsets(): Float64Array {
    const offsets = new Float64Array(this.count + 1);
    for (let i = 0; i < this.count; i++) offsets[i + 1] = offsets[i]! + this.length(i);
    return offsets;
  }

  #at(i: number): number {
    if (!(i >= 0 && i < this.count)) {
      throw new RangeError(`Cannot read reference ${i}: there are ${this.count}`);
    }
    return i * REFERENCE_BYTES;
  }
}

/** Gathers references in a buffer that doubles when it is full. */
export class ReferenceBuilder {
  #bytes: Bytes;
  #view: DataView;
  #count = 0;

  /** @param capacity references to make room for to begin with; more can be added */
  constructor(capacity = 16) {
    this.#bytes = new Uint8Array(capacity * REFERENCE_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** References added so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds a copy of one reference. */
  add(fields: ReferenceFields): this {
    const { id, address, length, sealedLength } = fields;
    if (id.length !== HASH_BYTES || address.length !== HASH_BYTES) {
      throw new RangeError(`Cannot add reference: id or address has not ${HASH_BYTES} bytes`);
    }
    const at = this.#room(1);
    this.#bytes.set(id, at);
    this.#bytes.set(address, at + ADDRESS_AT);
    this.#view.setUint32(at + LENGTH_AT, length);
    this.#view.setUint32(at + SEALED_LENGTH_AT, sealedLength);
    return this;
  }

  /** Adds copies of the `count` references of another list from `first` on. */
  addFrom(references: References, first: number, count: number): this {
    const source = references.slice(first, count).bytes;
    const at = this.#room(count);
    this.#bytes.set(source, at);
    return this;
  }

  /** The references added. The builder is done with. */
  finish(): References {
    const used = this.#count * REFERENCE_BYTES;
    return new References(used === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, used));
  }

  #room(extra: number): number {
    const at = this.#count * REFERENCE_BYTES;
    const needed = at + extra * REFERENCE_BYTES;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#count += extra;
    return at;
  }
}
