/**
 * TLS over TCP, by Deno's own (rustls): TLS 1.3 between nodes, the listener's certificate pinned by the dialler.
 *
 * @module
 */

import { asVaultError, type Bytes, formatHostPort, VaultError } from "../base/mod.ts";
import { CERTIFICATE_HOST, toPem } from "./certificate.ts";
import { ALPN_PROTOCOL, probeCertificate } from "./certificate_probe.ts";
import { Attempt } from "./dialling.ts";
import { TlsConnection } from "./tls_connection.ts";
import { TlsListener } from "./tls_listener.ts";
import type { Connection, Credentials, Listener, Transport } from "./transport.ts";

/** The machine's network. */
export const tlsTransport: Transport = { listen, dial, probe: probeCertificate };

// deno-lint-ignore require-await -- what it throws is to reject
async function listen(
  at: { host: string; port: number; credentials: Credentials },
): Promise<Listener> {
  try {
    return new TlsListener(at);
  } catch (error) {
    throw cannotListen(at, error);
  }
}

/**
 * Finds out whether a node could listen there, before it has anything to listen with.
 *
 * @throws VaultError `failed`, as {@link Transport.listen}
 */
export function assertListenable(at: { host: string; port: number }): void {
  try {
    Deno.listen({ hostname: at.host, port: at.port }).close();
  } catch (error) {
    throw cannotListen(at, error);
  }
}

function cannotListen(at: { host: string; port: number }, error: unknown): VaultError {
  const action = `Cannot listen at ${formatHostPort(at)}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return new VaultError("failed", `${action}: the port is taken by another program`, {
      hint: "choose another one with --port, or 0 for any that is free",
      cause: error,
    });
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new VaultError("failed", `${action}: this machine has no such address`, {
      hint: "0.0.0.0 stands for all addresses of the machine",
      cause: error,
    });
  }
  return asVaultError(error, action);
}

/**
 * Handshakes that time was over for, by address. Closing a connection of Deno's in its handshake leaves the handshake
 * waiting for the other end, and the socket open with it: so an end that says nothing is not asked again that way.
 */
const stuck = new Map<string, number>();
/** So many stuck handshakes with one address, and it is not dialled any more until one of them ends. */
const STUCK_MAX = 4;

async function dial(
  address: string,
  options: { certificate: Bytes; timeoutMs: number; signal?: AbortSignal },
): Promise<Connection> {
  const stuckHere = stuck.get(address) ?? 0;
  if (stuckHere >= STUCK_MAX) {
    throw new Attempt(address).error("failed", "it has left several connections without an answer");
  }
  if (stuckHere > 0) await probeCertificate(address, options);
  const attempt = new Attempt(address);
  return await attempt.run(options, async (tcp) => {
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true);
    const tls = await Deno.startTls(tcp, {
      hostname: CERTIFICATE_HOST,
      caCerts: [toPem("CERTIFICATE", options.certificate)],
      alpnProtocols: [ALPN_PROTOCOL],
    });
    const handshake = tls.handshake();
    attempt.opened({ close: () => closeWhenDone(address, tls, handshake) });
    const { alpnProtocol } = await handshake;
    if (alpnProtocol !== ALPN_PROTOCOL) {
      throw attempt.error("denied", "whoever listens there speaks another protocol");
    }
    const { hostname, port } = tls.remoteAddr;
    return new TlsConnection(tls, { remote: formatHostPort({ host: hostname, port }) });
  });
}

/** Closes a connection that may be in its handshake: counted as stuck until that has ended. */
function closeWhenDone(address: string, tls: Deno.TlsConn, handshake: Promise<unknown>): void {
  stuck.set(address, (stuck.get(address) ?? 0) + 1);
  const done = () => {
    const others = stuck.get(address)! - 1;
    if (others === 0) stuck.delete(address);
    else stuck.set(address, others);
    tls.close();
  };
  handshake.then(done, done);
}
