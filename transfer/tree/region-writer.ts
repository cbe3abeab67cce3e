// One region of a tree while it is written: bytes in, chunks out, cut by content.
//
// A few chunks are gathered before they are handed on, so that whoever keeps them can make them
// safe together, and they get their names meanwhile; nothing else is held. What was written after a
// mark can be taken back: a file that changed under the reader is read again. Its chunks were
// handed on by then, which costs room and nothing else.

import type { ChunkRef } from "../chunks/chunk.ts";
import type { ChunkWork } from "../chunks/work.ts";

export interface TreeChunk {
  readonly ref: ChunkRef;
  readonly bytes: Uint8Array;
}

/** Finds where a stream is cut, by its content. */
export interface Cutter {
  /** Gives the chunks that are whole by now. */
  push(bytes: Uint8Array, take: (chunk: Uint8Array) => void): void;
  /** Gives the rest, if there is one. */
  end(take: (chunk: Uint8Array) => void): void;
}

/** Makes chunks safe; the same ones may come again. */
export type KeepChunks = (chunks: readonly TreeChunk[]) => Promise<void>;

export interface RegionOptions {
  readonly keep: KeepChunks;
  readonly newCutter: () => Cutter;
  readonly work: Pick<ChunkWork, "name">;
}

/** So many bytes are handed on together, and so many chunks. */
const batchBytes = 8 * 1024 * 1024;
const batchChunks = 8;

export class RegionWriter {
  readonly #options: RegionOptions;
  /** Of the chunks before those of the batch. */
  readonly #refs: ChunkRef[] = [];
  #cutter: Cutter;
  #batch: Promise<TreeChunk>[] = [];
  #batchBytes = 0;

  constructor(options: RegionOptions) {
    this.#options = options;
    this.#cutter = options.newCutter();
  }

  /** The bytes are given away. */
  async write(bytes: Uint8Array): Promise<void> {
    const chunks: Uint8Array[] = [];
    this.#cutter.push(bytes, (chunk) => chunks.push(chunk));
    for (const chunk of chunks) await this.#add(chunk);
  }

  /** Ends a chunk here, whatever the content says. */
  async cut(): Promise<void> {
    const chunks: Uint8Array[] = [];
    this.#cutter.end((chunk) => chunks.push(chunk));
    for (const chunk of chunks) await this.#add(chunk);
    this.#cutter = this.#options.newCutter();
  }

  /** Only after `cut`. */
  mark(): number {
    return this.#refs.length + this.#batch.length;
  }

  /** As if nothing had been written since. */
  async takeBack(mark: number): Promise<void> {
    await this.#flush();
    this.#refs.length = mark;
    this.#cutter = this.#options.newCutter();
  }

  /** Resolves with all its chunks when all of them are safe. */
  async end(): Promise<readonly ChunkRef[]> {
    await this.cut();
    await this.#flush();
    return this.#refs;
  }

  async #add(bytes: Uint8Array): Promise<void> {
    this.#batchBytes += bytes.length;
    const named = this.#options.work.name(bytes);
    named.catch(() => {}); // Whoever hands the batch on hears of it.
    this.#batch.push(named);
    if (this.#batch.length >= batchChunks || this.#batchBytes >= batchBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    const chunks = await Promise.all(batch);
    for (const { ref } of chunks) this.#refs.push(ref);
    await this.#options.keep(chunks);
  }
}
