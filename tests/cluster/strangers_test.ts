/** Strangers at a node's port: they get nothing, cost little, and the members don't notice. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Cluster, type ClusterNode, connected, until } from "../helpers/cluster.ts";

const IDLE_CONNECTIONS = 2000;
/** What a node may hold more because of them. */
const MEMORY_BYTES_MAX = 120 * 1024 * 1024;

function connect({ port }: ClusterNode): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** Bytes of memory that a process holds; `null` where the system does not tell. */
function residentBytes(pid: number): number | null {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}

/** Says something and reads until the node ends the connection; what it said. */
async function provoke(node: ClusterNode, bytes: Uint8Array): Promise<Uint8Array> {
  // A node that sees too many strangers changes how it listens, and is nobody's for a moment.
  using connection = await until("it accepts", () => connect(node), () => true);
  const said: number[] = [];
  try {
    await connection.write(bytes);
    const piece = new Uint8Array(4096);
    for (let n = await connection.read(piece); n !== null; n = await connection.read(piece)) {
      said.push(...piece.subarray(0, n));
      if (said.length > 65_536) break;
    }
  } catch {
    // it was ended the hard way
  }
  return new Uint8Array(said);
}

Deno.test({
  name: "port scanners, HTTP, noise and idle connections get nothing, and the peers go on",
  async fn() {
    await using cluster = await Cluster.make();
    const { a, b } = await cluster.addOwners();
    const before = residentBytes(a.pid);

    const idle: Deno.TcpConn[] = [];
    for (let i = 0; i < IDLE_CONNECTIONS; i++) {
      try {
        idle.push(await connect(a));
      } catch {
        break; // the node, or this system, has had enough
      }
    }
    try {
      const http = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: govault\r\n\r\n");
      const noise = crypto.getRandomValues(new Uint8Array(10_000));
      const hugeRecord = new Uint8Array([0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]);
      for (const bytes of [http, noise, hugeRecord]) {
        const said = new TextDecoder("latin1").decode(await provoke(a, bytes));
        assert(said.length < 100, "it says no more than that it will not talk");
        for (const { node, address } of (await b.status()).peers) {
          assert(!said.includes(node) && !said.includes(address), "it names no member");
        }
      }
      const path = join(cluster.root, "file.bin");
      await Deno.writeFile(path, crypto.getRandomValues(new Uint8Array(50_000)));
      await a.ok("put", path, "--copies", "2");
      assertEquals((await b.json<{ keys: { key: string }[] }>("ls")).keys.map(({ key }) => key), [
        "file.bin",
      ]);
      const after = residentBytes(a.pid);
      if (before !== null && after !== null) {
        assert(after - before < MEMORY_BYTES_MAX, `${after - before} bytes more`);
      }
    } finally {
      for (const connection of idle) connection.close();
    }
    await connected(cluster.nodes);
    assertEquals(await a.stop(), 0);
  },
});
