/**
 * Manifests in the store: a version's references, written as a delta against its parent's where that is smaller,
 * and read back through the chain.
 *
 * @module
 */

import {
  type Bytes,
  DELTA_CHAIN_MAX,
  INLINE_MANIFEST_BYTES_MAX,
  shortHex,
  VaultError,
} from "../base/mod.ts";
import {
  applyDelta,
  decodeManifest,
  decompress,
  encodeManifest,
  makeDelta,
  type Manifest,
  MANIFEST_PIECE_BYTES,
  ReferenceBuilder,
  type ReferenceFields,
  References,
} from "../content/mod.ts";
import {
  type InventoryEntry,
  type ManifestPlace,
  type PackedEntries,
  packEntries,
} from "../log/mod.ts";
import type { Sealed } from "../seal/mod.ts";
import { sealPlain } from "./chunk_cipher.ts";
import type { VaultContext } from "./context.ts";
import { type ReadContext, readObject } from "./read_object.ts";

/** A version's manifest, read through its chain. */
export interface LoadedManifest {
  references: References;
  /** Manifest objects that reading it takes. Empty if it lies in the record. */
  objects: InventoryEntry[];
  /** The reference of the top object; null if it lies in the record. */
  reference: ReferenceFields | null;
  /** Deltas down to the full manifest. */
  depth: number;
}

/** Puts a sealed object of these fields into the store. Says how many bytes were new. */
export async function putSealed(
  context: Pick<VaultContext, "store">,
  { address, header, body, length: sealedLength }: Sealed,
  { id, length }: { id: Bytes; length: number },
): Promise<{ fields: ReferenceFields; addedBytes: number }> {
  const pieces = [header, body];
  const added = await context.store.put({ kind: "sealed", address, pieces, lent: pieces });
  return { fields: { id, address, length, sealedLength }, addedBytes: added ? sealedLength : 0 };
}

async function putManifestObject(
  context: VaultContext,
  plain: Bytes,
): Promise<{ fields: ReferenceFields; addedBytes: number }> {
  const id = context.keys.manifest.id(plain);
  const known = context.store.findLabel(id);
  if (known !== null) {
    const { address, length } = known;
    return { fields: { id, address, length: plain.length, sealedLength: length }, addedBytes: 0 };
  }
  return await putSealed(context, await sealPlain(context.keys.manifest, plain, id), {
    id,
    length: plain.length,
  });
}

/** Stores the manifest of a version. `base` is its first parent's, if there is one. */
export async function storeManifest(
  context: VaultContext,
  references: References,
  base: LoadedManifest | null,
): Promise<{ place: ManifestPlace; objects: InventoryEntry[]; addedBytes: number }> {
  const size = references.totalLength();
  const full = () => encodeManifest({ kind: "full", size, references });
  // One reference has 72 bytes: only a short list is worth encoding to see whether it fits the record.
  if (references.count * 72 <= INLINE_MANIFEST_BYTES_MAX) {
    const inline = full();
    if (inline.length <= INLINE_MANIFEST_BYTES_MAX) {
      return { place: { inline }, objects: [], addedBytes: 0 };
    }
  }
  const delta = base === null ? null : encodeDelta(references, size, base);
  const plain = delta ?? full();
  const top = await putWhole(context, plain, { size, count: references.count });
  const place: ManifestPlace = { reference: encodeReference(top.fields) };
  const inherited = delta === null ? [] : base!.objects;
  return { place, objects: [...top.objects, ...inherited], addedBytes: top.addedBytes };
}

/** The delta's bytes, or null where a full manifest is the better choice. */
function encodeDelta(references: References, size: number, base: LoadedManifest): Bytes | null {
  if (base.reference === null || base.depth >= DELTA_CHAIN_MAX) return null;
  const operations = makeDelta(base.references, references);
  const manifest: Manifest = {
    kind: "delta",
    size,
    count: references.count,
    depth: base.depth + 1,
    base: base.reference,
    operations,
  };
  const bytes = encodeManifest(manifest);
  return 2 * bytes.length <= 72 * references.count ? bytes : null;
}

