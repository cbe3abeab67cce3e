// A local socket that leads through a master to one on the host.
//
// The master binds the socket, by a short way: a link in our folder to the folder that it is in.
// What must always hold: a tunnel that is closed leaves neither a socket nor a link.

import { rm, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SkyError } from "../model/errors.ts";
import { makeFolders } from "./folders-os.ts";
import { sshErrorOf } from "./openssh-errors.ts";
import { askSsh, freshName, type SshFolder } from "./openssh-folder-os.ts";
import { forwardArgs } from "./openssh-options.ts";
import type { SshTarget, SshTunnel } from "./ssh.ts";

export interface TunnelPlan {
  readonly target: SshTarget;
  /** Of the master. */
  readonly socket: string;
  readonly tunnel: SshTunnel;
  readonly signal: AbortSignal;
}

/** Resolves with what closes it; `told`: the master still lives, and has to know. */
export async function openTunnel(
  folder: SshFolder,
  plan: TunnelPlan,
): Promise<(told: boolean) => Promise<void>> {
  const { target, socket, tunnel, signal } = plan;
  makeFolders(dirname(tunnel.local), 0o700);
  const link = freshName("t");
  const forward = { local: `./${link}/${basename(tunnel.local)}`, remote: tunnel.remote };
  const clear = async (): Promise<void> => {
    await rm(tunnel.local, { force: true });
    await rm(join(folder.dir, link), { force: true });
  };
  await symlink(resolve(dirname(tunnel.local)), join(folder.dir, link));
  try {
    const args = forwardArgs(socket, "forward", forward);
    const { code, stderr } = await askSsh(folder, args, { target, signal });
    if (code !== 0) throw refused(plan, stderr, folder);
  } catch (error) {
    await clear();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return (told) => {
    closing ??= (told ? cancel(folder, plan, forwardArgs(socket, "cancel", forward)) : done()).then(
      clear,
    );
    return closing;
  };
}

async function done(): Promise<void> {}

/** A master that cannot be told is about to end, and the tunnel with it. */
async function cancel(
  folder: SshFolder,
  { target }: TunnelPlan,
  args: readonly string[],
): Promise<void> {
  const { signal } = new AbortController();
  await askSsh(folder, args, { target, signal });
}

function refused({ target, tunnel }: TunnelPlan, stderr: string, folder: SshFolder): SkyError {
  const error = sshErrorOf(stderr, { target, folder: folder.dir });
  if (error.code !== "ssh/failed") return error;
  const why = `no tunnel from ${tunnel.local}: ${error.params["why"]}`;
  return new SkyError("ssh/failed", { host: target.host, why });
}
