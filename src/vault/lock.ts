/**
 * One process owns a home at a time: an advisory lock that the system takes back when the process ends, however it ends.
 *
 * @module
 */

import { asInterruption, asVaultError, encodeUtf8, VaultError } from "../base/mod.ts";

const RETRY_MS = 25;
/** How often who waits is asked whether to go on. */
const ASK_MS = 100;
/** Where the platform can only wait for a lock, one that is free takes a moment to be had. */
const FREE_LOCK_MS_MAX = 250;
const OWNER_BYTES_MAX = 32;

/** A lock that is held. */
export interface HomeLock {
  release(): void;
}

/** How to wait for a lock. */
export interface LockWait {
  waitMs: number;
  signal?: AbortSignal;
  /** Called now and then while another process has the lock; a VaultError that it throws ends the waiting. */
  onWaiting?: () => Promise<void>;
}

/**
 * Takes the lock, waiting if need be.
 *
 * @throws VaultError `locked` naming the owner when the time is over, `interrupted` when the signal fires; what
 *   `onWaiting` throws
 */
export async function lockHome(path: string, options: LockWait): Promise<HomeLock> {
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
    const action = `Cannot lock ${path}`;
    throw asVaultError(asInterruption(error, { action, signal: options.signal }), action);
  }
  writeOwner(file, String(Deno.pid));
  return {
    release() {
      writeOwner(file, "");
      file.close();
    },
  };
}

function acquire(file: Deno.FsFile, wait: LockWait): Promise<boolean> {
  return typeof file.tryLock === "function"
    ? acquireByTrying(file, wait)
    : acquireByWaiting(file, wait);
}

async function acquireByTrying(
  file: Deno.FsFile,
  { waitMs, signal, onWaiting }: LockWait,
): Promise<boolean> {
  const end = performance.now() + waitMs;
  for (let tries = 0; !await file.tryLock(true); tries++) {
    signal?.throwIfAborted();
    if (performance.now() >= end) return false;
    if (tries % (ASK_MS / RETRY_MS) === 0) await onWaiting?.();
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
  { waitMs, signal, onWaiting }: LockWait,
): Promise<boolean> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking: ReturnType<typeof setInterval> | undefined;
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
        if (onWaiting) asking = setInterval(() => onWaiting().catch(reject), ASK_MS);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    clearInterval(asking);
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
