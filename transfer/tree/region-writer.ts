// One region of a tree while it is packed: chunks in, their names out, in order.
//
// A few chunks are gathered before they are handed on, so that whoever keeps them can make them
// safe together; the next ones get their names meanwhile, and nothing else is held. The last chunks
// can be taken back: a file that changed under the reader is read again. They may have been handed
// on by then, which costs room and nothing else.

import type { ChunkRef } from "../chunks/chunk.ts";
import type { ChunkWork } from "../chunks/work.ts";

export interface TreeChunk {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

/** Makes chunks safe; the same ones may come again. */
export type KeepChunks = (chunks: readonly TreeChunk[]) => Promise<void>;

export interface RegionOptions {
  readonly keep: KeepChunks;
  readonly work: Pick<ChunkWork, "name">;
}

/** So many bytes are handed on together, and so many chunks. */
const batchBytes = 8 * 1024 * 1024;
const batchChunks = 8;

export class RegionWriter {
  readonly #options: RegionOptions;
  /** Of the chunks before those of the batch. */
  readonly #refs: ChunkRef[] = [];
  #batch: Promise<TreeChunk>[] = [];
  #batchBytes = 0;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: RegionOptions) {
    this.#options = options;
  }

  /** The bytes are given away. Resolves when more may come. */
  async add(bytes: Uint8Array): Promise<void> {
    this.#batchBytes += bytes.length;
    const named = this.#options.work.name(bytes);
    named.catch(() => {}); // Whoever hands the batch on hears of it.
    this.#batch.push(named);
    if (this.#batch.length >= batchChunks || this.#batchBytes >= batchBytes) await this.#hand();
  }

  /** Chunks that are safe already. */
  async adopt(refs: readonly ChunkRef[]): Promise<void> {
    await this.#settle();
    for (const ref of refs) this.#refs.push(ref);
  }

  /** As if the last ones had not been. */
  async takeBack(chunks: number): Promise<void> {
    await this.#settle();
    this.#refs.length -= chunks;
  }

  /** Resolves with all its chunks when all of them are safe. */
  async end(): Promise<readonly ChunkRef[]> {
    await this.#settle();
    return this.#refs;
  }

  async #settle(): Promise<void> {
    await this.#hand();
    await this.#keeping;
  }

  /** Waits for the batch before; this one is made safe while the next is gathered. */
  async #hand(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#keeping;
    if (batch.length === 0) return;
    const chunks = await Promise.all(batch);
    for (const { ref } of chunks) this.#refs.push(ref);
    this.#keeping = this.#options.keep(chunks);
    this.#keeping.catch(() => {}); // The next batch, or the end, hears of it.
  }
}
