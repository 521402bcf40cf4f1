/**
 * Certificates of nodes: self-signed with the node's Ed25519 key, so that who pins the certificate pins the key. A
 * certificate says nothing else of the node; its name and its times are the same for all.
 *
 * @module
 */

import { type Bytes, ed25519Pkcs8, ed25519PublicKey, ed25519Spki } from "../base/mod.ts";
import type { Credentials } from "./transport.ts";

/** The name in every certificate, and what a dialler asks for. */
export const CERTIFICATE_HOST = "node.govault";

/** A machine's clock may be wrong by decades: what a certificate is worth is said by members' statements, not by dates. */
const NOT_BEFORE = new Date("2020-01-01T00:00:00Z");
const NOT_AFTER = new Date("2120-01-01T00:00:00Z");

/**
 * The certificate and the private key of a node. The same seed always gets the same certificate.
 *
 * @param seed of the node's Ed25519 key, 32 bytes
 * @throws VaultError `damaged` if the seed has another length
 */
export async function makeCredentials(seed: Bytes): Promise<Credentials> {
  const privateKey = ed25519Pkcs8(seed);
  // X.509 made by a library that knows its encoding; loaded here alone, as a node does this once in its life.
  const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await import(
    "@peculiar/x509"
  );
  const spki = ed25519Spki(ed25519PublicKey(seed));
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

/** PEM (RFC 7468), as the functions of TLS take it. */
export function toPem(label: "CERTIFICATE" | "PRIVATE KEY", der: Bytes): string {
  const text = btoa(String.fromCharCode(...der)).replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
}
