// The trees that ranks of this node need, in its content store.
//
// Ranks that need one tree share one fetch; what they need stays pinned here until the last of them
// lets go of it. A rank that is stopped meanwhile waits for nothing, and what nobody waits for is
// fetched no further.

import { errorText, SkyError } from "../model/errors.ts";
import type { TreeRef } from "../model/tree.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { StreamPort, StreamSession } from "../runtime/stream.ts";
import type { ContentCounts, ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec } from "../transfer/chunks/exchange.ts";
import { fanOutPin, fanOutPins, nodePin, nodePins, workdirPin } from "../transfer/tree/pins.ts";
import { type FanOutPlace, fetchTree } from "./tree-fetch.ts";

export interface NeededTreesOptions {
  readonly cluster: string;
  readonly node: string;
  readonly chunks: ContentStore;
  readonly work: ChunkCodec;
  readonly session: () => Promise<StreamSession>;
  readonly streams: StreamPort;
  /** Where other nodes reach this one; absent: it takes trees from the head alone. */
  readonly host?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface NeededTreesCounts {
  readonly trees: number;
  /** Chunks that were fetched, and their bytes. */
  readonly moved: number;
  readonly movedBytes: number;
  readonly store: ContentCounts;
}

/** Who needs a tree. */
export interface TreeWant {
  readonly rank: string;
  readonly tree: TreeRef;
  /** So many nodes get it now. */
  readonly takers: number;
  readonly signal: AbortSignal;
}

/** A tree that ranks need. */
interface Needed {
  readonly tree: TreeRef;
  /** So many nodes get it with us. */
  readonly takers: number;
  readonly ranks: Set<string>;
  fetch: Fetch | undefined;
  /** All of it has come and is pinned. */
  isHere: boolean;
}

interface Fetch {
  readonly done: Promise<void>;
  readonly cancel: AbortController;
  /** The ranks that wait for it. */
  readonly waiting: Set<string>;
}

export class NeededTrees {
  readonly #options: NeededTreesOptions;
  readonly #needed = new Map<string, Needed>();
  readonly #closing = new AbortController();
  /** Fan-outs by their scope: what is here already may go on to others. */
  readonly #serving = new Map<PinName, Promise<void>>();
  #cleared: Promise<void> | undefined;
  /** Changes of pins, one after the other. */
  #pinTurn: Promise<void> = Promise.resolve();
  #moved = 0;
  #movedBytes = 0;

  constructor(options: NeededTreesOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the store has the tree, and keeps it for the rank until it is released.
   * @throws what says why it does not; what `signal` says.
   */
  async obtain({ rank: name, tree, takers, signal }: TreeWant): Promise<void> {
    const needed = this.#neededOf(tree, takers);
    needed.ranks.add(name);
    if (needed.isHere) return;
    // One that nobody waited for any more is on its way out.
    const isGoing = needed.fetch?.cancel.signal.aborted === false;
    const fetch = isGoing && needed.fetch ? needed.fetch : this.#fetch(needed);
    fetch.waiting.add(name);
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([fetch.done, cancelled]);
    } finally {
      signal.removeEventListener("abort", giveUp);
      fetch.waiting.delete(name);
      if (fetch.waiting.size === 0) fetch.cancel.abort(signal.reason);
    }
  }

  /** Some of it turned out to be damaged or gone: whoever obtains it next looks again. */
  doubt({ digest }: TreeRef): void {
    const needed = this.#needed.get(digest);
    if (needed !== undefined) needed.isHere = false;
  }

  /** The rank needs nothing any more. */
  release(rank: string): void {
    for (const needed of this.#needed.values()) {
      if (needed.ranks.delete(rank)) this.#unpinUnused(needed);
    }
  }

  counts(): NeededTreesCounts {
    const { size: trees } = this.#needed;
    const store = this.#options.chunks.counts();
    return { trees, moved: this.#moved, movedBytes: this.#movedBytes, store };
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "fetching files" }));
    await Promise.allSettled([...this.#needed.values()].map(({ fetch }) => fetch?.done));
    await Promise.all(this.#serving.values());
    await this.#pinTurn;
  }

  #fetch(needed: Needed): Fetch {
    const { cluster, node, chunks: store, session, work } = this.#options;
    const { clock, random, log } = this.#options;
    const { tree } = needed;
    const cancel = new AbortController();
    const fetching = async (): Promise<void> => {
      await this.#clear();
      await this.#pinTurn;
      await fetchTree({
        ...{ tree, store, session, work, clock, random, log },
        fanOut: this.#fanOutOf(needed),
        pin: nodePin(cluster, node, tree.digest),
        scope: workdirPin(cluster, tree.digest),
        signal: AbortSignal.any([cancel.signal, this.#closing.signal]),
        onMoved: ({ bytes }) => {
          this.#moved += 1;
          this.#movedBytes += bytes;
        },
      });
      needed.isHere = true;
    };
    const done = fetching().finally(() => {
      if (needed.fetch === fetch) needed.fetch = undefined;
      this.#unpinUnused(needed);
    });
    done.catch(() => {}); // The ranks hear of it.
    const fetch: Fetch = { done, cancel, waiting: new Set() };
    needed.fetch = fetch;
    return fetch;
  }

  #fanOutOf({ tree, takers }: Needed): FanOutPlace | undefined {
    const { cluster, streams, host } = this.#options;
    const scope = fanOutPin(cluster, tree.digest);
    // Who still gives it to others is in that fan-out already.
    if (host === undefined || takers < 2 || this.#serving.has(scope)) return undefined;
    const serve = (serving: Promise<void>): void => {
      this.#serving.set(scope, serving);
      void serving.then(() => this.#serving.delete(scope));
    };
    return { streams, host, scope, closing: this.#closing.signal, serve };
  }

  #neededOf(tree: TreeRef, takers: number): Needed {
    const known = this.#needed.get(tree.digest);
    if (known !== undefined) return known;
    const needed: Needed = { tree, takers, ranks: new Set(), fetch: undefined, isHere: false };
    this.#needed.set(tree.digest, needed);
    return needed;
  }

  #unpinUnused(needed: Needed): void {
    if (needed.ranks.size > 0 || needed.fetch !== undefined) return;
    const { cluster, node, chunks, log } = this.#options;
    const { digest } = needed.tree;
    if (this.#needed.get(digest) !== needed) return;
    this.#needed.delete(digest);
    const unpinned = this.#pinTurn.then(async () => {
      // Wanted again meanwhile: whoever wants it pins it after this.
      await chunks.unpin(nodePin(cluster, node, digest));
    });
    this.#pinTurn = unpinned.catch((error: unknown) => {
      log.warn("a workdir's chunks stay pinned", { tree: digest, why: errorText(error) });
    });
  }

  /** What an earlier agent pinned, it may fetch again. */
  #clear(): Promise<void> {
    const { chunks, cluster, node, host } = this.#options;
    const clearing = async (): Promise<void> => {
      for (const pin of await chunks.pins(nodePins(cluster, node))) await chunks.unpin(pin);
      // Only a node with a store of its own takes part in fan-outs.
      const left = host === undefined ? [] : await chunks.pins(fanOutPins(cluster));
      for (const pin of left) await chunks.unpin(pin);
    };
    if (this.#cleared !== undefined) return this.#cleared;
    const cleared = clearing();
    this.#cleared = cleared;
    // It is tried again by the next rank.
    cleared.catch(() => {
      this.#cleared = undefined;
    });
    return cleared;
  }
}
