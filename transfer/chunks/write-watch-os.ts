// Whether anybody else has written to a file that we write: told by the file system's own time.
//
// Each of our writes is preceded and followed by a look at the time of the last change, one write
// after the other. A change that was there before a write and not after the one before is somebody
// else's. That holds where every write that follows a look gets a time of its own, which is so on
// Linux since 6.13 for the file systems named here; elsewhere two writes in one tick of the clock
// look alike, and nothing is concluded.
// Source: Documentation/filesystems/multigrain-ts.rst of Linux; the magic numbers: statfs(2).

import { statfsSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { release } from "node:os";

const systems: ReadonlySet<number> = new Set([
  0xef53, // ext4
  0x58_46_53_42, // xfs
  0x91_23_68_3e, // btrfs
  0x01_02_19_94, // tmpfs
]);

/** Whether the file system at `path` tells all writes apart. */
export function tellsWritesApart(path: string, version = release()): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 13)) return false;
  return systems.has(statfsSync(path).type);
}

export class WriteWatch {
  readonly #file: FileHandle;
  #seen: bigint | undefined;
  #isSure: boolean;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle, tellsApart: boolean) {
    this.#file = file;
    this.#isSure = tellsApart;
  }

  /** What is in the file now is known to be right, or is written over. */
  async begin(): Promise<void> {
    if (this.#isSure) this.#seen = await this.#look();
  }

  /** A write of ours; one at a time. */
  async write(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(() => this.#write(work));
    this.#turn = mine.catch(() => "whoever wrote is told");
    await mine;
  }

  /** Whether nobody else has written since `begin`. */
  async isUntouched(): Promise<boolean> {
    await this.#turn;
    await this.#compare();
    return this.#isSure;
  }

  async #write(work: () => Promise<void>): Promise<void> {
    await this.#compare();
    try {
      await work();
    } finally {
      await this.begin();
    }
  }

  async #compare(): Promise<void> {
    if (!this.#isSure) return;
    this.#isSure = this.#seen !== undefined && this.#seen === (await this.#look());
  }

  async #look(): Promise<bigint> {
    return (await this.#file.stat({ bigint: true })).mtimeNs;
  }
}
