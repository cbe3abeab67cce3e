// One region of a tree while it is read: bytes in, chunks out, cut by content.
//
// Bytes are gathered in a piece of memory before they are cut; whoever reads may fill it itself,
// and decide afterwards whether what it read counts.

import type { RegionName } from "./reading.ts";

/** Finds where a stream is cut, by its content. */
export interface Cutter {
  /** Gives the chunks that are whole by now. */
  push(bytes: Uint8Array, take: (chunk: Uint8Array) => void): void;
  /** Gives the rest, if there is one. */
  end(take: (chunk: Uint8Array) => void): void;
}

export interface RegionCutOptions {
  readonly region: RegionName;
  readonly newCutter: () => Cutter;
  readonly take: (region: RegionName, chunk: Uint8Array) => void;
}

const pieceBytes = 1024 * 1024;

export class RegionCut {
  readonly #options: RegionCutOptions;
  #cutter: Cutter;
  #piece = Buffer.alloc(0);
  #filled = 0;
  #chunks = 0;

  constructor(options: RegionCutOptions) {
    this.#options = options;
    this.#cutter = options.newCutter();
  }

  /** Handed on since the last `cut`. */
  get chunks(): number {
    return this.#chunks;
  }

  /** Room for so many bytes, to be filled; they count when they are `added`. */
  room(bytes: number): Uint8Array {
    if (this.#piece.length - this.#filled < bytes) {
      this.#push();
      this.#piece = Buffer.allocUnsafeSlow(Math.max(bytes, pieceBytes));
      this.#filled = 0;
    }
    return this.#piece.subarray(this.#filled, this.#filled + bytes);
  }

  added(bytes: number): void {
    this.#filled += bytes;
  }

  write(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes);
    this.added(bytes.length);
  }

  /** Ends a chunk here, whatever the content says. @returns the chunks since the last time. */
  cut(): number {
    this.#push();
    this.#cutter.end((chunk) => this.#take(chunk));
    // What is left of the piece may have been given away with its chunks.
    this.#piece = Buffer.alloc(0);
    this.#filled = 0;
    this.#cutter = this.#options.newCutter();
    const chunks = this.#chunks;
    this.#chunks = 0;
    return chunks;
  }

  /** The piece stays with the cutter: it may hold parts of it until a chunk is whole. */
  #push(): void {
    const bytes = this.#piece.subarray(0, this.#filled);
    if (bytes.length > 0) this.#cutter.push(bytes, (chunk) => this.#take(chunk));
  }

  #take(chunk: Uint8Array): void {
    this.#chunks += 1;
    this.#options.take(this.#options.region, chunk);
  }
}
