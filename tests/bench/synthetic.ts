/**
 * Homes of any size, made in minutes: records that are sealed, signed and entered as any others, of keys whose contents
 * nobody ever had; and rows of chunks, entered straight into the index, over packs that are as long as they should be and
 * hold nothing. What opens, lists, counts or synchronises such a home does what it would do in a real one. Only reading the
 * chunks themselves fails.
 */

import { join } from "@std/path";
import {
  type Bytes,
  denoDisk,
  Ed25519Signer,
  HASH_BYTES,
  type RecordId,
  sha256,
  toHex,
} from "../../src/base/mod.ts";
import { encodeManifest, REFERENCE_BYTES, References } from "../../src/content/mod.ts";
import {
  type Body,
  encodeBodies,
  NO_RECORD,
  packEntries,
  type RecordPublic,
  SegmentBuilder,
} from "../../src/log/mod.ts";
import { deriveVaultKeys, labelOfSealed, type VaultKeys } from "../../src/seal/mod.ts";
import {
  encodePackHeader,
  FRAME_HEADER_BYTES,
  FrameIndex,
  type FramePlace,
  IndexDatabase,
  PACK_HEADER_BYTES,
  packName,
  PackStore,
  STORE_SCHEMA,
} from "../../src/store/mod.ts";
import { Entrance } from "../../src/vault/entrance.ts";
import { initVault } from "../../src/vault/mod.ts";
import { RecordIndex, recordSchema, type SegmentContent } from "../../src/vault/record_index.ts";

/** Sealed and plain bytes of a chunk that is made up: the average of the chunker. */
const PLAIN_BYTES = 512 * 1024;
const SEALED_BYTES = PLAIN_BYTES + 54;
const CHUNKS_PER_PACK = 256;
/** Of more chunks than that for each key no record tells: they are garbage. */
const CHUNKS_PER_KEY_MAX = 2;
const KEYS_PER_SEGMENT = 1024;
const SEGMENTS_AT_ONCE = 16;
const ROWS_AT_ONCE = 20_000;
const INDEX = "vault.db";
const PACKS = "packs";

/** What a made-up home holds. */
export interface HomeSize {
  /** Keys of one version each. */
  keys: number;
  /** Chunks in the store; each key names as many as there are for it. */
  chunks: number;
}

/** The master key of all made-up homes. */
export const MASTER_KEY: Bytes = new Uint8Array(HASH_BYTES).fill(0x53);

/**
 * Makes a home: its keys, then its chunks, each on demand, as both take minutes where there are millions of them.
 *
 * @throws VaultError `exists` if there is one
 */
export async function makeHome(home: string, size: HomeSize): Promise<void> {
  await initVault({ home, masterKey: MASTER_KEY });
  await enterKeys(home, size);
  enterChunks(home, size);
}

/**
 * Makes the home of another node of the same vault that holds the same, as if all had been synchronised. Of made-up chunks it
 * copies every byte: for homes without them.
 *
 * @throws VaultError `exists` if there is one
 */
export async function makeTwin(home: string, twin: string): Promise<void> {
  await initVault({ home: twin, masterKey: MASTER_KEY });
  for (const { name } of Deno.readDirSync(twin)) {
    if (name.startsWith(INDEX)) Deno.removeSync(join(twin, name)); // with what SQLite keeps beside it
  }
  Deno.copyFileSync(join(home, INDEX), join(twin, INDEX));
  for (const { name } of Deno.readDirSync(join(home, PACKS))) {
    Deno.copyFileSync(join(home, PACKS, name), join(twin, PACKS, name));
  }
}

/** Opens a home's index for entering much at once: with room for all of it. */
function openIndex(home: string, vaultId: Bytes): IndexDatabase {
  const database = new IndexDatabase(join(home, INDEX), STORE_SCHEMA + recordSchema(vaultId));
  database.get("PRAGMA cache_size = -2097152");
  return database;
}

/** Puts keys into a home that is new. */
export async function enterKeys(home: string, size: HomeSize): Promise<void> {
  const keys = deriveVaultKeys(MASTER_KEY);
  const database = openIndex(home, keys.vaultId);
  try {
    const index = new RecordIndex(database);
    const entrance = new Entrance({ keys, database, index });
    const store = await PackStore.open({
      disk: denoDisk,
      folder: join(home, PACKS),
      database,
      labelOf: labelOfSealed,
      onSegments: (segments, read) => entrance.enter(segments, read),
      orderOf: () => 0,
    });
    let waiting = 0;
    for (const { bytes, content } of segmentsOf(keys, size)) {
      const { address } = content;
      entrance.written.set(toHex(address), content);
      await store.put({ kind: "segment", address, pieces: [bytes] });
      if (++waiting < SEGMENTS_AT_ONCE) continue;
      await store.flush();
      entrance.written.clear();
      waiting = 0;
    }
    await store.close();
  } finally {
    database.close();
  }
}

