/**
 * What a transport can do: byte streams between nodes, each end's key proven for the one that listens. TLS over TCP
 * and memory are made to this shape, so that the nodes of a test and those of a machine run the same code.
 *
 * @module
 */

import type { Bytes } from "../base/mod.ts";

/** A stream of bytes both ways. Calls of `read` don't overlap, nor do those of `write`. */
export interface Connection {
  /** Whom it leads to, as `host:port`. */
  readonly remote: string;
  /** Bytes put into `into` (at least one), or `null` at the end. @throws when the connection broke */
  read(into: Uint8Array): Promise<number | null>;
  /** Returns once all bytes are handed over; `bytes` may be used again then. @throws when the connection broke */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both directions at once. May be called at any time, and again. */
  close(): void;
}

/** Accepts connections. */
export interface Listener {
  /** Where it listens. */
  readonly host: string;
  /** The port; the one that was found, where 0 was asked for. */
  readonly port: number;
  /** Connections as they come in, until `close`. A connection whose opening fails is left out. */
  accept(): AsyncIterable<Connection>;
  /** Ends listening; connections go on. May be called again. */
  close(): void;
}

/** The certificate and the key of a node that listens. */
export interface Credentials {
  /** The node's self-signed certificate, DER. */
  readonly certificate: Bytes;
  /** The private key that belongs to it, PKCS #8, DER. */
  readonly privateKey: Bytes;
}

/** Makes connections. */
export interface Transport {
  /** Begins to listen, with port 0 at any that is free. @throws VaultError `failed` if the address can't be had, naming it */
  listen(at: { host: string; port: number; credentials: Credentials }): Promise<Listener>;
  /**
   * Connects, and accepts only who holds the key of this very certificate.
   *
   * @param address `host:port`, `[v6]:port`
   * @throws VaultError `failed` (nobody there, time over), `denied` (somebody else is there), `interrupted`
   */
  dial(
    address: string,
    options: { certificate: Bytes; timeoutMs: number; signal?: AbortSignal },
  ): Promise<Connection>;
  /** The certificate that whoever listens there shows, DER, proven by nothing. @throws as {@link Transport.dial} */
  probe(address: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Bytes>;
}
