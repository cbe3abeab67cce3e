// Sockets in the file system, at paths of any length.
//
// The kernel takes a socket path of about 100 bytes (108 with its end, on Linux). A home may be
// deeper than that, so a long path is reached through a descriptor of its directory:
// `/proc/self/fd/<n>/<name>` is short and means the same file. The descriptor must stay open for
// as long as the address is used: a channel that reconnects dials it again.
// Source: unix(7), `sun_path`.

import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";

const socketPathBytesMax = 100;

export interface SocketAddress {
  /** Short enough for bind and connect. Means the same file as the path that was asked for. */
  readonly path: string;
  /** Call it when nobody listens there or dials it any more. Twice is harmless. */
  release(): void;
}

/** @throws SkyError `process/failed` if the directory does not exist, or no short name works. */
export function socketAddress(path: string): SocketAddress {
  if (fits(path)) return { path, release: () => {} };
  if (process.platform === "linux") return throughDirectory(path);
  const short = relative(process.cwd(), path);
  if (fits(short)) return { path: short, release: () => {} };
  throw new SkyError("process/failed", { what: `socket ${path}`, why: "its path is too long" });
}

/**
 * Makes the socket's directory (0700), takes away what a dead listener left there, listens, and
 * lets nobody but the owner connect (0600). The caller holds the lock that makes it the only one:
 * this does not ask whether somebody still listens.
 */
export async function listenPrivately(
  path: string,
  listen: (address: string) => Promise<unknown>,
): Promise<SocketAddress> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  removeStale(path);
  const address = socketAddress(path);
  try {
    await listen(address.path);
    await chmod(path, 0o600);
    return address;
  } catch (error) {
    address.release();
    if (isSkyError(error)) throw error;
    const what = `listen on ${path}`;
    throw new SkyError("process/failed", { what, why: errorText(error) }, { cause: error });
  }
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= socketPathBytesMax;
}

function throughDirectory(path: string): SocketAddress {
  const descriptor = openDirectory(dirname(path));
  let open = true;
  const short = `/proc/self/fd/${descriptor}/${basename(path)}`;
  assert(fits(short), `the name of a socket is short: ${basename(path)}`);
  return {
    path: short,
    release: () => {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

function openDirectory(dir: string): number {
  try {
    return openSync(dir, "r");
  } catch (error) {
    const what = `socket directory ${dir}`;
    throw new SkyError("process/failed", { what, why: errorText(error) }, { cause: error });
  }
}

/** Only a socket is taken away: anything else at that path is somebody's file. */
function removeStale(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isSocket()) rmSync(path, { force: true });
}
