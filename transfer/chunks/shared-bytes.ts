// Bytes that the exchanges of a process share, so that many of them cost no more than a few.
//
// Each exchange may always hold one chunk, and takes more from here. It gets at most half of what
// is left, so that there is something for the next one; it gives back what it took as its chunks
// leave. Nobody waits for bytes of others: with none left, an exchange goes on chunk by chunk.
// So peers that do not read can slow an exchange down, and cannot stop it.
//
// What must always hold: what was taken and not given back is at most `bytesMax`.

import { assert } from "../../model/errors.ts";

export class SharedBytes {
  readonly #bytesMax: number;
  #taken = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get taken(): number {
    return this.#taken;
  }

  /** What one exchange may take now. */
  get spare(): number {
    return Math.floor((this.#bytesMax - this.#taken) / 2);
  }

  move(bytes: number): void {
    this.#taken += bytes;
    assert(this.#taken >= 0 && this.#taken <= this.#bytesMax, "shared bytes are counted right");
  }
}

/** What one exchange holds of them. */
export class BytesShare {
  readonly #of: SharedBytes | undefined;
  #taken = 0;

  /** Without shared bytes there is always enough. */
  constructor(of?: SharedBytes) {
    this.#of = of;
  }

  get spare(): number {
    return this.#of?.spare ?? Number.POSITIVE_INFINITY;
  }

  /** At most `spare`. */
  take(bytes: number): void {
    this.#taken += bytes;
    this.#of?.move(bytes);
  }

  /** So many bytes left the exchange, whether they were its own or from here. */
  give(bytes: number): void {
    const given = Math.min(bytes, this.#taken);
    this.#taken -= given;
    this.#of?.move(-given);
  }
}
