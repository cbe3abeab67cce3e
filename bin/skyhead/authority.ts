// The authority of a home: signs every certificate of its bus and bulk wire. Made once and kept,
// so that what it signed before stays good through restarts; the certificate of its nats-server
// likewise, because one that outlives its head goes on with it.

import { dirname } from "node:path";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { createAuthority, isStillGood, issueCertificate } from "../../runtime/certificates-os.ts";
import type { Files } from "../../runtime/files.ts";

export async function openAuthority(
  files: Files,
  dir: string,
  nowMs: number,
): Promise<KeyedCertificate> {
  const path = `${dir}/authority.json`;
  const kept = await readKeyed(files, path);
  return kept ?? keep(files, path, await createAuthority("skylet home", nowMs));
}

/** For these hosts: the one of before, if it is good for them and for a while. */
export async function openServerCertificate(
  files: Files,
  dir: string,
  leaf: {
    readonly authority: KeyedCertificate;
    readonly hosts: readonly string[];
    readonly nowMs: number;
  },
): Promise<KeyedCertificate> {
  const path = `${dir}/server.json`;
  const kept = await readKeyed(files, path);
  if (kept !== undefined && isStillGood(kept, leaf)) return kept;
  const { authority, hosts, nowMs } = leaf;
  const made = await issueCertificate(authority, { commonName: "nats-server", hosts, nowMs });
  return keep(files, path, made);
}

async function readKeyed(files: Files, path: string): Promise<KeyedCertificate | undefined> {
  const kept = await files.read(path);
  return kept === undefined ? undefined : JSON.parse(Buffer.from(kept).toString());
}

async function keep(files: Files, path: string, made: KeyedCertificate): Promise<KeyedCertificate> {
  await files.makeDir(dirname(path), 0o700);
  await files.replace(path, Buffer.from(JSON.stringify(made)), 0o600);
  return made;
}
