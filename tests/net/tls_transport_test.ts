import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Bytes,
  equalBytes,
  STUCK_HANDSHAKES_MAX,
  toHex,
  VaultError,
} from "../../src/base/mod.ts";
import {
  type Connection,
  type Credentials,
  type Listener,
  makeCredentials,
  tlsTransport,
} from "../../src/net/mod.ts";
import type { TlsListener } from "../../src/net/tls_listener.ts";
import { settled } from "./helpers.ts";

const [ours, theirs] = await Promise.all(
  [1, 2].map((fill) => makeCredentials(new Uint8Array(32).fill(fill))),
) as [Credentials, Credentials];
const timeoutMs = 10_000;

/** Listens on loopback; what comes in goes to `serve`. Everything is closed and over when `use` is. */
async function listening(
  serve: (connection: Connection) => Promise<void>,
  use: (address: string, listener: Listener) => Promise<void>,
): Promise<void> {
  const listener = await tlsTransport.listen({ host: "127.0.0.1", port: 0, credentials: ours });
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener.accept()) {
      served.push(serve(connection).catch(() => {}).finally(() => connection.close()));
    }
  })();
  try {
    await use(`127.0.0.1:${listener.port}`, listener);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(served);
  }
}

/** Listens on plain TCP. */
async function tcpListening(
  serve: (conn: Deno.TcpConn) => Promise<void>,
  use: (address: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served: Promise<void>[] = [];
  const conns: Deno.TcpConn[] = [];
  const close = (conn: Deno.TcpConn) => {
    try {
      conn.close();
    } catch {
      // closed before
    }
  };
  const accepting = (async () => {
    for await (const conn of listener) {
      conns.push(conn);
      served.push(serve(conn).catch(() => {}).finally(() => close(conn)));
    }
  })();
  try {
    await use(`127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    conns.forEach(close);
    await accepting;
    await Promise.all(served);
  }
}

/** Waits for what the system is about to do. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    assert(i < 30_000, `never so: ${isSo}`);
    await settled();
  }
}

async function readUntilEnd(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await connection.read(buffer) !== null);
}

async function echo(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(100_000);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    await connection.write(buffer.subarray(0, count));
  }
}

async function readExactly(connection: Connection, length: number): Promise<Bytes> {
  const out = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await connection.read(out.subarray(at));
    assert(count !== null && count > 0);
    at += count;
  }
  return out;
}

async function refused(promise: Promise<unknown>, code: string, text: string): Promise<void> {
  const error = await assertRejects(() => promise, VaultError, text);
  assertEquals(error.code, code, error.message);
}

Deno.test("tlsTransport: bytes go both ways between who dials and who listens", async () => {
  await listening(echo, async (address) => {
    const connection = await tlsTransport.dial(address, { ...ours, timeoutMs });
    assertEquals(connection.remote, address);
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    await connection.write(bytes);
    assert(equalBytes(await readExactly(connection, bytes.length), bytes));
    connection.close();
    connection.close();
  });
});

Deno.test("tlsTransport: the last bytes before a close arrive, then the end", async () => {
  const bytes = new Uint8Array(300_000).fill(3);
  await listening(async (connection) => {
    await connection.write(bytes);
  }, async (address) => {
    const connection = await tlsTransport.dial(address, { ...ours, timeoutMs });
    assert(equalBytes(await readExactly(connection, bytes.length), bytes));
    assertEquals(await connection.read(new Uint8Array(10)), null);
    connection.close();
  });
});

Deno.test("tlsTransport.dial: refuses whoever has another certificate", async () => {
  await listening(echo, async (address) => {
    await refused(
      tlsTransport.dial(address, { certificate: theirs.certificate, timeoutMs }),
      "denied",
      `Cannot reach ${address}: somebody else is there, with another certificate`,
    );
  });
});

Deno.test("tlsTransport.dial, probe: tell what is the matter", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  for (
    const attempt of [
      (address: string) => tlsTransport.dial(address, { ...ours, timeoutMs }),
      (address: string) => tlsTransport.probe(address, { timeoutMs }),
    ]
  ) {
    await refused(attempt(`127.0.0.1:${port}`), "failed", "nobody listens there");
    await refused(attempt("nonsense"), "usage", 'Cannot read address "nonsense"');
    const http = async (conn: Deno.TcpConn) => {
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      while (await conn.read(new Uint8Array(4096)) !== null);
    };
    await tcpListening(http, async (address) => {
      await refused(attempt(address), "failed", "whoever listens there is no GoVault node");
    });
    const hangUp = async (conn: Deno.TcpConn) => {
      await conn.read(new Uint8Array(4096));
    };
    await tcpListening(hangUp, async (address) => {
      await refused(attempt(address), "failed", "whoever listens there hung up");
    });
  }
});

Deno.test("tlsTransport.dial, probe: time over and aborts end the attempt", async () => {
  const silent = async (conn: Deno.TcpConn) => {
    while (await conn.read(new Uint8Array(4096)) !== null);
  };
  await tcpListening(silent, async (address) => {
    await refused(
      tlsTransport.dial(address, { ...ours, timeoutMs: 50 }),
      "failed",
      `Cannot reach ${address}: no answer within 0.05 s`,
    );
    await refused(tlsTransport.probe(address, { timeoutMs: 50 }), "failed", "no answer within");
    for (
      const attempt of [
        (signal: AbortSignal) => tlsTransport.dial(address, { ...ours, timeoutMs, signal }),
        (signal: AbortSignal) => tlsTransport.probe(address, { timeoutMs, signal }),
      ]
    ) {
      await refused(attempt(AbortSignal.abort()), "interrupted", "interrupted");
      const stop = new AbortController();
      const attempted = attempt(stop.signal);
      stop.abort();
      await refused(attempted, "interrupted", "interrupted");
    }
  });
});

Deno.test("tlsTransport.dial: leaves few connections with an end that says nothing", async () => {
  let accepted = 0;
  let answers = false;
  await tcpListening(async (conn) => {
    accepted++;
    const buffer = new Uint8Array(4096);
    const count = await conn.read(buffer);
    // A ClientHello that offers TLS 1.2 and no other is a probe's.
    if (answers && count !== null && count < 200) return;
    while (await conn.read(buffer) !== null);
    accepted--;
  }, async (address) => {
    const dial = () => tlsTransport.dial(address, { ...ours, timeoutMs: 20 });
    for (let i = 0; i < 10; i++) await refused(dial(), "failed", "no answer within 0.02 s");
    // One by TLS; the others were probes, which hang up.
    await until(() => accepted <= 1);
    answers = true;
    await refused(dial(), "failed", "whoever listens there hung up");
  });
});

Deno.test("tlsTransport.dial: refuses who speaks another protocol with the same key", async () => {
  const pem = (label: string, der: Bytes) =>
    `-----BEGIN ${label}-----\n${btoa(String.fromCharCode(...der))}\n-----END ${label}-----\n`;
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: pem("CERTIFICATE", ours.certificate),
    key: pem("PRIVATE KEY", ours.privateKey),
  });
  const serving = (async () => {
    const conn = await listener.accept();
    await conn.handshake();
    while (await conn.read(new Uint8Array(10)) !== null);
    conn.close();
  })().catch(() => {});
  await refused(
    tlsTransport.dial(`127.0.0.1:${listener.addr.port}`, { ...ours, timeoutMs }),
    "denied",
    "speaks another protocol",
  );
  await serving;
  listener.close();
});

Deno.test("tlsTransport.probe: gives the certificate of whoever listens", async () => {
  await listening(readUntilEnd, async (address) => {
    const certificate = await tlsTransport.probe(address, { timeoutMs });
    assertEquals(toHex(certificate), toHex(ours.certificate));
    const connection = await tlsTransport.dial(address, { certificate, timeoutMs });
    connection.close();
  });
});

Deno.test("tlsTransport.probe: takes nonsense, claims and drips for what they are", async () => {
  const record = (...bytes: number[]) =>
    Uint8Array.from([22, 3, 3, bytes.length >> 8, bytes.length & 255, ...bytes]);
  const answers: Uint8Array[] = [
    Uint8Array.from([22, 3, 3, 255, 255]), // a record longer than any
    Uint8Array.from([21, 3, 3, 0, 2, 2, 40]), // an alert: handshake failure
    record(14, 0, 0, 0), // done, and no certificate
    record(11, 0, 0, 3, 0, 0, 0), // no certificate in the list
    record(11, 0, 0, 6, 0, 0, 3, 0xff, 0xff, 0xff), // one of 16 MiB
    record(11, 0, 0, 7, 0, 0, 9, 0, 0, 1, 5), // a list longer than its message
    crypto.getRandomValues(new Uint8Array(5000)).fill(0, 0, 1),
    new Uint8Array(20_000).map((_, i) => i % 16_389 < 5 ? [22, 3, 3, 0x40, 0][i % 16_389]! : 2),
  ];
  for (const answer of answers) {
    await tcpListening(async (conn) => {
      await conn.read(new Uint8Array(4096));
      for (let at = 0; at < answer.length;) at += await conn.write(answer.subarray(at));
      while (await conn.read(new Uint8Array(4096)) !== null);
    }, async (address) => {
      await refused(
        tlsTransport.probe(address, { timeoutMs }),
        "failed",
        "whoever listens there is no GoVault node",
      );
    });
  }
});

Deno.test("tlsTransport.listen: says what is wrong with an address", async () => {
  await listening(echo, async (_, listener) => {
    await refused(
      tlsTransport.listen({ host: "127.0.0.1", port: listener.port, credentials: ours }),
      "failed",
      "the port is taken by another program",
    );
  });
  await refused(
    tlsTransport.listen({ host: "192.0.2.1", port: 0, credentials: ours }),
    "failed",
    "this machine has no such address",
  );
});

// What a relay still carries when its connection is closed goes on by itself for a moment.
const byItself = { sanitizeOps: false, sanitizeResources: false };
Deno.test(
  "TlsListener: strangers who say nothing are got rid of, and nodes served all the while",
  byItself,
  async () => {
    const idle: Deno.TcpConn[] = [];
    let gone = 0;
    const waiting: Connection[] = [];
    const serve = async (connection: Connection) => {
      waiting.push(connection);
      if (waiting.length > 20) waiting.shift()!.close();
      await echo(connection);
    };
    const talk = async (connection: Connection) => {
      await connection.write(Uint8Array.of(1, 2, 3));
      assertEquals(await readExactly(connection, 3), Uint8Array.of(1, 2, 3));
    };
    const close = (conn: { close(): void }) => conn.close();
    const dialled: Connection[] = [];
    const dial = async (address: string) => {
      const connection = await tlsTransport.dial(address, { ...ours, timeoutMs });
      dialled.push(connection);
      return connection;
    };
    const use = async (address: string, listener: Listener) => {
      const { isRelayed } = listener as TlsListener;
      assertEquals(isRelayed, false);
      const early = await dial(address);
      await talk(early);
      waiting.shift(); // who has shown what it is, is not got rid of
      const strangers = async (count: number) => {
        for (let i = 0; i < count; i++) {
          const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
          idle.push(conn);
          // Whoever comes while the listener changes is hung up on.
          if (i % 2 === 0) {
            await conn.write(Uint8Array.of(22, 3, 1, 2, 0, 1).subarray(0, 1 + i % 6)).catch(
              () => {},
            );
          }
          conn.read(new Uint8Array(10)).catch(() => null).then(() => gone++);
        }
      };
      await strangers(STUCK_HANDSHAKES_MAX + 100);
      await until(() => (listener as TlsListener).isRelayed);
      const before = gone;
      await strangers(300);
      await until(() => gone >= before + 300 - 25);

      await talk(early);
      const late = await dial(address);
      await talk(late);
      waiting.pop();
      const certificate = await tlsTransport.probe(address, { timeoutMs });
      assertEquals(toHex(certificate), toHex(ours.certificate));

      idle.splice(0).forEach(close);
      await until(() => !(listener as TlsListener).isRelayed);
      const last = await dial(address);
      for (const connection of [early, late, last]) await talk(connection);
    };
    await listening(serve, (address, listener) =>
      use(address, listener).finally(() => {
        idle.forEach(close);
        waiting.forEach(close);
        dialled.forEach(close);
      }));
  },
);
