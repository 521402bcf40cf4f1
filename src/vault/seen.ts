/**
 * What a folder and its files were like when they were stored: one whose size, times and inode are the same since, and whose
 * key has no newer version, is not read again.
 *
 * The lists lie in the index database, sealed, as they hold names. They are only there to save time: a list that is lost or
 * can't be read means that files are read.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  encodeUtf8,
  equalBytes,
  HASH_BYTES,
  isVaultError,
  type KeyName,
  PLAIN_BYTES_MAX,
  type RecordId,
} from "../base/mod.ts";
import { decompress } from "../content/mod.ts";
import { TAG_BYTES } from "../log/mod.ts";
import { blob } from "../store/mod.ts";
import type { VaultContext } from "./context.ts";
import { areLatest } from "./latest.ts";
import type { EntryType, PutResult } from "./types.ts";

/**
 * A file is noted only if its times were older than this when it was looked at: a change that comes right after may leave it
 * with the same times. FAT counts in steps of two seconds, and Deno gives the time of the last change of the inode in seconds.
 */
const REST_MS_MIN = 2500;

/** What a list begins with: its layout. Lists of another layout are not read. */
const LAYOUT = 1;
/** Size, times (ms), inode, mode: as 64-bit floats, which is what they are given as. */
const MARKS_BYTES = 5 * 8;
/** Fewest bytes of an encoded file. */
const FILE_BYTES_MIN = 2 + MARKS_BYTES + TAG_BYTES + HASH_BYTES + 2 * 4;
/** More are not listed, the folder itself among them: a list is sealed as one object. */
const FILES_MAX = 10_001;
/** The name under which a folder stands in its own list. */
const FOLDER_ITSELF = "";

/** A file as it was, and the version that holds it. */
interface SeenFile {
  /** What must be the same. */
  marks: Bytes;
  tag: Bytes;
  id: RecordId;
  version: number;
  chunks: number;
}

/** A file that is met again. */
export interface Met {
  folder: SeenFolder;
  name: string;
  marks: Bytes;
  /** Whether it has rested long enough to be noted. */
  isResting: boolean;
  /** What it was, if it looks the same. */
  before: SeenFile | null;
}

function marksOf({ size, mtime, ctime, ino, mode }: Deno.FileInfo): Bytes {
  const marks = new DataView(new ArrayBuffer(MARKS_BYTES));
  [size, mtime?.getTime() ?? 0, ctime?.getTime() ?? 0, ino ?? 0, mode ?? 0]
    .forEach((mark, i) => marks.setFloat64(8 * i, mark));
  return new Uint8Array(marks.buffer);
}

/** One folder's files: as they were, and as they are found to be. */
export class SeenFolder {
  readonly #context: VaultContext;
  readonly #tag: Bytes;
  readonly #before: ReadonlyMap<string, SeenFile>;
  readonly #after = new Map<string, SeenFile>();
  #waiting = 0;
  #isWalked = false;
  #hasChanged = false;

  /** @param place the folder's path, and what its files' keys begin with */
  constructor(context: VaultContext, { path, key }: { path: string; key: string }) {
    this.#context = context;
    this.#tag = context.keys.keyTag(`\0${key}\0${path}`); // no key has a NUL
    this.#before = load(context, this.#tag);
  }

  /** As {@link SeenFolder.meet}, of the folder itself: what is in it is no matter. */
  meetItself(info: Deno.FileInfo, options: { reread: boolean }): Met {
    return this.meet(FOLDER_ITSELF, info, options);
  }

  /** Looks at a file of the folder; {@link SeenFolder.leave} must follow. */
  meet(name: string, info: Deno.FileInfo, { reread }: { reread: boolean }): Met {
    this.#waiting++;
    const marks = marksOf(info);
    const known = reread ? undefined : this.#before.get(name);
    const before = known !== undefined && equalBytes(known.marks, marks) ? known : null;
    const changed = Math.max(info.mtime?.getTime() ?? 0, info.ctime?.getTime() ?? 0);
    const isResting = changed < this.#context.clock.now() - REST_MS_MIN;
    return { folder: this, name, marks, isResting, before };
  }

