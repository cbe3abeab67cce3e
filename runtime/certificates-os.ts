// Certificates: the authority of a head, what it signs, and a node's request.
//
// Node can verify certificates but not sign them, so a library does; it is large and is loaded
// only here and only when something is to be signed. Keys are ECDSA P-256 and travel as PEM. A
// node's key never leaves the node: it sends a PKCS #10 request.
//
// What must always hold: the subject of a signed request is what the signer says, whatever the
// request asks for; only the authority's own certificate may sign others.

import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { SkyError } from "../model/errors.ts";
import { authorityDaysMax, leafDaysMax, type Validity, validityFrom } from "./certificates.ts";

/** A certificate and its private key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  /** PEM of the PKCS #10 request. */
  readonly request: string;
  /** PEM of the private key. */
  readonly key: string;
}

type X509 = typeof import("@peculiar/x509");
type KeyPair = webcrypto.CryptoKeyPair;

const algorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const signing = { name: "ECDSA", hash: "SHA-256" } as const;

/** A new authority, valid for ten years from `nowMs` or as long as it says. */
export async function createAuthority(
  name: string,
  nowMs: number,
  validity: Validity = validityFrom(nowMs, authorityDaysMax),
): Promise<KeyedCertificate> {
  const x509 = await load();
  const keys = await newKeys();
  const { notBeforeMs, notAfterMs } = validity;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: signing,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(x509, keys.privateKey) };
}

/** A certificate with a new key: for servers (the bus, the head's listener) and for tests. */
export async function issueCertificate(
  authority: KeyedCertificate,
  options: {
    readonly commonName: string;
    /** Host names and IP addresses under which it is dialled. */
    readonly hosts: readonly string[];
    readonly nowMs: number;
    readonly validity?: Validity;
  },
): Promise<KeyedCertificate> {
  const x509 = await load();
  const keys = await newKeys();
  const certificate = await sign(x509, authority, { ...options, publicKey: keys.publicKey });
  return { certificate, key: await keyPem(x509, keys.privateKey) };
}

/** What is kept is used no longer than this before its end. */
const spareMs = 90 * 24 * 3_600_000;

/** Whether a certificate that was kept is this authority's, for all these hosts and for a while. */
export function isStillGood(
  { certificate, key }: KeyedCertificate,
  leaf: {
    readonly authority: KeyedCertificate;
    readonly hosts: readonly string[];
    readonly nowMs: number;
  },
): boolean {
  try {
    const kept = new X509Certificate(certificate);
    const { publicKey } = new X509Certificate(leaf.authority.certificate);
    const isFor = (host: string): boolean =>
      (isIP(host) ? kept.checkIP(host) : kept.checkHost(host)) !== undefined;
    const isTimely = Date.parse(kept.validTo) - leaf.nowMs > spareMs;
    return (
      isTimely &&
      leaf.hosts.every(isFor) &&
      kept.verify(publicKey) &&
      kept.checkPrivateKey(createPrivateKey(key))
    );
  } catch {
    // Not what we wrote: another is made.
    return false;
  }
}

/** A key and a request that proves its possession. The name is the signer's to choose. */
export async function createRequest(commonName: string): Promise<CertificateRequest> {
  const x509 = await load();
  const keys = await newKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: signing,
  });
  return { request: request.toString("pem"), key: await keyPem(x509, keys.privateKey) };
}

/**
 * Signs a node's request under the name that the caller gives.
 * @throws SkyError `request/invalid` if the request is damaged or does not prove its key.
 */
export async function signRequest(
  authority: KeyedCertificate,
  options: {
    readonly request: string;
    readonly commonName: string;
    readonly hosts: readonly string[];
    readonly nowMs: number;
  },
): Promise<string> {
  const x509 = await load();
  const request = await provenRequest(x509, options.request);
  const publicKey = await request.publicKey.export(algorithm, ["verify"]);
  return await sign(x509, authority, { ...options, publicKey });
}

async function provenRequest(
  x509: X509,
  pem: string,
): Promise<InstanceType<X509["Pkcs10CertificateRequest"]>> {
  const refuse = (why: string, cause?: unknown): SkyError =>
    new SkyError("request/invalid", { field: "certificate_request", why }, { cause });
  let request: InstanceType<X509["Pkcs10CertificateRequest"]>;
  let proven: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(pem);
    proven = await request.verify();
  } catch (cause) {
    throw refuse("this is not a PKCS #10 request", cause);
  }
  if (!proven) throw refuse("its signature does not prove its key");
  const { name, namedCurve } = request.publicKey.algorithm as Partial<typeof algorithm>;
  if (name !== algorithm.name || namedCurve !== algorithm.namedCurve) {
    throw refuse("its key is not ECDSA P-256");
  }
  return request;
}

async function sign(
  x509: X509,
  authority: KeyedCertificate,
  leaf: {
    readonly commonName: string;
    readonly hosts: readonly string[];
    readonly nowMs: number;
    readonly publicKey: webcrypto.CryptoKey;
    readonly validity?: Validity;
  },
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const { notBeforeMs, notAfterMs } = leaf.validity ?? validityFrom(leaf.nowMs, leafDaysMax);
  const names = leaf.hosts.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }) as const);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [leaf.commonName] }],
    issuer: issuer.subjectName,
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: signing,
    publicKey: leaf.publicKey,
    signingKey: await importKey(x509, authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      await x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
    ],
  });
  return certificate.toString("pem");
}

async function load(): Promise<X509> {
  // The library's injector wants this one to be there first.
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

async function newKeys(): Promise<KeyPair> {
  return await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function keyPem(x509: X509, key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return x509.PemConverter.encode(der, "PRIVATE KEY");
}

async function importKey(x509: X509, pem: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(pem);
  return await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}
