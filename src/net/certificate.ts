/**
 * Certificates of nodes: self-signed with the node's Ed25519 key, so that who pins the certificate pins the key. A
 * certificate says nothing else of the node; its name and its times are the same for all.
 *
 * @module
 */

import {
  type Bytes,
  concatBytes,
  ED25519_PUBLIC_KEY_BYTES,
  ED25519_SEED_BYTES,
  ed25519PublicKey,
  equalBytes,
  fromHex,
  VaultError,
} from "../base/mod.ts";
import type { Credentials } from "./transport.ts";

/** The name in every certificate, and what a dialler asks for. */
export const CERTIFICATE_HOST = "node.govault";
/** Larger certificates are refused unread. */
export const CERTIFICATE_BYTES_MAX = 2048;

/** A machine's clock may be wrong by decades: what a certificate is worth is said by members' statements, not by dates. */
const NOT_BEFORE = new Date("2020-01-01T00:00:00Z");
const NOT_AFTER = new Date("2120-01-01T00:00:00Z");

/** What stands before a seed in PKCS #8, DER (RFC 8410, section 7). */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");
/** What stands before a public key in SubjectPublicKeyInfo, DER (RFC 8410, section 4). */
const SPKI_PREFIX = fromHex("302a300506032b6570032100");

/**
 * The certificate and the private key of a node. The same seed always gets the same certificate.
 *
 * @param seed of the node's Ed25519 key, 32 bytes
 * @throws VaultError `damaged` if the seed has another length
 */
export async function makeCredentials(seed: Bytes): Promise<Credentials> {
  const privateKey = privateKeyOfSeed(seed);
  // X.509 made by a library that knows its encoding; loaded here alone, as a node does this once in its life.
  const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await import(
    "@peculiar/x509"
  );
  const spki = concatBytes([SPKI_PREFIX, ed25519PublicKey(seed)]);
  const keys = {
    privateKey: await crypto.subtle.importKey("pkcs8", privateKey, "Ed25519", false, ["sign"]),
    publicKey: await crypto.subtle.importKey("spki", spki, "Ed25519", true, ["verify"]),
  };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=govault node",
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: { name: "Ed25519" },
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: CERTIFICATE_HOST }])],
  });
  return { certificate: new Uint8Array(certificate.rawData), privateKey };
}

/** PKCS #8, DER, of a seed. @throws VaultError `damaged` if the seed has another length */
export function privateKeyOfSeed(seed: Bytes): Bytes {
  if (seed.length !== ED25519_SEED_BYTES) {
    throw new VaultError(
      "damaged",
      `Cannot make a certificate: the seed has ${seed.length} bytes, ${ED25519_SEED_BYTES} expected`,
    );
  }
  return concatBytes([PKCS8_PREFIX, seed]);
}

/**
 * The Ed25519 public key in a certificate. Nothing else in it is looked at, its signature neither: TLS proves the key.
 *
 * @param certificate DER
 * @throws VaultError `damaged` if it is no certificate of an Ed25519 key
 */
export function publicKeyOfCertificate(certificate: Uint8Array): Bytes {
  if (certificate.length > CERTIFICATE_BYTES_MAX) {
    throw badCertificate(`${certificate.length} bytes are too many`);
  }
  const whole = readElement(certificate, SEQUENCE);
  if (whole.rest.length > 0) throw badCertificate("bytes follow it");
  let fields = readElement(whole.content, SEQUENCE).content;
  if (fields[0] === VERSION) fields = readElement(fields, VERSION).rest;
  fields = readElement(fields, INTEGER).rest; // serial number
  // Algorithm, issuer, validity, subject.
  for (let i = 0; i < 4; i++) fields = readElement(fields, SEQUENCE).rest;
  const { element } = readElement(fields, SEQUENCE);
  const isEd25519 = element.length === SPKI_PREFIX.length + ED25519_PUBLIC_KEY_BYTES &&
    equalBytes(element.subarray(0, SPKI_PREFIX.length), SPKI_PREFIX);
  if (!isEd25519) throw badCertificate("its key is not an Ed25519 key");
  return element.slice(SPKI_PREFIX.length);
}

/** Tags of DER (X.690, section 8), and of the one field of a certificate that may be left out. */
const INTEGER = 0x02;
const SEQUENCE = 0x30;
const VERSION = 0xa0;

/** Takes an element of DER apart (X.690, sections 8.1 and 10.1). */
function readElement(
  bytes: Uint8Array,
  tag: number,
): { element: Bytes; content: Bytes; rest: Bytes } {
  const first = bytes[1];
  if (bytes[0] !== tag || first === undefined) throw badCertificate("it is no X.509");
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 2 || first === 0x80) throw badCertificate("it is no DER");
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length << 8 | (bytes[2 + i] ?? 0);
  // DER has one encoding of each length: the shortest.
  if (lengthBytes > 0 && length < (lengthBytes === 1 ? 0x80 : 0x100)) {
    throw badCertificate("it is no DER");
  }
  const start = 2 + lengthBytes;
  if (start + length > bytes.length) throw badCertificate("it is cut off");
  return {
    element: bytes.subarray(0, start + length) as Bytes,
    content: bytes.subarray(start, start + length) as Bytes,
    rest: bytes.subarray(start + length) as Bytes,
  };
}

function badCertificate(state: string): VaultError {
  return new VaultError("damaged", `Cannot read certificate: ${state}`);
}

/** PEM (RFC 7468), as the functions of TLS take it. */
export function toPem(label: "CERTIFICATE" | "PRIVATE KEY", der: Bytes): string {
  const text = btoa(String.fromCharCode(...der)).replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
}
