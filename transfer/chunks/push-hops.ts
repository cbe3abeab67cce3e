// A push over one of several next hops, chunk by chunk: whichever has room takes the next one.
//
// There is one queue. Each hop has a push of its own, which takes from the queue as far as its
// share of what may be unsafe reaches: a slow hop takes little and holds up nobody. A hop that
// breaks is tried again; what it had and did not settle goes back to the queue, where the others
// find it. How often a hop is tried, its `pause` says, and nothing below or above it tries again.
//
// What must always hold: a chunk that was added is settled once, or the push fails.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { PinName } from "./content-store.ts";
import type { ChunkCodec, ChunkSource } from "./exchange.ts";
import { pushChunks } from "./push.ts";

export interface SendHop {
  /** Of the pushes to it. It decides by that. */
  readonly scope: PinName;
  /** A session with it. Its failures are tried again here, and nowhere below. */
  readonly next: (signal: AbortSignal) => Promise<StreamSession>;
  /**
   * Waits before the next try, after so many in a row that moved nothing.
   * @throws whatever says why there is none: this hop is given up. `once`: it is not tried again.
   */
  readonly pause: "once" | ((failures: number, signal: AbortSignal) => Promise<void>);
}

export interface HopsOptions {
  readonly hops: readonly SendHop[];
  readonly from: ChunkSource;
  readonly work: ChunkCodec;
  readonly signal: AbortSignal;
  readonly log?: Log;
  /** Of one hop, where there are several: offered and not yet safe. */
  readonly openBytesMax?: number;
  /** The channel broke, or could not be had. It is tried again. */
  readonly onBroken?: (error: unknown) => void;
  readonly onSent?: ((ref: ChunkRef) => void) | undefined;
  readonly onSafe?: (ref: ChunkRef) => void;
  /** Each chunk that was added is settled by one of these. */
  readonly onDelivered: (ref: ChunkRef) => void;
  readonly onRefused: (ref: ChunkRef) => void;
  readonly onMissing: (ref: ChunkRef) => void;
}

export interface HopCounts {
  moved: number;
  movedBytes: number;
  known: number;
}

export class HopsPush {
  readonly counts: HopCounts = { moved: 0, movedBytes: 0, known: 0 };
  readonly #options: HopsOptions;
  readonly #log: Log;
  readonly #queue: ChunkRef[] = [];
  /** Added and not yet settled. */
  readonly #open = new Map<Digest, ChunkRef>();
  #waiting: (() => void)[] = [];
  #isWhole = false;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #hopsLeft: number;

  constructor(options: HopsOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#hopsLeft = options.hops.length;
  }

  add(ref: ChunkRef): void {
    if (this.#open.has(ref.digest)) return;
    this.#open.set(ref.digest, ref);
    this.#queue.push(ref);
    this.#wake();
  }

  /** What was added and is not settled. */
  open(digest: Digest): ChunkRef | undefined {
    return this.#open.get(digest);
  }

  /** Nothing more is added. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  /**
   * Resolves when `end` was called and all is settled.
   * @throws what the last hop was given up for; what no other hop would help with.
   */
  async run(): Promise<void> {
    try {
      await Promise.all(this.#options.hops.map((hop) => this.#keepPushing(hop)));
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    }
  }

  get #isOver(): boolean {
    return this.#isWhole && this.#open.size === 0;
  }

  async #keepPushing(hop: SendHop): Promise<void> {
    let failures = 0;
    while (!this.#isOver) {
      this.#signal.throwIfAborted();
      const { settled, error: broken } = await this.#tryHop(hop);
      if (broken === undefined) return;
      failures = settled > 0 ? 1 : failures + 1;
      try {
        if (hop.pause === "once") throw broken;
        await hop.pause(failures, this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        this.#hopsLeft -= 1;
        if (this.#hopsLeft === 0 && !this.#isOver) throw error;
        this.#log.warn("a hop is given up", { why: errorText(error) });
        return;
      }
    }
  }

  /** How many it settled, and why it broke; no error if all is settled. */
  async #tryHop(hop: SendHop): Promise<{ settled: number; error?: SkyError }> {
    let settled = 0;
    const taken = new Map<Digest, ChunkRef>();
    try {
      const session = await hop.next(this.#signal);
      await this.#push({ hop, session, taken, onSettled: () => (settled += 1) });
      if (this.#isOver) return { settled };
      throw new SkyError("stream/closed", { why: "the next hop wants no more" });
    } catch (error) {
      for (const ref of taken.values()) this.#queue.unshift(ref);
      this.#wake();
      this.#signal.throwIfAborted();
      if (!isSkyError(error) || error.remedy !== "retry") throw error;
      this.#options.onBroken?.(error);
      this.#log.info("a next hop is tried again", { why: errorText(error) });
      return { settled, error };
    }
  }

  async #push({ hop, session, taken, onSettled }: HopTry): Promise<void> {
    const { from, work, onSafe, onDelivered, onRefused, onMissing, openBytesMax } = this.#options;
    const settle = (ref: ChunkRef, tell: (ref: ChunkRef) => void): void => {
      taken.delete(ref.digest);
      if (!this.#open.delete(ref.digest)) return;
      onSettled();
      tell(ref);
      if (this.#isOver) this.#wake();
    };
    const over = new AbortController();
    try {
      const { moved, movedBytes, known } = await pushChunks({
        session,
        scope: hop.scope,
        offer: this.#offer(taken, over.signal),
        from,
        until: "delivered",
        work,
        signal: this.#signal,
        ...(this.#options.hops.length > 1 && openBytesMax !== undefined && { openBytesMax }),
        onSent: this.#options.onSent,
        ...(onSafe && { onSafe }),
        onDelivered: (ref) => settle(ref, onDelivered),
        onRefused: (ref) => settle(ref, onRefused),
        onMissing: (ref) => settle(ref, onMissing),
      });
      this.counts.moved += moved;
      this.counts.movedBytes += movedBytes;
      this.counts.known += known;
    } finally {
      over.abort();
      this.#wake();
    }
  }

  async *#offer(taken: Map<Digest, ChunkRef>, over: AbortSignal): AsyncGenerator<ChunkRef> {
    while (!over.aborted && !this.#isOver) {
      const ref = this.#queue.shift();
      if (ref === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      } else if (this.#open.has(ref.digest)) {
        taken.set(ref.digest, ref);
        yield ref;
      }
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

interface HopTry {
  readonly hop: SendHop;
  readonly session: StreamSession;
  readonly taken: Map<Digest, ChunkRef>;
  readonly onSettled: () => void;
}
