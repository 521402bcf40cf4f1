/**
 * A connection over Deno's TLS.
 *
 * @module
 */

import { useSocket, VaultError } from "../base/mod.ts";
import { ALPN_PROTOCOL } from "./certificate_probe.ts";
import type { Connection } from "./transport.ts";

/** What a connection is made with. */
export interface TlsConnectionOptions {
  readonly remote: string;
  /**
   * The handshake, if it may not be over: reads and writes wait for it. Who closes the connection meanwhile gives it up; what
   * `abandon` does then is to end it, as Deno can't.
   */
  readonly opening?: { handshake: Promise<Deno.TlsHandshakeInfo>; abandon: () => void };
  /** Called when the connection is closed after its handshake. */
  readonly onClose?: () => void;
}

/** Both ends of a dialled connection are one of these. */
export class TlsConnection implements Connection {
  readonly #conn: Deno.TlsConn;
  readonly remote: string;
  readonly #options: TlsConnectionOptions;
  /** `null` once the handshake is done. */
  #opening: Promise<void> | null = null;
  readonly #closed = Promise.withResolvers<never>();
  #isClosed = false;
  readonly #unuse = useSocket();
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;

  constructor(conn: Deno.TlsConn, options: TlsConnectionOptions) {
    this.#conn = conn;
    this.remote = options.remote;
    this.#options = options;
    this.#closed.promise.catch(() => {});
    if (options.opening === undefined) return;
    const opened = options.opening.handshake.then(({ alpnProtocol }) => {
      this.#opening = null;
      if (alpnProtocol !== ALPN_PROTOCOL) throw failed("the other end speaks another protocol");
    });
    this.#opening = Promise.race([opened, this.#closed.promise]);
    this.#opening.catch(() => {}); // whoever reads or writes hears of it
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#opening !== null) await this.#opening;
    return await this.#conn.read(into);
  }

  /** By the stream, as that writes all in one operation: `conn.write` takes 64 KiB, and a turn of the event loop for each. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#opening !== null) await this.#opening;
    if (this.#isClosed) throw failed("it is closed"); // Deno 2.4 would take it, for nobody
    this.#writer ??= this.#conn.writable.getWriter();
    await this.#writer.write(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unuse();
    const { opening, onClose } = this.#options;
    const end = () => {
      try {
        this.#conn.close();
      } catch {
        // the system has closed it before
      }
    };
    if (this.#opening === null || opening === undefined) {
      end();
      onClose?.();
    } else {
      this.#closed.reject(failed("it is closed"));
      opening.handshake.then(end, end);
      opening.abandon();
    }
  }
}

function failed(state: string): VaultError {
  return new VaultError("failed", `Cannot use connection: ${state}`);
}
