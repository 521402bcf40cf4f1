/**
 * What dialling and probing share: time and aborts over steps that know of neither, and errors that tell what is the
 * matter.
 *
 * @module
 */

import { parseHostPort, VaultError } from "../base/mod.ts";

/** What can be closed. */
interface Closable {
  close(): void;
}

/** How long an attempt may take, and who may call it off. */
export interface DialOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An attempt to reach somebody: when time is over or it is called off, all that it has opened is closed. */
export class Attempt {
  readonly address: string;
  readonly #opened = new Set<Closable>();
  readonly #connecting = new AbortController();
  #over: VaultError | null = null;

  constructor(address: string) {
    this.address = address;
  }

  /**
   * Connects to the address, then does what is to be done with the connection.
   *
   * @throws VaultError as `Transport.dial`
   */
  async run<T>(options: DialOptions, work: (tcp: Deno.TcpConn) => Promise<T>): Promise<T> {
    const { timeoutMs, signal } = options;
    const { host, port } = parseHostPort(this.address);
    if (signal?.aborted) throw this.error("interrupted", "interrupted");
    const { promise: over, reject } = Promise.withResolvers<never>();
    const end = (error: VaultError) => {
      this.#abandon(error);
      reject(error);
    };
    const timer = setTimeout(
      () => end(this.error("failed", `no answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const onAbort = () => end(this.error("interrupted", "interrupted"));
    signal?.addEventListener("abort", onAbort, { once: true });
    const working = this.#work({ hostname: host, port }, work);
    try {
      return await Promise.race([working, over]);
    } catch (error) {
      const known = this.#over ?? this.#explain(error);
      this.#abandon(known);
      throw known;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      over.catch(() => {});
      working.catch(() => {}); // the attempt has its error already
    }
  }

  async #work<T>(
    to: { hostname: string; port: number },
    work: (tcp: Deno.TcpConn) => Promise<T>,
  ): Promise<T> {
    const { signal } = this.#connecting;
    return await work(this.opened(await Deno.connect({ ...to, signal })));
  }

  #abandon(error: VaultError): void {
    this.#over = error;
    this.#connecting.abort();
    for (const one of this.#opened) close(one);
    this.#opened.clear();
  }

  /** Notes what is to be closed if nothing comes of the attempt; at once, if nothing can come of it any more. */
  opened<T extends Closable>(one: T): T {
    if (this.#over !== null) {
      close(one);
      throw this.#over;
    }
    this.#opened.add(one);
    return one;
  }

  /** An error of this attempt. */
  error(
    code: "failed" | "denied" | "interrupted",
    state: string,
    options: { hint?: string; cause?: unknown } = {},
  ): VaultError {
    return new VaultError(code, `Cannot reach ${this.address}: ${state}`, options);
  }

  #explain(error: unknown): VaultError {
    if (error instanceof VaultError) return error;
    const text = error instanceof Error ? error.message : String(error);
    const failed = (state: string) => this.error("failed", state, { cause: error });
    if (error instanceof Deno.errors.ConnectionRefused) return failed("nobody listens there");
    if (error instanceof Deno.errors.TimedOut) return failed("no answer");
    if (/certificate/i.test(text)) {
      return this.error("denied", "somebody else is there, with another certificate", {
        cause: error,
      });
    }
    if (/lookup address|resolve|ENOTFOUND/i.test(text)) return failed("no such host");
    if (/os error (101|113|51|65)\b|unreachable/i.test(text)) return failed("no way leads there");
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      return this.error("denied", "the network may not be used", { cause: error });
    }
    if (
      error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.UnexpectedEof ||
      error instanceof Deno.errors.BrokenPipe
    ) return failed("whoever listens there hung up");
    if (error instanceof Deno.errors.InvalidData) {
      return failed("whoever listens there is no GoVault node");
    }
    return failed(text);
  }
}

function close(one: Closable): void {
  try {
    one.close();
  } catch {
    // closed before
  }
}
