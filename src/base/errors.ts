/**
 * The one error class of GoVault. Callers switch on `code`, never on the text; the command line turns a
 * code into an exit code through {@link EXIT_CODES}.
 *
 * @module
 */

/** Every code an error of ours can carry. The list is closed: scripts rely on it. */
export type ErrorCode =
  | "failed" // anything that has no better name
  | "usage" // wrong command line or argument
  | "bad_key" // a key name that no vault can hold
  | "not_found" // no such key, version, tag or node
  | "damaged" // bytes are not what their hash, tag or signature says
  | "too_few_peers" // not enough durable copies
  | "locked" // another process owns the home
  | "denied" // wrong passphrase, not a member, no permission on a file
  | "no_space" // the disk is full
  | "exists" // the destination is in the way
  | "changed" // a file changed while it was read
  | "interrupted"; // stopped by a signal or an AbortSignal

/** Process exit code of every error code. */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  failed: 1,
  usage: 2,
  bad_key: 2,
  not_found: 3,
  damaged: 4,
  too_few_peers: 5,
  locked: 6,
  denied: 7,
  no_space: 1,
  exists: 1,
  changed: 1,
  interrupted: 130,
};

/** Optional parts of a {@link VaultError}. */
export interface VaultErrorOptions {
  /** What the user can do about it; only where one can act. */
  hint?: string;
  /** The error underneath. */
  cause?: unknown;
}

/**
 * An error whose message names the action, then the state: "Cannot open chunk 3f9a…: tag mismatch".
 */
export class VaultError extends Error {
  /** Always "VaultError". */
  override readonly name = "VaultError";
  /** What went wrong, from the closed list. */
  readonly code: ErrorCode;
  /** The way out, if there is one. */
  readonly hint: string | undefined;

  /** Makes an error with a code, a message for people, and optionally a hint and a cause. */
  constructor(code: ErrorCode, message: string, options: VaultErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** Whether `error` is a {@link VaultError}, and of the given code if one is named. */
export function isVaultError(error: unknown, code?: ErrorCode): error is VaultError {
  return error instanceof VaultError && (code === undefined || error.code === code);
}

/**
 * What a caller who gave a signal is to hear: if the signal's abort is behind the error, VaultError `interrupted`, whatever
 * the signal gave as its reason; any other error as it is.
 */
export function asInterruption(
  error: unknown,
  { action, signal }: { action: string; signal?: AbortSignal | undefined },
): unknown {
  if (isVaultError(error, "interrupted")) return error;
  const isAbort = (at: unknown) =>
    at instanceof DOMException && at.name === "AbortError" ||
    signal?.aborted === true && at === signal.reason;
  for (let at = error; at !== undefined && at !== null; at = (at as { cause?: unknown }).cause) {
    if (isAbort(at)) {
      return new VaultError("interrupted", `${action}: interrupted`, { cause: error });
    }
  }
  return error;
}

/**
 * Turns whatever was thrown into a {@link VaultError}: ours pass through, aborts become `interrupted`, and the
 * operating system's refusals get the code that tells the user what to do.
 *
 * @param action what was being done, as in "Cannot read photo.jpg"
 */
export function asVaultError(error: unknown, action: string): VaultError {
  if (error instanceof VaultError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  const because = (kind: ErrorCode, state: string, hint?: string) =>
    new VaultError(kind, `${action}: ${state}`, { cause: error, ...(hint ? { hint } : {}) });

  if (error instanceof DOMException && error.name === "AbortError") {
    return because("interrupted", "interrupted");
  }
  if (code === "ENOSPC" || code === "EDQUOT" || /os error (28|122)\b/.test(text)) {
    return because("no_space", "the disk is full", "free some space, then run it again");
  }
  if (code === "EFBIG" || /os error 27\b/.test(text)) {
    return because("no_space", "the file would be larger than this system allows");
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return because("denied", "permission denied");
  }
  if (error instanceof Deno.errors.NotFound) return because("not_found", "no such file or folder");
  if (error instanceof Deno.errors.AlreadyExists) return because("exists", "it exists already");
  if (/os error 20\b/.test(text)) return because("failed", "a part of the path is not a folder");
  if (/os error 30\b/.test(text)) return because("denied", "the file system is read-only");
  if (/os error 36\b/.test(text)) return because("failed", "the name is too long for this disk");
  return because("failed", text);
}
