// One region of a tree while it is written: bytes in, chunks out, cut by content.
//
// A few chunks are gathered before they are handed on, so that whoever keeps them can make them
// safe together; nothing else is held. What was written after a mark can be taken back: a file that
// changed under the reader is read again. Its chunks were handed on by then, which costs room and
// nothing else.

import { hash } from "node:crypto";
import type { ChunkRef } from "../chunks/chunk.ts";

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

/** So many bytes are handed on together, and so many chunks. */
const batchBytes = 8 * 1024 * 1024;
const batchChunks = 8;

export class RegionWriter {
  readonly #keep: KeepChunks;
  readonly #newCutter: () => Cutter;
  readonly #refs: ChunkRef[] = [];
  #cutter: Cutter;
  #batch: TreeChunk[] = [];
  #batchBytes = 0;

  constructor(keep: KeepChunks, newCutter: () => Cutter) {
    this.#keep = keep;
    this.#newCutter = newCutter;
    this.#cutter = newCutter();
  }

  /** The bytes must not be changed afterwards. */
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
    this.#cutter = this.#newCutter();
  }

  /** Only after `cut`. */
  mark(): number {
    return this.#refs.length;
  }

  /** As if nothing had been written since. */
  takeBack(mark: number): void {
    this.#refs.length = mark;
    this.#cutter = this.#newCutter();
  }

  /** Resolves with all its chunks when all of them are safe. */
  async end(): Promise<readonly ChunkRef[]> {
    await this.cut();
    await this.#flush();
    return this.#refs;
  }

  async #add(bytes: Uint8Array): Promise<void> {
    const ref = { digest: hash("sha256", bytes, "hex"), bytes: bytes.length };
    this.#refs.push(ref);
    this.#batch.push({ ref, bytes });
    this.#batchBytes += bytes.length;
    if (this.#batch.length >= batchChunks || this.#batchBytes >= batchBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#keep(batch);
  }
}