/** Name of key number i. */
export function nameOfKey(i: number): string {
  return `folder-${i % 97}/key-${i}`;
}

/**
 * Addresses that are as good as random to whoever goes through the chunks in their order, and still can be told in ascending
 * order, in which an index takes them quickest.
 */
class MadeUpAddresses {
  readonly #count: number;
  /** Chunk c has the rank c × step modulo the count. */
  readonly #step: number;
  readonly #backStep: number;

  constructor(count: number) {
    this.#count = Math.max(1, count);
    let step = Math.floor(this.#count * 0.618) | 1;
    while (inverse(step, this.#count) === null) step += 2;
    this.#step = step % this.#count;
    this.#backStep = inverse(step, this.#count)!;
  }

  ofChunk(chunk: number): Bytes {
    return this.#ofRank((chunk * this.#step) % this.#count);
  }

  /** All of them, ascending, with the chunks that they are of. */
  *ascending(): Generator<{ chunk: number; address: Bytes }> {
    for (let rank = 0, chunk = 0; rank < this.#count; rank++) {
      yield { chunk, address: this.#ofRank(rank) };
      chunk = (chunk + this.#backStep) % this.#count;
    }
  }

  #ofRank(rank: number): Bytes {
    const address = new Uint8Array(HASH_BYTES);
    const view = new DataView(address.buffer);
    view.setUint32(0, Math.floor(rank * (2 ** 32 / this.#count)));
    fill(view, 4, rank);
    return address;
  }
}

/** The number by which a step is multiplied to give 1 modulo the count, or null. */
function inverse(step: number, count: number): number | null {
  let [a, b, x, y] = [step % count, count, 1, 0];
  while (b > 0) {
    const times = Math.floor(a / b);
    [a, b, x, y] = [b, a - times * b, y, x - times * y];
  }
  return a === 1 || count === 1 ? ((x % count) + count) % count : null;
}

/** Fills the rest with what a number gives: different for each. */
function fill(view: DataView, from: number, number: number): void {
  for (let at = from; at < view.byteLength; at += 4) {
    view.setUint32(at, Math.imul(number + at, 0x9e3779b1) ^ Math.imul(number ^ at, 0x85ebca6b));
  }
}

function idOfChunk(chunk: number): Bytes {
  const id = new Uint8Array(HASH_BYTES);
  const view = new DataView(id.buffer);
  fill(view, 0, chunk * 31 + 7);
  view.setUint32(0, Math.imul(chunk, 0x9e3779b1)); // no two chunks have the same
  return id;
}

/** The log of a node that put all keys, one after the other. */
function* segmentsOf(
  keys: VaultKeys,
  { keys: count, chunks }: HomeSize,
): Generator<{ bytes: Bytes; content: SegmentContent }> {
  const addresses = new MadeUpAddresses(chunks);
  const node = new Ed25519Signer(new Uint8Array(HASH_BYTES).fill(0x4e));
  const beganMs = Date.now() - 24 * 60 * 60 * 1000;
  let previous: RecordId = NO_RECORD;
  for (let start = 0; start < count; start += KEYS_PER_SEGMENT) {
    const end = Math.min(count, start + KEYS_PER_SEGMENT);
    const records: RecordPublic[] = [];
    const bodies: Body[] = [];
    for (let key = start; key < end; key++) {
      const from = Math.floor(key * chunks / count);
      const to = Math.min(Math.floor((key + 1) * chunks / count), from + CHUNKS_PER_KEY_MAX);
      const name = nameOfKey(key);
      const entries = packEntries(
        Array.from({ length: to - from }, (_, i) => {
          return { address: addresses.ofChunk(from + i), length: SEALED_BYTES };
        }),
      );
      records.push({
        kind: "put",
        clock: BigInt(beganMs + Math.floor(key / 100)) << 16n | BigInt(key % 100),
        keyTag: keys.keyTag(name),
        depth: 1,
        parents: [],
        inventory: { entries },
      });
      bodies.push(bodyOf(name, { from, to, addresses }));
    }
    const sealed = keys.body.sealSync(encodeBodies(bodies));
    const sealedBodies = new Uint8Array(sealed.length);
    sealedBodies.set(sealed.header);
    sealedBodies.set(sealed.body, sealed.header.length);
    const header = {
      vaultKey: keys.signer.publicKey,
      nodeKey: node.publicKey,
      firstSequence: BigInt(start + 1),
      previous,
      sealedBodies,
    };
    const builder = new SegmentBuilder(header);
    for (const record of records) previous = builder.add(record);
    const { address, bytes, ids } = builder.finish({ vault: keys.signer, node });
    const segment = {
      ...header,
      vaultId: keys.vaultId,
      nodeId: sha256(node.publicKey),
      records,
      ids,
    };
    const sizes = bodies.map((body) => "size" in body ? body.size : 0);
    yield { bytes, content: { address, segment, sizes, prunes: new Map() } };
  }
}

function bodyOf(
  key: string,
  { from, to, addresses }: { from: number; to: number; addresses: MadeUpAddresses },
): Body {
  const bytes = new Uint8Array((to - from) * REFERENCE_BYTES);
  const view = new DataView(bytes.buffer);
  for (let chunk = from; chunk < to; chunk++) {
    const at = (chunk - from) * REFERENCE_BYTES;
    bytes.set(idOfChunk(chunk), at);
    bytes.set(addresses.ofChunk(chunk), at + HASH_BYTES);
    view.setUint32(at + 2 * HASH_BYTES, PLAIN_BYTES);
    view.setUint32(at + 2 * HASH_BYTES + 4, SEALED_BYTES);
  }
  const size = (to - from) * PLAIN_BYTES;
  const manifest = encodeManifest({ kind: "full", size, references: new References(bytes) });
  return {
    kind: "put",
    key: key as Extract<Body, { kind: "put" }>["key"],
    type: "file",
    mode: 0o644,
    mtime: 1_700_000_000_000,
    target: "",
    size,
    addedBytes: (to - from) * SEALED_BYTES,
    chunks: to - from,
    manifest: { inline: manifest },
  };
}

/** Enters rows of chunks into the index of a home that is closed, and makes packs as long as they say. */
export function enterChunks(home: string, { chunks }: HomeSize): void {
  if (chunks === 0) return;
  const addresses = new MadeUpAddresses(chunks);
  const database = openIndex(home, deriveVaultKeys(MASTER_KEY).vaultId);
  const index = new FrameIndex(database);
  const firstPack = (index.lastPack()?.number ?? 0) + 1;
  const frameBytes = FRAME_HEADER_BYTES + SEALED_BYTES;
  const placeOf = (chunk: number) => ({
    pack: firstPack + Math.floor(chunk / CHUNKS_PER_PACK),
    offset: PACK_HEADER_BYTES + (chunk % CHUNKS_PER_PACK) * frameBytes + FRAME_HEADER_BYTES,
  });
  // In bulk an index is made quicker after its table.
  const indices = database.all(
    "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'frames' AND sql LIKE 'CREATE INDEX%'",
  );
  for (const { name } of indices) database.run(`DROP INDEX ${String(name)}`);
  let rows: FramePlace[] = [];
  const enter = () => {
    database.transaction(() => index.addAll(rows));
    rows = [];
  };
  for (const { chunk, address } of addresses.ascending()) {
    const place = { ...placeOf(chunk), length: SEALED_BYTES };
    rows.push({ address, label: idOfChunk(chunk), kind: "sealed", ...place });
    if (rows.length === ROWS_AT_ONCE) enter();
  }
  enter();
  for (const { sql } of indices) database.run(String(sql));
  database.transaction(() => {
    for (let chunk = 0; chunk < chunks; chunk += CHUNKS_PER_PACK) {
      const objects = Math.min(CHUNKS_PER_PACK, chunks - chunk);
      const { pack: number } = placeOf(chunk);
      const length = PACK_HEADER_BYTES + objects * frameBytes;
      index.setPack({ number, length, objects, bytes: objects * SEALED_BYTES, isIntact: true });
      makePack(join(home, PACKS, packName(number)), number, length);
    }
  });
  database.checkpoint();
  database.close();
}

function makePack(path: string, number: number, length: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  file.writeSync(encodePackHeader(number));
  file.truncateSync(length);
}
