/**
 * Every limit of GoVault, by name, with its unit last. A number that bounds memory, time or a format stands
 * here and nowhere else.
 *
 * @module
 */

/** Longest key name, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 4096;

/** Smallest chunk that the chunker cuts, unless the file ends before. */
export const CHUNK_BYTES_MIN = 128 * 1024;
/** Average that the chunker aims at. */
export const CHUNK_BYTES_AVG = 512 * 1024;
/** Largest chunk. */
export const CHUNK_BYTES_MAX = 2 * 1024 * 1024;

/** Most plaintext bytes that one sealed object holds: a chunk, a manifest piece, the bodies of a segment. */
export const PLAIN_BYTES_MAX = 2 * 1024 * 1024;
/** Most bytes a frame of a pack carries; anything larger is refused before it is read. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** A pack that reaches this size is closed and the next one begun. */
export const PACK_BYTES_TARGET = 128 * 1024 * 1024;
/** Frames wait in memory up to this many bytes before they are written in one go. */
export const PACK_BUFFER_BYTES = 1024 * 1024;
/** Frames that may wait for their index rows before a flush is made anyway. */
export const PENDING_FRAMES_MAX = 4096;

/** Manifests up to this many encoded bytes lie in the record itself. */
export const INLINE_MANIFEST_BYTES_MAX = 2048;
/** Most delta manifests between a version and a full manifest. */
export const DELTA_CHAIN_MAX = 16;
/** Most chunk references in one manifest: 8 TiB of 512 KiB chunks. */
export const MANIFEST_REFS_MAX = 1 << 24;

/** Inventories up to this many entries lie in the record itself. */
export const INLINE_INVENTORY_ENTRIES_MAX = 32;
/** Most entries of one inventory object. */
export const INVENTORY_ENTRIES_MAX = 65_536;

/** Most records in one segment of a log. */
export const SEGMENT_RECORDS_MAX = 1024;
/** Most bytes of sealed record bodies in one segment. */
export const SEGMENT_BODY_BYTES_MAX = 1024 * 1024;
/** Most parents of one version. */
export const VERSION_PARENTS_MAX = 64;

/** How long a command waits for another process to let go of the home. */
export const LOCK_WAIT_MS = 10_000;
/** Chunks that no record names are kept this long: an interrupted put can go on from them. */
export const ORPHAN_GRACE_MS = 24 * 60 * 60 * 1000;
/** A pack is rewritten when at least this share of its bytes is dead. */
export const REPACK_DEAD_SHARE = 0.2;

/** Chunks of one file that may be in work at once between the chunker and the store. */
export const CHUNKS_IN_FLIGHT = 8;
/** Chunks a get reads ahead of the one being written. */
export const READ_AHEAD_CHUNKS = 8;
/** Bytes asked of a file at a time. */
export const READ_BYTES = 4 * 1024 * 1024;
