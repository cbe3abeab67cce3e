// The chunks' files as the main thread writes and reads them.
//
// A chunk is written aside, flushed, renamed to its final name, and the folder of that name is
// flushed: after a power cut there is the whole chunk under its name, or nothing. Chunks that come
// into one folder at the same time share its flush. Reading follows no link and takes no more than
// a chunk may have.

import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chunkBytesMax, type Digest } from "./chunk.ts";
import type { PlacedChunk } from "./content-index-requests.ts";
import { chunkPath, shelfOf } from "./content-layout.ts";
import { identityOf, isCode } from "./content-shelves-os.ts";
import { Slots } from "./slots.ts";

/** As many flushes as Node's threads do at a time. Source: nodejs.org, UV_THREADPOOL_SIZE. */
const flushesMax = 4;

export interface ContentFilesOptions {
  readonly root: string;
  /** This opener's own. */
  readonly incoming: string;
  /** Every flush takes so much longer, as on a slower disk. For benchmarks. */
  readonly extraFsyncMs: number;
}

/** A file that cannot be the chunk that it is named after. */
export class OddFile extends Error {
  readonly identity: string | undefined;

  constructor(why: string, identity?: string) {
    super(why);
    this.identity = identity;
  }
}

export interface ReadChunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly identity: string;
}

export class ContentFiles {
  readonly #options: ContentFilesOptions;
  readonly #flushes = new Slots(flushesMax);
  readonly #folders = new Map<string, FolderFlush>();
  #count = 0;

  constructor(options: ContentFilesOptions) {
    this.#options = options;
  }

  /** @throws what the file system throws; nothing is left then. */
  async place(digest: Digest, bytes: Uint8Array): Promise<PlacedChunk> {
    this.#count += 1;
    const aside = join(this.#options.incoming, String(this.#count));
    try {
      const identity = await this.#write(aside, bytes);
      await rename(aside, chunkPath(this.#options.root, digest));
      await this.#flushFolder(shelfOf(this.#options.root, digest));
      return { digest, bytes: bytes.length, identity };
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  }

  /**
   * The whole file, unproven; `undefined` if there is none.
   * @throws OddFile, and what the file system throws.
   */
  async read(digest: Digest): Promise<ReadChunk | undefined> {
    const file = await openPlain(chunkPath(this.#options.root, digest));
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat({ bigint: true });
      const identity = identityOf(stats);
      const size = Number(stats.size);
      if (!stats.isFile()) throw new OddFile("it is no file");
      if (size < 1 || size > chunkBytesMax) throw new OddFile(`it has ${size} bytes`, identity);
      return { bytes: await readWhole(file, size, identity), identity };
    } finally {
      await file.close();
    }
  }

  async #write(path: string, bytes: Uint8Array): Promise<string> {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await this.#flush(file);
      return identityOf(await file.stat({ bigint: true }));
    } finally {
      await file.close();
    }
  }

  async #flush(file: FileHandle): Promise<void> {
    const { extraFsyncMs } = this.#options;
    if (extraFsyncMs === 0) return file.sync();
    await this.#flushes.use(async () => {
      await file.sync();
      await pause(extraFsyncMs);
    });
  }

  /** Begins after the call: what was renamed before it is flushed when it resolves. */
  #flushFolder(path: string): Promise<void> {
    const running = this.#folders.get(path) ?? new FolderFlush(() => this.#flushOnce(path));
    this.#folders.set(path, running);
    return running.ask();
  }

  async #flushOnce(path: string): Promise<void> {
    const folder = await open(path, "r");
    try {
      await this.#flush(folder);
    } finally {
      await folder.close();
    }
  }
}

/** Flushes of one folder: one runs, and all who ask meanwhile share the next. */
class FolderFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  ask(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<void> {
    // Whether the one before failed is the affair of those who asked for it.
    await this.#running.catch(() => {});
    this.#running = this.#flush();
    this.#next = undefined;
    await this.#running;
  }
}

/** Never through a link, and never waiting for the other end of a pipe. */
async function openPlain(path: string): Promise<FileHandle | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return undefined;
    if (isCode(error, "ELOOP", "ENXIO")) throw new OddFile("it is no file");
    throw error;
  }
}

async function readWhole(
  file: FileHandle,
  size: number,
  identity: string,
): Promise<Uint8Array<ArrayBuffer>> {
  // Its own memory, which can be given away; all of it is written before anybody sees it.
  const bytes = Buffer.allocUnsafeSlow(size);
  try {
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw new OddFile(`it ends after ${at} of ${size} bytes`, identity);
      at += bytesRead;
    }
  } catch (error) {
    // A bad place of the disk.
    if (isCode(error, "EIO")) throw new OddFile("it cannot be read", identity);
    throw error;
  }
  return bytes;
}
