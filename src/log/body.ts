/**
 * The secret part of records: key names, metadata, manifests, names of tags (format §5). One segment's bodies are
 * encoded together and sealed as one object by whoever holds the vault's key; here they are plain. A manifest is bytes to
 * us: its meaning lies with src/content.
 *
 * The rules of {@link brokenRule} hold for both directions: what can't be decoded can't be written either.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  encodeUtf8,
  INLINE_MANIFEST_BYTES_MAX,
  isVaultError,
  KEY_BYTES_MAX,
  type KeyName,
  parseKey,
  SEGMENT_BODY_BYTES_MAX,
  SEGMENT_RECORDS_MAX,
  utf8Length,
  VaultError,
} from "../base/mod.ts";
import type { RecordKind } from "./record.ts";

/** Types of entries; a type's code is its place here, from 0. */
const ENTRY_TYPES = ["file", "folder", "link"] as const;

/** Length of the reference of a sealed manifest object. */
const MANIFEST_REFERENCE_BYTES = 72;

/** Where a version's manifest is: here, or in a sealed object that this 72-byte reference names. */
export type ManifestPlace = { readonly inline: Bytes } | { readonly reference: Bytes };

/** Body of a record that gives a key its content. */
export interface ContentBody {
  readonly kind: "put" | "restore";
  readonly key: KeyName;
  readonly type: typeof ENTRY_TYPES[number];
  /** Permission bits, at most 0o7777. */
  readonly mode: number;
  /** Time of last change, whole milliseconds since 1970, within what a `Date` can hold. */
  readonly mtime: number;
  /** Where a link points; empty for files and folders, and only for them. */
  readonly target: string;
  /** Bytes of plaintext. */
  readonly size: number;
  /** Bytes of store the version added when it was made. */
  readonly addedBytes: number;
  /** Chunks the version consists of. */
  readonly chunks: number;
  readonly manifest: ManifestPlace;
}

/** Body of a record that deletes a key. */
export interface DeleteBody {
  readonly kind: "delete";
  readonly key: KeyName;
}

/** Body of a record that sets a tag. */
export interface TagBody {
  readonly kind: "tag";
  /** As {@link parseTagName} gives it. */
  readonly name: string;
  /** The moment it keeps, whole milliseconds since 1970. */
  readonly moment: number;
}

/** Prunes and untags have nothing to hide. */
export interface EmptyBody {
  readonly kind: "prune" | "untag";
}

/** The secret part of a record that makes a version. */
export type VersionBody = ContentBody | DeleteBody;

/** The secret part of any record. */
export type Body = VersionBody | TagBody | EmptyBody;

const INLINE = 0;
const BY_REFERENCE = 1;
const TEXT_BYTES_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;
const MODE_MAX = 0o7777;
/** The range of `Date`, ECMA-262 §21.4.1.1. */
const TIME_MS_MAX = 8.64e15;

/** Whether records of a kind have a body. */
export function hasBody(kind: RecordKind): boolean {
  return kind !== "prune" && kind !== "untag";
}

/**
 * Checks and normalises the name of a tag: not empty, NFC, no control characters, at most `KEY_BYTES_MAX` bytes.
 *
 * @throws VaultError `usage`, saying which rule is broken
 */
export function parseTagName(text: string): string {
  const refuse = (state: string) =>
    new VaultError("usage", `Cannot use this name for a tag: ${state}`);
  if (text === "") throw refuse("it is empty");
  if (!text.isWellFormed()) throw refuse("it is not valid Unicode");
  // deno-lint-ignore no-control-regex -- control characters are what must not be in it
  if (/[\x00-\x1f\x7f-\x9f]/.test(text)) throw refuse("it holds control characters");
  const name = text.normalize("NFC");
  const length = encodeUtf8(name).length;
  if (length > KEY_BYTES_MAX) throw refuse(`it has ${length} bytes, the limit is ${KEY_BYTES_MAX}`);
  return name;
}

/** The rule that a body breaks, in words, or `null`. */
function brokenRule(body: Body): string | null {
  switch (body.kind) {
    case "put":
    case "restore":
      return brokenName(body.key, parseKey) ?? brokenMeta(body) ?? brokenContent(body);
    case "delete":
      return brokenName(body.key, parseKey);
    case "tag":
      return brokenName(body.name, parseTagName) ?? brokenTime(body.moment, "the moment");
    case "prune":
    case "untag":
      return null;
  }
}

/** What is wrong with a name that must be as its parser leaves it. */
function brokenName(name: string, parse: (text: string) => string): string | null {
  try {
    return parse(name) === name ? null : "the name is not in normal form (NFC)";
  } catch (error) {
    if (isVaultError(error)) return `${error.message[0]!.toLowerCase()}${error.message.slice(1)}`;
    throw error;
  }
}

function brokenTime(time: number, what: string): string | null {
  return Number.isInteger(time) && Math.abs(time) <= TIME_MS_MAX ? null : `${what} is out of range`;
}

function brokenMeta({ type, mode, mtime, target }: ContentBody): string | null {
  if (!Number.isInteger(mode) || mode < 0 || mode > MODE_MAX) return "the mode is out of range";
  if ((type === "link") !== (target !== "")) {
    return type === "link" ? "a link without a target" : `a ${type} with a link target`;
  }
  if (!target.isWellFormed()) return "the link target is not valid Unicode";
  if (target.includes("\0")) return "the link target holds a NUL character";
  if (utf8Length(target) > TEXT_BYTES_MAX) return "the link target is too long";
  return brokenTime(mtime, "the time of last change");
}

