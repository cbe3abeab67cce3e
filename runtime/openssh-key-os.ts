// The key that a host shows, by the way that calls go too, without logging in.
//
// The key goes into a file of its own and every way of logging in is off. A jump host whose key is
// not on record is not passed: then it is that key which is told, so that whoever asks for keys one
// after the other comes to the host in the end.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseHostKey } from "./known-hosts.ts";
import { startLeashed } from "./leash-os.ts";
import { sshErrorOf, unknownKeyName } from "./openssh-errors.ts";
import { freshName, resolveHost, type SshFolder, viaArgs } from "./openssh-folder-os.ts";
import {
  keyLookArgs,
  masterArgs,
  masterReady,
  parseJump,
  type Resolved,
} from "./openssh-options.ts";
import type { HostKey, SshTarget } from "./ssh.ts";

/** Jump hosts that have jump hosts: a configuration that goes in a circle ends somewhere. */
const jumpsDeepMax = 8;

interface Hop {
  readonly target: SshTarget;
  /** The jump hosts before it, where they are not those of its own configuration. */
  readonly via: readonly string[];
}

export async function lookAtKey(
  folder: SshFolder,
  hop: Hop,
  signal: AbortSignal,
): Promise<HostKey> {
  const resolved = await resolveHost(folder, hop.target, { via: hop.via, signal });
  const { key, stderr } = await keyOf(folder, { ...hop, resolved }, signal);
  if (key !== undefined) return key;
  const unknown = unknownKeyName(stderr);
  const before =
    unknown === undefined ? undefined : await jumpOf(folder, resolved, { name: unknown, signal });
  if (before !== undefined) return await lookAtKey(folder, before, signal);
  const { target } = hop;
  throw sshErrorOf(stderr, { target, ...attemptOf(resolved), folder: folder.dir });
}

export function attemptOf({ hostname, knownName, user }: Resolved): {
  readonly hostname: string;
  readonly knownName: string;
  readonly user: string;
} {
  return { hostname, knownName, user };
}

async function keyOf(
  folder: SshFolder,
  { target, via, resolved }: Hop & { readonly resolved: Resolved },
  signal: AbortSignal,
): Promise<{ readonly key: HostKey | undefined; readonly stderr: string }> {
  const name = freshName("k");
  const args = masterArgs({
    ...{ target, resolved, home: folder.home, knownHosts: `./${name}` },
    extra: [...keyLookArgs(), ...viaArgs(via)],
  });
  const look = startLeashed({
    ...{ program: folder.program, args, cwd: folder.dir, env: folder.env() },
    // It was let in without any key: that was not asked for.
    hear: (line) => line === masterReady && look.pull(),
  });
  const due = setTimeout(() => look.pull(), folder.connectMs);
  const leave = (): void => look.pull();
  signal.addEventListener("abort", leave, { once: true });
  try {
    if (signal.aborted) look.pull();
    const { stderr } = await look.ended;
    signal.throwIfAborted();
    return { key: await readKey(join(folder.dir, name)), stderr: stderr || silence(target) };
  } finally {
    clearTimeout(due);
    signal.removeEventListener("abort", leave);
    await rm(join(folder.dir, name), { force: true });
  }
}

function silence(target: SshTarget): string {
  return `Connection to ${target.host} timed out`;
}

async function readKey(path: string): Promise<HostKey | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return parseHostKey(text.split("\n")[0] ?? "");
}

/** The jump host that `known_hosts` would have by that name; those before one come first. */
async function jumpOf(
  folder: SshFolder,
  { jumps }: Resolved,
  options: { readonly name: string; readonly signal: AbortSignal; readonly depth?: number },
): Promise<Hop | undefined> {
  const { name, signal, depth = 0 } = options;
  for (const [index, jump] of jumps.entries()) {
    const hop = { target: parseJump(jump), via: jumps.slice(0, index) };
    const resolved = await resolveHost(folder, hop.target, { via: hop.via, signal });
    const below = { name, signal, depth: depth + 1 };
    const deeper = index === 0 && depth < jumpsDeepMax;
    const earlier = deeper ? await jumpOf(folder, resolved, below) : undefined;
    if (earlier !== undefined) return earlier;
    if (resolved.knownName === name.toLowerCase()) return hop;
  }
  return undefined;
}
