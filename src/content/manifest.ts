/**
 * Manifests: what one version's bytes consist of. The last step of a put on the plaintext side, and the first
 * of a get. The layout is section 3 of docs/format.md.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  DELTA_CHAIN_MAX,
  FRAME_BYTES_MAX,
  HASH_BYTES,
  MANIFEST_REFS_MAX,
  PLAIN_BYTES_MAX,
  VaultError,
} from "../base/mod.ts";
import { type Operation, operationCount } from "./delta.ts";
import { REFERENCE_BYTES, type ReferenceFields, References } from "./references.ts";

/** A longer encoding is stored indirectly, in pieces of this many bytes. */
export const MANIFEST_PIECE_BYTES = 1024 * 1024;

/** All references, in the file's order. */
export interface FullManifest {
  kind: "full";
  /** Bytes of the file. */
  size: number;
  references: References;
}

/** The references as changes to another manifest's. There is at least one: an empty file's manifest is full. */
export interface DeltaManifest {
  kind: "delta";
  /** Bytes of the file. Whoever applies the delta checks that the lengths add up to it. */
  size: number;
  /** References in all. */
  count: number;
  /** Delta manifests from here down to the full one, 1 to {@link DELTA_CHAIN_MAX}. */
  depth: number;
  /** The sealed manifest object that the operations copy from. */
  base: ReferenceFields;
  operations: readonly Operation[];
}

/** A manifest too large for one object: where the pieces of its encoding are. */
export interface IndirectManifest {
  kind: "indirect";
  /** Bytes of the file. */
  size: number;
  /** References in all. */
  count: number;
  /** Sealed objects whose plaintexts, joined, are a full or a delta manifest. */
  pieces: References;
}

export type Manifest = FullManifest | DeltaManifest | IndirectManifest;

const KIND_FULL = 0;
const KIND_DELTA = 1;
const KIND_INDIRECT = 2;
const OPERATION_COPY = 0;
const OPERATION_INSERT = 1;

/** kind, size and count of references. */
const HEADER_BYTES = 1 + 8 + 4;
/** The header, depth, base and count of operations. */
const DELTA_HEADER_BYTES = HEADER_BYTES + 1 + REFERENCE_BYTES + 4;
const COPY_BYTES = 1 + 4 + 4;
const INSERT_HEADER_BYTES = 1 + 4;
/** The most pieces that can be needed: no manifest is longer than a delta that inserts everything. */
const PIECES_MAX = Math.ceil(
  (DELTA_HEADER_BYTES + INSERT_HEADER_BYTES + MANIFEST_REFS_MAX * REFERENCE_BYTES) /
    MANIFEST_PIECE_BYTES,
);

/** Bytes of the delta manifest with these operations: past {@link fullSize} a full one is the better choice. */
export function deltaSize(operations: readonly Operation[]): number {
  let size = DELTA_HEADER_BYTES;
  for (const operation of operations) {
    size += operation.kind === "copy"
      ? COPY_BYTES
      : INSERT_HEADER_BYTES + operation.references.bytes.length;
  }
  return size;
}

/** Bytes of the full manifest of that many references. */
export function fullSize(count: number): number {
  return HEADER_BYTES + count * REFERENCE_BYTES;
}

/**
 * The manifest's bytes.
 *
 * @throws VaultError `failed` if it is one that {@link decodeManifest} would refuse
 */
export function encodeManifest(manifest: Manifest): Bytes {
  const problem = manifestProblem(manifest);
  if (problem !== null) throw new VaultError("failed", `Cannot encode manifest: ${problem}`);
  switch (manifest.kind) {
    case "full":
      return new ByteWriter(fullSize(manifest.references.count))
        .u8(KIND_FULL)
        .u64(manifest.size)
        .u32(manifest.references.count)
        .raw(manifest.references.bytes)
        .finish();
    case "delta": {
      const writer = new ByteWriter(deltaSize(manifest.operations))
        .u8(KIND_DELTA)
        .u64(manifest.size)
        .u32(manifest.count)
        .u8(manifest.depth);
      writeReference(writer, manifest.base);
      writer.u32(manifest.operations.length);
      for (const operation of manifest.operations) writeOperation(writer, operation);
      return writer.finish();
    }
    case "indirect":
      return new ByteWriter(HEADER_BYTES + 4 + manifest.pieces.bytes.length)
        .u8(KIND_INDIRECT)
        .u64(manifest.size)
        .u32(manifest.count)
        .u32(manifest.pieces.count)
        .raw(manifest.pieces.bytes)
        .finish();
  }
}

/**
 * The manifest that the bytes are. Its references are views of them: they must not change after.
 *
 * @throws VaultError `damaged` if they are not the one encoding of a manifest that keeps all rules
 */
export function decodeManifest(bytes: Bytes): Manifest {
  const reader = new ByteReader(bytes, "manifest");
  const kind = reader.u8();
  const size = reader.size64();
  const count = reader.count(reader.u32(), MANIFEST_REFS_MAX, 0);
  let manifest: Manifest;
  switch (kind) {
    case KIND_FULL:
      manifest = { kind: "full", size, references: readReferences(reader, count) };
      break;
    case KIND_DELTA: {
      const depth = reader.u8();
      const base = readReferences(reader, 1).fields(0);
      const operations = readOperations(reader, count);
      manifest = { kind: "delta", size, count, depth, base, operations };
      break;
    }
    case KIND_INDIRECT: {
      const pieces = reader.count(reader.u32(), PIECES_MAX, REFERENCE_BYTES);
      manifest = { kind: "indirect", size, count, pieces: readReferences(reader, pieces) };
      break;
    }
    default:
      throw reader.fail(`unknown kind ${kind}`);
  }
  reader.end();
  const problem = manifestProblem(manifest);
  if (problem !== null) throw reader.fail(problem);
  return manifest;
}

