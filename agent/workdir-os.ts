// The workdir of a node: lays trees out for ranks, from the node's content store.
//
// Ranks that need one tree share one fetch; what they need stays pinned here until the last of them
// is forgotten. Only one tree is laid out at a time, since all go into one folder. A chunk that
// turns out to be damaged on this disk is fetched again. Whatever goes wrong is thrown, and the
// rank is refused with it; a rank that is stopped meanwhile waits for nothing.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import type { TreeRef } from "../model/tree.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import type { StreamPort, StreamSession } from "../runtime/stream.ts";
import type { ContentCounts, ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec } from "../transfer/chunks/exchange.ts";
import { fanOutPin, fanOutPins, nodePin, nodePins, workdirPin } from "../transfer/tree/pins.ts";
import { unpackTree } from "../transfer/tree/unpack-os.ts";
import { type FanOutPlace, fetchTree } from "./tree-fetch.ts";

export interface NodeWorkdirOptions {
  readonly cluster: string;
  readonly node: string;
  /** Where trees are laid out. */
  readonly target: string;
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

export interface NodeWorkdir {
  /**
   * Resolves when the tree is there. `takers`: so many nodes get it now.
   * @throws what says why it is not.
   */
  lay(key: RankKey, tree: TreeRef, takers?: number): Promise<void>;
  /** The rank is to end: what is being laid out for it is given up. */
  cancel(key: RankKey): void;
  /** The rank needs nothing any more. */
  forget(key: RankKey): void;
  counts(): NodeWorkdirCounts;
  close(): Promise<void>;
}

export interface NodeWorkdirCounts {
  readonly trees: number;
  /** Chunks that were fetched, and their bytes. */
  readonly moved: number;
  readonly movedBytes: number;
  readonly store: ContentCounts;
}

/** How often chunks that turn out to be damaged or gone are fetched again for one rank. */
const healsMax = 3;

export function createNodeWorkdir(options: NodeWorkdirOptions): NodeWorkdir {
  return new Workdir(options);
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

class Workdir implements NodeWorkdir {
  readonly #options: NodeWorkdirOptions;
  readonly #needed = new Map<string, Needed>();
  readonly #laying = new Map<string, AbortController>();
  readonly #closing = new AbortController();
  /** Fan-outs by their scope: what is here already may go on to others. */
  readonly #serving = new Map<PinName, Promise<void>>();
  #cleared: Promise<void> | undefined;
  /** One tree at a time, and changes of pins one after the other. */
  #layTurn: Promise<void> = Promise.resolve();
  #pinTurn: Promise<void> = Promise.resolve();
  #moved = 0;
  #movedBytes = 0;

  constructor(options: NodeWorkdirOptions) {
    this.#options = options;
  }

  async lay(key: RankKey, tree: TreeRef, takers = 1): Promise<void> {
    const name = rankKeyText(key);
    const cancel = new AbortController();
    const signal = AbortSignal.any([cancel.signal, this.#closing.signal]);
    this.#laying.set(name, cancel);
    try {
      signal.throwIfAborted();
      await this.#lay(this.#neededOf(tree, takers), name, signal);
    } catch (cause) {
      this.#release(name);
      const { target } = this.#options;
      throw isNoRoom(cause) ? noRoom(target, cause) : cause;
    } finally {
      this.#laying.delete(name);
    }
  }

  cancel(key: RankKey): void {
    const what = `laying out the workdir of ${rankKeyText(key)}`;
    this.#laying.get(rankKeyText(key))?.abort(new SkyError("core/cancelled", { what }));
  }

  forget(key: RankKey): void {
    this.cancel(key);
    this.#release(rankKeyText(key));
  }

  counts(): NodeWorkdirCounts {
    const { size: trees } = this.#needed;
    const store = this.#options.chunks.counts();
    return { trees, moved: this.#moved, movedBytes: this.#movedBytes, store };
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "laying out a workdir" }));
    await Promise.allSettled([...this.#needed.values()].map(({ fetch }) => fetch?.done));
    await Promise.all(this.#serving.values());
    await this.#layTurn;
    await this.#pinTurn;
  }

  async #lay(first: Needed, name: string, signal: AbortSignal): Promise<void> {
    const { tree, takers } = first;
    const { target, log, chunks: source } = this.#options;
    for (let heals = 0; ; heals += 1) {
      const needed = this.#neededOf(tree, takers);
      await this.#fetched(needed, name, signal);
      try {
        await this.#inLayTurn(() => unpackTree(target, { source, tree, signal }));
        return;
      } catch (error) {
        const isHealable = isSkyError(error, "chunk/damaged") || isSkyError(error, "chunk/missing");
        if (!isHealable || heals >= healsMax || signal.aborted) throw error;
        log.warn("a chunk of a workdir is fetched again", { why: errorText(error) });
        needed.isHere = false;
      }
    }
  }

  /** Resolves when the store has the tree; ranks that wait for the same one share the way. */
  async #fetched(needed: Needed, name: string, signal: AbortSignal): Promise<void> {
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

  #release(name: string): void {
    for (const needed of this.#needed.values()) {
      if (needed.ranks.delete(name)) this.#unpinUnused(needed);
    }
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

  async #inLayTurn(work: () => Promise<unknown>): Promise<void> {
    const done = this.#layTurn.then(work);
    this.#layTurn = done.then(
      () => {},
      () => {}, // Whoever asked for it hears of it.
    );
    await done;
  }
}
