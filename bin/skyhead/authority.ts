// The authority of a home: signs every certificate of its bus and bulk wire. Made once and kept,
// so that what it signed before stays good through restarts.

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { createAuthority } from "../../runtime/certificates-os.ts";

export async function openAuthority(dir: string, nowMs: number): Promise<KeyedCertificate> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const path = `${dir}/authority.json`;
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as KeyedCertificate;
  const made = await createAuthority("skylet home", nowMs);
  writeFileSync(`${path}.new`, JSON.stringify(made), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return made;
}
