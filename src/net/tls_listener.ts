/**
 * A listener on Deno's TLS that idle and dripping strangers can't exhaust.
 *
 * A connection that is closed amidst its TLS handshake stays open in Deno until the other end leaves, and nothing can be
 * done about it from here. As long as there are few of those, connections are taken from TLS directly, which is
 * fastest. When there are many, the port is given to a plain listener, and new connections are handed on to one of TLS on
 * loopback: both sides of that relay can be closed at any time. Connections that stand are left alone. When the
 * strangers have gone, the port goes back.
 *
 * @module
 */

import { formatHostPort, STUCK_HANDSHAKES_MAX, systemTimers } from "../base/mod.ts";
import { toPem } from "./certificate.ts";
import { ALPN_PROTOCOL } from "./certificate_probe.ts";
import { TlsConnection } from "./tls_connection.ts";
import type { Connection, Credentials, Listener } from "./transport.ts";

/** How long the system is given after it could not accept or listen, for want of descriptors say. */
const PAUSE_MS = 100;
/** How long the last bytes of a closed connection may take through the relay. */
const LINGER_MS = 5000;
/** Bytes that a relay reads at a time, each way. */
const RELAY_BYTES = 64 * 1024;

/** Where connections come from. */
interface Source {
  /** The next one; `null` when closed, or when one was not to be had. */
  next(): Promise<Connection | null>;
  close(): void;
}

/** Listens for nodes. */
export class TlsListener implements Listener {
  readonly host: string;
  readonly port: number;
  readonly #credentials: Credentials;
  #source: Source | null;
  #isRelayed = false;
  #isClosed = false;
  /** Handshakes that were given up and have not ended. */
  #stuck = 0;

  /** @throws what the system throws if the address can't be had */
  constructor(at: { host: string; port: number; credentials: Credentials }) {
    this.#credentials = at.credentials;
    const listener = listenTls(at);
    this.host = listener.addr.hostname;
    this.port = listener.addr.port;
    this.#source = this.#direct(listener);
  }

  /** Whether new connections come by the relay. */
  get isRelayed(): boolean {
    return this.#isRelayed;
  }

  async *accept(): AsyncIterable<Connection> {
    while (!this.#isClosed) {
      try {
        this.#source ??= this.#open();
        const connection = await this.#source.next();
        if (connection !== null) yield connection;
      } catch {
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#source?.close();
  }

  /** What comes from TLS. Its handshake goes on by itself, so that a slow one holds up nobody else. */
  #direct(listener: Deno.TlsListener): Source {
    let isClosed = false;
    return {
      next: async () => {
        let conn: Deno.TlsConn;
        try {
          conn = await listener.accept();
        } catch (error) {
          if (isClosed) return null;
          throw error;
        }
        const handshake = conn.handshake();
        const { hostname, port } = conn.remoteAddr;
        return new TlsConnection(conn, {
          remote: formatHostPort({ host: hostname, port }),
          opening: { handshake, abandon: () => this.#abandoned(handshake) },
        });
      },
      close: () => {
        isClosed = true;
        listener.close();
      },
    };
  }

  #abandoned(handshake: Promise<unknown>): void {
    this.#stuck++;
    if (this.#stuck > STUCK_HANDSHAKES_MAX) this.#change(true);
    const ended = () => {
      this.#stuck--;
      if (this.#stuck < STUCK_HANDSHAKES_MAX / 4) this.#change(false);
    };
    handshake.then(ended, ended);
  }

  #change(isRelayed: boolean): void {
    if (this.#isClosed || this.#isRelayed === isRelayed) return;
    this.#isRelayed = isRelayed;
    this.#source?.close();
    try {
      this.#source = this.#open();
    } catch {
      this.#source = null; // `accept` tries again
    }
  }

  #open(): Source {
    if (this.#isRelayed) return this.#relayed();
    const { host, port } = this;
    return this.#direct(listenTls({ host, port, credentials: this.#credentials }));
  }

  /** What comes from a plain listener, by a relay. */
  #relayed(): Source {
    const outside = Deno.listen({ hostname: this.host, port: this.port });
    let inside: Deno.TlsListener;
    try {
      inside = listenTls({ host: "127.0.0.1", port: 0, credentials: this.#credentials });
    } catch (error) {
      outside.close();
      throw error;
    }
    let isClosed = false;
    return {
      next: async () => {
        try {
          const outer = await outside.accept();
          const { hostname, port } = outer.remoteAddr;
          const remote = formatHostPort({ host: hostname, port });
          return await relay(outer, inside, remote);
        } catch (error) {
          if (isClosed) return null;
          throw error;
        }
      },
      close: () => {
        isClosed = true;
        outside.close();
        inside.close();
      },
    };
  }
}

function listenTls(
  { host, port, credentials }: { host: string; port: number; credentials: Credentials },
): Deno.TlsListener {
  return Deno.listenTls({
    hostname: host,
    port,
    cert: toPem("CERTIFICATE", credentials.certificate),
    key: toPem("PRIVATE KEY", credentials.privateKey),
    alpnProtocols: [ALPN_PROTOCOL],
  });
}

/** Hands a connection on to TLS. */
async function relay(
  outer: Deno.TcpConn,
  inside: Deno.TlsListener,
  remote: string,
): Promise<Connection> {
  let inner: Deno.TcpConn;
  try {
    inner = await Deno.connect({ hostname: "127.0.0.1", port: inside.addr.port });
  } catch (error) {
    outer.close();
    throw error;
  }
  let stopLinger = () => {};
  const kill = () => {
    stopLinger();
    for (const conn of [outer, inner]) {
      try {
        conn.close();
      } catch {
        // closed before
      }
    }
  };
  try {
    let tls = await inside.accept();
    // Another program of this machine may have found the port.
    while (tls.remoteAddr.port !== inner.localAddr.port) {
      tls.close();
      tls = await inside.accept();
    }
    outer.setNoDelay(true);
    inner.setNoDelay(true);
    const handshake = tls.handshake();
    Promise.all([pump(outer, inner), pump(inner, outer)]).catch(() => {}).finally(kill);
    return new TlsConnection(tls, {
      remote,
      opening: { handshake, abandon: kill },
      onClose: () => stopLinger = systemTimers.after(LINGER_MS, kill),
    });
  } catch (error) {
    kill();
    throw error;
  }
}

/** Writes all that is read. */
async function pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(RELAY_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
  }
  await to.closeWrite();
}