/** Stores an encoded manifest as one object, or in pieces under an indirect one. */
async function putWhole(
  context: VaultContext,
  plain: Bytes,
  { size, count }: { size: number; count: number },
): Promise<{ fields: ReferenceFields; objects: InventoryEntry[]; addedBytes: number }> {
  if (plain.length <= MANIFEST_PIECE_BYTES) {
    const { fields, addedBytes } = await putManifestObject(context, plain);
    return { fields, objects: [entryOf(fields)], addedBytes };
  }
  const pieces = new ReferenceBuilder();
  const objects: InventoryEntry[] = [];
  let total = 0;
  for (let start = 0; start < plain.length; start += MANIFEST_PIECE_BYTES) {
    const piece = await putManifestObject(
      context,
      plain.subarray(start, start + MANIFEST_PIECE_BYTES),
    );
    pieces.add(piece.fields);
    objects.push(entryOf(piece.fields));
    total += piece.addedBytes;
  }
  const top = await putManifestObject(
    context,
    encodeManifest({ kind: "indirect", size, count, pieces: pieces.finish() }),
  );
  return {
    fields: top.fields,
    objects: [entryOf(top.fields), ...objects],
    addedBytes: total + top.addedBytes,
  };
}

function entryOf({ address, sealedLength }: ReferenceFields): InventoryEntry {
  return { address, length: sealedLength };
}

function encodeReference(fields: ReferenceFields): Bytes {
  const builder = new ReferenceBuilder();
  builder.add(fields);
  return builder.finish().bytes;
}

/** Reads the manifest that a record's body places. @throws VaultError `damaged`, `too_few_peers` */
export async function loadManifest(
  context: Pick<VaultContext, "keys"> & ReadContext,
  place: ManifestPlace,
): Promise<LoadedManifest> {
  if ("inline" in place) {
    const manifest = decodeManifest(place.inline);
    if (manifest.kind !== "full") {
      throw new VaultError("damaged", "Cannot read manifest: it is not a full one");
    }
    return { references: manifest.references, objects: [], reference: null, depth: 0 };
  }
  const reference = new References(place.reference).fields(0);
  const objects: InventoryEntry[] = [];
  const chain: Extract<Manifest, { kind: "delta" }>[] = [];
  let step = reference;
  while (true) {
    const manifest = await loadOne(context, step, objects);
    if (manifest.kind === "full") {
      let references = manifest.references;
      const depth = chain.length;
      if (depth > 0 && chain.at(-1)!.depth !== 1) throw wrongChain(step);
      for (let delta = chain.pop(); delta !== undefined; delta = chain.pop()) {
        references = applyDelta(references, delta.operations, delta.count);
        if (references.totalLength() !== delta.size) {
          throw new VaultError("damaged", "Cannot read manifest: its sizes do not add up");
        }
      }
      return { references, objects, reference, depth };
    }
    const above = chain.at(-1);
    if (
      chain.length === DELTA_CHAIN_MAX ||
      (above !== undefined && manifest.depth !== above.depth - 1)
    ) {
      throw wrongChain(step);
    }
    chain.push(manifest);
    step = manifest.base;
  }
}

function wrongChain({ address }: ReferenceFields): VaultError {
  return new VaultError("damaged", `Cannot read manifest ${shortHex(address)}: its chain is wrong`);
}

async function loadOne(
  context: Pick<VaultContext, "keys"> & ReadContext,
  reference: ReferenceFields,
  objects: InventoryEntry[],
): Promise<Exclude<Manifest, { kind: "indirect" }>> {
  const open = async (fields: ReferenceFields) => {
    objects.push(entryOf(fields));
    const sealed = await readObject(context, fields.address, "manifest");
    return await context.keys.manifest.open(sealed, fields, decompress);
  };
  let manifest = decodeManifest(await open(reference));
  if (manifest.kind === "indirect") {
    const plain = new Uint8Array(manifest.pieces.totalLength());
    let offset = 0;
    for (let i = 0; i < manifest.pieces.count; i++) {
      const piece = await open(manifest.pieces.fields(i));
      plain.set(piece, offset);
      offset += piece.length;
    }
    const { size, count } = manifest;
    manifest = decodeManifest(plain);
    const found = manifest.kind === "full"
      ? manifest.references.count
      : manifest.kind === "delta" && manifest.count;
    if (manifest.kind === "indirect" || manifest.size !== size || found !== count) {
      throw new VaultError(
        "damaged",
        `Cannot read manifest ${shortHex(reference.address)}: it contradicts itself`,
      );
    }
  }
  return manifest;
}

/** Everything a version needs: its chunks, and the objects of its manifest. */
export function needsOf(manifest: Pick<LoadedManifest, "references" | "objects">): PackedEntries {
  const { references, objects } = manifest;
  return packEntries(function* () {
    yield* objects;
    for (let i = 0; i < references.count; i++) {
      yield { address: references.address(i), length: references.sealedLength(i) };
    }
  }());
}