  /** Says what became of a file that was met: the version it is now, or null; with the tag of its key, if that is at hand. */
  leave(
    { name, marks, isResting, before }: Met,
    result: PutResult | null,
    keyTag: Bytes | null = null,
  ): void {
    this.#waiting--;
    if (result !== null && (isResting || before !== null)) {
      const { id, version, chunks } = result;
      if (before === null || !equalBytes(before.id, id)) this.#hasChanged = true;
      const tag = before?.tag ?? keyTag ?? this.#context.keys.keyTag(result.key);
      this.#after.set(name, { marks, tag, id, version, chunks });
    }
    this.#saveAtEnd();
  }

  /** Says that no more files will be met. */
  end(): void {
    this.#isWalked = true;
    this.#saveAtEnd();
  }

  #saveAtEnd(): void {
    if (!this.#isWalked || this.#waiting > 0) return;
    if (this.#hasChanged || this.#after.size !== this.#before.size) {
      save(this.#context, this.#tag, this.#after);
    }
  }
}

/** The versions that files still are, `null` for those whose key has another one since. */
export function stillLatest(
  context: VaultContext,
  files: readonly { met: Met; key: string; size: number; type: EntryType }[],
): (PutResult | null)[] {
  const isLatest = context.database.guard(() =>
    areLatest(context, files.flatMap(({ met: { before } }) => before === null ? [] : [before]))
  );
  return files.map(({ met: { before }, key, size, type }) => {
    if (before === null || !isLatest(before)) return null;
    const { id, version, chunks } = before;
    return {
      key: key.normalize("NFC") as KeyName, // it was checked when it was stored
      version,
      id,
      size,
      chunks,
      newChunks: 0,
      addedBytes: 0,
      copies: 1,
      unchanged: true,
      type,
    };
  });
}

/** Lets all files be read again: of what is stored something is lost, and storing a file anew heals it. */
export function forgetSeen({ database }: Pick<VaultContext, "database">): void {
  database.guard(() => database.run("DELETE FROM seen"));
}

function load({ database, keys }: VaultContext, tag: Bytes): Map<string, SeenFile> {
  const row = database.guard(() => database.get("SELECT list FROM seen WHERE folder = ?", tag));
  try {
    return row === undefined
      ? new Map()
      : decodeSeen(keys.body.openSync(blob(row, "list"), null, decompress));
  } catch (error) {
    if (isVaultError(error, "damaged")) return new Map();
    throw error;
  }
}

function save(
  { database, keys }: VaultContext,
  tag: Bytes,
  files: ReadonlyMap<string, SeenFile>,
): void {
  const plain = encodeSeen(files);
  if (files.size > FILES_MAX || plain.length > PLAIN_BYTES_MAX) return;
  const { header, body } = keys.body.sealSync(plain);
  const list = new Uint8Array(header.length + body.length);
  list.set(header);
  list.set(body, header.length);
  database.guard(() => database.run("INSERT OR REPLACE INTO seen VALUES (?, ?)", tag, list));
}

/** A list of seen files, by their names. */
export function encodeSeen(files: ReadonlyMap<string, SeenFile>): Bytes {
  const writer = new ByteWriter(files.size * (FILE_BYTES_MIN + 32));
  writer.u8(LAYOUT).u32(files.size);
  for (const [name, { marks, tag, id, version, chunks }] of files) {
    const bytes = encodeUtf8(name);
    writer.u16(bytes.length).raw(bytes);
    writer.raw(marks).raw(tag).raw(id).u32(version).u32(chunks);
  }
  return writer.finish();
}

/** @throws VaultError `damaged` for anything that {@link encodeSeen} would not have written */
export function decodeSeen(bytes: Bytes): Map<string, SeenFile> {
  const reader = new ByteReader(bytes, "list of seen files");
  if (reader.u8() !== LAYOUT) throw reader.fail("unknown layout");
  const count = reader.count(reader.u32(), FILES_MAX, FILE_BYTES_MIN);
  const files = new Map<string, SeenFile>();
  for (let i = 0; i < count; i++) {
    const name = reader.text16();
    if (files.has(name)) throw reader.fail("a file comes twice");
    const marks = reader.raw(MARKS_BYTES);
    const tag = reader.raw(TAG_BYTES);
    const id = reader.raw(HASH_BYTES);
    files.set(name, { marks, tag, id, version: reader.u32(), chunks: reader.u32() });
  }
  reader.end();
  return files;
}
