/**
 * One process owns a home at a time: an advisory lock that the system takes back when the process ends, however it ends.
 *
 * @module
 */

import { asVaultError, encodeUtf8, VaultError } from "../base/mod.ts";

const RETRY_MS = 25;
/** Where the platform can only wait for a lock, one that is free takes a moment to be had. */
const FREE_LOCK_MS_MAX = 250;
const OWNER_BYTES_MAX = 32;

/** A lock that is held. */
export interface HomeLock {
  release(): void;
}

/**
 * Takes the lock, waiting if need be.
 *
 * @throws VaultError `locked` naming the owner when the time is over, `interrupted` when the signal fires
 */
export async function lockHome(
  path: string,
  options: { waitMs: number; signal?: AbortSignal },
): Promise<HomeLock> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw asVaultError(error, `Cannot open ${path}`);
  }
  try {
    if (!await acquire(file, options)) {
      const owner = readOwner(file);
      throw new VaultError(
        "locked",
        `Cannot open the vault: another process has it${owner ? ` (pid ${owner})` : ""}`,
        { hint: "wait for it to end, or wait longer with --lock-wait SECONDS" },
      );
    }
  } catch (error) {
    file.close();
    throw asVaultError(error, `Cannot lock ${path}`);
  }
  writeOwner(file, String(Deno.pid));
  return {
    release() {
      writeOwner(file, "");
      file.close();
    },
  };
}

function acquire(
  file: Deno.FsFile,
  { waitMs, signal }: { waitMs: number; signal?: AbortSignal },
): Promise<boolean> {
  return typeof file.tryLock === "function"
    ? acquireByTrying(file, { waitMs, ...(signal ? { signal } : {}) })
    : acquireByWaiting(file, { waitMs, ...(signal ? { signal } : {}) });
}

async function acquireByTrying(
  file: Deno.FsFile,
  { waitMs, signal }: { waitMs: number; signal?: AbortSignal },
): Promise<boolean> {
  const end = performance.now() + waitMs;
  while (!await file.tryLock(true)) {
    signal?.throwIfAborted();
    if (performance.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return true;
}

/**
 * Where the platform can only wait for a lock (Deno before 2.9): the wait goes on in the background after the time is over;
 * closing the file, or the end of the process, ends it.
 */
async function acquireByWaiting(
  file: Deno.FsFile,
  { waitMs, signal }: { waitMs: number; signal?: AbortSignal },
): Promise<boolean> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort = () => {};
  const endMs = Math.max(waitMs, FREE_LOCK_MS_MAX);
  const locked = file.lock(true).then(() => true, (error) => {
    throw error;
  });
  locked.catch(() => {/* reported below unless the time was over first */});
  try {
    return await Promise.race([
      locked,
      new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), endMs)),
      new Promise<never>((_, reject) => {
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function readOwner(file: Deno.FsFile): string {
  const bytes = new Uint8Array(OWNER_BYTES_MAX);
  file.seekSync(0, Deno.SeekMode.Start);
  const read = file.readSync(bytes) ?? 0;
  const text = new TextDecoder().decode(bytes.subarray(0, read)).trim();
  return /^\d+$/.test(text) ? text : "";
}

/** For messages only: the lock is the system's, not this text. */
function writeOwner(file: Deno.FsFile, owner: string): void {
  try {
    file.truncateSync(0);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(encodeUtf8(owner));
  } catch {
    // a full disk must not keep anyone from reading
  }
}
