// The authority of a home: signs every certificate of its bus and bulk wire. Made once and kept,
// so that what it signed before stays good through restarts.

import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { createAuthority } from "../../runtime/certificates-os.ts";
import type { Files } from "../../runtime/files.ts";

export async function openAuthority(
  files: Files,
  dir: string,
  nowMs: number,
): Promise<KeyedCertificate> {
  const path = `${dir}/authority.json`;
  const kept = await files.read(path);
  if (kept !== undefined) return JSON.parse(Buffer.from(kept).toString()) as KeyedCertificate;
  const made = await createAuthority("skylet home", nowMs);
  await files.makeDir(dir, 0o700);
  await files.replace(path, Buffer.from(JSON.stringify(made)), 0o600);
  return made;
}
