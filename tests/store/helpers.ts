/**
 * A pack store on a disk in memory, and objects to put in it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Address, type Bytes, sha256, toHex } from "../../src/base/mod.ts";
import {
  encodeFrameHeader,
  encodePackHeader,
  FRAME_HEADER_BYTES,
  IndexDatabase,
  type NewObject,
  type ObjectKind,
  packName,
  PackStore,
  type PackStoreOptions,
  STORE_SCHEMA,
} from "../../src/store/mod.ts";
import { MemoryDisk, seededRandom } from "../helpers/faulty_disk.ts";

/** Folder of the packs on a test's disk. */
export const PACKS = "/home/packs";

export function packPath(number: number): string {
  return `${PACKS}/${packName(number)}`;
}

/** An object with bytes to compare it by. */
export interface TestObject extends NewObject {
  bytes: Bytes;
}

export function objectOf(bytes: Bytes, kind: ObjectKind = "sealed"): TestObject {
  return { kind, address: sha256(bytes), pieces: [bytes], bytes };
}

/** An object of `length` bytes that no other seed gives. */
export function makeObject(
  seed: number,
  { length = 100, kind = "sealed" as ObjectKind } = {},
): TestObject {
  const random = seededRandom(seed);
  return objectOf(Uint8Array.from({ length }, () => random() * 256), kind);
}

export function makeObjects(count: number, options: { from?: number; length?: number } = {}) {
  const { from = 0, length = 100 } = options;
  return Array.from({ length: count }, (_, i) => makeObject(from + i, { length }));
}

/** The first eight bytes: a label as good as any. */
export function labelOf(prefix: Bytes): Bytes | null {
  return prefix.length < 8 ? null : prefix.slice(0, 8);
}

/** A store with what belongs to it. `database` is a new one in memory if not given: the index was lost. */
export interface OpenedStore {
  disk: MemoryDisk;
  database: IndexDatabase;
  store: PackStore;
  /** Addresses (hex) of the segments that were entered. */
  segments: string[];
}

export async function openStore(
  disk: MemoryDisk,
  options: Partial<PackStoreOptions> = {},
): Promise<OpenedStore> {
  const database = options.database ?? new IndexDatabase(":memory:", STORE_SCHEMA);
  const segments: string[] = [];
  const store = await PackStore.open({
    disk,
    folder: PACKS,
    database,
    labelOf,
    orderOf: () => 0,
    onSegments: (found) => void segments.push(...found.map(({ address }) => toHex(address))),
    ...options,
  });
  return { disk, database, store, segments };
}

/** A store that holds these objects, flushed. */
export async function storeWith(objects: readonly NewObject[]): Promise<OpenedStore> {
  const opened = await openStore(new MemoryDisk());
  await putAll(opened.store, objects);
  await opened.store.flush();
  return opened;
}

export async function putAll(store: PackStore, objects: readonly NewObject[]): Promise<void> {
  for (const object of objects) assert(await store.put(object), "an object was there already");
}

/** Every object can be found, read, and is what it was. */
export async function assertHolds(store: PackStore, objects: readonly TestObject[]): Promise<void> {
  for (const { address, bytes } of objects) {
    assert(await store.has(address), "an object is not found");
    assertEquals(await store.get(address), bytes);
  }
}

/** All addresses in the index, in hex, sorted. */
export async function addressesIn(store: PackStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { address } of store.list()) found.push(toHex(address));
  return found.sort();
}

export function hexAddresses(objects: Iterable<{ address: Address }>): string[] {
  return Array.from(objects, ({ address }) => toHex(address)).sort();
}

/** The bytes of a frame, as a pack holds it. */
export function frameBytes({ kind, address, bytes }: TestObject): Bytes {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes.length);
  encodeFrameHeader({ kind, address, length: bytes.length }, frame, 0);
  frame.set(bytes, FRAME_HEADER_BYTES);
  return frame;
}

/** A pack made by hand of frames and anything else. */
export function packBytes(number: number, ...parts: readonly Uint8Array[]): Bytes {
  const all = [encodePackHeader(number), ...parts];
  const out = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Waits until `condition`; every await of the store's gets its turn. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert(turns < 10_000, "it never comes");
    await Promise.resolve();
  }
}
