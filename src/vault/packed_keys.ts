/**
 * What a listing shows of many keys, packed, as it has to hold them all before it knows which is the first: 77 bytes each, and the
 * name. Pages come sorted, and are merged when they are read; what has been read is let go of.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  HASH_BYTES,
  type KeyName,
  toHex,
} from "../base/mod.ts";
import type { FileMeta, KeyInfo } from "./types.ts";

const TYPES: readonly FileMeta["type"][] = ["file", "folder", "link"];

const DELETED = 1;
const CONFLICT = 2;

/** Pages that follow one another: the first key of each comes after the last of the one before. */
interface Run {
  pages: { bytes: Bytes; count: number }[];
  last: KeyName;
}

/** Keys of a listing. */
export class PackedKeys {
  #runs: Run[] = [];
  readonly #nodes: Bytes[] = [];
  readonly #nodeNumbers = new Map<string, number>();

  /** Adds keys that are sorted by their names. */
  addPage(keys: readonly KeyInfo[]): void {
    const [first, last] = [keys[0], keys.at(-1)];
    if (first === undefined || last === undefined) return;
    const writer = new ByteWriter(keys.length * 128);
    for (const info of keys) this.#write(writer, info);
    const page = { bytes: writer.finish().slice(), count: keys.length }; // no more than is written
    const run = this.#runs.at(-1);
    if (run !== undefined && run.last < first.key) {
      run.pages.push(page);
      run.last = last.key;
    } else this.#runs.push({ pages: [page], last: last.key });
  }

  /** Gives all that was added, sorted, once. */
  *takeSorted(): Generator<KeyInfo> {
    const heads = new Heap();
    for (const run of this.#runs) heads.add(this.#read(run));
    this.#runs = [];
    while (true) {
      const next = heads.take();
      if (next === null) return;
      yield next;
    }
  }

  #write(writer: ByteWriter, info: KeyInfo): void {
    const { type, mode, mtime, target } = info.meta;
    writer.text16(info.key).raw(info.id).u32(info.version).u64(info.size).u64(info.time)
      .u32(this.#numberOf(info.node))
      .u8((info.deleted ? DELETED : 0) | (info.conflict ? CONFLICT : 0))
      .u8(TYPES.indexOf(type)).u32(mode).i64(mtime).text16(target);
  }

  #numberOf(node: Bytes): number {
    const name = toHex(node);
    let number = this.#nodeNumbers.get(name);
    if (number === undefined) {
      number = this.#nodes.push(node.slice()) - 1;
      this.#nodeNumbers.set(name, number);
    }
    return number;
  }

  *#read({ pages }: Run): Generator<KeyInfo> {
    for (let page = pages.shift(); page !== undefined; page = pages.shift()) {
      const reader = new ByteReader(page.bytes, "a page of keys");
      for (let i = 0; i < page.count; i++) yield this.#readOne(reader);
    }
  }

  #readOne(reader: ByteReader): KeyInfo {
    const key = reader.text16() as KeyName;
    const id = reader.raw(HASH_BYTES).slice();
    const version = reader.u32();
    const [size, time] = [reader.size64(), reader.size64()];
    const node = this.#nodes[reader.u32()]!;
    const flags = reader.u8();
    const type = TYPES[reader.u8()]!;
    const mode = reader.u32();
    const mtime = Number(reader.i64());
    const meta = { type, mode, mtime, target: reader.text16() };
    const [deleted, conflict] = [(flags & DELETED) !== 0, (flags & CONFLICT) !== 0];
    return { key, version, id, size, time, node, deleted, conflict, meta };
  }
}

interface Head {
  info: KeyInfo;
  rest: Generator<KeyInfo>;
}

/** Sorted sequences, of which it gives the first key of all, again and again. */
class Heap {
  readonly #heads: Head[] = [];

  add(rest: Generator<KeyInfo>): void {
    const { done, value: info } = rest.next();
    if (done) return;
    const heads = this.#heads;
    let at = heads.push({ info, rest }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heads[parent]!.info.key <= info.key) break;
      [heads[at], heads[parent]] = [heads[parent]!, heads[at]!];
      at = parent;
    }
  }

  take(): KeyInfo | null {
    const heads = this.#heads;
    const first = heads[0];
    if (first === undefined) return null;
    const { info } = first;
    const { done, value } = first.rest.next();
    if (!done) first.info = value;
    else {
      const last = heads.pop()!;
      if (heads.length === 0) return info;
      heads[0] = last;
    }
    this.#sink();
    return info;
  }

  #sink(): void {
    const heads = this.#heads;
    const moved = heads[0]!;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heads.length) break;
      if (child + 1 < heads.length && heads[child + 1]!.info.key < heads[child]!.info.key) child++;
      if (moved.info.key <= heads[child]!.info.key) break;
      heads[at] = heads[child]!;
      at = child;
    }
    heads[at] = moved;
  }
}
