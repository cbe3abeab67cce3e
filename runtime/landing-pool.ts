// Memory for long payloads that is used again.
//
// A buffer that is allocated for each payload costs more than reading into it: the collector runs
// whenever some tens of megabytes have come and gone, however small the heap is, and the kernel
// clears each new page. So who only looks at bytes borrows them (`lend` of a channel), and their
// buffer comes back here; one that somebody keeps does not, and is garbage in time.
//
// What must always hold: a buffer is in the pool or in use, never both; the pool keeps few.

/** What is kept for the next payload. */
const keptMax = 16;

export class LandingPool {
  readonly bufferBytes: number;
  readonly #ours = new WeakSet<ArrayBufferLike>();
  readonly #free = new Map<ArrayBufferLike, Buffer>();

  constructor(bufferBytes: number) {
    this.bufferBytes = bufferBytes;
  }

  take(): Buffer {
    for (const [memory, buffer] of this.#free) {
      this.#free.delete(memory);
      return buffer;
    }
    const buffer = Buffer.allocUnsafeSlow(this.bufferBytes);
    this.#ours.add(buffer.buffer);
    return buffer;
  }

  /** Nobody looks at this any more. What is not from here is nobody's business. */
  recycle(part: Uint8Array): void {
    if (!this.#ours.has(part.buffer) || this.#free.size >= keptMax) return;
    this.#free.set(part.buffer, Buffer.from(part.buffer));
  }
}
