// Makes the head's store whole again where chunks of a tree that jobs need were damaged or lost.
//
// A submit does not read what is known already, so such a chunk is found when a node asks for it.
// Then all chunks of its tree are proven, which sets the damaged ones aside, and what the tree was
// packed from is packed again: unchanged, it gives the chunks that the tree names. What comes of a
// source that changed is of no use to the tree, but is what its next submit will want.

import { errorText } from "../model/errors.ts";
import { letGo } from "../transfer/chunks/buffers.ts";
import type { ChunkRef, Digest } from "../transfer/chunks/chunk.ts";
import { workdirPin } from "../transfer/tree/pins.ts";
import { type PackingOptions, packSource, type Source } from "./workdir-packing-os.ts";
import { isLost } from "./workdir-source.ts";

/** Chunks that are proven at a time. */
const provenMax = 4;

export class TreeMending {
  readonly #options: PackingOptions;
  readonly #running = new Map<Digest, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: PackingOptions) {
    this.#options = options;
  }

  /**
   * Whoever asks for a tree that is being mended waits for that. Resolves also when it failed: what
   * could not be mended is missing, and whoever needs it finds that out.
   */
  mend(tree: Digest, sources: readonly Source[]): Promise<void> {
    const known = this.#running.get(tree);
    if (known !== undefined) return known;
    const running = this.#mend(tree, sources)
      .catch((error: unknown) => {
        this.#options.log.warn("lost chunks were not packed again", {
          ...{ tree, why: errorText(error) },
        });
      })
      .finally(() => this.#running.delete(tree));
    this.#running.set(tree, running);
    return running;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running.values());
  }

  async #mend(tree: Digest, sources: readonly Source[]): Promise<void> {
    const { chunks, cluster, log } = this.#options;
    const { signal } = this.#closing;
    const refs = (await chunks.pinned(workdirPin(cluster, tree))) ?? [];
    let lacking = await this.#lackingOf(refs);
    for (const source of sources) {
      if (lacking.length === 0) return;
      const { path } = source;
      try {
        await packSource({ ...this.#options, signal }, source, async () => {});
      } catch (error) {
        signal.throwIfAborted();
        log.warn("lost chunks were not packed again", { tree, path, why: errorText(error) });
      }
      const here = await chunks.has(lacking);
      const lost = lacking.length;
      lacking = lacking.filter((digest) => !here.has(digest));
      log.warn("lost chunks of a tree were packed again", {
        ...{ tree, path, of: refs.length, lost, mended: lost - lacking.length },
      });
    }
  }

  /** Reads them all: those that turn out to be damaged are set aside. */
  async #lackingOf(refs: readonly ChunkRef[]): Promise<readonly Digest[]> {
    const lacking: Digest[] = [];
    const left = [...refs];
    const proveSome = async (): Promise<void> => {
      for (let ref = left.pop(); ref !== undefined; ref = left.pop()) {
        this.#closing.signal.throwIfAborted();
        if (!(await this.#isWhole(ref))) lacking.push(ref.digest);
      }
    };
    await Promise.all(Array.from({ length: provenMax }, proveSome));
    return lacking;
  }

  async #isWhole({ digest }: ChunkRef): Promise<boolean> {
    try {
      letGo(await this.#options.chunks.get(digest));
      return true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }
}
