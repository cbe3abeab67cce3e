// Our own file of host keys: lines are added, and never changed or taken away.
//
// What must always hold: look and addition are one step among all processes of the home; a name
// that has a key, in any file that OpenSSH looks at, gets no second one of its type.

import { appendFile, readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../model/errors.ts";
import { takeLock } from "./home-lock-sqlite.ts";
import { type KnownHostsFile, parseHostKey, standingOf } from "./known-hosts.ts";
import type { HostKey } from "./ssh.ts";

const lockMsMax = 10_000;
const lookMs = 20;

export interface KnownHosts {
  /** Ours. */
  readonly path: string;
  readonly lock: string;
  /** The others that count. */
  readonly others: readonly string[];
}

/** @throws SkyError `ssh/host-key-changed` if another key is on record, `request/invalid`. */
export async function addHostKey(given: HostKey, known: KnownHosts): Promise<void> {
  const key = parseHostKey(given.line);
  if (key === undefined || key.name !== given.name || key.fingerprint !== given.fingerprint) {
    const why = `${JSON.stringify(given.line)} is no line for ${given.name} with that fingerprint`;
    throw new SkyError("request/invalid", { field: "host key", why });
  }
  const release = await lockOf(known.lock);
  try {
    const files = await Promise.all([known.path, ...known.others].map(readKnown));
    const standing = standingOf(key, files);
    if (standing.kind === "known") return;
    if ("file" in standing) throw onRecord(key, standing);
    const before = files[0]?.text ?? "";
    const gap = before === "" || before.endsWith("\n") ? "" : "\n";
    await appendFile(known.path, `${gap}${key.line}\n`, { mode: 0o600 });
  } finally {
    release();
  }
}

function onRecord(
  key: HostKey,
  { file, line, kind }: { readonly file: string; readonly line: number; readonly kind: string },
): SkyError {
  const what = kind === "revoked" ? "is marked as revoked" : `has another ${key.type} key`;
  const why = `line ${line} ${what}; nothing was changed`;
  return new SkyError("ssh/host-key-changed", { host: key.name, file, why });
}

async function readKnown(path: string): Promise<KnownHostsFile> {
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (error) {
    // OpenSSH goes on without a file that is not there; one that we may not read it cannot either.
    if (/^(ENOENT|ENOTDIR|EACCES)$/.test(codeOf(error))) return { path, text: "" };
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

async function lockOf(path: string): Promise<() => void> {
  const deadline = performance.now() + lockMsMax;
  for (;;) {
    const lock = takeLock(path);
    if (lock !== undefined) return () => lock.release();
    if (performance.now() > deadline) throw new SkyError("store/locked", { path });
    await pause(lookMs);
  }
}
