/**
 * Asks whoever listens somewhere for a certificate, without trusting it: begins TLS 1.2 (RFC 5246), in which the
 * certificate comes in clear, reads that far, and hangs up. Deno's own TLS only tells whether a certificate that one
 * has already is the right one.
 *
 * @module
 */

import {
  ByteReader,
  type Bytes,
  ByteWriter,
  CERTIFICATE_BYTES_MAX,
  encodeUtf8,
  systemRandom,
} from "../base/mod.ts";
import { CERTIFICATE_HOST } from "./certificate.ts";
import { Attempt, type DialOptions } from "./dialling.ts";

/** The protocol's name in TLS (ALPN). */
export const ALPN_PROTOCOL = "govault/1";

/** The content type of the records that carry the handshake; an alert's is another. */
const HANDSHAKE = 22;
/** Types of handshake messages. */
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const CERTIFICATE = 11;

const TLS_1_0 = 0x0301; // what the record of a ClientHello says, whatever it offers
const TLS_1_2 = 0x0303;

/** Most bytes of a record (RFC 5246, section 6.2.3). */
const RECORD_BYTES_MAX = 16_384 + 2048;
/** Most bytes that are read before the certificate has been seen. */
const ANSWER_BYTES_MAX = 16 * 1024;

/** ECDHE with AES-GCM or ChaCha20-Poly1305, ECDSA first, which stands for Ed25519 too (RFC 8422, section 2.1). */
const CIPHER_SUITES = [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8];
/** Ed25519; then what other servers have, so that they can be told from silence. */
const SIGNATURES = [0x0807, 0x0403, 0x0503, 0x0804, 0x0805, 0x0401];
/** X25519, P-256, P-384. */
const GROUPS = [0x001d, 0x0017, 0x0018];

/** Types of extensions. */
const SERVER_NAME = 0;
const SUPPORTED_GROUPS = 10;
const POINT_FORMATS = 11;
const SIGNATURE_ALGORITHMS = 13;
const ALPN = 16;
const EXTENDED_MASTER_SECRET = 23;

/** As `Transport.probe`. */
export function probeCertificate(address: string, options: DialOptions): Promise<Bytes> {
  const attempt = new Attempt(address);
  return attempt.run(options, async (tcp) => {
    try {
      await writeAll(tcp, clientHello(systemRandom.bytes(32)));
      return await readCertificate(tcp, attempt);
    } finally {
      tcp.close();
    }
  });
}

async function writeAll(tcp: Deno.TcpConn, bytes: Bytes): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
}

/** A ClientHello in its record (RFC 5246, section 7.4.1.2; RFC 6066, 7301, 7627, 8422 for the extensions). */
function clientHello(random: Bytes): Bytes {
  const name = encodeUtf8(CERTIFICATE_HOST);
  const protocol = encodeUtf8(ALPN_PROTOCOL);
  const numbers = (values: readonly number[]) => {
    const writer = new ByteWriter().u16(2 * values.length);
    for (const value of values) writer.u16(value);
    return writer.finish();
  };
  const extensions = new ByteWriter();
  const extension = (type: number, content: Uint8Array) =>
    extensions.u16(type).u16(content.length).raw(content);
  extension(
    SERVER_NAME,
    new ByteWriter().u16(3 + name.length).u8(0).u16(name.length).raw(name).finish(),
  );
  extension(SUPPORTED_GROUPS, numbers(GROUPS));
  extension(POINT_FORMATS, Uint8Array.of(1, 0));
  extension(SIGNATURE_ALGORITHMS, numbers(SIGNATURES));
  extension(
    ALPN,
    new ByteWriter().u16(1 + protocol.length).u8(protocol.length).raw(protocol).finish(),
  );
  extension(EXTENDED_MASTER_SECRET, new Uint8Array(0));

  const body = new ByteWriter().u16(TLS_1_2).raw(random).u8(0).raw(numbers(CIPHER_SUITES))
    .u8(1).u8(0); // one compression: none
  body.u16(extensions.length).raw(extensions.finish());
  const hello = new ByteWriter().u8(CLIENT_HELLO).u8(0).u16(body.length).raw(body.finish());
  return new ByteWriter().u8(HANDSHAKE).u16(TLS_1_0).u16(hello.length).raw(hello.finish())
    .finish();
}

/** Reads until the certificate is there. */
async function readCertificate(tcp: Deno.TcpConn, attempt: Attempt): Promise<Bytes> {
  const buffer = new Uint8Array(ANSWER_BYTES_MAX);
  for (let length = 0; length < buffer.length;) {
    const count = await tcp.read(buffer.subarray(length));
    if (count === null) throw attempt.error("failed", "whoever listens there hung up");
    length += count;
    const certificate = certificateIn(buffer.subarray(0, length), attempt);
    if (certificate !== null) return certificate;
  }
  throw noNode(attempt);
}

/** The first certificate in what a server says, `null` if it is not all there. */
function certificateIn(bytes: Bytes, attempt: Attempt): Bytes | null {
  const handshake = handshakeBytes(bytes, attempt);
  for (let at = 0; handshake.length - at >= 4;) {
    const type = handshake[at]!;
    const length = handshake[at + 1]! << 16 | handshake[at + 2]! << 8 | handshake[at + 3]!;
    const message = handshake.subarray(at + 4, at + 4 + length);
    if (type !== SERVER_HELLO && type !== CERTIFICATE) throw noNode(attempt);
    if (message.length < length) return null;
    if (type === CERTIFICATE) return firstCertificate(message, attempt);
    at += 4 + length;
  }
  return null;
}

/** What the records so far carry of the handshake. */
function handshakeBytes(bytes: Bytes, attempt: Attempt): Bytes {
  const out = new ByteWriter(bytes.length);
  for (let at = 0; bytes.length - at >= 5;) {
    const type = bytes[at]!;
    const length = bytes[at + 3]! << 8 | bytes[at + 4]!;
    if (type !== HANDSHAKE || bytes[at + 1] !== 3) throw noNode(attempt);
    if (length === 0 || length > RECORD_BYTES_MAX) throw noNode(attempt);
    out.raw(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return out.finish();
}

/** `u24 length of the list ‖ u24 length ‖ certificate ‖ …` */
function firstCertificate(message: Bytes, attempt: Attempt): Bytes {
  const reader = new ByteReader(message, "certificate message");
  const u24 = () => reader.u8() << 16 | reader.u16();
  try {
    if (u24() !== reader.remaining) throw noNode(attempt);
    const length = u24();
    if (length < 1 || length > CERTIFICATE_BYTES_MAX) throw noNode(attempt);
    return reader.raw(length).slice();
  } catch {
    throw noNode(attempt);
  }
}

function noNode(attempt: Attempt): Error {
  return attempt.error("failed", "whoever listens there is no GoVault node");
}
