// The disk under the head's copies of the logs: files that only grow.
//
// A port of its own because what a log promises depends on what a disk forgets when the power goes:
// simulations put one in memory that does. What must always hold: bytes are appended whole and in
// order, or `append` throws, and then `size` tells how far it came; what `datasync` has returned
// for survives a power cut.

import type { FileHandle } from "node:fs/promises";
import { mkdir, open, stat } from "node:fs/promises";

export interface LogDisk {
  /** The folder of all logs; for us alone. */
  makeDir(path: string): Promise<void>;
  /** How long a log is; 0 if there is none. */
  size(path: string): Promise<number>;
  /** Opens a log for reading and appending; makes it if there is none. */
  open(path: string): Promise<LogHandle>;
}

export interface LogHandle {
  /** Fills `into` from the log's bytes at `offset`; answers how many there were. */
  readAt(into: Buffer, offset: number): Promise<number>;
  append(pieces: readonly Uint8Array[]): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system. */
export const logDisk: LogDisk = {
  makeDir: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  size: async (path) => (await stat(path).catch(ifMissing))?.size ?? 0,
  open: async (path) => {
    const handle = await open(path, "a+", 0o600);
    return {
      readAt: async (into, offset) => (await handle.read(into, 0, into.length, offset)).bytesRead,
      append: (pieces) => writeWhole(handle, pieces),
      datasync: () => handle.datasync(),
      close: () => handle.close(),
    };
  },
};

/** `writev` may write less than asked; the rest is written from where it stopped. */
async function writeWhole(handle: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  let left: readonly Uint8Array[] = batch;
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left.slice(0, iovCountMax));
    left = after(left, bytesWritten);
  }
}

/** Source: IOV_MAX of Linux. */
const iovCountMax = 1_024;

/** What is left of a batch of which `count` bytes are written. */
export function after(batch: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  let index = 0;
  while (index < batch.length && skip >= (batch[index]?.length ?? 0)) {
    skip -= batch[index]?.length ?? 0;
    index += 1;
  }
  const rest = batch.slice(index);
  const [first] = rest;
  return first === undefined || skip === 0 ? rest : [first.subarray(skip), ...rest.slice(1)];
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
