// The object of a transfer at its source: cut, named and sealed, and sealed again whenever it is
// asked for. Sealing twice gives the same bytes, so nothing of it is kept. It is offered some way
// ahead of what is safe, so that nobody seals what nobody has room for.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "../../transfer/chunks/chunk.ts";
import type { ByteRange } from "../../transfer/chunks/cut.ts";
import type { ChunkSource } from "../../transfer/chunks/exchange.ts";
import { ManifestBuilder } from "../../transfer/chunks/manifest.ts";
import {
  manifestIndex,
  nameAndSeal,
  type SealedChunk,
  type TransferSecret,
} from "../../transfer/chunks/seal.ts";

export interface SealedObjectOptions {
  readonly secret: TransferSecret;
  readonly ranges: readonly ByteRange[];
  readonly read: (range: ByteRange) => Promise<Uint8Array>;
  /** A chunk was asked for, and given. */
  readonly onGiven?: (index: number) => void;
}

const object = 0;
/** Chunks that are offered and not yet safe. */
const aheadMax = 64;

export class SealedObject implements ChunkSource {
  readonly #options: SealedObjectOptions;
  readonly #manifest = new ManifestBuilder();
  readonly #indices = new Map<Digest, number>();
  #ahead = 0;
  #wake: () => void = () => {};

  constructor(options: SealedObjectOptions) {
    this.#options = options;
  }

  /** Every sealed chunk, and at last the sealed manifest. */
  async *offer(): AsyncGenerator<ChunkRef> {
    for (const index of this.#options.ranges.keys()) {
      const { ref, sealedRef } = await this.#seal(index);
      this.#manifest.add(index, ref);
      this.#indices.set(sealedRef.digest, index);
      this.#ahead += 1;
      yield sealedRef;
      while (this.#ahead >= aheadMax) await this.#room();
    }
    const { sealedRef } = await this.#seal(manifestIndex);
    this.#indices.set(sealedRef.digest, manifestIndex);
    yield sealedRef;
  }

  /** A chunk that was offered is safe. */
  safe(): void {
    this.#ahead -= 1;
    this.#wake();
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async get(digest: Digest): Promise<Uint8Array> {
    const index = this.#indices.get(digest);
    if (index === undefined) throw new SkyError("chunk/missing", { digest, where: "the source" });
    const { sealed, sealedRef } = await this.#seal(index);
    if (sealedRef.digest === digest) {
      this.#options.onGiven?.(index);
      return sealed;
    }
    const why = "the file has changed since it was offered";
    throw new SkyError("chunk/damaged", { digest, where: "the source", why });
  }

  async #seal(index: number): Promise<SealedChunk> {
    const { secret, ranges, read } = this.#options;
    const range = ranges[index];
    const bytes = range === undefined ? this.#manifest.finish().encoded : await read(range);
    return nameAndSeal(bytes, { secret, place: { object, index } });
  }
}