function brokenContent({ size, addedBytes, chunks, manifest }: ContentBody): string | null {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  if (!isCount(size)) return "the size is out of range";
  if (!isCount(addedBytes)) return "the added bytes are out of range";
  if (!isCount(chunks) || chunks > U32_MAX) return "the number of chunks is out of range";
  if ("inline" in manifest) {
    const { length } = manifest.inline;
    if (length === 0) return "an empty manifest";
    return length <= INLINE_MANIFEST_BYTES_MAX ? null : `an inline manifest of ${length} bytes`;
  }
  return manifest.reference.length === MANIFEST_REFERENCE_BYTES
    ? null
    : "the manifest's reference is not 72 bytes";
}

/**
 * The bodies of a segment's records, in order, each behind its length. The encoding of several is the encodings
 * of each one after another, so a batch's size is the sum of its bodies'.
 *
 * @throws VaultError `failed` if one breaks a rule of the format or all are over `SEGMENT_BODY_BYTES_MAX`
 */
export function encodeBodies(bodies: readonly Body[]): Bytes {
  for (const body of bodies) {
    const state = brokenRule(body);
    if (state !== null) throw new VaultError("failed", `Cannot encode ${body.kind} body: ${state}`);
  }
  const sizes = bodies.map(sizeOf);
  const whole = sizes.reduce((sum, size) => sum + 4 + size, 0);
  if (whole > SEGMENT_BODY_BYTES_MAX) {
    throw new VaultError(
      "failed",
      `Cannot encode bodies: ${whole} bytes, the limit is ${SEGMENT_BODY_BYTES_MAX}`,
    );
  }
  const writer = new ByteWriter(whole);
  bodies.forEach((body, i) => writeBody(writer.u32(sizes[i]!), body));
  return writer.finish();
}

/**
 * Reads the bodies of records of these kinds, in order. Names are checked; manifests are views of `bytes`.
 *
 * @throws VaultError `damaged` for anything that {@link encodeBodies} would not have written
 */
export function decodeBodies(bytes: Uint8Array, kinds: readonly RecordKind[]): Body[] {
  const reader = new ByteReader(bytes, "record bodies");
  if (bytes.length > SEGMENT_BODY_BYTES_MAX) {
    throw reader.fail(`${bytes.length} bytes are too many`);
  }
  reader.count(kinds.length, SEGMENT_RECORDS_MAX, 4);
  const bodies = kinds.map((kind) => {
    const bodyReader = new ByteReader(reader.raw(reader.u32()), `${kind} body`);
    const body = readBody(bodyReader, kind);
    bodyReader.end();
    const state = brokenRule(body);
    if (state !== null) throw bodyReader.fail(state);
    return body;
  });
  reader.end();
  return bodies;
}

/** Bytes that a body takes encoded. */
function sizeOf(body: Body): number {
  const text16 = (text: string) => 2 + utf8Length(text);
  switch (body.kind) {
    case "put":
    case "restore": {
      const manifest = "inline" in body.manifest
        ? 4 + body.manifest.inline.length
        : MANIFEST_REFERENCE_BYTES;
      return text16(body.key) + 1 + 4 + 8 + text16(body.target) + 8 + 8 + 4 + 1 + manifest;
    }
    case "delete":
      return text16(body.key);
    case "tag":
      return text16(body.name) + 8;
    case "prune":
    case "untag":
      return 0;
  }
}

function writeBody(writer: ByteWriter, body: Body): void {
  switch (body.kind) {
    case "put":
    case "restore":
      writer.text16(body.key).u8(ENTRY_TYPES.indexOf(body.type)).u32(body.mode).i64(body.mtime)
        .text16(body.target).u64(body.size).u64(body.addedBytes).u32(body.chunks);
      if ("inline" in body.manifest) {
        writer.u8(INLINE).u32(body.manifest.inline.length).raw(body.manifest.inline);
      } else {
        writer.u8(BY_REFERENCE).raw(body.manifest.reference);
      }
      break;
    case "delete":
      writer.text16(body.key);
      break;
    case "tag":
      writer.text16(body.name).i64(body.moment);
      break;
    case "prune":
    case "untag":
      break;
  }
}

function readBody(reader: ByteReader, kind: RecordKind): Body {
  switch (kind) {
    case "put":
    case "restore":
      return {
        kind,
        key: readKey(reader),
        type: readType(reader),
        mode: reader.u32(),
        mtime: readTime(reader),
        target: reader.text16(),
        size: reader.size64(),
        addedBytes: reader.size64(),
        chunks: reader.u32(),
        manifest: readManifestPlace(reader),
      };
    case "delete":
      return { kind, key: readKey(reader) };
    case "tag":
      return { kind, name: reader.text16(), moment: readTime(reader) };
    case "prune":
    case "untag":
      return { kind };
  }
}

/** A key name; the caller holds it against {@link brokenRule} before anyone sees it. */
function readKey(reader: ByteReader): KeyName {
  return reader.text16() as KeyName;
}

function readType(reader: ByteReader): ContentBody["type"] {
  const code = reader.u8();
  const type = ENTRY_TYPES[code];
  if (type === undefined) throw reader.fail(`unknown type ${code}`);
  return type;
}

/** Milliseconds; beyond 2^53 they lose precision, but then they are out of range anyway. */
function readTime(reader: ByteReader): number {
  return Number(reader.i64());
}

function readManifestPlace(reader: ByteReader): ManifestPlace {
  const form = reader.u8();
  switch (form) {
    case INLINE:
      return { inline: reader.raw(reader.count(reader.u32(), INLINE_MANIFEST_BYTES_MAX, 1)) };
    case BY_REFERENCE:
      return { reference: reader.raw(MANIFEST_REFERENCE_BYTES) };
    default:
      throw reader.fail(`unknown form of manifest ${form}`);
  }
}