function writeReference(writer: ByteWriter, fields: ReferenceFields): void {
  writer.raw(fields.id).raw(fields.address).u32(fields.length).u32(fields.sealedLength);
}

function readReferences(reader: ByteReader, count: number): References {
  return new References(reader.raw(count * REFERENCE_BYTES));
}

function writeOperation(writer: ByteWriter, operation: Operation): void {
  if (operation.kind === "copy") {
    writer.u8(OPERATION_COPY).u32(operation.first).u32(operation.count);
  } else {
    writer.u8(OPERATION_INSERT).u32(operation.references.count).raw(operation.references.bytes);
  }
}

/** @param references what the operations give together: as each gives one or more, a bound for all counts */
function readOperations(reader: ByteReader, references: number): Operation[] {
  const operations: Operation[] = [];
  const count = reader.count(reader.u32(), references, COPY_BYTES);
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    if (kind === OPERATION_COPY) {
      operations.push({ kind: "copy", first: reader.u32(), count: reader.u32() });
    } else if (kind === OPERATION_INSERT) {
      const inserted = reader.count(reader.u32(), references, REFERENCE_BYTES);
      operations.push({ kind: "insert", references: readReferences(reader, inserted) });
    } else {
      throw reader.fail(`unknown operation ${kind}`);
    }
  }
  return operations;
}

/** The rule that a manifest breaks, in words, or `null` if it keeps all of them. */
function manifestProblem(manifest: Manifest): string | null {
  if (!Number.isSafeInteger(manifest.size)) return `size ${manifest.size} is out of range`;
  switch (manifest.kind) {
    case "full":
      return fullProblem(manifest);
    case "delta":
      return deltaProblem(manifest);
    case "indirect":
      return indirectProblem(manifest);
  }
}

function fullProblem({ size, references }: FullManifest): string | null {
  if (references.count > MANIFEST_REFS_MAX) return `${references.count} references are too many`;
  return referencesProblem(references) ?? sizeProblem(size, references.totalLength(), 0);
}

function deltaProblem({ size, count, depth, base, operations }: DeltaManifest): string | null {
  if (count < 1 || count > MANIFEST_REFS_MAX) return `${count} references`;
  if (!(depth >= 1 && depth <= DELTA_CHAIN_MAX)) return `depth ${depth} is out of range`;
  if (base.id.length !== HASH_BYTES || base.address.length !== HASH_BYTES) {
    return "id or address of the base has the wrong length";
  }
  const baseProblem = lengthsProblem(base.length, base.sealedLength);
  if (baseProblem !== null) return baseProblem;

  let total = 0;
  let insertedCount = 0;
  let insertedLength = 0;
  let before: Operation | undefined;
  for (const operation of operations) {
    const gives = operationCount(operation);
    if (gives < 1) return `an empty ${operation.kind}`;
    if (before !== undefined && areOne(before, operation)) return `two ${operation.kind}s for one`;
    if (operation.kind === "copy") {
      if (operation.first + gives > MANIFEST_REFS_MAX) return "a copy beyond any base";
    } else {
      const problem = referencesProblem(operation.references);
      if (problem !== null) return problem;
      insertedCount += gives;
      insertedLength += operation.references.totalLength();
    }
    total += gives;
    before = operation;
  }
  if (total !== count) return `the operations give ${total} references, not ${count}`;
  return sizeProblem(size, insertedLength, count - insertedCount);
}

function indirectProblem({ size, count, pieces }: IndirectManifest): string | null {
  if (count < 1 || count > MANIFEST_REFS_MAX) return `${count} references`;
  // One piece would be a manifest that needs none.
  if (pieces.count < 2 || pieces.count > PIECES_MAX) return `${pieces.count} pieces`;
  for (let i = 0; i < pieces.count; i++) {
    const length = pieces.length(i);
    const isLast = i === pieces.count - 1;
    if (length > MANIFEST_PIECE_BYTES || (!isLast && length !== MANIFEST_PIECE_BYTES)) {
      return `piece ${i} has ${length} bytes`;
    }
  }
  return referencesProblem(pieces) ?? sizeProblem(size, 0, count);
}

function areOne(a: Operation, b: Operation): boolean {
  if (a.kind === "copy") return b.kind === "copy" && a.first + a.count === b.first;
  return b.kind === "insert";
}

function referencesProblem(references: References): string | null {
  for (let i = 0; i < references.count; i++) {
    const problem = lengthsProblem(references.length(i), references.sealedLength(i));
    if (problem !== null) return problem;
  }
  return null;
}

/** No chunk is empty, and neither it nor its sealed form is more than a store takes. */
function lengthsProblem(length: number, sealedLength: number): string | null {
  if (length < 1 || length > PLAIN_BYTES_MAX) return `a reference to ${length} bytes`;
  if (sealedLength < 1 || sealedLength > FRAME_BYTES_MAX) {
    return `a reference to a sealed object of ${sealedLength} bytes`;
  }
  return null;
}

/**
 * Whether a size can be that of references of which some are known.
 *
 * @param known bytes of those that are
 * @param unknown how many are not; each has between one byte and the most that a chunk has
 */
function sizeProblem(size: number, known: number, unknown: number): string | null {
  if (size >= known + unknown && size <= known + unknown * PLAIN_BYTES_MAX) return null;
  return `size ${size} is not that of the references`;
}
