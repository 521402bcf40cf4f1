/** What whoever listens may answer to the question for a certificate. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Bytes,
  ByteWriter,
  CERTIFICATE_BYTES_MAX,
  concatBytes,
  equalBytes,
  isVaultError,
} from "../../src/base/mod.ts";
import { probeCertificate } from "../../src/net/certificate_probe.ts";
import { anyBytes, blob, changed, changes } from "./changes.ts";
import { trying } from "./harness.ts";

const [SERVER_HELLO, CERTIFICATE] = [2, 11];

function u24(value: number): Bytes {
  return Uint8Array.of(value >>> 16, value >>> 8 & 0xff, value & 0xff);
}

function message(type: number, content: Uint8Array): Bytes {
  return concatBytes([Uint8Array.of(type), u24(content.length), content]);
}

/** A handshake in records of up to `size` bytes (RFC 5246, section 6.2.1). */
function records(handshake: Bytes, size: number): Bytes {
  const writer = new ByteWriter();
  for (let at = 0; at < handshake.length; at += size) {
    const piece = handshake.subarray(at, at + size);
    writer.u8(22).u16(0x0303).u16(piece.length).raw(piece);
  }
  return writer.finish();
}

const answer = fc.record({
  certificate: blob(1, 1200),
  second: blob(1, 400),
  size: fc.integer({ min: 1, max: 3000 }),
}).map(({ certificate, second, size }) => {
  const list = concatBytes([u24(certificate.length), certificate, u24(second.length), second]);
  const content = concatBytes([u24(list.length), list]);
  const handshake = concatBytes([
    message(SERVER_HELLO, new Uint8Array(70)),
    message(CERTIFICATE, content),
  ]);
  return { certificate, bytes: records(handshake, size) };
});

/** Listens on loopback, says these bytes to whoever comes, and hangs up. */
async function probed(bytes: Bytes): Promise<Bytes | string> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const serving = (async () => {
    using tcp = await listener.accept();
    try {
      await tcp.read(new Uint8Array(2048));
      for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
      await tcp.closeWrite();
      while (await tcp.read(new Uint8Array(2048)) !== null);
    } catch {
      // the other end has heard enough
    }
  })();
  try {
    return await probeCertificate(`127.0.0.1:${port}`, { timeoutMs: 60_000 });
  } catch (error) {
    assert(isVaultError(error, "failed"), String(error));
    return error.message;
  } finally {
    await serving;
    listener.close();
  }
}

Deno.test("probeCertificate: takes the first certificate, in records of whatever size", async () => {
  await fc.assert(
    fc.asyncProperty(answer, async ({ certificate, bytes }) => {
      const found = await probed(bytes);
      assert(typeof found !== "string" && equalBytes(found, certificate), String(found));
    }),
    trying(12),
  );
});

Deno.test("probeCertificate: any other answer is no node's, and never more than a certificate", async () => {
  const broken = fc.tuple(answer, changes, answer)
    .map(([good, made, other]) => changed(good.bytes, made, other.bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(broken, broken, anyBytes), async (bytes) => {
      const found = await probed(bytes);
      if (typeof found === "string") assert(found.startsWith("Cannot "), found);
      else assert(found.length >= 1 && found.length <= CERTIFICATE_BYTES_MAX);
    }),
    trying(60),
  );
  assertEquals(typeof await probed(new Uint8Array(40_000).fill(22)), "string");
});
