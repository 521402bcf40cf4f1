/** One end of a TLS connection on loopback: it takes all that comes, or sends so many bytes. */

import { CERTIFICATE_HOST, type Credentials, toPem } from "../../src/net/mod.ts";

/** Which end, and what it needs. */
export type TlsTask =
  & {
    bytes: number;
    /** Bytes that are written and read at a time. */
    buffer: number;
  }
  & ({ listen: Credentials } | { port: number; certificate: Uint8Array<ArrayBuffer> });

interface WorkerScope {
  onmessage: ((event: MessageEvent<TlsTask>) => void) | null;
  postMessage(message: { port: number } | { seconds: number }): void;
}

const scope = self as unknown as WorkerScope;

scope.onmessage = async ({ data }) => {
  const { bytes } = data;
  if ("listen" in data) {
    const { certificate, privateKey } = data.listen;
    const listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: 0,
      cert: toPem("CERTIFICATE", certificate),
      key: toPem("PRIVATE KEY", privateKey),
    });
    scope.postMessage({ port: (listener.addr as Deno.NetAddr).port });
    const buffer = new Uint8Array(data.buffer);
    for await (const connection of listener) {
      for (let taken = 0; taken < bytes;) taken += await connection.read(buffer) ?? bytes;
      await connection.write(new Uint8Array(1)); // all has come
      connection.close();
    }
    return;
  }
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: data.port });
  const connection = await Deno.startTls(tcp, {
    hostname: CERTIFICATE_HOST,
    caCerts: [toPem("CERTIFICATE", data.certificate)],
  });
  await connection.handshake();
  const piece = new Uint8Array(data.buffer);
  const begin = performance.now();
  for (let sent = 0; sent < bytes;) sent += await connection.write(piece);
  await connection.read(new Uint8Array(1));
  scope.postMessage({ seconds: (performance.now() - begin) / 1000 });
  connection.close();
};
