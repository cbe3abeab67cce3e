// The chunks of a fan-out as one party has them, or will have them: who asks early waits.
//
// A sink serves its children from here while it is itself still fetching. A chunk that has not
// arrived is waited for; one that is found missing or damaged on reading counts as not arrived
// again, so the sink fetches it anew and whoever asked gets it then. Nothing is given that does
// not belong to the fan-out.
//
// What must always hold: what is given was read from below, proven; a waiter ends with its signal.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "../chunks/chunk.ts";
import type { ChunkSource } from "../chunks/exchange.ts";

export interface ArrivalsOptions {
  /** Where chunks are once they have arrived. */
  readonly source: ChunkSource;
  /** Hears of a chunk that was here and is not any more. */
  readonly onLost: (ref: ChunkRef) => void;
}

/** So often a chunk may turn out to be damaged under one request. */
const lossesMax = 3;

interface Expected {
  readonly ref: ChunkRef;
  here: boolean;
  readonly waiting: Set<() => void>;
}

export class Arrivals implements ChunkSource {
  readonly #options: ArrivalsOptions;
  readonly #chunks = new Map<Digest, Expected>();
  #bytes = 0;
  #safe = 0;
  #lacking = 0;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** Of all that belong to the fan-out, as far as they are known; each once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of those that are here. */
  get safe(): number {
    return this.#safe;
  }

  get isWhole(): boolean {
    return this.#lacking === 0;
  }

  /** These belong to it, and come sooner or later. Twice the same is once. */
  expect(refs: Iterable<ChunkRef>): void {
    for (const ref of refs) {
      if (this.#chunks.has(ref.digest)) continue;
      this.#chunks.set(ref.digest, { ref, here: false, waiting: new Set() });
      this.#bytes += ref.bytes;
      this.#lacking += 1;
    }
  }

  /** It is safe here. What does not belong to it is no matter. */
  arrived(digest: Digest): void {
    const chunk = this.#chunks.get(digest);
    if (chunk === undefined || chunk.here) return;
    chunk.here = true;
    this.#safe += chunk.ref.bytes;
    this.#lacking -= 1;
    for (const wake of [...chunk.waiting]) wake();
  }

  /** Those that are not here, in the order in which they were expected. */
  *lacking(): Generator<ChunkRef> {
    for (const { ref, here } of this.#chunks.values()) if (!here) yield ref;
  }

  async get(digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
    const chunk = this.#chunks.get(digest);
    if (chunk === undefined) {
      throw new SkyError("chunk/missing", { digest, where: "what the fan-out has" });
    }
    for (let losses = 0; ; losses += 1) {
      await here(chunk, signal);
      try {
        return await this.#options.source.get(digest, signal);
      } catch (error) {
        const isLost = isSkyError(error, "chunk/missing") || isSkyError(error, "chunk/damaged");
        if (!isLost) throw error;
        this.#lost(chunk);
        if (losses + 1 >= lossesMax) throw error;
      }
    }
  }

  #lost(chunk: Expected): void {
    if (!chunk.here) return;
    chunk.here = false;
    this.#safe -= chunk.ref.bytes;
    this.#lacking += 1;
    this.#options.onLost(chunk.ref);
  }
}

/** Resolves when it is here. @throws what `signal` says. */
async function here(chunk: Expected, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (chunk.here) return;
  await new Promise<void>((resolve, reject) => {
    const wake = (): void => {
      chunk.waiting.delete(wake);
      signal.removeEventListener("abort", stop);
      resolve();
    };
    const stop = (): void => {
      chunk.waiting.delete(wake);
      reject(signal.reason);
    };
    chunk.waiting.add(wake);
    signal.addEventListener("abort", stop, { once: true });
  });
}
